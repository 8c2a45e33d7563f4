//! A lower file that changes: what of it comes along, and what sets it off.

use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;

use rustix::fs::{FileType, OFlags, SeekFrom, seek};
use rustix::io::Errno;
use sapwood_union::{Acl, Bench, Outcome, Tree, capability, equal, fails_with, holds};

use crate::case::cases;

cases! { "copyup":
    by_append,
    by_a_write_in_the_middle,
    by_a_shared_mapping,
    by_truncate,
    by_opening_with_truncate,
    by_chmod,
    by_chown,
    by_utimensat,
    by_setxattr,
    by_removexattr,
    by_link,
    reading_copies_nothing,
    of_a_large_file,
    holes_come_along,
    of_a_terabyte_of_hole,
    attributes_come_along,
    access_lists_come_along,
    capabilities_come_along,
    times_come_along,
    a_symlinks_owner,
    a_fifos_mode,
    a_directorys_attributes,
    of_a_deep_file_copies_its_parents,
    of_a_file_in_the_lowest_layer,
    of_a_file_that_may_not_be_read,
    leaves_no_debris,
    overlay_attributes_stay_hidden,
}

/// 4 MiB in blocks of 512 bytes.
const LITTLE: i64 = 4 << 11;
const LOW: &[u8] = b"the lower file's content";

/// A lower file, copied up by `change`; it must then be on disk in the upper.
fn changed(b: &mut Bench, change: impl FnOnce(&Tree) -> Outcome) -> Outcome<Tree> {
    b.lower(0)?.dir("d")?;
    b.lower(0)?.file("d/f", LOW)?;
    b.lower(0)?.chmod("d/f", 0o640)?;
    b.lower(0)?.set_mtime("d/f", 12345)?;
    let t = b.mount()?;
    change(&t)?;
    holds(b.upper().stat("d/f").is_ok(), "it was copied up")?;
    Ok(t)
}

fn by_append(b: &mut Bench) -> Outcome {
    let t = changed(b, |t| t.append("d/f", b" and more"))?;
    equal("content", t.read("d/f")?, [LOW, b" and more"].concat())?;
    equal("mode", t.mode("d/f")?, 0o640)
}

fn by_a_write_in_the_middle(b: &mut Bench) -> Outcome {
    changed(b, |t| t.write_at("d/f", 4, b"LOWER"))?;
    let t = b.remount()?;
    equal("content", t.read("d/f")?, b"the LOWER file's content")
}

fn by_a_shared_mapping(b: &mut Bench) -> Outcome {
    changed(b, |t| {
        let file = t.open("d/f", OFlags::RDWR)?;
        Ok(sapwood_sys::mapped_write::write(file.as_fd(), 4, b"LOWER")?)
    })?;
    equal("content", b.tree().read("d/f")?, b"the LOWER file's content")?;
    let t = b.remount()?;
    equal("content", t.read("d/f")?, b"the LOWER file's content")
}

fn by_truncate(b: &mut Bench) -> Outcome {
    let t = changed(b, |t| t.truncate("d/f", 3))?;
    equal("content", t.read("d/f")?, b"the")?;
    t.truncate("d/f", 6)?;
    let t = b.remount()?;
    equal("content", t.read("d/f")?, b"the\0\0\0")
}

fn by_opening_with_truncate(b: &mut Bench) -> Outcome {
    let t = changed(b, |t| {
        t.open("d/f", OFlags::WRONLY | OFlags::TRUNC)?;
        Ok(())
    })?;
    equal("content", t.read("d/f")?, b"")?;
    equal("mode", t.mode("d/f")?, 0o640)
}

fn by_chmod(b: &mut Bench) -> Outcome {
    changed(b, |t| t.chmod("d/f", 0o4711))?;
    let t = b.remount()?;
    equal("mode", t.mode("d/f")?, 0o4711)?;
    equal("content", t.read("d/f")?, LOW)?;
    equal("mtime", t.stat("d/f")?.st_mtime, 12345)
}

