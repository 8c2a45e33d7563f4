//! What programs expect of a file system, on files that came from a layer
//! below: what union file systems are known to get wrong.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::process::{Command, Stdio};

use rustix::fs::{AtFlags, CWD, FileType, FlockOperation, OFlags, RenameFlags, XattrFlags, flock};
use rustix::io::Errno;

use super::mounts::{path, writable};
use crate::suite::case::cases;
use crate::suite::context::Context;
use crate::suite::edits::write_base;
use crate::suite::files::Files;
use crate::suite::stop::{Stop, Verdict, When, ensure, errno, same};
use crate::suite::store::files;

cases! { posix:
    Behaviour names_that_are_gone_are_gone, System("unlink(2), mkdir(2), open(2): ENOENT, EEXIST");
    Behaviour renames_replace_as_they_may, System("rename(2): EISDIR, ENOTDIR, ENOTEMPTY, EEXIST");
    Behaviour listing_while_deleting_misses_nothing,
        System("readdir(3): entries that are neither added nor removed are returned once");
    Behaviour listed_inodes_are_those_of_stat, System("readdir(3), d_ino: the file's inode number");
    Behaviour one_tree_is_one_file_system, System("stat(2), st_dev: the device that holds the file");
    Behaviour inodes_outlast_a_mount, System("stat(2), st_ino: a file is known by st_dev and st_ino");
    Behaviour unlinked_files_live_while_open, System("unlink(2): exists until the last descriptor is closed");
    Behaviour unnamed_files_can_be_linked, System("open(2), O_TMPFILE: linkat(2) gives it a name");
    Behaviour a_running_program_is_busy, System("open(2): ETXTBSY for a file that is being executed");
    Behaviour locks_outlast_the_first_change, System("flock(2): locks are of the file, not of its copy");
    Behaviour holes_are_found_and_punched, System("lseek(2), SEEK_DATA; fallocate(2), FALLOC_FL_PUNCH_HOLE");
    Behaviour truncation_fills_with_zeros, System("truncate(2): the extended part reads as zeros");
    Behaviour permissions_bind, System("path_resolution(7): permissions, sticky and setgid directories");
    Behaviour flushing_works, System("fsync(2), syncfs(2)");
    Behaviour attributes_obey_their_flags, System("setxattr(2): XATTR_CREATE, XATTR_REPLACE; listxattr(2)");
    Behaviour a_changed_directory_tells_the_time, System("inode(7): mtime of a directory changes with its names");
}

/// A draft on a layer of `write`, mounted for `what`.
fn on_a_layer(
    cx: &Context<'_>,
    write: impl FnOnce(&Files) -> Verdict,
    what: impl FnOnce(&Files) -> Verdict,
) -> Verdict {
    let store = cx.open()?;
    let l = store.layer("l", None, write)?;
    let d = store.on("d", &l)?;
    store.edit(&d, what)
}

fn names_that_are_gone_are_gone(cx: &Context<'_>) -> Verdict {
    on_a_layer(cx, write_base, |files| {
        errno("rmdir of a full directory", files.try_rmdir("o"), Errno::NOTEMPTY)?;
        let exclusive = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
        errno("creating what is there", files.open("f", exclusive), Errno::EXIST)?;
        errno("mkdir of what is there", files.mkdir("d"), Errno::EXIST)?;
        files.unlink("f")?;
        errno("stat", files.try_stat("f"), Errno::NOENT)?;
        errno("open", files.open("f", OFlags::RDONLY), Errno::NOENT)?;
        errno("rename", files.try_rename("f", "g"), Errno::NOENT)?;
        let names = files.names(".")?;
        ensure!(!names.iter().any(|name| name == "f"), "a deleted name is listed: {names:?}");
        drop(files.open("f", exclusive).when("create it again")?);
        same("its content", files.read("f")?, b"")?;
        files.unlink("o/1")?;
        files.unlink("o/2")?;
        files.rmdir("o").when("rmdir of an emptied directory")?;
        files.dir("o").when("mkdir again")?;
        same("names in a directory made again", files.names("o")?.len(), 0)
    })
}

