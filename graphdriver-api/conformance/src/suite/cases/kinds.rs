//! Every kind of file, and everything that can be known about one, through a
//! commit, in a view, and in a draft on top.

use std::fs::File;
use std::os::unix::fs::FileExt;

use graphdriver_api::Base;
use rustix::fs::{FileType, OFlags};

use crate::snapshot::{Entry, Snapshot};
use crate::suite::case::cases;
use crate::suite::context::Context;
use crate::suite::files::Files;
use crate::suite::stop::{Verdict, When, ensure, same};
use crate::suite::store::same_tree;

cases! { kinds:
    Law directories, Contract("the layer has the draft's tree");
    Law symbolic_links, Contract("the layer has the draft's tree");
    Law fifos_and_sockets, Contract("the layer has the draft's tree");
    Law devices, Contract("the layer has the draft's tree");
    Law the_device_zero,
        Contract("A character device with number 0:0 can be created. Union file systems can't have one");
    Law permission_bits, Contract("the layer has the draft's tree");
    Law owners_up_to_the_largest, Contract("the layer has the draft's tree");
    Law times_to_the_nanosecond, Contract("the layer has the draft's tree");
    Law times_before_1970_and_far_away, Contract("the layer has the draft's tree");
    Law attributes_of_each_name_space, Contract("the layer has the draft's tree");
    Law attributes_large_and_many, Contract("the layer has the draft's tree");
    Law access_control_lists, Contract("the layer has the draft's tree");
    Law file_capabilities, Contract("the layer has the draft's tree");
    Law treacherous_names, Contract("Bytes as they are on disk: not necessarily UTF-8.");
    Law hard_links_across_directories, Contract("the layer has the draft's tree");
    Law files_at_size_boundaries, Contract("the layer has the draft's tree");
    Law a_sparse_tebibyte, Contract("the layer has the draft's tree");
    Law deeper_than_a_path_is_long, Contract("the layer has the draft's tree");
    Law five_thousand_in_a_directory, Contract("the layer has the draft's tree");
    Law all_of_them_together, Contract("A committed layer is complete by construction");
}

/// Writes a tree into a layer, and checks it there, in a view, in a draft on
/// top, and in one more layer on top of that; against `expected` as well, if
/// given.
fn kept(
    cx: &Context<'_>,
    write: impl FnOnce(&Files) -> Verdict,
    expected: Option<&Snapshot>,
) -> Verdict {
    let store = cx.open()?;
    let d = store.draft("d", Base::Scratch)?;
    let written = store.edit(&d, |files| {
        write(files)?;
        files.snapshot()
    })?;
    if let Some(expected) = expected {
        same_tree("as written", &written, expected)?;
    }
    let l = store.committed(&d, "l")?;
    same_tree("a view of the layer", &store.tree(&l)?, &written)?;
    let on = store.on("on", &l)?;
    same_tree("a draft on it", &store.tree(&on)?, &written)?;
    store.edit(&on, |files| {
        files.write("one-more", b"1")?;
        files.unlink("one-more")?;
        put_back(files, &written)
    })?;
    let top = store.committed(&on, "top")?;
    drop(store);
    same_tree("two layers up, opened again", &cx.open()?.tree(&top)?, &written)
}

/// Gives the root the time that it had.
fn put_back(files: &Files, tree: &Snapshot) -> Verdict {
    match tree.get(".").map(|root| root.mtime) {
        Some(crate::snapshot::When::At(t)) => files.touch(".", t.sec, i64::from(t.nsec)),
        _ => Ok(()),
    }
}

fn directories(cx: &Context<'_>) -> Verdict {
    let mut expected = Snapshot::new();
    for path in ["empty", "a", "a/b", "a/b/c", "a/b/c/d"] {
        expected = expected.with(path, Entry::directory().mode(0o2770).mtime(9, 9));
    }
    let write = |files: &Files| -> Verdict {
        for path in ["empty", "a", "a/b", "a/b/c", "a/b/c/d"] {
            files.dir(path)?;
            files.chmod(path, 0o2770)?;
        }
        for path in ["empty", "a/b/c/d", "a/b/c", "a/b", "a"] {
            files.touch(path, 9, 9)?;
        }
        Ok(())
    };
    kept(cx, write, Some(&expected))
}

