//! Copy-on-write as the traits tell it: each promise, and each confession, is
//! held against what happens.

use std::fs::File;
use std::io::Read;
use std::num::NonZeroU32;
use std::os::unix::fs::FileExt;

use graphdriver_api::CopyUnit;
use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::suite::case::cases;
use crate::suite::context::Context;
use crate::suite::files::Files;
use crate::suite::stop::{Stop, Verdict, When, ensure, errno, same};
use crate::suite::store::{lines, same_tree};

cases! { copying:
    Law hard_links_after_a_write,
        Contract("Names that were hard links of one file in a layer below still are after one of them is written to.");
    Law directories_renamed,
        Contract("A directory that came from a layer below can be renamed with rename(2).");
    Law directories_moved_from_long_paths,
        Contract("The longest path, in bytes and from the root without a slash before it, that a directory of the layer below may have there to be moved into another directory");
    Law a_new_directory_can_always_be_renamed,
        Contract("A directory that came from a layer below can be renamed with rename(2).");
    Law readers_while_another_writes,
        Contract("A descriptor that was opened read-only before another writes to the same file sees what is written.");
    Law inode_numbers_after_a_write,
        Contract("`st_ino` of a file stays what it was when the file is first written to.");
    Law a_write_through_a_mapping,
        Contract("its tree equals its base's tree, content and attributes of the root included"),
        needs [MapWrite];
    Law what_the_first_change_copies, Contract("What the first change to a file copies.");
    Law every_attribute_of_what_is_copied,
        Contract("its tree equals its base's tree, content and attributes of the root included");
    Law holes_of_what_is_copied, Contract("Allocated bytes (512 × `st_blocks`), not apparent length.");
    Behaviour links_are_counted, System("stat(2), st_nlink: the number of hard links");
    Behaviour writers_and_later_readers_agree,
        System("write(2): a read that can be proved to occur after a write returns the new data");
}

fn hard_links_after_a_write(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let l = store.layer("l", None, |files| {
        files.dir("dir")?;
        files.write("a", b"1")?;
        files.link("a", "b")?;
        files.link("a", "dir/c")
    })?;
    let promised = store.traits().hard_links_survive_write;
    let d = store.on("d", &l)?;
    store.edit(&d, |files| files.append("a", b"2"))?;
    let found =
        store.look(&d, |files| Ok((files.read("a")?, files.read("b")?, files.read("dir/c")?)))?;
    same("the name that was written to", &found.0[..], b"12")?;
    let expected: &[u8] = if promised { b"12" } else { b"1" };
    let what = format!("hard_links_survive_write is {promised}, the other names");
    same(what, (&found.1[..], &found.2[..]), (expected, expected))?;
    // New links of the draft's own are links with every driver.
    store.edit(&d, |files| {
        files.link("a", "own")?;
        files.append("own", b"3")
    })?;
    same("links of the draft's own", store.look(&d, |files| files.read("a"))?, b"123")
}

fn directories_renamed(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let l = store.layer("l", None, |files| {
        files.dir("dir")?;
        files.dir("dir/sub")?;
        files.write("dir/sub/f", b"1")
    })?;
    let promised = store.traits().directory_rename;
    let d = store.on("d", &l)?;
    let result = store.edit(&d, |files| Ok(files.try_rename("dir", "moved")))?;
    if !promised {
        errno("directory_rename is false, rename", result, Errno::XDEV)?;
        return same("the file", store.look(&d, |files| files.read("dir/sub/f"))?, b"1");
    }
    result.when("directory_rename is true, rename")?;
    same("the file", store.look(&d, |files| files.read("moved/sub/f"))?, b"1")?;
    ensure!(!store.look(&d, |files| files.has("dir"))?, "the old name is still there");
    let top = store.committed(&d, "top")?;
    let again = store.on("again", &top)?;
    store.edit(&again, |files| {
        files.dir("dir")?;
        files.rename("moved/sub", "dir/sub")
    })?;
    same("moved again", store.look(&again, |files| files.read("dir/sub/f"))?, b"1")
}

fn directories_moved_from_long_paths(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let promised = store.traits().longest_moved_path.map(NonZeroU32::get);
    // A component may have 255 bytes.
    let above = "n".repeat(253);
    let paths = [format!("{above}/a"), format!("{above}/bb"), format!("{above}/ccc")];
    let l = store.layer("l", None, |files| {
        files.dir("elsewhere")?;
        files.dir(&above)?;
        paths.iter().try_for_each(|path| files.dir(path))
    })?;
    let d = store.on("d", &l)?;
    for (path, moved) in paths.iter().zip(["elsewhere/a", "elsewhere/b", "elsewhere/c"]) {
        let result = store.edit(&d, |files| Ok(files.try_rename(path, moved)))?;
        let len = path.len();
        if !store.traits().directory_rename
            || promised.is_some_and(|longest| len > longest as usize)
        {
            errno(format!("longest_moved_path is {promised:?}, {len} bytes"), result, Errno::XDEV)?;
        } else {
            result.when("move a directory")?;
        }
    }
    Ok(())
}