fn renames_replace_as_they_may(cx: &Context<'_>) -> Verdict {
    on_a_layer(cx, write_base, |files| {
        errno("a file over a directory", files.try_rename("f", "d"), Errno::ISDIR)?;
        let noreplace = files.rename_with("f", "g", RenameFlags::NOREPLACE);
        errno("not to replace", noreplace, Errno::EXIST)?;
        files.dir("new")?;
        errno("a directory over a file", files.try_rename("new", "f"), Errno::NOTDIR)?;
        errno("over a full directory", files.try_rename("new", "o"), Errno::NOTEMPTY)?;
        files.write("new/in", b"1")?;
        files.rename("new", "e").when("over an empty directory")?;
        same("what is in it", files.read("e/in")?, b"1")?;
        files.rename("f", "g").when("over a file with two names")?;
        same("the replaced name", files.read("g")?, b"content of f")?;
        same("the other name", files.read("h")?, b"content of g")?;
        files.rename_with("g", "d/f", RenameFlags::EXCHANGE).when("exchange")?;
        same("one of them", files.read("g")?, b"content of d/f")?;
        same("the other", files.read("d/f")?, b"content of f")
    })
}

const MANY: usize = 1500;

fn listing_while_deleting_misses_nothing(cx: &Context<'_>) -> Verdict {
    let name = |i: usize| format!("many/{i:05}");
    let write = |files: &Files| -> Verdict {
        files.dir("many")?;
        (0..MANY).step_by(2).try_for_each(|i| files.mknod_file(&name(i)))
    };
    on_a_layer(cx, write, |files| {
        (1..MANY).step_by(2).try_for_each(|i| files.mknod_file(&name(i)))?;
        let many = files.open("many", OFlags::DIRECTORY)?;
        let at = Files::at(std::os::fd::AsFd::as_fd(&many))?;
        let mut seen = 0;
        for entry in rustix::fs::Dir::read_from(&many)? {
            let entry = entry?;
            let name = String::from_utf8_lossy(entry.file_name().to_bytes()).into_owned();
            if name != "." && name != ".." {
                at.unlink(&name)?;
                seen += 1;
            }
        }
        same("names seen", seen, MANY)?;
        same("names left", files.names("many")?.len(), 0)
    })
}

fn listed_inodes_are_those_of_stat(cx: &Context<'_>) -> Verdict {
    on_a_layer(cx, write_base, |files| {
        files.write("own", b"1")?;
        files.append("f", b"copied")?;
        let root = files.open(".", OFlags::DIRECTORY)?;
        for entry in rustix::fs::Dir::read_from(&root)? {
            let entry = entry?;
            let name = String::from_utf8_lossy(entry.file_name().to_bytes()).into_owned();
            if name != ".." {
                same(format!("d_ino of {name}"), entry.ino(), files.stat(&name)?.st_ino)?;
            }
        }
        Ok(())
    })
}

fn one_tree_is_one_file_system(cx: &Context<'_>) -> Verdict {
    on_a_layer(cx, write_base, |files| {
        files.write("own", b"1")?;
        let root = files.stat(".")?.st_dev;
        for path in ["d", "d/sub", "f", "own", "l", "p", "d/sub/x"] {
            same(format!("st_dev of {path}"), files.stat(path)?.st_dev, root)?;
        }
        files.append("f", b"copied")?;
        same("st_dev of a file once written to", files.stat("f")?.st_dev, root)
    })
}

fn inodes_outlast_a_mount(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let l = store.layer("l", None, write_base)?;
    let d = store.on("d", &l)?;
    let inodes = |files: &Files| -> Verdict<BTreeMap<&'static str, u64>> {
        let paths = ["f", "d", "d/sub", "d/sub/x", "own"];
        paths.into_iter().map(|path| Ok((path, files.stat(path)?.st_ino))).collect()
    };
    store.edit(&d, |files| {
        files.write("own", b"1")?;
        files.append("f", b"copied")
    })?;
    let before = store.look(&d, inodes)?;
    same("in the next mount", store.look(&d, inodes)?, before)
}

fn unlinked_files_live_while_open(cx: &Context<'_>) -> Verdict {
    on_a_layer(cx, write_base, |files| {
        let mut reader = File::from(files.open("f", OFlags::RDONLY)?);
        let writer = File::from(files.open("g", OFlags::RDWR)?);
        files.unlink("f")?;
        files.unlink("g")?;
        files.unlink("h")?;
        let mut content = Vec::new();
        reader.read_to_end(&mut content)?;
        same("by a reader", content, b"content of f")?;
        writer.write_all_at(b"CONTENT", 0)?;
        let mut content = [0; 12];
        writer.read_exact_at(&mut content, 0)?;
        same("by a writer", &content[..], b"CONTENT of g")?;
        same("links", rustix::fs::fstat(&writer)?.st_nlink, 0)
    })
}

