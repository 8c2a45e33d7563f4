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
pub(super) fn kept(
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
    super::attributes::write_capabilities(&files)?;
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
