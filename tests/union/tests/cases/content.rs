//! Space, copies, locks, attributes and times of files.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::fs::{
    FallocateFlags, FlockOperation, OFlags, SeekFrom, Timespec, UTIME_NOW, UTIME_OMIT, XattrFlags,
    copy_file_range, fallocate, fcntl_lock, flock, seek,
};
use rustix::io::Errno;
use sapwood_union::{Bench, Outcome, equal, fails_with, holds};

use crate::case::cases;

cases! { "content":
    fallocate_makes_it_longer,
    fallocate_keeps_the_size,
    a_hole_is_punched,
    a_range_is_copied,
    a_range_is_copied_out_of_a_lower,
    holes_are_found,
    flock_is_seen_by_others,
    flock_stays_over_copy_up,
    record_locks_are_seen_by_other_processes,
    record_locks_stay_over_copy_up,
    attributes_are_set_listed_and_removed,
    attribute_flags,
    attributes_of_every_size,
    nested_overlay_attributes,
    attributes_of_symlinks,
    now_and_omit,
    nanoseconds_are_kept,
    statfs_tells_of_the_upper,
    the_end_of_the_world,
}

fn fallocate_makes_it_longer(b: &mut Bench) -> Outcome {
    b.lower(0)?.file("f", b"low")?;
    let t = b.mount()?;
    fallocate(t.open("f", OFlags::WRONLY)?, FallocateFlags::empty(), 0, 10_000)?;
    equal("size", t.stat("f")?.st_size, 10_000)?;
    holds(t.read("f")?.starts_with(b"low\0"), "the content")
}

fn fallocate_keeps_the_size(b: &mut Bench) -> Outcome {
    b.lower(0)?.file("f", b"low")?;
    let t = b.mount()?;
    fallocate(t.open("f", OFlags::WRONLY)?, FallocateFlags::KEEP_SIZE, 0, 1 << 20)?;
    equal("size", t.stat("f")?.st_size, 3)?;
    let reader = t.open("f", OFlags::RDONLY)?;
    fails_with("a reader", fallocate(reader, FallocateFlags::empty(), 0, 9), Errno::BADF)
}

fn a_hole_is_punched(b: &mut Bench) -> Outcome {
    b.lower(0)?.file("f", &[b'l'; 100_000])?;
    let t = b.mount()?;
    let file = t.open_file("f", OFlags::RDWR)?;
    let punch = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    fallocate(&file, punch, 10_000, 50_000)?;
    let content = t.read("f")?;
    equal("size", content.len(), 100_000)?;
    holds(content[10_000..60_000].iter().all(|b| *b == 0), "zeros")?;
    holds(content[..10_000].iter().chain(&content[60_000..]).all(|b| *b == b'l'), "the rest")
}

fn a_range_is_copied(b: &mut Bench) -> Outcome {
    b.lower(0)?.file("from", b"0123456789")?;
    b.lower(0)?.file("to", b"abcdefghij")?;
    let t = b.mount()?;
    let (from, to) = (t.open("from", OFlags::RDONLY)?, t.open("to", OFlags::RDWR)?);
    let (mut a, mut c) = (2, 8);
    equal("copied", copy_file_range(&from, Some(&mut a), &to, Some(&mut c), 5)?, 5)?;
    equal("content", t.read("to")?, b"abcdefgh23456")?;
    equal("offsets", (a, c), (7, 13))?;
    equal("past the end", copy_file_range(&from, Some(&mut 10), &to, None, 5)?, 0)
}

fn a_range_is_copied_out_of_a_lower(b: &mut Bench) -> Outcome {
    let content = vec![b'x'; 3_000_000];
    b.lower(0)?.file("from", &content)?;
    let t = b.mount()?;
    std::fs::copy(t.path("from"), t.path("to"))?;
    holds(t.read("to")? == content, "the content")?;
    holds(b.upper().stat("from").is_err(), "the source wasn't copied up")
}

fn holes_are_found(b: &mut Bench) -> Outcome {
    b.lower(0)?.file("f", &[b'l'; 4096])?;
    b.lower(0)?.truncate("f", 1 << 20)?;
    let t = b.mount()?;
    let file = t.open("f", OFlags::RDONLY)?;
    equal("hole", seek(&file, SeekFrom::Hole(0))?, 4096)?;
    fails_with("no data", seek(&file, SeekFrom::Data(8192)), Errno::NXIO)?;
    fails_with("past the end", seek(&file, SeekFrom::Hole(1 << 21)), Errno::NXIO)?;
    equal("end", seek(&file, SeekFrom::End(0))?, 1 << 20)
}

const TRY: FlockOperation = FlockOperation::NonBlockingLockExclusive;

