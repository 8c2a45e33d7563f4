//! The guards that hold mounts: when they let go, and when they do not.

use std::sync::mpsc::channel;
use std::thread;

use graphdriver_api::{Base, ErrorKind, MountState};
use nix::sched::{CloneFlags, unshare};
use rustix::fs::OFlags;

use super::mounts::{join, path, writable};
use crate::suite::case::cases;
use crate::suite::context::Context;
use crate::suite::host::mounts_below;
use crate::suite::stop::{Stop, Verdict, When, ensure, gone, refused, same};
use crate::suite::store::files;

cases! { guards:
    Law held_by_another_handle_is_busy, Contract("`Busy` (mounted, here or elsewhere)");
    Law unmounting_waits_for_open_files,
        Contract("`Busy` while somebody has a file or a working directory in the tree;");
    Law unmounting_waits_for_working_directories,
        Contract("`Busy` while somebody has a file or a working directory in the tree;");
    Law an_unlinked_open_file_keeps_it_busy,
        Contract("the guard still holds it, and the call can be repeated");
    Law dropping_unmounts, Contract("Dropping it unmounts.");
    Law a_failed_drop_leaves_it_busy,
        Contract("a mount that still has writers is never mistaken for one that has ended");
    Law unmounting_twice_does_nothing, Contract("A second call does nothing.");
    Law stat_tells_who_holds_it, Contract("A living process holds a guard.");
    Law a_guard_outlives_its_driver,
        Contract("While it lives, the draft can't be mounted again, applied to, committed or removed \
         (`Busy`).");
}

fn held_by_another_handle_is_busy(cx: &Context<'_>) -> Verdict {
    let (one, other) = (cx.open()?, cx.open()?);
    let d = one.draft("d", Base::Scratch)?;
    let mut guard = one.mount(&d, &writable())?;
    refused("mount", other.mount(&d, &writable()), ErrorKind::Busy)?;
    refused("remove", other.remove((&d).into()), ErrorKind::Busy)?;
    refused("commit", other.committed_as(&d, "l")?, ErrorKind::Busy)?;
    same("its state", other.stat((&d).into())?.mount, MountState::Held)?;
    guard.unmount()?;
    other.edit(&d, |files| files.write("f", b"1"))?;
    same("written by the other", one.look(&d, |files| files.read("f"))?, b"1")
}

fn unmounting_waits_for_open_files(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let l = store.layer("l", None, |files| files.write("below", b"1"))?;
    let d = store.on("d", &l)?;
    let mut guard = store.mount(&d, &writable())?;
    let tree = files(&guard)?;
    tree.write("f", b"1")?;
    for (name, flags) in [("f", OFlags::WRONLY), ("below", OFlags::RDONLY), (".", OFlags::PATH)] {
        let open = tree.open(name, flags)?;
        let busy = guard.unmount();
        refused(format!("unmount with {name:?} open"), busy, ErrorKind::Busy)?;
        drop(open);
    }
    drop(tree);
    files(&guard)?.write("still", b"writable")?;
    guard.unmount()?;
    same("after it all", store.look(&d, |files| files.read("still"))?, b"writable")
}

fn unmounting_waits_for_working_directories(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let d = store.draft("d", Base::Scratch)?;
    let mut guard = store.mount(&d, &writable())?;
    let (inside, entered) = channel();
    let (leave, told) = channel::<()>();
    let root = files(&guard)?;
    let walker = thread::spawn(move || -> Verdict {
        // A working directory of this thread's own: others stay where they are.
        unshare(CloneFlags::CLONE_FS).map_err(std::io::Error::from)?;
        rustix::process::fchdir(root.root())?;
        drop(root);
        inside.send(()).map_err(gone)?;
        // Ends when the case lets go of the other end, and never by a word.
        for () in told {}
        Ok(())
    });
    entered.recv().map_err(|_| Stop::failed("the thread couldn't enter the tree"))?;
    let busy = guard.unmount();
    drop(leave);
    join(walker)?;
    refused("unmount with a working directory in the tree", busy, ErrorKind::Busy)?;
    Ok(guard.unmount()?)
}

fn an_unlinked_open_file_keeps_it_busy(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let d = store.draft("d", Base::Scratch)?;
    let mut guard = store.mount(&d, &writable())?;
    let tree = files(&guard)?;
    tree.write("f", b"1")?;
    let open = tree.open("f", OFlags::RDWR)?;
    tree.unlink("f")?;
    drop(tree);
    for _ in 0..3 {
        refused("unmount", guard.unmount(), ErrorKind::Busy)?;
        ensure!(guard.root().is_some(), "the guard has let go of its mount");
        same("its state", store.stat((&d).into())?.mount, MountState::Held)?;
    }
    drop(open);
    guard.unmount()?;
    same("names left", store.look(&d, |files| files.names("."))?.len(), 0)
}

fn dropping_unmounts(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let d = store.draft("d", Base::Scratch)?;
    let before = mounts_below(cx.dir())?;
    let guard = store.mount(&d, &writable())?;
    ensure!(mounts_below(cx.dir())? != before, "a mount without a mount point");
    files(&guard)?.write("f", b"1")?;
    drop(guard);
    same("mounts afterwards", mounts_below(cx.dir())?, before)?;
    same("the draft's state", store.stat((&d).into())?.mount, MountState::Unmounted)?;
    store.committed(&d, "l").map(drop)
}

fn a_failed_drop_leaves_it_busy(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let d = store.draft("d", Base::Scratch)?;
    let guard = store.mount(&d, &writable())?;
    let tree = files(&guard)?;
    tree.write("f", b"1")?;
    let point = path(&guard)?;
    let open = tree.open("f", OFlags::WRONLY)?;
    drop(tree);
    drop(guard);
    refused("commit", store.committed_as(&d, "l")?, ErrorKind::Busy)?;
    refused("mount", store.mount(&d, &writable()), ErrorKind::Busy)?;
    refused("remove", store.remove((&d).into()), ErrorKind::Busy)?;
    drop(open);
    // Nobody holds it any more; what recovery does by itself is another case.
    rustix::mount::unmount(&point, rustix::mount::UnmountFlags::empty()).when("unmount by hand")?;
    drop(store);
    cx.open()?.committed(&d, "l").map(drop)
}

fn unmounting_twice_does_nothing(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let d = store.draft("d", Base::Scratch)?;
    let mut guard = store.mount(&d, &writable())?;
    guard.unmount()?;
    ensure!(guard.root().is_none() && guard.path().is_none(), "an unmounted guard has a tree");
    let mut next = store.mount(&d, &writable())?;
    guard.unmount()?;
    drop(guard);
    files(&next)?.write("f", b"the next mount stands")?;
    Ok(next.unmount()?)
}

fn stat_tells_who_holds_it(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let d = store.draft("d", Base::Scratch)?;
    let state = || Ok::<_, Stop>(store.stat((&d).into())?.mount);
    same("before", state()?, MountState::Unmounted)?;
    let mut guard = store.mount(&d, &writable())?;
    same("mounted", state()?, MountState::Held)?;
    guard.unmount()?;
    same("afterwards", state()?, MountState::Unmounted)
}

fn a_guard_outlives_its_driver(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let d = store.draft("d", Base::Scratch)?;
    let mut guard = store.mount(&d, &writable())?;
    drop(store);
    let store = cx.open()?;
    files(&guard)?.write("f", b"1").when("after the driver was dropped")?;
    refused("a second mount", store.mount(&d, &writable()), ErrorKind::Busy)?;
    guard.unmount()?;
    same("what was written", store.look(&d, |files| files.read("f"))?, b"1")
}
