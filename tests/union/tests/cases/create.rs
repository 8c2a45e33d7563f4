//! What is made: its mode, owner and group, and that nothing of a lower layer
//! comes back under a new name.

use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;
use sapwood_union::{Bench, NOBODY, Outcome, as_user, equal, fails_with, holds, with_umask};

use crate::case::cases;

cases! { "create":
    the_umask_is_the_callers,
    owners_are_the_callers,
    setgid_directories_pass_their_group_on,
    a_group_that_isnt_ours_clears_setgid,
    nodes_of_every_kind,
    a_device_zero_zero_is_refused_or_stays_hidden,
    in_a_lower_directory,
    over_a_whiteout,
    a_directory_over_a_whiteout_shows_nothing_of_below,
    a_directory_where_a_file_was_shows_nothing_of_below,
    a_symlink_over_a_whiteout,
    existing_names_are_refused,
    in_a_directory_that_may_not_be_written,
    in_a_removed_directory,
    names_like_aufs_whiteouts,
    parents_times_change,
}

fn the_umask_is_the_callers(b: &mut Bench) -> Outcome {
    b.lower(0)?.dir("d")?;
    let t = b.mount()?;
    for mask in [0o000, 0o022, 0o077, 0o137] {
        let name = |kind: &str| format!("d/{kind}{mask:o}");
        with_umask(mask, || {
            t.open(name("file"), OFlags::CREATE | OFlags::RDWR)?;
            rustix::fs::mkdir(t.path(name("dir")), Mode::from_raw_mode(0o777))?;
            t.node(name("fifo"), FileType::Fifo, 0o666, (0, 0))?;
            Ok(())
        })?;
        equal("file", t.mode(name("file"))?, 0o666 & !mask)?;
        equal("directory", t.mode(name("dir"))?, 0o777 & !mask)?;
        equal("fifo", t.mode(name("fifo"))?, 0o666 & !mask)?;
    }
    Ok(())
}

fn owners_are_the_callers(b: &mut Bench) -> Outcome {
    b.lower(0)?.dir("d")?;
    b.lower(0)?.chmod("d", 0o777)?;
    let t = b.mount()?;
    as_user((1234, 4321), &[], || {
        t.file("d/f", b"")?;
        t.dir("d/e")?;
        t.symlink("x", "d/l")?;
        Ok(t.node("d/p", FileType::Fifo, 0o600, (0, 0))?)
    })?;
    for name in ["d/f", "d/e", "d/l", "d/p"] {
        let stat = t.stat(name)?;
        equal(name, (stat.st_uid, stat.st_gid), (1234, 4321))?;
    }
    Ok(())
}

fn setgid_directories_pass_their_group_on(b: &mut Bench) -> Outcome {
    b.lower(0)?.dir("d")?;
    b.lower(0)?.chown("d", 0, 777)?;
    b.lower(0)?.chmod("d", 0o2777)?;
    let t = b.mount()?;
    as_user((NOBODY, NOBODY), &[], || {
        t.file("d/f", b"")?;
        Ok(t.dir("d/e")?)
    })?;
    equal("file's group", t.stat("d/f")?.st_gid, 777)?;
    equal("directory's group", t.stat("d/e")?.st_gid, 777)?;
    equal("directory's setgid", t.mode("d/e")? & 0o2000, 0o2000)?;
    equal("file's setgid", t.mode("d/f")? & 0o2000, 0)
}

/// A program with setgid can't be made in a directory of a group that one isn't in.
fn a_group_that_isnt_ours_clears_setgid(b: &mut Bench) -> Outcome {
    b.lower(0)?.dir("d")?;
    b.lower(0)?.chown("d", 0, 777)?;
    b.lower(0)?.chmod("d", 0o2777)?;
    let t = b.mount()?;
    let make = |name: &str| {
        let mode = Mode::from_raw_mode(0o2775);
        rustix::fs::open(t.path(name), OFlags::CREATE | OFlags::RDWR, mode)?;
        Ok(())
    };
    as_user((NOBODY, NOBODY), &[], || make("d/stranger"))?;
    as_user((NOBODY, NOBODY), &[777], || make("d/member"))?;
    equal("of a stranger", t.mode("d/stranger")? & 0o2000, 0)?;
    equal("of a member", t.mode("d/member")? & 0o2000, 0o2000)
}