fn flock_is_seen_by_others(b: &mut Bench) -> Outcome {
    b.lower(0)?.file("f", b"")?;
    let t = b.mount()?;
    let (one, two) = (t.open("f", OFlags::RDONLY)?, t.open("f", OFlags::RDONLY)?);
    flock(&one, TRY)?;
    fails_with("held", flock(&two, TRY), Errno::AGAIN)?;
    flock(&one, FlockOperation::Unlock)?;
    flock(&two, TRY)?;
    drop(two);
    Ok(flock(&one, TRY)?)
}

fn flock_stays_over_copy_up(b: &mut Bench) -> Outcome {
    b.lower(0)?.file("f", b"")?;
    let t = b.mount()?;
    let one = t.open("f", OFlags::RDONLY)?;
    flock(&one, TRY)?;
    t.append("f", b"x")?;
    let two = t.open("f", OFlags::RDWR)?;
    fails_with("held", flock(&two, TRY), Errno::AGAIN)
}

/// Holds a record lock on a file until its standard input ends: what main does
/// when this variable names the file.
pub(crate) const HOLDER_ENV: &str = "SAPWOOD_UNION_HOLD";

/// The other process.
pub(crate) fn hold(path: &Path) -> Outcome {
    let file = rustix::fs::open(path, OFlags::RDWR, rustix::fs::Mode::empty())?;
    fcntl_lock(&file, TRY)?;
    let mut out = std::io::stdout();
    writeln!(out, "held")?;
    out.flush()?;
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink())?;
    Ok(())
}

