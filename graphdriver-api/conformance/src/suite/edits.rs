//! Edits of one small tree, each with what it changes. Cases take each through
//! `changes`, `diff`, `apply` and `commit`, so that all of these agree on it.

use rustix::fs::{FileType, OFlags, RenameFlags};

use super::files::Files;
use super::stop::{Verdict, When};

/// One way to change the tree of [`write_base`].
pub(super) struct Edit {
    /// What it does, for a message.
    pub(super) name: &'static str,
    /// Does it.
    pub(super) make: fn(&Files) -> Verdict,
    /// Every path that differs afterwards, as lines, once the times of
    /// directories have been put back as they were.
    pub(super) told: &'static [&'static str],
}

const DIRECTORIES: [&str; 6] = ["a", "d", "d/sub", "e", "o", "."];

/// When everything in the base was last modified.
const BEFORE: (i64, i64) = (1_000_000_000, 123_456_789);

/// Kinds of files, names that sort in a treacherous order (`a-b` comes after
/// everything in `a`), hard links, and directories to be emptied.
pub(super) fn write_base(files: &Files) -> Verdict {
    for dir in ["a", "d", "d/sub", "e", "o"] {
        files.dir(dir)?;
    }
    for file in ["a/z", "a-b", "a.b", "d/f", "d/sub/x", "d/sub/y", "f", "g", "o/1", "o/2"] {
        files.write(file, format!("content of {file}"))?;
    }
    files.link("g", "h")?;
    files.symlink("f", "l")?;
    files.symlink("d", "ld")?;
    files.node("p", FileType::Fifo)?;
    files.device("n", FileType::CharacterDevice, 1, 3)?;
    files.write("x", b"with attributes")?;
    files.set_xattr("x", "trusted.one", b"1")?;
    files.set_xattr("x", "trusted.two", b"2")?;
    for path in [
        "a/z", "a-b", "a.b", "d/f", "d/sub/x", "d/sub/y", "f", "g", "o/1", "o/2", "l", "ld", "p",
        "n", "x",
    ] {
        files.touch(path, BEFORE.0, BEFORE.1)?;
    }
    put_back_times(files)
}

/// Gives every directory of the base that is still there its time back, so
/// that only what an edit is about differs.
pub(super) fn put_back_times(files: &Files) -> Verdict {
    for dir in DIRECTORIES {
        let is_dir = files.has(dir)?
            && FileType::from_raw_mode(files.stat(dir)?.st_mode) == FileType::Directory;
        if is_dir {
            files.touch(dir, BEFORE.0, BEFORE.1)?;
        }
    }
    Ok(())
}

impl Edit {
    /// Does it, and puts the times of directories back.
    pub(super) fn carry_out(&self, files: &Files) -> Verdict {
        (self.make)(files).when(self.name)?;
        put_back_times(files)
    }
}

/// Gives a file that was rewritten its old time back: nothing but its bytes
/// tells it from the old one.
fn same_time(files: &Files, path: &str) -> Verdict {
    files.touch(path, BEFORE.0, BEFORE.1)
}

/// What a file holds.
pub(super) const CONTENT: &[Edit] = &[
    Edit { name: "append", make: |t| t.append("f", b"+"), told: &["M f"] },
    Edit { name: "overwrite in place", make: |t| t.patch("f", 2, b"XX"), told: &["M f"] },
    Edit { name: "truncate to nothing", make: |t| t.write("f", b""), told: &["M f"] },
    Edit {
        name: "same length, same time",
        make: |t| t.patch("f", 0, b"C").and_then(|()| same_time(t, "f")),
        told: &["M f"],
    },
    Edit {
        name: "replaced by a file of the same length and time",
        make: |t| {
            t.write("new", b"CONTENT OF f")?;
            t.rename("new", "f").and_then(|()| same_time(t, "f"))
        },
        told: &["M f"],
    },
    Edit {
        name: "made longer by a hole",
        make: |t| {
            rustix::fs::ftruncate(t.open("f", OFlags::WRONLY)?, 1 << 20)?;
            Ok(())
        },
        told: &["M f"],
    },
    Edit { name: "rewritten the same", make: |t| t.patch("f", 0, b"c"), told: &["M f"] },
    Edit {
        name: "rewritten the same, with its old time",
        make: |t| t.patch("f", 0, b"c").and_then(|()| same_time(t, "f")),
        told: &[],
    },
];