fn nodes_of_every_kind(b: &mut Bench) -> Outcome {
    b.lower(0)?.dir("d")?;
    let t = b.mount()?;
    let kinds = [
        ("d/fifo", FileType::Fifo, (0, 0)),
        ("d/socket", FileType::Socket, (0, 0)),
        ("d/char", FileType::CharacterDevice, (1, 3)),
        ("d/block", FileType::BlockDevice, (7, 250)),
        ("d/big", FileType::CharacterDevice, (300, 70_000)),
        ("d/file", FileType::RegularFile, (0, 0)),
    ];
    for (name, kind, device) in kinds {
        t.node(name, kind, 0o640, device)?;
    }
    let t = b.remount()?;
    for (name, kind, device) in kinds {
        let stat = t.stat(name)?;
        equal(name, FileType::from_raw_mode(stat.st_mode), kind)?;
        equal(name, stat.st_rdev, rustix::fs::makedev(device.0, device.1))?;
    }
    Ok(())
}

fn a_device_zero_zero_is_refused_or_stays_hidden(b: &mut Bench) -> Outcome {
    b.lower(0)?.file("f", b"")?;
    let t = b.mount()?;
    fails_with("a whiteout by hand", t.whiteout("w"), Errno::PERM)?;
    fails_with("over a name", t.whiteout("f"), Errno::EXIST)
}

fn in_a_lower_directory(b: &mut Bench) -> Outcome {
    let low = b.lower(0)?;
    low.dirs("a/b/c")?;
    low.chmod("a/b", 0o710)?;
    low.chown("a/b", 7, 8)?;
    low.set_xattr("a/b", "user.x", b"1")?;
    let t = b.mount()?;
    t.file("a/b/c/f", b"x")?;
    let stat = t.stat("a/b")?;
    equal("parent", (stat.st_mode & 0o7777, stat.st_uid, stat.st_gid), (0o710, 7, 8))?;
    equal("parent's xattr", t.xattr("a/b", "user.x")?, b"1")?;
    equal("on disk", b.upper().read("a/b/c/f")?, b"x")
}

fn over_a_whiteout(b: &mut Bench) -> Outcome {
    b.lower(0)?.file("f", b"low")?;
    b.lower(0)?.chmod("f", 0o751)?;
    b.lower(0)?.set_xattr("f", "user.x", b"1")?;
    let t = b.mount()?;
    t.unlink("f")?;
    t.open("f", OFlags::CREATE | OFlags::EXCL | OFlags::RDWR)?;
    let t = b.remount()?;
    equal("content", t.read("f")?, b"")?;
    equal("mode", t.mode("f")?, 0o644)?;
    holds(t.xattr_names("f")?.is_empty(), "no attribute of the lower file")
}

fn a_directory_over_a_whiteout_shows_nothing_of_below(b: &mut Bench) -> Outcome {
    b.lower(1)?.dirs("d/sub/two")?;
    b.lower(0)?.dirs("d/sub/one")?;
    let t = b.mount()?;
    for name in ["d/sub/one", "d/sub/two", "d/sub", "d"] {
        t.rmdir(name)?;
    }
    t.dir("d")?;
    holds(t.names("d")?.is_empty(), "nothing comes back")?;
    t.dir("d/sub")?;
    let t = b.remount()?;
    equal("names", t.names("d")?, ["sub"])?;
    holds(t.names("d/sub")?.is_empty(), "nothing comes back below")
}

fn a_directory_where_a_file_was_shows_nothing_of_below(b: &mut Bench) -> Outcome {
    b.lower(1)?.dirs("x/hidden")?;
    b.lower(0)?.file("x", b"")?;
    let t = b.mount()?;
    t.unlink("x")?;
    t.dir("x")?;
    holds(t.names("x")?.is_empty(), "nothing comes back")?;
    let t = b.remount()?;
    holds(t.names("x")?.is_empty(), "nor after a remount")
}