fn symbolic_links(cx: &Context<'_>) -> Verdict {
    let long = "t/".repeat(2047) + "x";
    let targets = ["f", "/absolute", "../../..", "dangling", ".", " ", &long];
    let link = |target: &str, i: usize| {
        let owner = u32::try_from(i).unwrap_or(0);
        Entry::symlink(target).owner(owner, 9).mtime(i as i64, 77)
    };
    let mut expected = Snapshot::new();
    for (i, target) in targets.iter().enumerate() {
        expected = expected.with(format!("link{i}"), link(target, i));
    }
    let write = |files: &Files| -> Verdict {
        for (i, target) in targets.iter().enumerate() {
            let path = format!("link{i}");
            files.symlink(target, &path)?;
            files.chown(&path, u32::try_from(i).unwrap_or(0), 9)?;
            files.touch(&path, i as i64, 77)?;
        }
        Ok(())
    };
    kept(cx, write, Some(&expected))
}

fn fifos_and_sockets(cx: &Context<'_>) -> Verdict {
    use crate::snapshot::Kind;
    let expected = Snapshot::new()
        .with("fifo", Entry::new(Kind::Fifo).mode(0o620).owner(3, 4).mtime(1, 2))
        .with("socket", Entry::new(Kind::Socket).mode(0o620).owner(3, 4).mtime(1, 2));
    let write = |files: &Files| -> Verdict {
        for (path, kind) in [("fifo", FileType::Fifo), ("socket", FileType::Socket)] {
            files.node(path, kind)?;
            files.chown(path, 3, 4)?;
            files.chmod(path, 0o620)?;
            files.touch(path, 1, 2)?;
        }
        Ok(())
    };
    kept(cx, write, Some(&expected))
}

fn devices(cx: &Context<'_>) -> Verdict {
    use crate::snapshot::Kind::{BlockDevice, CharDevice};
    let numbers = [(1, 3), (5, 1), (0, 1), (1, 0), (259, 1_048_575), (4095, 255)];
    let mut expected = Snapshot::new();
    for (major, minor) in numbers {
        expected = expected
            .with(format!("c{major}-{minor}"), Entry::new(CharDevice(major, minor)))
            .with(format!("b{major}-{minor}"), Entry::new(BlockDevice(major, minor)));
    }
    let expected = expected.with("b0-0", Entry::new(BlockDevice(0, 0)));
    let write = |files: &Files| -> Verdict {
        files.device("b0-0", FileType::BlockDevice, 0, 0)?;
        for (major, minor) in numbers {
            files.device(format!("c{major}-{minor}"), FileType::CharacterDevice, major, minor)?;
            files.device(format!("b{major}-{minor}"), FileType::BlockDevice, major, minor)?;
        }
        Ok(())
    };
    kept(cx, write, Some(&expected))
}

fn the_device_zero(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let d = store.draft("d", Base::Scratch)?;
    let promised = store.traits().zero_device;
    let made = store.edit(&d, |files| {
        files.write("f", b"1")?;
        Ok(files.mknod("zero", FileType::CharacterDevice, 0, 0))
    })?;
    same(format!("zero_device is {promised}, mknod of 0:0"), made.is_ok(), promised)?;
    let there = store.look(&d, |files| files.has("zero"))?;
    same("whether it is there afterwards", there, promised)?;
    let l = store.committed(&d, "l")?;
    let found = store.tree(&l)?.iter().count();
    same("names in the layer", found, if promised { 3 } else { 2 })
}

fn permission_bits(cx: &Context<'_>) -> Verdict {
    let modes = [0o000, 0o400, 0o111, 0o777, 0o4755, 0o2755, 0o6711, 0o1777, 0o7777, 0o4000];
    let mut expected = Snapshot::new();
    for mode in modes {
        expected = expected
            .with(format!("f{mode:o}"), Entry::file(b"x").mode(mode).owner(1, 2))
            .with(format!("d{mode:o}"), Entry::directory().mode(mode).owner(1, 2));
    }
    let write = |files: &Files| -> Verdict {
        for mode in modes {
            files.write(format!("f{mode:o}"), b"x")?;
            files.dir(format!("d{mode:o}"))?;
            for path in [format!("f{mode:o}"), format!("d{mode:o}")] {
                // In this order: a change of the owner clears setuid.
                files.chown(&path, 1, 2)?;
                files.chmod(&path, mode)?;
            }
        }
        Ok(())
    };
    kept(cx, write, Some(&expected))
}