fn while_held(path: &Path, act: impl FnOnce() -> Outcome) -> Outcome {
    let mut child = Command::new(std::env::current_exe()?)
        .env(HOLDER_ENV, path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut said = String::new();
    if let Some(out) = child.stdout.take() {
        BufReader::new(out).read_line(&mut said)?;
    }
    let done = if said == "held\n" { act() } else { equal("the other says", said, "held\n") };
    drop(child.stdin.take());
    child.wait()?;
    done
}

fn record_locks_are_seen_by_other_processes(b: &mut Bench) -> Outcome {
    b.lower(0)?.file("f", b"")?;
    let t = b.mount()?;
    let file = t.open("f", OFlags::RDWR)?;
    while_held(&t.path("f"), || fails_with("held", fcntl_lock(&file, TRY), Errno::AGAIN))?;
    Ok(fcntl_lock(&file, TRY)?)
}

fn record_locks_stay_over_copy_up(b: &mut Bench) -> Outcome {
    b.lower(0)?.file("f", b"low")?;
    let t = b.mount()?;
    let reader = t.open("f", OFlags::RDONLY)?;
    fcntl_lock(&reader, FlockOperation::NonBlockingLockShared)?;
    t.append("f", b"x")?;
    let mut child = Command::new(std::env::current_exe()?);
    child.env(HOLDER_ENV, t.path("f")).stdin(Stdio::null());
    // The append closed a descriptor, which gives this process's locks up (fcntl(2)).
    fcntl_lock(&reader, FlockOperation::NonBlockingLockShared)?;
    let refused = child.stdout(Stdio::piped()).stderr(Stdio::null()).output()?;
    holds(refused.stdout.is_empty(), "another process isn't given the lock")
}

fn attributes_are_set_listed_and_removed(b: &mut Bench) -> Outcome {
    b.lower(0)?.file("f", b"")?;
    b.lower(0)?.dir("d")?;
    let t = b.mount()?;
    for name in ["f", "d"] {
        for key in ["user.a", "trusted.b", "security.c"] {
            t.set_xattr(name, key, key.as_bytes())?;
            equal(key, t.xattr(name, key)?, key.as_bytes())?;
        }
        equal("listed", t.xattr_names(name)?.len(), 3)?;
        t.remove_xattr(name, "trusted.b")?;
        fails_with("removed", t.xattr(name, "trusted.b"), Errno::NODATA)?;
        fails_with("again", t.remove_xattr(name, "trusted.b"), Errno::NODATA)?;
    }
    let t = b.remount()?;
    equal("listed", t.xattr_names("d")?.len(), 2)
}

fn attribute_flags(b: &mut Bench) -> Outcome {
    b.lower(0)?.file("f", b"")?;
    b.lower(0)?.set_xattr("f", "user.old", b"1")?;
    let t = b.mount()?;
    let set = |key, flags| t.try_set_xattr("f", key, b"2", flags);
    fails_with("create", set("user.old", XattrFlags::CREATE), Errno::EXIST)?;
    fails_with("replace", set("user.none", XattrFlags::REPLACE), Errno::NODATA)?;
    set("user.old", XattrFlags::REPLACE)?;
    set("user.new", XattrFlags::CREATE)?;
    fails_with("no namespace", set("nonsense", XattrFlags::empty()), Errno::OPNOTSUPP)
}

fn attributes_of_every_size(b: &mut Bench) -> Outcome {
    b.lower(0)?.file("f", b"")?;
    let t = b.mount()?;
    for length in [0, 1, 255, 3000] {
        let value = vec![b'v'; length];
        t.set_xattr("f", "user.v", &value)?;
        equal("value", t.xattr("f", "user.v")?, value)?;
    }
    let small = rustix::fs::lgetxattr(t.path("f"), "user.v", &mut [0; 10][..]);
    fails_with("too small a buffer", small, Errno::RANGE)?;
    let long = format!("user.{}", "n".repeat(250));
    t.set_xattr("f", &long, b"1")?;
    equal("long name", t.xattr("f", &long)?, b"1")
}

/// An overlay on this union: its attributes are kept for it, and mean nothing to this one.
fn nested_overlay_attributes(b: &mut Bench) -> Outcome {
    b.lower(0)?.dirs("d/low")?;
    let t = b.mount()?;
    for key in ["trusted.overlay.opaque", "user.overlay.opaque"] {
        t.set_xattr("d", key, b"y")?;
        equal(key, t.xattr("d", key)?, b"y")?;
    }
    let t = b.remount()?;
    equal("names", t.names("d")?, ["low"])?;
    equal("listed", t.xattr_names("d")?.len(), 2)?;
    t.remove_xattr("d", "trusted.overlay.opaque")?;
    let missing = t.xattr("d", "trusted.overlay.opaque");
    fails_with("removed", missing, Errno::NODATA)
}

fn attributes_of_symlinks(b: &mut Bench) -> Outcome {
    b.lower(0)?.symlink("x", "l")?;
    let t = b.mount()?;
    let user = t.try_set_xattr("l", "user.x", b"1", XattrFlags::empty());
    fails_with("user", user, Errno::PERM)?;
    t.set_xattr("l", "trusted.x", b"1")?;
    equal("trusted", t.xattr("l", "trusted.x")?, b"1")
}

fn now_and_omit(b: &mut Bench) -> Outcome {
    let time = |s, n| Timespec { tv_sec: s, tv_nsec: n };
    b.lower(0)?.file("f", b"")?;
    b.lower(0)?.set_times("f", time(100, 0), time(200, 0))?;
    let t = b.mount()?;
    t.set_times("f", time(0, UTIME_OMIT), time(300, 0))?;
    equal("atime kept", (t.stat("f")?.st_atime, t.stat("f")?.st_mtime), (100, 300))?;
    t.set_times("f", time(0, UTIME_NOW), time(0, UTIME_OMIT))?;
    let stat = t.stat("f")?;
    holds(stat.st_atime > 1_000_000_000, "atime is now")?;
    equal("mtime kept", stat.st_mtime, 300)?;
    t.set_times("f", time(0, UTIME_OMIT), time(0, UTIME_NOW))?;
    holds(t.stat("f")?.st_mtime > 1_000_000_000, "mtime is now")
}

fn nanoseconds_are_kept(b: &mut Bench) -> Outcome {
    let time = |s, n| Timespec { tv_sec: s, tv_nsec: n };
    b.lower(0)?.dir("d")?;
    b.lower(0)?.symlink("x", "l")?;
    let t = b.mount()?;
    t.file("f", b"")?;
    for name in ["d", "l", "f"] {
        t.set_times(name, time(1, 1), time(-2, 999_999_999))?;
        let stat = t.stat(name)?;
        equal(name, (stat.st_mtime, stat.st_mtime_nsec), (-2, 999_999_999))?;
        equal(name, (stat.st_atime, stat.st_atime_nsec), (1, 1))?;
    }
    Ok(())
}

fn statfs_tells_of_the_upper(b: &mut Bench) -> Outcome {
    b.lower(0)?.dir("d")?;
    let t = b.mount()?;
    let (union, upper) =
        (rustix::fs::statvfs(t.path("d"))?, rustix::fs::statvfs(b.upper().path(""))?);
    equal("blocks", union.f_blocks * union.f_frsize, upper.f_blocks * upper.f_frsize)?;
    equal("files", union.f_files, upper.f_files)?;
    equal("names", union.f_namemax, 255)
}

fn the_end_of_the_world(b: &mut Bench) -> Outcome {
    b.lower(0)?.file("f", b"low")?;
    let t = b.mount()?;
    let file = t.open_file("f", OFlags::RDWR)?;
    let far = (1 << 40) + 5;
    file.write_all_at(b"far", far)?;
    equal("size", t.stat("f")?.st_size.cast_unsigned(), far + 3)?;
    let mut found = [0; 3];
    file.read_exact_at(&mut found, far)?;
    equal("content", &found, b"far")?;
    let end = rustix::fs::ftruncate(&file, u64::MAX / 2 + 9);
    fails_with("a negative size", end, Errno::INVAL)
}
