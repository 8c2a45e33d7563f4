//! A small writer of tar archives, so that cases can say byte by byte what a
//! driver gets to unpack; made for this suite alone, and sharing nothing with
//! what drivers read and write archives with.
//!
//! Formats: ustar with PAX records (POSIX.1-2001, pax(1)), GNU (long names,
//! base-256 numbers, sparse files), and headers broken on purpose.

mod header;
mod read;
mod sparse;

pub(super) use header::{Format, Item};
pub(super) use read::{Read, entries};
pub(super) use sparse::{Map, gnu_sparse, pax_sparse};

/// What a tar archive is made of.
pub(super) const BLOCK: usize = 512;

/// An archive of these items, with its end.
pub(super) fn archive<'a>(items: impl IntoIterator<Item = &'a Item>) -> Vec<u8> {
    let mut bytes = unended(items);
    end(&mut bytes);
    bytes
}

/// The same without the two blocks of zeros that end an archive.
pub(super) fn unended<'a>(items: impl IntoIterator<Item = &'a Item>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for item in items {
        item.write(&mut bytes);
    }
    bytes
}

/// Ends an archive.
pub(super) fn end(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len() + 2 * BLOCK, 0);
}

/// Fills the last block with zeros.
pub(super) fn pad(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use std::io::Write;

    use super::*;

    /// GNU tar as an outside witness that what is written here is tar.
    #[test]
    fn gnu_tar_lists_what_was_written() {
        let long = "d/".to_owned() + &"n".repeat(150);
        let items = [
            Item::dir("d").mode(0o1777),
            Item::file(&long, b"hello").owner(1 << 31, 5),
            Item::file(format!("{long}2"), b"x").format(Format::Gnu).owner(1 << 31, 5),
            Item::symlink("s", "../target"),
            Item::hard_link("h", &long),
            Item::char_device("c", 1, 3),
            gnu_sparse("g", &Map { size: 1 << 20, data: vec![(4096, b"abc".to_vec())] }),
        ];
        let mut child = Command::new("tar")
            .args(["--numeric-owner", "-tvf", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(&archive(&items)).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success());
        let text = String::from_utf8(output.stdout).unwrap();
        let lines: Vec<Vec<&str>> = text.lines().map(|l| l.split_whitespace().collect()).collect();
        let brief: Vec<_> = lines.iter().map(|l| format!("{} {} {}", l[0], l[1], l[2])).collect();
        assert_eq!(
            brief,
            [
                "drwxrwxrwt 0/0 0",
                "-rw-r--r-- 2147483648/5 5",
                "-rw-r--r-- 2147483648/5 1",
                "lrwxrwxrwx 0/0 0",
                "hrw-r--r-- 0/0 0",
                "crw-r--r-- 0/0 1,3",
                "-rw-r--r-- 0/0 1048576",
            ]
        );
        assert_eq!(lines[1][5], long);
        assert_eq!(lines[2][5], format!("{long}2"));
    }

    #[test]
    fn what_is_written_is_read_back() {
        let long = "d/".to_owned() + &"n".repeat(300);
        let items = [
            Item::dir("d").mtime(5, 7),
            Item::file(&long, b"hello").xattr("user.a", b"1=\n2"),
            Item::hard_link("h", &long),
        ];
        let read = entries(&archive(&items)).unwrap();
        let paths: Vec<_> = read.iter().map(|e| String::from_utf8_lossy(&e.path)).collect();
        assert_eq!(paths, ["d/", &long, "h"]);
        assert_eq!(read[0].record("mtime"), Some(&b"5.000000007"[..]));
        assert_eq!(read[1].record("SCHILY.xattr.user.a"), Some(&b"1=\n2"[..]));
        assert_eq!(read[2].link, long.as_bytes());
    }
}
