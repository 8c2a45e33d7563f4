//! Mounts and the guards that hold them.

use std::os::unix::fs::MetadataExt;
use std::sync::mpsc::channel;
use std::thread;

use graphdriver_api::{Base, ErrorKind, MountGuard, MountRequest};
use rustix::fs::{FileType, OFlags};
use rustix::io::Errno;

use crate::suite::case::cases;
use crate::suite::context::Context;
use crate::suite::files::Files;
use crate::suite::host::{in_own_namespace, mounts_below};
use crate::suite::stop::{Stop, Verdict, When, ensure, errno, gone, refused, same};
use crate::suite::store::{files, same_tree};

cases! { mounts:
    Law what_is_written_is_in_the_draft,
        Contract("what is written there is in the draft when the guard has been unmounted");
    Law path_and_root_are_one, Contract("the guard's path and root show the tree");
    Law a_draft_has_one_mount, Contract("A draft has at most one mount.");
    Law read_only_refuses_every_change,
        Contract("Read-only, whatever the draft is (EROFS on writing).");
    Law a_view_is_read_only_whatever_is_asked,
        Contract("As the draft is: a view is read-only all the same.");
    Law a_read_only_mount_leaves_the_draft_writable,
        Contract("Read-only, whatever the draft is (EROFS on writing).");
    Law side_by_side,
        Contract("Calls on different nodes don't wait for one another longer than a directory update \
         takes.");
    Law between_threads,
        Contract("Every method may be called from any number of threads and processes at once.");
    Law in_the_callers_namespace,
        Contract("Mounts the draft in the mount namespace of the calling thread."), alone true;
    Law volatile_is_advice, Contract("Advice: a driver that can't is durable instead.");
    Law again_and_again, Contract("Unmounts and frees the draft.");
    Behaviour devices_work,
        System("mount(8): without nodev, device files on the file system are interpreted");
    Behaviour programs_run,
        System("mount(8): without noexec, binaries on the file system can be executed");
}

/// The usual request.
pub(super) fn writable() -> MountRequest {
    MountRequest::default()
}

fn what_is_written_is_in_the_draft(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let d = store.draft("d", Base::Scratch)?;
    let tree = store.edit(&d, |files| {
        files.dir("a")?;
        files.write("a/b", b"content")?;
        files.symlink("b", "a/c")?;
        files.snapshot()
    })?;
    same_tree("the draft mounted again", &store.tree(&d)?, &tree)?;
    store.edit(&d, |files| files.append("a/b", b" and more"))?;
    same("the file", store.look(&d, |files| files.read("a/b"))?, b"content and more")
}

fn path_and_root_are_one(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let l = store.layer("l", None, |files| files.write("f", b"1"))?;
    for (what, d) in [("a draft", store.on("d", &l)?), ("a view", store.view_of("v", &l)?)] {
        let mut guard = store.mount(&d, &writable())?;
        let path = path(&guard)?;
        ensure!(path.is_absolute(), "{what}: the path {path:?} isn't absolute");
        let by_path = std::fs::metadata(&path).when(format_args!("stat {path:?}"))?;
        let by_fd = files(&guard)?.stat(".")?;
        let (path_id, fd_id) = ((by_path.dev(), by_path.ino()), (by_fd.st_dev, by_fd.st_ino));
        same(format!("{what}: device and inode by path"), path_id, fd_id)?;
        let through = Files::of(&path)?.snapshot()?;
        same_tree(format!("{what} by path"), &through, &files(&guard)?.snapshot()?)?;
        guard.unmount()?;
    }
    Ok(())
}

fn a_draft_has_one_mount(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let l = store.layer("l", None, |files| files.write("f", b"1"))?;
    for d in [store.on("d", &l)?, store.view_of("v", &l)?] {
        for first in [writable(), MountRequest::read_only()] {
            let mut guard = store.mount(&d, &first)?;
            for second in [writable(), MountRequest::read_only()] {
                refused("a second mount", store.mount(&d, &second), ErrorKind::Busy)?;
            }
            same("the file, after the refusal", files(&guard)?.read("f")?, b"1")?;
            guard.unmount()?;
        }
    }
    Ok(())
}