fn unnamed_files_can_be_linked(cx: &Context<'_>) -> Verdict {
    cx.medium_can("make unnamed files", |files| {
        files.open(".", TMPFILE).map(drop).map_err(Stop::from)
    })?;
    on_a_layer(cx, write_base, |files| {
        let mut file = File::from(files.open("d", TMPFILE).when("open an unnamed file")?);
        file.write_all(b"named late")?;
        let link = format!("/proc/self/fd/{}", file.as_raw_fd());
        rustix::fs::linkat(CWD, link, files.root(), "d/late", AtFlags::SYMLINK_FOLLOW)
            .when("link it")?;
        same("its content", files.read("d/late")?, b"named late")
    })
}

const TMPFILE: OFlags = OFlags::TMPFILE.union(OFlags::RDWR);

fn a_running_program_is_busy(cx: &Context<'_>) -> Verdict {
    let sleep = std::fs::read("/bin/sleep").when("read /bin/sleep")?;
    let store = cx.open()?;
    let l = store.layer("l", None, |files| {
        files.write("sleep", sleep)?;
        files.chmod("sleep", 0o755)
    })?;
    let d = store.on("d", &l)?;
    let mut guard = store.mount(&d, &writable())?;
    let program = path(&guard)?.join("sleep");
    let started = Command::new(program).arg("600").stdin(Stdio::null()).spawn();
    let mut running = started.when("run a program")?;
    let write = files(&guard)?.open("sleep", OFlags::WRONLY).map(drop);
    running.kill().when("end the program")?;
    running.wait().when("wait for the program")?;
    guard.unmount()?;
    errno("opening a running program for writing", write, Errno::TXTBSY)
}

fn locks_outlast_the_first_change(cx: &Context<'_>) -> Verdict {
    on_a_layer(cx, write_base, |files| {
        let holder = files.open("f", OFlags::RDONLY)?;
        flock(&holder, FlockOperation::NonBlockingLockExclusive).when("lock")?;
        files.append("f", b"copied meanwhile")?;
        let other = files.open("f", OFlags::RDWR)?;
        let taken = flock(&other, FlockOperation::NonBlockingLockExclusive);
        errno("a second lock", taken, Errno::AGAIN)?;
        drop(holder);
        flock(&other, FlockOperation::NonBlockingLockExclusive).when("lock once it is free")
    })
}

fn holes_are_found_and_punched(cx: &Context<'_>) -> Verdict {
    const HOLE: u64 = 1 << 20;
    let write = |files: &Files| -> Verdict {
        let file = File::from(files.open("f", OFlags::RDWR | OFlags::CREATE)?);
        Ok(file.write_all_at(&[1; 4096], HOLE)?)
    };
    on_a_layer(cx, write, |files| {
        let file = files.open("f", OFlags::RDWR)?;
        let data = rustix::fs::seek(&file, rustix::fs::SeekFrom::Data(0)).when("seek to data")?;
        ensure!(data <= HOLE, "the first data is said to be at {data}");
        let mode = rustix::fs::FallocateFlags::PUNCH_HOLE | rustix::fs::FallocateFlags::KEEP_SIZE;
        match rustix::fs::fallocate(&file, mode, HOLE, 4096) {
            Err(Errno::OPNOTSUPP) => {
                return Err(Stop::NotRun("no holes can be punched here".into()));
            }
            punched => punched.when("punch a hole")?,
        }
        let mut bytes = [9; 4096];
        File::from(file).read_exact_at(&mut bytes, HOLE)?;
        same("what is in the hole", bytes.iter().all(|b| *b == 0), true)
    })
}

fn truncation_fills_with_zeros(cx: &Context<'_>) -> Verdict {
    on_a_layer(cx, write_base, |files| {
        let mut file = File::from(files.open("f", OFlags::RDWR)?);
        file.set_len(3)?;
        file.set_len(6)?;
        same("cut and made longer", files.read("f")?, b"con\0\0\0")?;
        file.seek(SeekFrom::Start(8))?;
        file.write_all(b"x")?;
        same("written beyond the end", files.read("f")?, b"con\0\0\0\0\0x")
    })
}