fn owners_up_to_the_largest(cx: &Context<'_>) -> Verdict {
    let ids = [0, 1, 65_533, 65_534, 65_535, 65_536, 2_097_152, 1 << 31, u32::MAX - 1];
    let mut expected = Snapshot::new();
    for id in ids {
        expected = expected.with(format!("f{id}"), Entry::file(b"").owner(id, ids[8] - id));
    }
    let write = |files: &Files| -> Verdict {
        for id in ids {
            files.write(format!("f{id}"), b"")?;
            files.chown(format!("f{id}"), id, ids[8] - id)?;
        }
        Ok(())
    };
    kept(cx, write, Some(&expected))
}

fn times_to_the_nanosecond(cx: &Context<'_>) -> Verdict {
    let times = [(0, 0), (0, 1), (1, 999_999_999), (1_700_000_000, 123_456_789), (-1, 0)];
    write_times(cx, &times)
}

/// What ext4 with large inodes can keep: 34 bits of seconds from -2^31.
fn times_before_1970_and_far_away(cx: &Context<'_>) -> Verdict {
    let times =
        [(-1, 999_999_999), (-2_147_483_648, 0), (2_147_483_648, 5), (15_032_385_535, 999_999_999)];
    cx.medium_can("keep times before 1970 and after 2446", |files| {
        files.write("f", b"")?;
        times.iter().try_for_each(|(sec, nsec)| {
            files.touch("f", *sec, *nsec)?;
            let stat = files.stat("f")?;
            same(
                "time",
                (stat.st_mtime, i64::try_from(stat.st_mtime_nsec).unwrap_or(-1)),
                (*sec, *nsec),
            )
        })
    })?;
    write_times(cx, &times)
}

fn write_times(cx: &Context<'_>, times: &[(i64, i64)]) -> Verdict {
    let mut expected = Snapshot::new();
    for (i, (sec, nsec)) in times.iter().enumerate() {
        let nsec = u32::try_from(*nsec).unwrap_or(0);
        expected = expected
            .with(format!("f{i}"), Entry::file(b"").mtime(*sec, nsec))
            .with(format!("d{i}"), Entry::directory().mtime(*sec, nsec))
            .with(format!("l{i}"), Entry::symlink("x").mtime(*sec, nsec));
    }
    let write = |files: &Files| -> Verdict {
        for (i, (sec, nsec)) in times.iter().enumerate() {
            files.write(format!("f{i}"), b"")?;
            files.dir(format!("d{i}"))?;
            files.symlink("x", format!("l{i}"))?;
            for letter in ["f", "d", "l"] {
                files.touch(format!("{letter}{i}"), *sec, *nsec)?;
            }
        }
        Ok(())
    };
    kept(cx, write, Some(&expected))
}

fn attributes_of_each_name_space(cx: &Context<'_>) -> Verdict {
    let names = ["user.u", "trusted.t", "security.s"];
    let write = |files: &Files| -> Verdict {
        files.write("f", b"")?;
        files.dir("d")?;
        for name in names {
            files.set_xattr("f", name, b"a\0b\xff")?;
            files.set_xattr("d", name, b"")?;
        }
        Ok(())
    };
    cx.medium_can("keep user, trusted and security attributes", write)?;
    let with_all = |mut entry: Entry, value: &[u8]| {
        for name in names {
            entry = entry.xattr(name, value);
        }
        entry
    };
    let expected = Snapshot::new()
        .with("f", with_all(Entry::file(b""), b"a\0b\xff"))
        .with("d", with_all(Entry::directory(), b""));
    kept(cx, write, Some(&expected))
}

fn attributes_large_and_many(cx: &Context<'_>) -> Verdict {
    let write = |files: &Files| -> Verdict {
        files.write("large", b"")?;
        files.set_xattr("large", "trusted.large", &[b'v'; 3500])?;
        files.set_xattr("large", &format!("trusted.{}", "n".repeat(240)), b"long name")?;
        files.write("many", b"")?;
        (0..60).try_for_each(|i| files.set_xattr("many", &format!("trusted.{i}"), b"value"))
    };
    cx.medium_can("keep 4 KiB of attributes", write)?;
    kept(cx, write, None)
}

/// What `setfacl -m u:1000:rw,g:2000:r` writes (`linux/posix_acl_xattr.h`):
/// version 2, then tag, permissions and id of each entry, little endian.
pub(super) fn acl() -> Vec<u8> {
    const NONE: u32 = u32::MAX;
    let entries: [(u16, u16, u32); 6] =
        [(1, 6, NONE), (2, 6, 1000), (4, 4, NONE), (8, 4, 2000), (0x10, 6, NONE), (0x20, 4, NONE)];
    let mut bytes = 2_u32.to_le_bytes().to_vec();
    for (tag, permissions, id) in entries {
        bytes.extend(tag.to_le_bytes());
        bytes.extend(permissions.to_le_bytes());
        bytes.extend(id.to_le_bytes());
    }
    bytes
}