fn a_symlink_over_a_whiteout(b: &mut Bench) -> Outcome {
    b.lower(0)?.file("f", b"low")?;
    let t = b.mount()?;
    t.unlink("f")?;
    t.symlink("target", "f")?;
    let t = b.remount()?;
    equal("target", t.target("f")?, b"target")?;
    let long = "t".repeat(4095);
    t.symlink(long.as_str(), "long")?;
    equal("long target", t.target("long")?, long.as_bytes())?;
    equal("its size", t.stat("long")?.st_size, 4095)
}

fn existing_names_are_refused(b: &mut Bench) -> Outcome {
    b.lower(0)?.file("low", b"")?;
    b.lower(0)?.dir("dir")?;
    b.upper().file("up", b"")?;
    let t = b.mount()?;
    let exclusive = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR;
    for name in ["low", "up", "dir"] {
        fails_with("mkdir", t.dir(name), Errno::EXIST)?;
        fails_with("symlink", t.symlink("x", name), Errno::EXIST)?;
        fails_with("mknod", t.node(name, FileType::Fifo, 0o600, (0, 0)), Errno::EXIST)?;
        fails_with("open", t.open(name, exclusive), Errno::EXIST)?;
    }
    holds(b.upper().stat("low").is_err(), "nothing was copied up")
}

fn in_a_directory_that_may_not_be_written(b: &mut Bench) -> Outcome {
    b.lower(0)?.dir("d")?;
    b.lower(0)?.file("d/f", b"")?;
    let t = b.mount()?;
    as_user((NOBODY, NOBODY), &[], || {
        fails_with("mkdir", t.dir("d/new"), Errno::ACCESS)?;
        fails_with("open", t.open("d/new", OFlags::CREATE | OFlags::RDWR), Errno::ACCESS)?;
        fails_with("write", t.open("d/f", OFlags::WRONLY), Errno::ACCESS)?;
        fails_with("rename", t.rename("d/f", "d/g"), Errno::ACCESS)
    })?;
    holds(b.upper().stat("d").is_err(), "nothing was copied up")
}

fn in_a_removed_directory(b: &mut Bench) -> Outcome {
    b.lower(0)?.dir("d")?;
    let t = b.mount()?;
    let open = t.open("d", OFlags::DIRECTORY)?;
    t.rmdir("d")?;
    let mode = Mode::from_raw_mode(0o755);
    fails_with("mkdir", rustix::fs::mkdirat(&open, "new", mode), Errno::NOENT)?;
    let flags = OFlags::CREATE | OFlags::RDWR;
    fails_with("create", rustix::fs::openat(&open, "new", flags, mode), Errno::NOENT)
}

fn names_like_aufs_whiteouts(b: &mut Bench) -> Outcome {
    b.lower(0)?.file("f", b"low")?;
    let t = b.mount()?;
    t.file(".wh.f", b"a file")?;
    t.dir("d")?;
    t.file("d/.wh..wh..opq", b"a file")?;
    let t = b.remount()?;
    equal("names", t.names("")?, [".wh.f", "d", "f"])?;
    equal("names", t.names("d")?, [".wh..wh..opq"])
}

fn parents_times_change(b: &mut Bench) -> Outcome {
    let low = b.lower(0)?;
    for name in ["made", "removed", "untouched"] {
        low.dir(name)?;
        low.file(format!("{name}/f"), b"")?;
        low.set_mtime(name, 1000)?;
    }
    let t = b.mount()?;
    t.file("made/new", b"")?;
    t.unlink("removed/f")?;
    t.append("untouched/f", b"x")?;
    for (name, changed) in [("made", true), ("removed", true), ("untouched", false)] {
        equal(name, t.stat(name)?.st_mtime != 1000, changed)?;
    }
    Ok(())
}