fn permissions_bind(cx: &Context<'_>) -> Verdict {
    let write = |files: &Files| -> Verdict {
        files.dir("shared")?;
        files.chmod("shared", 0o1777)?;
        files.write("shared/roots", b"1")?;
        files.chmod("shared/roots", 0o666)?;
        files.dir("group")?;
        files.chown("group", 0, 77)?;
        files.chmod("group", 0o2777)?;
        files.write("secret", b"1")?;
        files.chmod("secret", 0o600)
    };
    on_a_layer(cx, write, |files| {
        super::idmaps::as_user(1000, 1000, || -> Verdict {
            errno("another's secret", files.open("secret", OFlags::RDONLY), Errno::ACCESS)?;
            let flags = AtFlags::empty();
            let unlink = rustix::fs::unlinkat(files.root(), "shared/roots", flags);
            errno("another's file in a sticky directory", unlink, Errno::PERM)?;
            files.append("shared/roots", b"2").when("a file that all may write to")?;
            files.write("shared/own", b"")?;
            files.unlink("shared/own")?;
            files.write("group/own", b"")?;
            errno("giving a file away", files.try_chown("group/own", 0, 77), Errno::PERM)
        })??;
        let stat = files.stat("group/own")?;
        same("owner and group in a setgid directory", (stat.st_uid, stat.st_gid), (1000, 77))
    })
}

fn flushing_works(cx: &Context<'_>) -> Verdict {
    on_a_layer(cx, write_base, |files| {
        files.append("f", b"copied")?;
        for (path, flags) in [("f", OFlags::RDWR), ("g", OFlags::RDONLY), ("d", OFlags::DIRECTORY)]
        {
            let file = files.open(path, flags)?;
            rustix::fs::fsync(&file).when(format_args!("fsync {path}"))?;
            rustix::fs::syncfs(&file).when(format_args!("syncfs {path}"))?;
        }
        rustix::fs::fdatasync(files.open("f", OFlags::RDWR)?).when("fdatasync")
    })
}

fn attributes_obey_their_flags(cx: &Context<'_>) -> Verdict {
    on_a_layer(cx, write_base, |files| {
        let file = files.open("x", OFlags::RDWR)?;
        let set = |name: &str, flags| rustix::fs::fsetxattr(&file, name, b"v", flags);
        errno("create what is there", set("trusted.one", XattrFlags::CREATE), Errno::EXIST)?;
        errno("replace what isn't", set("trusted.new", XattrFlags::REPLACE), Errno::NODATA)?;
        set("trusted.new", XattrFlags::CREATE).when("create")?;
        set("trusted.one", XattrFlags::REPLACE).when("replace")?;
        files.remove_xattr("x", "trusted.two")?;
        same("removed", files.xattr("x", "trusted.two")?, None)?;
        let mut list = vec![0; 4096];
        let length = rustix::fs::flistxattr(&file, &mut list[..])?;
        let text = String::from_utf8_lossy(&list[..length]).into_owned();
        let mut names: Vec<_> =
            text.split_terminator('\0').filter(|n| n.starts_with("trusted.")).collect();
        names.sort_unstable();
        same("names", names, ["trusted.new", "trusted.one"])
    })
}

fn a_changed_directory_tells_the_time(cx: &Context<'_>) -> Verdict {
    on_a_layer(cx, write_base, |files| {
        type Step = (&'static str, &'static str, fn(&Files) -> Verdict);
        let steps: [Step; 4] = [
            ("d", "creating", |files| files.write("d/new", b"")),
            ("o", "deleting", |files| files.unlink("o/1")),
            ("d/sub", "renaming", |files| files.rename("d/sub/x", "d/sub/z")),
            ("e", "making a device", |files| files.device("e/n", FileType::BlockDevice, 7, 1)),
        ];
        for (dir, what, step) in steps {
            let before = files.stat(dir)?.st_mtime;
            step(files)?;
            let after = files.stat(dir)?.st_mtime;
            ensure!(after > before, "{what}: the directory's time stays {after}");
        }
        Ok(())
    })
}