pub(super) fn write_acls(files: &Files) -> Verdict {
    files.write("f", b"")?;
    files.set_xattr("f", "system.posix_acl_access", &acl())?;
    files.dir("d")?;
    files.set_xattr("d", "system.posix_acl_access", &acl())?;
    files.set_xattr("d", "system.posix_acl_default", &acl())
}

fn access_control_lists(cx: &Context<'_>) -> Verdict {
    cx.medium_can("keep POSIX ACLs", write_acls)?;
    let access = "system.posix_acl_access";
    let expected =
        Snapshot::new().with("f", Entry::file(b"").mode(0o664).xattr(access, acl())).with(
            "d",
            Entry::directory()
                .mode(0o664)
                .xattr(access, acl())
                .xattr("system.posix_acl_default", acl()),
        );
    kept(cx, write_acls, Some(&expected))
}

/// `cap_net_bind_service=ep`, and the same for a name space whose root is 5
/// (`linux/capability.h`, revisions 2 and 3).
pub(super) fn write_capabilities(files: &Files) -> Verdict {
    let words = |words: &[u32]| words.iter().flat_map(|w| w.to_le_bytes()).collect::<Vec<u8>>();
    files.write("two", b"")?;
    files.set_xattr("two", "security.capability", &words(&[0x0200_0001, 1 << 10, 0, 0, 0]))?;
    files.write("three", b"")?;
    files.set_xattr("three", "security.capability", &words(&[0x0300_0001, 1 << 10, 0, 0, 0, 5]))
}

fn file_capabilities(cx: &Context<'_>) -> Verdict {
    cx.medium_can("keep file capabilities", write_capabilities)?;
    let store = cx.open()?;
    let l = store.layer("l", None, write_capabilities)?;
    let found = store.tree(&l)?;
    for name in ["two", "three"] {
        let entry = found.get(name);
        let kept = entry
            .is_some_and(|e| e.xattrs.contains_key(std::ffi::OsStr::new("security.capability")));
        ensure!(kept, "{name} has lost its capabilities");
    }
    drop(store);
    let again = cx.open()?;
    let d = again.on("d", &super::super::store::layer("l")?)?;
    same_tree("a draft on it", &again.tree(&d)?, &found)
}

fn treacherous_names(cx: &Context<'_>) -> Verdict {
    let names = super::names::treacherous();
    let mut expected = Snapshot::new().with("dir", Entry::directory());
    for name in &names {
        expected = expected
            .with(name, Entry::file(b"1"))
            .with(std::path::Path::new("dir").join(name), Entry::symlink("x"));
    }
    let write = |files: &Files| -> Verdict {
        files.dir("dir")?;
        for name in &names {
            files.write(name, b"1")?;
            files.symlink("x", std::path::Path::new("dir").join(name))?;
        }
        Ok(())
    };
    kept(cx, write, Some(&expected))
}

fn hard_links_across_directories(cx: &Context<'_>) -> Verdict {
    let expected = Snapshot::new()
        .with("a", Entry::directory())
        .with("b", Entry::directory())
        .with("a/1", Entry::file(b"one file"))
        .link("b/2", "a/1")
        .link("3", "a/1")
        .with("link", Entry::symlink("nowhere"))
        .link("a/link", "link")
        .with("other", Entry::file(b"one file"));
    let write = |files: &Files| -> Verdict {
        files.dir("a")?;
        files.dir("b")?;
        files.write("a/1", b"one file")?;
        files.link("a/1", "b/2")?;
        files.link("b/2", "3")?;
        files.symlink("nowhere", "link")?;
        files.link("link", "a/link")?;
        files.write("other", b"one file")
    };
    kept(cx, write, Some(&expected))
}

fn files_at_size_boundaries(cx: &Context<'_>) -> Verdict {
    let sizes =
        [0, 1, 511, 512, 513, 4095, 4096, 4097, 65_535, 65_536, (1 << 20) - 1, (1 << 20) + 1];
    let content =
        |size: usize| (0..size).map(|i| u8::try_from(i % 251).unwrap_or(0)).collect::<Vec<_>>();
    let mut expected = Snapshot::new();
    for size in sizes {
        expected = expected.with(format!("f{size}"), Entry::file(content(size)));
    }
    let write = |files: &Files| {
        sizes.iter().try_for_each(|size| files.write(format!("f{size}"), content(*size)))
    };
    kept(cx, write, Some(&expected))
}