fn by_chown(b: &mut Bench) -> Outcome {
    changed(b, |t| t.chown("d/f", 11, 12))?;
    let stat = b.remount()?.stat("d/f")?;
    equal("owner", (stat.st_uid, stat.st_gid), (11, 12))?;
    equal("mtime", stat.st_mtime, 12345)
}

fn by_utimensat(b: &mut Bench) -> Outcome {
    changed(b, |t| t.set_mtime("d/f", 777))?;
    equal("mtime", b.remount()?.stat("d/f")?.st_mtime, 777)
}

fn by_setxattr(b: &mut Bench) -> Outcome {
    changed(b, |t| t.set_xattr("d/f", "user.x", b"1"))?;
    let t = b.remount()?;
    equal("xattr", t.xattr("d/f", "user.x")?, b"1")?;
    equal("content", t.read("d/f")?, LOW)
}

fn by_removexattr(b: &mut Bench) -> Outcome {
    b.lower(0)?.file("f", LOW)?;
    b.lower(0)?.set_xattr("f", "user.x", b"1")?;
    b.lower(0)?.set_xattr("f", "user.y", b"2")?;
    let t = b.mount()?;
    t.remove_xattr("f", "user.x")?;
    let t = b.remount()?;
    fails_with("xattr", t.xattr("f", "user.x"), Errno::NODATA)?;
    equal("the other", t.xattr("f", "user.y")?, b"2")
}

fn by_link(b: &mut Bench) -> Outcome {
    let t = changed(b, |t| t.link("d/f", "d/g"))?;
    equal("content", t.read("d/g")?, LOW)?;
    equal("links", t.stat("d/f")?.st_nlink, 2)
}

fn reading_copies_nothing(b: &mut Bench) -> Outcome {
    b.lower(0)?.dirs("d/e")?;
    b.lower(0)?.file("d/f", LOW)?;
    b.lower(0)?.set_xattr("d/f", "user.x", b"1")?;
    let t = b.mount()?;
    t.read("d/f")?;
    t.stat("d/f")?;
    t.xattr("d/f", "user.x")?;
    t.names("d")?;
    t.open("d/f", OFlags::PATH)?;
    fails_with("below a file", t.stat("d/f/x"), Errno::NOTDIR)?;
    b.unmount()?;
    holds(b.upper().names("")?.is_empty(), "the upper is empty")
}

fn of_a_large_file(b: &mut Bench) -> Outcome {
    let content: Vec<u8> = (0..40_000_000_u32).map(|i| (i / 7) as u8).collect();
    b.lower(0)?.file("f", &content)?;
    let t = b.mount()?;
    t.append("f", b"end")?;
    let t = b.remount()?;
    let found = t.read("f")?;
    equal("size", found.len(), content.len() + 3)?;
    holds(found.starts_with(&content) && found.ends_with(b"end"), "the content")
}

fn holes_come_along(b: &mut Bench) -> Outcome {
    const MIB: u64 = 1 << 20;
    let low = b.lower(0)?;
    low.file("f", b"")?;
    low.truncate("f", 64 * MIB)?;
    low.write_at("f", 16 * MIB, &[7; 4096])?;
    low.write_at("f", 64 * MIB - 1, b"e")?;
    let t = b.mount()?;
    t.chmod("f", 0o600)?;
    t.write_at("f", 32 * MIB, b"new")?;
    let file = t.open_file("f", OFlags::RDONLY)?;
    equal("first data", seek(&file, SeekFrom::Data(0))?, 16 * MIB)?;
    // Overlayfs copies data by the mebibyte.
    holds(seek(&file, SeekFrom::Hole(16 * MIB))? <= 17 * MIB, "a hole after it")?;
    let mut found = [0; 3];
    file.read_exact_at(&mut found, 32 * MIB)?;
    equal("written", &found, b"new")?;
    holds(b.upper().stat("f")?.st_blocks <= LITTLE, "holes take no room")
}

fn of_a_terabyte_of_hole(b: &mut Bench) -> Outcome {
    b.lower(0)?.file("f", b"start")?;
    b.lower(0)?.truncate("f", 1 << 40)?;
    let t = b.mount()?;
    t.append("f", b"end")?;
    equal("size", t.stat("f")?.st_size, (1 << 40) + 3)?;
    holds(b.upper().stat("f")?.st_blocks <= LITTLE, "holes take no room")
}