/// What is known about a file.
pub(super) const ATTRIBUTES: &[Edit] = &[
    Edit { name: "chmod", make: |t| t.chmod("f", 0o600), told: &["M f"] },
    Edit { name: "setuid", make: |t| t.chmod("f", 0o4755), told: &["M f"] },
    Edit { name: "chmod to what it was", make: |t| t.chmod("f", 0o644), told: &[] },
    Edit { name: "chown", make: |t| t.chown("f", 1, 0), told: &["M f"] },
    Edit { name: "chgrp", make: |t| t.chown("f", 0, 1), told: &["M f"] },
    Edit { name: "chown a link", make: |t| t.chown("l", 1, 1), told: &["M l"] },
    Edit { name: "a second later", make: |t| t.touch("f", BEFORE.0 + 1, BEFORE.1), told: &["M f"] },
    Edit {
        name: "a nanosecond later",
        make: |t| t.touch("f", BEFORE.0, BEFORE.1 + 1),
        told: &["M f"],
    },
    Edit { name: "a link's time", make: |t| t.touch("l", 5, 5), told: &["M l"] },
    Edit { name: "a device's time", make: |t| t.touch("n", 5, 5), told: &["M n"] },
    Edit { name: "a directory's mode", make: |t| t.chmod("d", 0o700), told: &["M d"] },
    Edit { name: "a directory's owner", make: |t| t.chown("d/sub", 3, 4), told: &["M d/sub"] },
    Edit { name: "the root's mode", make: |t| t.chmod(".", 0o711), told: &["M ."] },
    Edit {
        name: "an attribute more",
        make: |t| t.set_xattr("f", "trusted.new", b"v"),
        told: &["M f"],
    },
    Edit {
        name: "an attribute changed",
        make: |t| t.set_xattr("x", "trusted.one", b"9"),
        told: &["M x"],
    },
    Edit {
        name: "an attribute emptied",
        make: |t| t.set_xattr("x", "trusted.one", b""),
        told: &["M x"],
    },
    Edit {
        name: "an attribute less",
        make: |t| t.remove_xattr("x", "trusted.one"),
        told: &["M x"],
    },
    Edit {
        name: "a directory's attribute",
        make: |t| t.set_xattr("e", "trusted.e", b"1"),
        told: &["M e"],
    },
    Edit {
        name: "a link's attribute",
        make: |t| t.set_xattr("l", "trusted.l", b"1"),
        told: &["M l"],
    },
];

/// Names that come, go and move.
pub(super) const NAMES: &[Edit] = &[
    Edit { name: "a new file", make: |t| t.write("new", b"n"), told: &["A new"] },
    Edit {
        name: "a new file far down",
        make: |t| t.write("d/sub/new", b"n"),
        told: &["A d/sub/new"],
    },
    Edit { name: "a new directory with a file", make: new_directory, told: &["A new", "A new/f"] },
    Edit { name: "a new symbolic link", make: |t| t.symlink("no/where", "new"), told: &["A new"] },
    Edit { name: "a new FIFO", make: |t| t.node("new", FileType::Fifo), told: &["A new"] },
    Edit {
        name: "a new device",
        make: |t| t.device("new", FileType::BlockDevice, 7, 300),
        told: &["A new"],
    },
    Edit { name: "a file gone", make: |t| t.unlink("f"), told: &["D f"] },
    Edit { name: "a file gone far down", make: |t| t.unlink("d/sub/x"), told: &["D d/sub/x"] },
    Edit { name: "an empty directory gone", make: |t| t.rmdir("e"), told: &["D e"] },
    Edit {
        name: "a full directory gone",
        make: |t| empty_sub(t).and_then(|()| t.rmdir("d/sub")),
        told: &["D d/sub"],
    },
    Edit { name: "a file renamed", make: |t| t.rename("f", "moved"), told: &["D f", "A moved"] },
    Edit { name: "renamed over another", make: |t| t.rename("f", "a-b"), told: &["M a-b", "D f"] },
    Edit {
        name: "moved between directories",
        make: |t| t.rename("f", "e/f"),
        told: &["A e/f", "D f"],
    },
    Edit {
        name: "two files exchanged",
        make: |t| Ok(t.rename_with("f", "a-b", RenameFlags::EXCHANGE)?),
        told: &["M a-b", "M f"],
    },
    Edit { name: "deleted and made again", make: deleted_and_made_again, told: &["M f"] },
    Edit {
        name: "made and deleted again",
        make: |t| t.write("new", b"").and_then(|()| t.unlink("new")),
        told: &[],
    },
    Edit {
        name: "names in every place of the order",
        make: many_places,
        told: &["A !", "A a/a", "D a/z", "D a-b", "M a.b", "A a0", "A z"],
    },
];

fn new_directory(files: &Files) -> Verdict {
    files.dir("new")?;
    files.write("new/f", b"n")
}

fn empty_sub(files: &Files) -> Verdict {
    files.unlink("d/sub/x")?;
    files.unlink("d/sub/y")
}

fn deleted_and_made_again(files: &Files) -> Verdict {
    files.unlink("f")?;
    files.write("f", b"another file")
}

fn many_places(files: &Files) -> Verdict {
    files.write("!", b"")?;
    files.write("a/a", b"")?;
    files.unlink("a/z")?;
    files.unlink("a-b")?;
    files.append("a.b", b"+")?;
    files.write("a0", b"")?;
    files.write("z", b"")
}