fn read_only_refuses_every_change(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let l = store.layer("l", None, some_files)?;
    let d = store.on("d", &l)?;
    let tree = store.tree(&d)?;
    store.during(&d, &MountRequest::read_only(), every_change_is_refused)?;
    same_tree("the draft", &store.tree(&d)?, &tree)
}

fn a_view_is_read_only_whatever_is_asked(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let l1 = store.layer("l1", None, some_files)?;
    let l2 = store.layer("l2", Some(&l1), |files| files.write("more", b"1"))?;
    for (name, layer) in [("v1", &l1), ("v2", &l2)] {
        let tree = store.tree(layer)?;
        let v = store.view_of(name, layer)?;
        store.during(&v, &writable(), every_change_is_refused)?;
        same_tree("the layer", &store.tree(layer)?, &tree)?;
    }
    Ok(())
}

fn some_files(files: &Files) -> Verdict {
    files.write("f", b"1")?;
    files.dir("d")
}

fn every_change_is_refused(files: &Files) -> Verdict {
    let root = files.root();
    let time = rustix::fs::Timespec { tv_sec: 1, tv_nsec: 1 };
    let times = rustix::fs::Timestamps { last_access: time, last_modification: time };
    let flags = rustix::fs::AtFlags::empty();
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    let answers: [(&str, Result<(), Errno>); 12] = [
        ("open for writing", files.open("f", OFlags::WRONLY).map(drop)),
        ("truncate", files.open("f", OFlags::WRONLY | OFlags::TRUNC).map(drop)),
        ("create", files.open("new", OFlags::WRONLY | OFlags::CREATE).map(drop)),
        ("mkdir", rustix::fs::mkdirat(root, "new", mode)),
        ("mknod", files.mknod("new", FileType::Fifo, 0, 0)),
        ("symlink", rustix::fs::symlinkat("f", root, "new")),
        ("link", rustix::fs::linkat(root, "f", root, "new", flags)),
        ("rename", files.try_rename("f", "new")),
        ("unlink", rustix::fs::unlinkat(root, "f", flags)),
        ("rmdir", files.try_rmdir("d")),
        ("chown", files.try_chown("f", 1, 1)),
        ("utimens", rustix::fs::utimensat(root, "f", &times, flags)),
    ];
    for (what, answer) in answers {
        errno(what, answer, Errno::ROFS)?;
    }
    errno("setxattr", files.try_set_xattr("f", "trusted.a", b"1"), Errno::ROFS)?;
    errno("chmod", rustix::fs::chmodat(root, "f", mode, flags), Errno::ROFS)
}

fn a_read_only_mount_leaves_the_draft_writable(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let d = store.draft("d", Base::Scratch)?;
    store.edit(&d, |files| files.write("f", b"1"))?;
    same("read-only", store.look(&d, |files| files.read("f"))?, b"1")?;
    store.edit(&d, |files| files.write("f", b"2"))?;
    same("after another edit", store.look(&d, |files| files.read("f"))?, b"2")?;
    store.committed(&d, "l").map(drop)
}

fn side_by_side(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let l = store.layer("l", None, |files| files.write("f", b"below"))?;
    let ids: Vec<_> = (0..12).map(|i| store.on(&format!("d{i}"), &l)).collect::<Verdict<_>>()?;
    let v = store.view_of("v", &l)?;
    let view = store.mount(&v, &writable())?;
    let mounted = ids.iter().map(|d| store.mount(d, &writable()));
    let mut guards: Vec<_> = mounted.collect::<Result<_, _>>()?;
    for (guard, d) in guards.iter().zip(&ids) {
        files(guard)?.write("f", d.as_str())?;
    }
    for (guard, d) in guards.iter_mut().zip(&ids) {
        same("a draft's own file", files(guard)?.read("f")?, d.as_str().as_bytes())?;
        guard.unmount()?;
    }
    same("the layer's, by the view", files(&view)?.read("f")?, b"below")
}

fn between_threads(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let d = store.draft("d", Base::Scratch)?;
    let mounting = thread::spawn({
        let (store, d) = (store.clone(), d.clone());
        move || -> Verdict<MountGuard> { Ok(store.mount(&d, &writable())?) }
    });
    let guard = join(mounting)?;
    files(&guard)?.write("f", b"1")?;
    let path = path(&guard)?;
    same("by path", std::fs::read(path.join("f"))?, b"1")?;
    join(thread::spawn(move || -> Verdict {
        let mut guard = guard;
        files(&guard)?.append("f", b"2")?;
        Ok(guard.unmount()?)
    }))?;
    same("in the end", store.look(&d, |files| files.read("f"))?, b"12")
}

