//! Open files: what becomes of them when their names change, and what the
//! flags of open(2) promise.

use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::FileExt;

use rustix::fs::{AtFlags, CWD, OFlags};
use rustix::io::Errno;
use sapwood_union::{Bench, Outcome, equal, fails_with, holds};

use crate::case::cases;

cases! { "open":
    unlinked_files_live_on,
    unlinked_lower_files_live_on,
    a_file_over_which_another_is_renamed_lives_on,
    an_unlinked_file_is_changed,
    a_reader_from_before_the_copy_up_sees_the_new_content,
    a_reader_from_before_the_copy_up_sees_the_new_size,
    two_writers_see_each_other,
    append_is_at_the_end,
    direct,
    unnamed_files,
    paths,
    exclusive,
    directories_arent_written,
    symlinks_arent_followed,
    truncation_of_what_is_read_only,
    a_private_mapping_changes_nothing,
    readers_dont_write,
    fsync_of_everything,
    create_through_a_symlink,
}

fn all(file: &std::fs::File) -> Outcome<Vec<u8>> {
    let mut content = vec![0; usize::try_from(file.metadata()?.len())?];
    file.read_exact_at(&mut content, 0)?;
    Ok(content)
}

fn unlinked_files_live_on(b: &mut Bench) -> Outcome {
    b.lower(0)?.dir("d")?;
    let t = b.mount()?;
    t.file("d/f", b"content")?;
    let file = t.open_file("d/f", OFlags::RDWR)?;
    t.unlink("d/f")?;
    file.write_all_at(b"CON", 0)?;
    equal("content", all(&file)?, b"CONtent")?;
    equal("links", rustix::fs::fstat(&file)?.st_nlink, 0)?;
    equal("names", t.names("d")?.len(), 0)?;
    Ok(t.rmdir("d")?)
}

fn unlinked_lower_files_live_on(b: &mut Bench) -> Outcome {
    b.lower(0)?.file("f", b"lower")?;
    let t = b.mount()?;
    let reader = t.open_file("f", OFlags::RDONLY)?;
    let writer = t.open_file("f", OFlags::RDWR)?;
    t.unlink("f")?;
    t.file("f", b"another")?;
    writer.write_all_at(b"L", 0)?;
    equal("content", all(&writer)?, b"Lower")?;
    equal("the reader's", all(&reader)?, b"Lower")?;
    equal("of the new one", t.read("f")?, b"another")
}

fn a_file_over_which_another_is_renamed_lives_on(b: &mut Bench) -> Outcome {
    b.lower(0)?.file("f", b"lower")?;
    b.lower(0)?.file("g", b"other")?;
    let t = b.mount()?;
    let file = t.open_file("f", OFlags::RDONLY)?;
    t.rename("g", "f")?;
    equal("content", all(&file)?, b"lower")?;
    equal("of the name", t.read("f")?, b"other")
}

fn an_unlinked_file_is_changed(b: &mut Bench) -> Outcome {
    b.lower(0)?.file("f", b"lower")?;
    let t = b.mount()?;
    let file = t.open_file("f", OFlags::RDWR)?;
    t.unlink("f")?;
    rustix::fs::fchmod(&file, rustix::fs::Mode::from_raw_mode(0o640))?;
    rustix::fs::ftruncate(&file, 3)?;
    rustix::fs::fsetxattr(&file, "user.x", b"1", rustix::fs::XattrFlags::empty())?;
    let stat = rustix::fs::fstat(&file)?;
    equal("mode and size", (stat.st_mode & 0o7777, stat.st_size), (0o640, 3))?;
    equal("content", all(&file)?, b"low")
}

/// Kernels since 4.19 do this. A copy that is kept for old readers is what
/// breaks databases and logs.
fn a_reader_from_before_the_copy_up_sees_the_new_content(b: &mut Bench) -> Outcome {
    b.lower(0)?.file("f", b"lower")?;
    let t = b.mount()?;
    let reader = t.open_file("f", OFlags::RDONLY)?;
    equal("before", all(&reader)?, b"lower")?;
    t.write_at("f", 0, b"UPPER")?;
    equal("after", all(&reader)?, b"UPPER")
}