/// Files that become other kinds of files.
pub(super) const TYPES: &[Edit] = &[
    Edit { name: "file to directory", make: file_to_directory, told: &["M f", "A f/new"] },
    Edit { name: "directory to file", make: directory_to_file, told: &["M d/sub"] },
    Edit {
        name: "empty directory to link",
        make: |t| t.rmdir("e").and_then(|()| t.symlink("d", "e")),
        told: &["M e"],
    },
    Edit {
        name: "link to directory",
        make: |t| t.unlink("ld").and_then(|()| t.dir("ld")),
        told: &["M ld"],
    },
    Edit {
        name: "link to its target's copy",
        make: |t| t.unlink("l").and_then(|()| t.write("l", b"content of f")),
        told: &["M l"],
    },
    Edit {
        name: "link to elsewhere",
        make: |t| t.unlink("l").and_then(|()| t.symlink("g", "l")).and_then(|()| same_time(t, "l")),
        told: &["M l"],
    },
    Edit {
        name: "FIFO to file",
        make: |t| t.unlink("p").and_then(|()| t.write("p", b"")),
        told: &["M p"],
    },
    Edit {
        name: "file to device",
        make: |t| t.unlink("f").and_then(|()| t.device("f", FileType::CharacterDevice, 1, 5)),
        told: &["M f"],
    },
    Edit { name: "device of another number", make: another_number, told: &["M n"] },
    Edit {
        name: "character to block device",
        make: |t| t.unlink("n").and_then(|()| t.device("n", FileType::BlockDevice, 1, 3)),
        told: &["M n"],
    },
];

fn file_to_directory(files: &Files) -> Verdict {
    files.unlink("f")?;
    files.dir("f")?;
    files.write("f/new", b"n")
}

fn directory_to_file(files: &Files) -> Verdict {
    empty_sub(files)?;
    files.rmdir("d/sub")?;
    files.write("d/sub", b"a file now")
}

fn another_number(files: &Files) -> Verdict {
    files.unlink("n")?;
    files.device("n", FileType::CharacterDevice, 1, 5)?;
    same_time(files, "n")
}

/// Directories that are replaced, emptied and filled.
pub(super) const DIRECTORIES_REPLACED: &[Edit] = &[
    Edit {
        name: "emptied",
        make: |t| t.unlink("o/1").and_then(|()| t.unlink("o/2")),
        told: &["D o/1", "D o/2"],
    },
    Edit {
        name: "deleted and made again, empty",
        make: |t| clear_o(t).and_then(|()| t.dir("o")),
        told: &["D o/1", "D o/2"],
    },
    Edit {
        name: "deleted and made again with another file",
        make: |t| remade(t, "3"),
        told: &["D o/1", "D o/2", "A o/3"],
    },
    Edit {
        name: "deleted and made again with a file of that name",
        make: |t| remade(t, "1"),
        told: &["M o/1", "D o/2"],
    },
    Edit {
        name: "replaced by a renamed one",
        make: renamed_over,
        told: &["D o/1", "D o/2", "A o/n"],
    },
    Edit { name: "a new one moved", make: new_one_moved, told: &["A d/moved", "A d/moved/f"] },
    Edit {
        name: "deleted and made again as a file",
        make: |t| clear_o(t).and_then(|()| t.write("o", b"")),
        told: &["M o"],
    },
];

fn clear_o(files: &Files) -> Verdict {
    files.unlink("o/1")?;
    files.unlink("o/2")?;
    files.rmdir("o")
}

fn remade(files: &Files, name: &str) -> Verdict {
    clear_o(files)?;
    files.dir("o")?;
    files.write(format!("o/{name}"), b"new")
}

fn renamed_over(files: &Files) -> Verdict {
    files.unlink("o/1")?;
    files.unlink("o/2")?;
    files.dir("fresh")?;
    files.write("fresh/n", b"n")?;
    files.rename("fresh", "o")
}

fn new_one_moved(files: &Files) -> Verdict {
    new_directory(files)?;
    files.rename("new", "d/moved")
}

/// Several names of one file.
pub(super) const LINKS: &[Edit] = &[
    Edit { name: "a second name", make: |t| t.link("f", "f2"), told: &["A f2"] },
    Edit { name: "a third name", make: |t| t.link("g", "d/g3"), told: &["A d/g3"] },
    Edit { name: "one name less", make: |t| t.unlink("g"), told: &["D g"] },
    Edit {
        name: "a new file with three names",
        make: three_names,
        told: &["A d/2", "A e/3", "A new"],
    },
    Edit { name: "a link to a link", make: |t| t.link("l", "l2"), told: &["A l2"] },
    Edit { name: "a second FIFO", make: |t| t.link("p", "p2"), told: &["A p2"] },
    Edit {
        name: "a moved file with two names",
        make: |t| t.rename("h", "d/h"),
        told: &["A d/h", "D h"],
    },
];

fn three_names(files: &Files) -> Verdict {
    files.write("new", b"one file")?;
    files.link("new", "d/2")?;
    files.link("new", "e/3")
}

/// Every group with its name.
pub(super) const ALL: &[&[Edit]] =
    &[CONTENT, ATTRIBUTES, NAMES, TYPES, DIRECTORIES_REPLACED, LINKS];