fn attributes_come_along(b: &mut Bench) -> Outcome {
    let low = b.lower(0)?;
    low.file("f", LOW)?;
    low.chown("f", 21, 22)?;
    low.chmod("f", 0o6755)?;
    let attributes = [("user.a", 1), ("user.long", 3000), ("trusted.t", 5), ("security.s", 9)];
    for (key, length) in attributes {
        low.set_xattr("f", key, &vec![b'v'; length])?;
    }
    let t = b.mount()?;
    t.set_mtime("f", 5)?;
    let t = b.remount()?;
    let stat = t.stat("f")?;
    equal("owner", (stat.st_uid, stat.st_gid), (21, 22))?;
    equal("mode", stat.st_mode & 0o7777, 0o6755)?;
    for (key, length) in attributes {
        equal(key, t.xattr("f", key)?.len(), length)?;
    }
    equal("names", t.xattr_names("f")?.len(), 4)
}

fn access_lists_come_along(b: &mut Bench) -> Outcome {
    let acl = Acl::new(6, (1234, 7), 4, 7, 0);
    let low = b.lower(0)?;
    low.dir("d")?;
    low.file("d/f", LOW)?;
    low.set_xattr("d/f", "system.posix_acl_access", acl.bytes())?;
    low.set_xattr("d", "system.posix_acl_default", acl.bytes())?;
    let t = b.mount()?;
    t.append("d/f", b"more")?;
    let t = b.remount()?;
    equal("of the file", t.xattr("d/f", "system.posix_acl_access")?, acl.bytes())?;
    equal("of the directory", t.xattr("d", "system.posix_acl_default")?, acl.bytes())?;
    holds(t.xattr("d", "system.posix_acl_access").is_err(), "no list that wasn't there")
}

fn capabilities_come_along(b: &mut Bench) -> Outcome {
    b.lower(0)?.file("f", LOW)?;
    b.lower(0)?.set_xattr("f", "security.capability", &capability())?;
    let t = b.mount()?;
    t.chmod("f", 0o755)?;
    let t = b.remount()?;
    equal("capability", t.xattr("f", "security.capability")?, capability())
}

fn times_come_along(b: &mut Bench) -> Outcome {
    let time = |s, n| rustix::fs::Timespec { tv_sec: s, tv_nsec: n };
    b.lower(0)?.dir("d")?;
    b.lower(0)?.file("d/f", LOW)?;
    b.lower(0)?.set_times("d/f", time(100, 123_456_789), time(200, 987_654_321))?;
    b.lower(0)?.set_times("d", time(300, 1), time(-400, 999_999_999))?;
    let t = b.mount()?;
    t.chmod("d/f", 0o600)?;
    let t = b.remount()?;
    let (file, dir) = (t.stat("d/f")?, t.stat("d")?);
    equal("atime", (file.st_atime, file.st_atime_nsec), (100, 123_456_789))?;
    equal("mtime", (file.st_mtime, file.st_mtime_nsec), (200, 987_654_321))?;
    equal("parent's", (dir.st_mtime, dir.st_mtime_nsec), (-400, 999_999_999))
}

fn a_symlinks_owner(b: &mut Bench) -> Outcome {
    b.lower(0)?.symlink("target", "l")?;
    b.lower(0)?.set_mtime("l", 99)?;
    let t = b.mount()?;
    t.chown("l", 5, 6)?;
    let t = b.remount()?;
    let stat = t.stat("l")?;
    equal("owner", (stat.st_uid, stat.st_gid, stat.st_mtime), (5, 6, 99))?;
    equal("target", t.target("l")?, b"target")
}