fn a_new_directory_can_always_be_renamed(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let l = store.layer("l", None, |files| files.dir("below"))?;
    let d = store.on("d", &l)?;
    store.edit(&d, |files| {
        files.dir("new")?;
        files.write("new/f", b"1")?;
        files.rename("new", "below/moved")
    })?;
    same("the file", store.look(&d, |files| files.read("below/moved/f"))?, b"1")
}

fn readers_while_another_writes(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let l = store.layer("l", None, |files| files.write("f", b"old"))?;
    let promised = store.traits().readers_see_writes;
    let d = store.on("d", &l)?;
    let seen = store.edit(&d, |files| {
        let mut reader = File::from(files.open("f", OFlags::RDONLY)?);
        files.patch("f", 0, b"new")?;
        let mut seen = Vec::new();
        reader.read_to_end(&mut seen)?;
        Ok(seen)
    })?;
    // "It may keep the old bytes": where nothing is promised, both are right.
    if promised {
        return same("readers_see_writes is true, a reader sees", seen, b"new");
    }
    ensure!(seen == b"new" || seen == b"old", "a reader sees {seen:?}, which nobody wrote");
    Ok(())
}

fn inode_numbers_after_a_write(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let l = store
        .layer("l", None, |files| files.write("f", b"1").and_then(|()| files.write("g", b"2")))?;
    let promised = store.traits().inodes_are_stable;
    let d = store.on("d", &l)?;
    let changed = store.edit(&d, |files| {
        let before = (files.stat("f")?.st_ino, files.stat("g")?.st_ino);
        files.append("f", b"+")?;
        files.chmod("g", 0o600)?;
        Ok(before != (files.stat("f")?.st_ino, files.stat("g")?.st_ino))
    })?;
    same("inodes_are_stable", promised, !changed)
}

fn what_the_first_change_copies(cx: &Context<'_>) -> Verdict {
    const MIB: usize = 1 << 20;
    let store = cx.open()?;
    let l = store.layer("l", None, |files| {
        files.write("large", vec![1; 8 * MIB])?;
        files.write("other", vec![2; 8 * MIB])
    })?;
    let d = store.on("d", &l)?;
    let prepared = store.usage((&d).into())?.bytes;
    store.edit(&d, |files| files.patch("large", 4 << 20, b"x"))?;
    let used = store.usage((&d).into())?.bytes;
    let mib = MIB as u64;
    let (least, most) = match store.traits().copy_unit {
        // Sharing by reflink isn't told in st_blocks, so that both are counted.
        CopyUnit::Tree => (16 * mib, 17 * mib),
        CopyUnit::File => (8 * mib, 9 * mib),
        CopyUnit::Block => (0, 2 * mib),
    };
    let unit = store.traits().copy_unit;
    ensure!((least..=most).contains(&used), "{unit:?} is copied, and the draft holds {used} bytes");
    let at_first = if unit == CopyUnit::Tree { 16 * mib..=17 * mib } else { 0..=mib };
    ensure!(at_first.contains(&prepared), "{unit:?} is copied, and a new draft holds {prepared}");
    let found = store.look(&d, |files| {
        let file = File::from(files.open("large", OFlags::RDONLY)?);
        let mut bytes = [0; 3];
        file.read_exact_at(&mut bytes, (4 << 20) - 1)?;
        Ok(bytes)
    })?;
    same("around the byte", found, [1, b'x', 1])
}

fn every_attribute_of_what_is_copied(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let l = store.layer("l", None, super::kinds::write_everything)?;
    let before = store.tree(&l)?;
    let d = store.on("d", &l)?;
    store.edit(&d, |files| {
        for name in files.names("everything")? {
            // The owner's group changes and changes back: all of it is copied,
            // and nothing of it differs (setuid bits, which chown(2) clears,
            // and times are put back).
            let path = std::path::Path::new("everything").join(&name);
            copy_up_and_put_back(files, &path)?;
        }
        Ok(())
    })?;
    let after = store.tree(&d)?;
    let differences: Vec<_> = before
        .differences(&after)
        .iter()
        .map(ToString::to_string)
        .filter(|line| {
            !line.contains("same file")
                && !line.contains("link count")
                && !line.contains("of its own")
        })
        .collect();
    same("differences after a change and back", differences, Vec::<String>::new())
}