fn in_the_callers_namespace(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let d = store.draft("d", Base::Scratch)?;
    let before = mounts_below(cx.dir())?;
    let dir = cx.dir().to_owned();
    let (mounted, seen) = channel();
    let (leave, told) = channel::<()>();
    let apart = in_own_namespace({
        let (store, d) = (store.clone(), d.clone());
        move || {
            let mut guard = store.mount(&d, &writable())?;
            let point = path(&guard)?;
            let table = std::fs::read_to_string("/proc/thread-self/mountinfo")?;
            let there = table.contains(point.to_string_lossy().as_ref());
            ensure!(there, "{point:?} isn't in the caller's namespace");
            files(&guard)?.write("f", b"1")?;
            mounted.send(()).map_err(gone)?;
            // Ends when the case lets go of the other end, and never by a word.
            for () in told {}
            Ok(guard.unmount()?)
        }
    });
    let waited = seen.recv();
    let here = mounts_below(&dir);
    let again = store.mount(&d, &writable());
    drop(leave);
    join(apart)?;
    waited.map_err(|_| Stop::failed("the thread mounted nothing"))?;
    same("mounts in another namespace", here?, before)?;
    refused("a second mount, from another namespace", again, ErrorKind::Busy)?;
    same("what was written", store.look(&d, |files| files.read("f"))?, b"1")
}

fn volatile_is_advice(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let d = store.draft("d", Base::Scratch)?;
    let request = MountRequest { volatile: true, ..writable() };
    for round in 1..=3_u8 {
        store.during(&d, &request, |files| files.write("f", [round]))?;
        same("in the next mount", store.look(&d, |files| files.read("f"))?, [round])?;
    }
    let l = store.committed(&d, "l")?;
    same("nodes in the layer", store.tree(&l)?.iter().count(), 2)
}

fn again_and_again(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let l = store.layer("l", None, |files| files.write("count", b""))?;
    let d = store.on("d", &l)?;
    for round in 0..40 {
        store.edit(&d, |files| files.append("count", [round]))?;
    }
    let expected: Vec<u8> = (0..40).collect();
    same("what 40 mounts wrote", store.look(&d, |files| files.read("count"))?, expected)
}

fn devices_work(cx: &Context<'_>) -> Verdict {
    cx.medium_can("open device files", null_works)?;
    let store = cx.open()?;
    let l =
        store.layer("l", None, |files| files.device("null", FileType::CharacterDevice, 1, 3))?;
    let d = store.on("d", &l)?;
    store.edit(&d, |files| files.append("null", b"gone"))?;
    store.edit(&d, |files| files.rename("null", "moved"))?;
    store.edit(&d, |files| files.append("moved", b"gone"))
}

fn null_works(files: &Files) -> Verdict {
    files.device("null", FileType::CharacterDevice, 1, 3)?;
    files.append("null", b"gone")
}

fn programs_run(cx: &Context<'_>) -> Verdict {
    let script = |files: &Files| -> Verdict {
        files.write("run", b"#!/bin/sh\nexit 42\n")?;
        files.chmod("run", 0o755)
    };
    let store = cx.open()?;
    let l = store.layer("l", None, script)?;
    let d = store.on("d", &l)?;
    let mut guard = store.mount(&d, &writable())?;
    let status = std::process::Command::new(path(&guard)?.join("run")).status();
    guard.unmount()?;
    same("its exit status", status.when("run a program")?.code(), Some(42))
}

/// A guard's path.
pub(super) fn path(guard: &MountGuard) -> Verdict<std::path::PathBuf> {
    let path = guard.path().ok_or_else(|| Stop::failed("a mounted guard has no path"))?;
    Ok(path.to_owned())
}

/// A thread's result.
pub(super) fn join<T>(thread: thread::JoinHandle<Verdict<T>>) -> Verdict<T> {
    thread.join().map_err(|_| Stop::failed("a thread panicked"))?
}