fn a_fifos_mode(b: &mut Bench) -> Outcome {
    b.lower(0)?.node("p", FileType::Fifo, 0o600, (0, 0))?;
    b.lower(0)?.node("c", FileType::CharacterDevice, 0o600, (1, 3))?;
    let t = b.mount()?;
    t.chmod("p", 0o622)?;
    t.chmod("c", 0o622)?;
    let t = b.remount()?;
    equal("fifo", t.stat("p")?.st_mode, 0o010_622)?;
    equal("device", (t.stat("c")?.st_mode, t.stat("c")?.st_rdev), (0o020_622, 0x103))
}

fn a_directorys_attributes(b: &mut Bench) -> Outcome {
    b.lower(1)?.dirs("d/two")?;
    b.lower(0)?.dirs("d/one")?;
    b.lower(0)?.set_xattr("d", "user.x", b"1")?;
    let t = b.mount()?;
    t.chmod("d", 0o1770)?;
    t.set_xattr("d", "user.y", b"2")?;
    let t = b.remount()?;
    equal("mode", t.mode("d")?, 0o1770)?;
    equal("names", t.names("d")?, ["one", "two"])?;
    equal("xattrs", t.xattr_names("d")?.len(), 2)
}

fn of_a_deep_file_copies_its_parents(b: &mut Bench) -> Outcome {
    let low = b.lower(0)?;
    low.dirs("a/b/c")?;
    low.file("a/b/c/f", LOW)?;
    for (name, mode) in [("a", 0o711), ("a/b", 0o1777), ("a/b/c", 0o2750)] {
        low.chmod(name, mode)?;
        low.set_mtime(name, 4242)?;
    }
    let t = b.mount()?;
    t.append("a/b/c/f", b"x")?;
    let t = b.remount()?;
    for (name, mode) in [("a", 0o711), ("a/b", 0o1777), ("a/b/c", 0o2750)] {
        equal(name, (t.mode(name)?, t.stat(name)?.st_mtime), (mode, 4242))?;
    }
    Ok(())
}

fn of_a_file_in_the_lowest_layer(b: &mut Bench) -> Outcome {
    b.lower(9)?.dirs("d/e")?;
    b.lower(9)?.file("d/e/f", LOW)?;
    b.lower(4)?.dirs("d/e")?;
    b.lower(4)?.chmod("d/e", 0o700)?;
    let t = b.mount()?;
    t.append("d/e/f", b"x")?;
    equal("content", t.read("d/e/f")?, [LOW, b"x"].concat())?;
    equal("its parent", t.mode("d/e")?, 0o700)
}

fn of_a_file_that_may_not_be_read(b: &mut Bench) -> Outcome {
    b.lower(0)?.file("f", LOW)?;
    b.lower(0)?.chmod("f", 0o222)?;
    let t = b.mount()?;
    sapwood_union::as_user((4711, 4711), &[], || {
        fails_with("read", t.open("f", OFlags::RDONLY), Errno::ACCESS)?;
        t.append("f", b"x")
    })?;
    equal("content", t.read("f")?, [LOW, b"x"].concat())
}

fn leaves_no_debris(b: &mut Bench) -> Outcome {
    for i in 0..20 {
        b.lower(0)?.file(format!("f{i}"), LOW)?;
    }
    let t = b.mount()?;
    for i in 0..20 {
        t.append(format!("f{i}"), b"x")?;
    }
    b.unmount()?;
    let work = Tree::at(&b.layers().work);
    let mut left = work.names("")?;
    // The kernel's index is kept there.
    left.retain(|name| name != "index");
    for name in left {
        let inside = work.names(&name)?;
        holds(inside.is_empty(), &format!("nothing is left in {name}: {inside:?}"))?;
    }
    equal("in the upper", b.upper().names("")?.len(), 20)
}

fn overlay_attributes_stay_hidden(b: &mut Bench) -> Outcome {
    b.lower(0)?.dirs("d/e")?;
    b.lower(0)?.file("d/f", LOW)?;
    let t = b.mount()?;
    t.append("d/f", b"x")?;
    t.chmod("d/e", 0o700)?;
    for name in ["d", "d/f", "d/e"] {
        let names = t.xattr_names(name)?;
        holds(names.is_empty(), &format!("{name} shows {names:?}"))?;
    }
    Ok(())
}