fn copy_up_and_put_back(files: &Files, path: &std::path::Path) -> Verdict {
    let stat = files.stat(path)?;
    let capability = files.xattr(path, "security.capability")?;
    files.chown(path, stat.st_uid, 99)?;
    files.chown(path, stat.st_uid, stat.st_gid)?;
    let kind = rustix::fs::FileType::from_raw_mode(stat.st_mode);
    if kind != rustix::fs::FileType::Symlink {
        files.chmod(path, stat.st_mode & 0o7777)?;
    }
    if let Some(value) = capability {
        files.set_xattr(path, "security.capability", &value)?;
    }
    let nsec = i64::try_from(stat.st_mtime_nsec).unwrap_or(0);
    files.touch(path, stat.st_mtime, nsec)
}

fn holes_of_what_is_copied(cx: &Context<'_>) -> Verdict {
    const LENGTH: u64 = 1 << 30;
    let store = cx.open()?;
    let l = store.layer("l", None, |files| {
        files.write("sparse", b"start")?;
        Ok(rustix::fs::ftruncate(files.open("sparse", OFlags::WRONLY)?, LENGTH)?)
    })?;
    let d = store.on("d", &l)?;
    store.edit(&d, |files| files.patch("sparse", LENGTH / 2, b"middle"))?;
    let used = store.usage((&d).into())?.bytes;
    // Linux copies at least so much of a file at once (overlayfs: 1 MiB).
    ensure!(
        used < 16 << 20,
        "a GiB with 11 bytes of data takes {used} bytes once it was written to"
    );
    let l = store.committed(&d, "top")?;
    let found = store.looking_at(&l, |view| {
        store.look(view, |files| {
            let file = File::from(files.open("sparse", OFlags::RDONLY)?);
            let mut bytes = [0; 8];
            file.read_exact_at(&mut bytes, LENGTH / 2 - 1)?;
            Ok((bytes, file.metadata()?.len()))
        })
    })?;
    same("what was written, and the length", found, (*b"\0middle\0", LENGTH))
}

fn writers_and_later_readers_agree(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let l = store.layer("l", None, |files| files.write("f", b"0000"))?;
    let d = store.on("d", &l)?;
    store.edit(&d, |files| {
        let first = File::from(files.open("f", OFlags::RDWR)?);
        let second = File::from(files.open("f", OFlags::RDWR)?);
        first.write_all_at(b"1", 0)?;
        second.write_all_at(b"2", 1)?;
        same("by a third", files.read("f")?, b"1200")?;
        let mut bytes = [0; 4];
        first.read_exact_at(&mut bytes, 0)?;
        same("by the first writer", &bytes[..], b"1200")?;
        files.rename("f", "g")?;
        second.write_all_at(b"3", 2)?;
        same("renamed meanwhile", files.read("g")?, b"1230")
    })
}

fn links_are_counted(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let l = store.layer("l", None, |files| {
        files.write("a", b"1")?;
        files.link("a", "b")?;
        files.link("a", "c")
    })?;
    let d = store.on("d", &l)?;
    let count = |files: &Files, path: &str| Ok::<_, Stop>(files.stat(path)?.st_nlink);
    store.edit(&d, |files| {
        same("links of a file below", count(files, "a")?, 3)?;
        files.unlink("b")?;
        same("links with a name less", count(files, "a")?, 2)?;
        files.link("c", "d")?;
        same("links with a name more", count(files, "d")?, 3)
    })
}

fn a_write_through_a_mapping(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let l = store.layer("l", None, |files| files.write("f", vec![b'0'; 10_000]))?;
    let before = store.tree(&l)?;
    let d = store.on("d", &l)?;
    store.edit(&d, |files| {
        let file = files.open("f", OFlags::RDWR)?;
        cx.write_mapped(&file, 4090, b"across two pages")?;
        let mut bytes = [0; 18];
        File::from(file).read_exact_at(&mut bytes, 4089)?;
        same("by the same descriptor", &bytes, b"0across two pages0")
    })?;
    let found = store.look(&d, |files| files.read("f"))?;
    same("in the next mount", &found[4089..4107], b"0across two pages0")?;
    same_tree("the layer", &store.tree(&l)?, &before)?;
    let told = lines(&store.changes_of(&d)?);
    ensure!(told.iter().any(|line| line == "M f"), "changes don't tell of it: {told:?}");
    Ok(())
}
