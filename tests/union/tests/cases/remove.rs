//! Names that go, and must not come back.

use rustix::fs::{FileType, OFlags};
use rustix::io::Errno;
use sapwood_union::{Bench, NOBODY, Outcome, as_user, equal, fails_with, holds};

use crate::case::cases;

cases! { "remove":
    files_of_each_layer,
    directories_of_each_layer,
    full_directories_stay,
    a_directory_of_whiteouts_is_empty,
    special_files_of_a_lower,
    nothing_is_copied_up_to_remove_it,
    the_wrong_call,
    the_sticky_bit_protects,
    again_and_again,
    a_tree_of_three_layers,
    the_root_stays,
}

fn files_of_each_layer(b: &mut Bench) -> Outcome {
    for (layer, names) in [(b.lower(0)?, ["low", "both"]), (b.upper(), ["up", "both"])] {
        for name in names {
            layer.file(name, b"")?;
        }
    }
    let t = b.mount()?;
    for name in ["low", "up", "both"] {
        t.unlink(name)?;
        fails_with(name, t.stat(name), Errno::NOENT)?;
        fails_with(name, rustix::fs::unlink(t.path(name)), Errno::NOENT)?;
    }
    holds(t.names("")?.is_empty(), "nothing is listed")?;
    let t = b.remount()?;
    holds(t.names("")?.is_empty(), "nothing comes back")?;
    for (name, left) in [("low", true), ("both", true), ("up", false)] {
        let stat = b.upper().stat(name);
        let kind = stat.map(|s| (FileType::from_raw_mode(s.st_mode), s.st_rdev));
        let expected = if left { Ok((FileType::CharacterDevice, 0)) } else { Err(Errno::NOENT) };
        equal(name, kind, expected)?;
    }
    Ok(())
}

fn directories_of_each_layer(b: &mut Bench) -> Outcome {
    b.lower(0)?.dir("low")?;
    b.lower(0)?.dir("both")?;
    b.upper().dir("up")?;
    b.upper().dir("both")?;
    let t = b.mount()?;
    for name in ["low", "up", "both"] {
        t.rmdir(name)?;
        fails_with(name, t.stat(name), Errno::NOENT)?;
    }
    let t = b.remount()?;
    holds(t.names("")?.is_empty(), "nothing comes back")
}

fn full_directories_stay(b: &mut Bench) -> Outcome {
    b.lower(0)?.dirs("low/x")?;
    b.lower(0)?.dirs("both/x")?;
    b.upper().dirs("up/x")?;
    b.upper().dir("both")?;
    let t = b.mount()?;
    for name in ["low", "up", "both"] {
        fails_with(name, t.rmdir(name), Errno::NOTEMPTY)?;
        equal(name, t.names(name)?, ["x"])?;
    }
    Ok(())
}

fn a_directory_of_whiteouts_is_empty(b: &mut Bench) -> Outcome {
    b.lower(1)?.dir("d")?;
    b.lower(1)?.file("d/low", b"")?;
    b.lower(0)?.dir("d")?;
    b.lower(0)?.whiteout("d/low")?;
    b.upper().dir("d")?;
    b.upper().whiteout("d/other")?;
    let t = b.mount()?;
    t.rmdir("d")?;
    fails_with("d", t.stat("d"), Errno::NOENT)?;
    t.dir("d")?;
    let t = b.remount()?;
    holds(t.names("d")?.is_empty(), "nothing comes back")
}

fn special_files_of_a_lower(b: &mut Bench) -> Outcome {
    let low = b.lower(0)?;
    low.node("fifo", FileType::Fifo, 0o600, (0, 0))?;
    low.node("null", FileType::CharacterDevice, 0o600, (1, 3))?;
    low.symlink("x", "link")?;
    let t = b.mount()?;
    for name in ["fifo", "null", "link"] {
        t.unlink(name)?;
    }
    let t = b.remount()?;
    holds(t.names("")?.is_empty(), "nothing comes back")
}

fn nothing_is_copied_up_to_remove_it(b: &mut Bench) -> Outcome {
    b.lower(0)?.file("big", b"")?;
    b.lower(0)?.truncate("big", 1 << 40)?;
    let t = b.mount()?;
    t.unlink("big")?;
    equal("on disk", b.upper().stat("big")?.st_size, 0)
}

fn the_wrong_call(b: &mut Bench) -> Outcome {
    b.lower(0)?.file("f", b"")?;
    b.lower(0)?.dir("d")?;
    let t = b.mount()?;
    fails_with("rmdir of a file", t.rmdir("f"), Errno::NOTDIR)?;
    fails_with("unlink of a directory", rustix::fs::unlink(t.path("d")), Errno::ISDIR)?;
    fails_with("below a file", rustix::fs::unlink(t.path("f/x")), Errno::NOTDIR)?;
    fails_with("rmdir of .", t.rmdir("d/."), Errno::INVAL)
}

fn the_sticky_bit_protects(b: &mut Bench) -> Outcome {
    let low = b.lower(0)?;
    low.dir("d")?;
    low.chmod("d", 0o1777)?;
    low.file("d/theirs", b"")?;
    low.file("d/mine", b"")?;
    low.chown("d/mine", NOBODY, NOBODY)?;
    let t = b.mount()?;
    as_user((NOBODY, NOBODY), &[], || {
        fails_with("theirs", rustix::fs::unlink(t.path("d/theirs")), Errno::PERM)?;
        fails_with("renamed", t.rename("d/theirs", "d/x"), Errno::PERM)?;
        fails_with("replaced", t.rename("d/mine", "d/theirs"), Errno::PERM)?;
        t.unlink("d/mine")
    })
}

fn again_and_again(b: &mut Bench) -> Outcome {
    b.lower(0)?.file("f", b"low")?;
    let t = b.mount()?;
    for round in 0..20 {
        t.unlink("f")?;
        fails_with("f", t.stat("f"), Errno::NOENT)?;
        match round % 3 {
            0 => t.file("f", b"new")?,
            1 => t.symlink("x", "f")?,
            _ => t.node("f", FileType::Fifo, 0o600, (0, 0))?,
        }
        holds(t.stat("f").is_ok(), "it is there")?;
    }
    Ok(())
}

fn a_tree_of_three_layers(b: &mut Bench) -> Outcome {
    for (layer, name) in [(b.lower(1)?, "two"), (b.lower(0)?, "one"), (b.upper(), "up")] {
        layer.dirs("d/all/deep")?;
        layer.dirs(format!("d/{name}/deep"))?;
        layer.file(format!("d/{name}/deep/f"), b"")?;
        layer.file(format!("d/all/deep/{name}"), b"")?;
    }
    let t = b.mount()?;
    std::fs::remove_dir_all(t.path("d"))?;
    fails_with("d", t.stat("d"), Errno::NOENT)?;
    let t = b.remount()?;
    holds(t.names("")?.is_empty(), "nothing comes back")
}

fn the_root_stays(b: &mut Bench) -> Outcome {
    b.lower(0)?.file("f", b"")?;
    let t = b.mount()?;
    let root = t.open("", OFlags::DIRECTORY)?;
    t.unlink("f")?;
    fails_with("the mount point", t.rmdir(""), Errno::BUSY)?;
    equal("links", rustix::fs::fstat(&root)?.st_nlink >= 1, true)
}