fn a_reader_from_before_the_copy_up_sees_the_new_size(b: &mut Bench) -> Outcome {
    b.lower(0)?.file("f", b"lower")?;
    let t = b.mount()?;
    let reader = t.open_file("f", OFlags::RDONLY)?;
    t.append("f", b" and more")?;
    equal("longer", all(&reader)?, b"lower and more")?;
    t.truncate("f", 2)?;
    equal("shorter", all(&reader)?, b"lo")
}

fn two_writers_see_each_other(b: &mut Bench) -> Outcome {
    b.lower(0)?.file("f", b"......")?;
    let t = b.mount()?;
    let one = t.open_file("f", OFlags::RDWR)?;
    let two = t.open_file("f", OFlags::RDWR)?;
    one.write_all_at(b"1", 0)?;
    two.write_all_at(b"2", 1)?;
    equal("first's", all(&one)?, b"12....")?;
    equal("second's", all(&two)?, b"12....")
}

fn append_is_at_the_end(b: &mut Bench) -> Outcome {
    b.lower(0)?.file("f", b"low")?;
    let t = b.mount()?;
    let one = t.open("f", OFlags::WRONLY | OFlags::APPEND)?;
    let two = t.open("f", OFlags::WRONLY | OFlags::APPEND)?;
    for _ in 0..50 {
        rustix::io::write(&one, b"1")?;
        rustix::io::write(&two, b"22")?;
    }
    let content = t.read("f")?;
    equal("size", content.len(), 153)?;
    let ones = content.iter().filter(|b| **b == b'1').count();
    equal("ones", ones, 50)
}

fn direct(b: &mut Bench) -> Outcome {
    const PAGE: usize = 4096;
    b.lower(0)?.file("f", &[b'l'; 2 * PAGE])?;
    let t = b.mount()?;
    let file = t.open_file("f", OFlags::RDWR | OFlags::DIRECT)?;
    // Memory that is aligned, without unsafe code: a part of a larger piece.
    let mut memory = vec![b'd'; 2 * PAGE];
    let start = memory.as_ptr().align_offset(PAGE);
    let page = &mut memory[start..start + PAGE];
    file.write_all_at(page, PAGE as u64)?;
    equal("buffered", t.read("f")?[PAGE..].to_vec(), vec![b'd'; PAGE])?;
    file.read_exact_at(page, 0)?;
    equal("direct", page.to_vec(), vec![b'l'; PAGE])
}

fn unnamed_files(b: &mut Bench) -> Outcome {
    b.lower(0)?.dir("d")?;
    let t = b.mount()?;
    let file = t.open_file("d", OFlags::TMPFILE | OFlags::RDWR)?;
    file.write_all_at(b"content", 0)?;
    equal("names", t.names("d")?.len(), 0)?;
    let link = format!("/proc/self/fd/{}", file.as_raw_fd());
    rustix::fs::linkat(CWD, link.as_str(), CWD, t.path("d/f"), AtFlags::SYMLINK_FOLLOW)?;
    equal("content", t.read("d/f")?, b"content")?;
    let sealed = t.open("d", OFlags::TMPFILE | OFlags::RDWR | OFlags::EXCL)?;
    let link = format!("/proc/self/fd/{}", sealed.as_raw_fd());
    let linked =
        rustix::fs::linkat(CWD, link.as_str(), CWD, t.path("d/g"), AtFlags::SYMLINK_FOLLOW);
    fails_with("with O_EXCL", linked, Errno::NOENT)
}

fn paths(b: &mut Bench) -> Outcome {
    b.lower(0)?.file("f", b"low")?;
    b.lower(0)?.symlink("f", "l")?;
    let t = b.mount()?;
    let path = t.open("f", OFlags::PATH)?;
    fails_with("a read", rustix::io::read(&path, &mut [0; 3]), Errno::BADF)?;
    t.append("f", b"er")?;
    equal("size", rustix::fs::fstat(&path)?.st_size, 5)?;
    let link = t.open("l", OFlags::PATH | OFlags::NOFOLLOW)?;
    equal("link", rustix::fs::readlinkat(&link, "", Vec::new())?.as_bytes(), b"f")?;
    equal("reopened", std::fs::read(format!("/proc/self/fd/{}", path.as_raw_fd()))?, b"lower")
}

fn exclusive(b: &mut Bench) -> Outcome {
    b.lower(0)?.file("f", b"")?;
    b.lower(0)?.symlink("nowhere", "l")?;
    let t = b.mount()?;
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR;
    fails_with("a file", t.open("f", flags), Errno::EXIST)?;
    fails_with("a dangling symlink", t.open("l", flags), Errno::EXIST)?;
    t.open("new", flags)?;
    fails_with("a second time", t.open("new", flags), Errno::EXIST)
}