const TEBIBYTE: u64 = 1 << 40;

fn write_sparse(files: &Files) -> Verdict {
    files.write("sparse", b"start")?;
    let file = File::from(files.open("sparse", OFlags::WRONLY)?);
    file.write_all_at(b"middle", TEBIBYTE / 2).when("write half a tebibyte on")?;
    file.write_all_at(b"end", TEBIBYTE - 3).when("write at the end of a tebibyte")?;
    Ok(())
}

fn a_sparse_tebibyte(cx: &Context<'_>) -> Verdict {
    cx.medium_can("hold a sparse file of 1 TiB", write_sparse)?;
    let store = cx.open()?;
    let l = store.layer("l", None, write_sparse)?;
    let d = store.on("d", &l)?;
    store.edit(&d, |files| files.chmod("sparse", 0o600))?;
    let top = store.committed(&d, "top")?;
    for layer in [&l, &top] {
        let used = store.usage(layer.into())?.bytes;
        // Linux copies at least so much of a file at once (overlayfs: 1 MiB a part).
        ensure!(used < 16 << 20, "a sparse file takes {used} bytes in {layer}");
        store.looking_at(layer, |view| store.look(view, read_sparse))?;
    }
    Ok(())
}

fn read_sparse(files: &Files) -> Verdict {
    let size = files.stat("sparse")?.st_size;
    same("its length", u64::try_from(size).unwrap_or(0), TEBIBYTE)?;
    let file = File::from(files.open("sparse", OFlags::RDONLY)?);
    for (offset, expected) in
        [(0, &b"start\0\0\0"[..]), (TEBIBYTE / 2, b"middle\0\0"), (TEBIBYTE - 8, b"\0\0\0\0\0end")]
    {
        let mut found = [0; 8];
        file.read_exact_at(&mut found, offset)?;
        same(format!("bytes at {offset}"), &found[..], expected)?;
    }
    Ok(())
}

fn deeper_than_a_path_is_long(cx: &Context<'_>) -> Verdict {
    // 25 × 201 bytes, above PATH_MAX (4,096, limits.h(0p)).
    let name = "d".repeat(200);
    let write = |files: &Files| -> Verdict {
        let mut at = Files::at(files.root())?;
        for _ in 0..25 {
            at.dir(&name)?;
            let next = at.open(&name, OFlags::DIRECTORY)?;
            at = Files::at(std::os::fd::AsFd::as_fd(&next))?;
        }
        at.write("bottom", b"reached")
    };
    kept(cx, write, None)?;
    let store = cx.open()?;
    let deep = store.tree(&super::super::store::layer("top")?)?;
    same("names in the tree", deep.iter().count(), 27)
}

fn five_thousand_in_a_directory(cx: &Context<'_>) -> Verdict {
    let write = |files: &Files| -> Verdict {
        files.dir("many")?;
        (0..5000).try_for_each(|i| files.mknod_file(&format!("many/file-with-a-name-{i}")))
    };
    kept(cx, write, None)
}

/// Something of all that this file has, as far as the medium can keep it.
pub(super) fn write_everything(files: &Files) -> Verdict {
    files.dir("everything")?;
    let root = files.open("everything", OFlags::DIRECTORY)?;
    let files = Files::at(std::os::fd::AsFd::as_fd(&root))?;
    files.write("large", vec![b'l'; 200_000])?;
    files.link("large", "hard")?;
    files.symlink("large", "soft")?;
    files.touch("soft", 5, 6)?;
    files.node("fifo", FileType::Fifo)?;
    files.device("null", FileType::CharacterDevice, 1, 3)?;
    files.device("loop", FileType::BlockDevice, 7, 0)?;
    write_capabilities(&files)?;
    files.write("attributes", b"")?;
    files.set_xattr("attributes", "trusted.t", b"\0\xff")?;
    files.write("setuid", b"#!")?;
    files.chown("setuid", 1 << 31, 7)?;
    files.chmod("setuid", 0o6755)?;
    files.dir("sticky")?;
    files.chmod("sticky", 0o1777)?;
    files.touch("sticky", -5, 999_999_999)?;
    rustix::fs::ftruncate(files.open("large", OFlags::WRONLY)?, 1 << 20)?;
    files.touch("large", 1_700_000_000, 1)
}

fn all_of_them_together(cx: &Context<'_>) -> Verdict {
    kept(cx, write_everything, None)
}