fn directories_arent_written(b: &mut Bench) -> Outcome {
    b.lower(0)?.dir("d")?;
    b.lower(0)?.file("f", b"")?;
    let t = b.mount()?;
    fails_with("for writing", t.open("d", OFlags::RDWR), Errno::ISDIR)?;
    fails_with("to create", t.open("d", OFlags::CREATE | OFlags::RDONLY), Errno::ISDIR)?;
    fails_with("a file as one", t.open("f", OFlags::DIRECTORY), Errno::NOTDIR)?;
    let dir = t.open("d", OFlags::DIRECTORY)?;
    fails_with("a read", rustix::io::read(&dir, &mut [0; 3]), Errno::ISDIR)
}

fn symlinks_arent_followed(b: &mut Bench) -> Outcome {
    b.lower(0)?.file("f", b"low")?;
    b.lower(0)?.symlink("f", "l")?;
    b.lower(0)?.symlink("m", "m")?;
    let t = b.mount()?;
    fails_with("NOFOLLOW", t.open("l", OFlags::RDONLY | OFlags::NOFOLLOW), Errno::LOOP)?;
    fails_with("a circle", t.open("m", OFlags::RDONLY), Errno::LOOP)?;
    t.append("l", b"er")?;
    equal("through it", t.read("f")?, b"lower")
}

fn truncation_of_what_is_read_only(b: &mut Bench) -> Outcome {
    b.lower(0)?.file("f", b"lower")?;
    b.lower(0)?.chmod("f", 0o444)?;
    let t = b.mount()?;
    sapwood_union::as_user((4711, 4711), &[], || {
        let flags = OFlags::RDONLY | OFlags::TRUNC;
        fails_with("O_TRUNC", t.open("f", flags), Errno::ACCESS)
    })?;
    equal("content", t.read("f")?, b"lower")?;
    let reader = t.open("f", OFlags::RDONLY)?;
    fails_with("ftruncate", rustix::fs::ftruncate(&reader, 0), Errno::INVAL)
}

fn a_private_mapping_changes_nothing(b: &mut Bench) -> Outcome {
    b.lower(0)?.file("f", b"lower")?;
    let t = b.mount()?;
    let reader = t.open("f", OFlags::RDONLY)?;
    let mapped = sapwood_sys::mapped_write::write(reader.as_fd(), 0, b"UPPER");
    fails_with("shared and writable of a reader", mapped, Errno::ACCESS)?;
    equal("content", t.read("f")?, b"lower")
}

fn readers_dont_write(b: &mut Bench) -> Outcome {
    b.lower(0)?.file("f", b"lower")?;
    let t = b.mount()?;
    let reader = t.open("f", OFlags::RDONLY)?;
    t.append("f", b"x")?;
    fails_with("a write", rustix::io::write(&reader, b"y"), Errno::BADF)?;
    let writer = t.open("f", OFlags::WRONLY)?;
    fails_with("a read", rustix::io::read(&writer, &mut [0; 1]), Errno::BADF)
}

fn fsync_of_everything(b: &mut Bench) -> Outcome {
    b.lower(0)?.file("low", b"lower")?;
    b.lower(0)?.dir("d")?;
    let t = b.mount()?;
    t.file("new", b"x")?;
    t.append("low", b"x")?;
    for name in ["low", "new", "d", ""] {
        let open = t.open(name, OFlags::RDONLY)?;
        rustix::fs::fsync(&open)?;
        rustix::fs::fdatasync(&open)?;
    }
    Ok(rustix::fs::syncfs(t.open("", OFlags::DIRECTORY)?)?)
}

fn create_through_a_symlink(b: &mut Bench) -> Outcome {
    b.lower(0)?.dir("d")?;
    b.lower(0)?.symlink("d/new", "l")?;
    b.lower(0)?.symlink("none/new", "m")?;
    let t = b.mount()?;
    t.file("l", b"content")?;
    equal("content", t.read("d/new")?, b"content")?;
    fails_with("nowhere", t.open("m", OFlags::CREATE | OFlags::RDWR), Errno::NOENT)?;
    holds(t.stat("l")?.st_mode & 0o170_000 == 0o120_000, "the link stays")
}
