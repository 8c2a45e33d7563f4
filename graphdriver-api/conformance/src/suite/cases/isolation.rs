//! Law 1: whatever is done to drafts, views, mounts and descriptors, a layer
//! stays what it was.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::sync::mpsc::channel;

use graphdriver_api::{DraftId, ErrorKind, LayerId};
use rustix::fs::{FileType, OFlags, RenameFlags};

use super::mounts::{join, writable};
use crate::suite::case::cases;
use crate::suite::context::Context;
use crate::suite::edits::{self, write_base};
use crate::suite::files::Files;
use crate::suite::host::in_own_namespace;
use crate::suite::stop::{Stop, Verdict, When, ensure, gone, refused, same};
use crate::suite::store::{Store, files, same_tree};

cases! { isolation:
    Law every_edit_of_a_child, Contract("A layer never changes.");
    Law truncation_and_writes_in_place, Contract("A layer never changes.");
    Law hard_links_and_renames, Contract("A layer never changes.");
    Law deleting_everything, Contract("A layer never changes.");
    Law descriptors_opened_before_the_commit,
        Contract("Whatever is done to drafts, views, mounts or descriptors, and whatever crashes");
    Law descriptors_of_a_view, Contract("Whatever is done to drafts, views, mounts or descriptors");
    Law a_writer_in_another_namespace,
        Contract("after `Ok` nobody can write to the tree any more through this mount"), alone true;
    Law fifos_and_sockets_in_use, Contract("A layer never changes.");
    Law archives_over_a_child, Contract("A layer never changes.");
    Law grandchildren_and_removed_children, Contract("A layer never changes.");
    Law attributes_of_the_root, Contract("A layer never changes.");
    Law read_access_leaves_no_trace, Contract("A layer never changes.");
}

/// Makes a layer, and a draft on it for `what` to harm it by; then compares
/// the layer, and what another draft on it sees, with what they were.
fn unharmed(
    cx: &Context<'_>,
    write: impl FnOnce(&Files) -> Verdict,
    what: impl FnOnce(&Store, &LayerId, &DraftId) -> Verdict,
) -> Verdict {
    let store = cx.open()?;
    let l = store.layer("l", None, write)?;
    let before = store.tree(&l)?;
    let archive = store.archive(&l)?;
    let d = store.on("d", &l)?;
    what(&store, &l, &d)?;
    same_tree("the layer, with the child there", &store.tree(&l)?, &before)?;
    store.remove((&d).into())?;
    store.reclaim()?;
    same_tree("the layer, with the child gone", &store.tree(&l)?, &before)?;
    let other = store.on("other", &l)?;
    same_tree("a new child", &store.tree(&other)?, &before)?;
    ensure!(store.archive(&l)? == archive, "the layer's archive is another one");
    drop(store);
    same_tree("the layer, opened again", &cx.open()?.tree(&l)?, &before)
}

fn every_edit_of_a_child(cx: &Context<'_>) -> Verdict {
    unharmed(cx, write_base, |store, l, _| {
        let before = store.tree(l)?;
        for edit in edits::ALL.iter().copied().flatten() {
            let d = store.on("edited", l)?;
            store.edit(&d, |files| edit.carry_out(files))?;
            same_tree(edit.name, &store.tree(l)?, &before)?;
            store.remove((&d).into())?;
        }
        Ok(())
    })
}

fn truncation_and_writes_in_place(cx: &Context<'_>) -> Verdict {
    unharmed(cx, write_base, |store, _, d| {
        store.edit(d, |files| {
            drop(files.open("f", OFlags::WRONLY | OFlags::TRUNC)?);
            rustix::fs::ftruncate(files.open("g", OFlags::RDWR)?, 1)?;
            files.patch("d/f", 0, b"XXXX")?;
            files.append("d/sub/x", b"more")?;
            let file = files.open("d/sub/y", OFlags::RDWR)?;
            rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, 1 << 16)
                .or_else(unsupported)?;
            let punch =
                rustix::fs::FallocateFlags::PUNCH_HOLE | rustix::fs::FallocateFlags::KEEP_SIZE;
            rustix::fs::fallocate(&file, punch, 0, 4096).or_else(unsupported)?;
            let from = files.open("o/1", OFlags::RDONLY)?;
            let to = files.open("o/2", OFlags::RDWR)?;
            rustix::fs::copy_file_range(&from, None, &to, None, 5)?;
            Ok(())
        })
    })
}

/// What the file system can't do, it can't do to a layer either.
fn unsupported(errno: rustix::io::Errno) -> Result<(), rustix::io::Errno> {
    if errno == rustix::io::Errno::OPNOTSUPP { Ok(()) } else { Err(errno) }
}

fn hard_links_and_renames(cx: &Context<'_>) -> Verdict {
    unharmed(cx, write_base, |store, _, d| {
        store.edit(d, |files| {
            files.link("f", "by-another-name")?;
            files.append("by-another-name", b"more")?;
            files.chmod("by-another-name", 0o600)?;
            files.append("h", b"by the second link")?;
            files.rename("g", "d/g")?;
            files.append("d/g", b"after the rename")?;
            files.rename_with("a-b", "a.b", RenameFlags::EXCHANGE)?;
            files.append("a-b", b"after the exchange")?;
            files.rename("a.b", "f")?;
            files.append("f", b"over another")
        })
    })
}

fn deleting_everything(cx: &Context<'_>) -> Verdict {
    unharmed(cx, write_base, |store, _, d| {
        store.edit(d, |files| empty(files, "."))?;
        same("what is left in the child", store.tree(d)?.iter().count(), 1)
    })
}

fn empty(files: &Files, dir: &str) -> Verdict {
    for name in files.names(dir)? {
        let path = format!("{dir}/{}", name.display());
        if FileType::from_raw_mode(files.stat(&path)?.st_mode) == FileType::Directory {
            empty(files, &path)?;
            files.rmdir(&path)?;
        } else {
            files.unlink(&path)?;
        }
    }
    Ok(())
}

fn descriptors_opened_before_the_commit(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let d = store.draft("d", graphdriver_api::Base::Scratch)?;
    let mut guard = store.mount(&d, &writable())?;
    let tree = files(&guard)?;
    tree.write("f", b"as committed")?;
    tree.dir("dir")?;
    let file = File::from(tree.open("f", OFlags::WRONLY)?);
    let dir = tree.open("dir", OFlags::DIRECTORY)?;
    let link = tree.open("f", OFlags::PATH)?;
    drop(tree);
    // While any of these is open, there is no way to a committed layer.
    refused("unmount", guard.unmount(), ErrorKind::Busy)?;
    refused("commit", store.committed_as(&d, "l")?, ErrorKind::Busy)?;
    file.write_all_at(b"AS", 0)?;
    drop((file, dir));
    refused("unmount, with an O_PATH descriptor", guard.unmount(), ErrorKind::Busy)?;
    drop(link);
    guard.unmount()?;
    let l = store.committed(&d, "l")?;
    let found = store.looking_at(&l, |view| store.look(view, |files| files.read("f")))?;
    same("the file in the layer", found, b"AS committed")
}

fn descriptors_of_a_view(cx: &Context<'_>) -> Verdict {
    unharmed(cx, write_base, |store, l, _| {
        let v = store.view_of("v", l)?;
        let mut guard = store.mount(&v, &writable())?;
        let tree = files(&guard)?;
        let mut file = File::from(tree.open("f", OFlags::RDONLY)?);
        // By way of /proc, a descriptor is opened anew with other rights.
        let anew = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&file));
        let writer = File::options().write(true).open(&anew);
        ensure!(writer.is_err(), "a file of a view can be opened for writing by {anew}");
        let mut content = Vec::new();
        file.read_to_end(&mut content)?;
        ensure!(file.write_all(b"x").is_err(), "a file of a view can be written to");
        let flag = rustix::fs::futimens(
            file.as_fd(),
            &rustix::fs::Timestamps {
                last_access: rustix::fs::Timespec { tv_sec: 0, tv_nsec: 0 },
                last_modification: rustix::fs::Timespec { tv_sec: 0, tv_nsec: 0 },
            },
        );
        ensure!(flag.is_err(), "the times of a file of a view can be set");
        drop((file, tree));
        guard.unmount()?;
        Ok(store.remove((&v).into())?)
    })
}

/// A container has a copy of the engine's mounts in a namespace of its own,
/// and lives on in it whatever the engine unmounts.
fn a_writer_in_another_namespace(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let d = store.draft("d", graphdriver_api::Base::Scratch)?;
    let mut guard = store.mount(&d, &writable())?;
    files(&guard)?.write("f", b"as committed")?;
    let point = super::mounts::path(&guard)?;
    let (opened, ready) = channel();
    let (write, told) = channel::<()>();
    let apart = in_own_namespace(move || {
        let file = File::options().write(true).open(point.join("f"));
        opened.send(()).map_err(gone)?;
        // Ends when the case lets go of the other end, and never by a word.
        for () in told {}
        Ok(file.and_then(|f| f.write_all_at(b"WRITTEN LATE", 0)).is_ok())
    });
    ready.recv().map_err(gone)?;
    let attempt = match guard.unmount() {
        Ok(()) => store.committed_as(&d, "l")?.map(|()| true),
        Err(error) if error.kind() == ErrorKind::Busy => Ok(false),
        Err(error) => Err(error),
    };
    drop(write);
    let written = join(apart)?;
    let committed = match attempt {
        Err(error) if error.kind() == ErrorKind::Busy => false,
        other => other?,
    };
    if committed {
        let l = super::super::store::layer("l")?;
        let found = store.looking_at(&l, |view| store.look(view, |files| files.read("f")))?;
        return same("the committed file, with a writer elsewhere", found, b"as committed");
    }
    ensure!(written, "unmounting was Busy, and still the writer couldn't write");
    guard.unmount().when("with the writer gone")?;
    store.committed(&d, "l").map(drop)
}

fn fifos_and_sockets_in_use(cx: &Context<'_>) -> Verdict {
    let write = |files: &Files| -> Verdict {
        files.node("fifo", FileType::Fifo)?;
        files.touch("fifo", 5, 5)
    };
    unharmed(cx, write, |store, _, d| {
        store.edit(d, |files| {
            let mut reader = File::from(files.open("fifo", OFlags::RDONLY | OFlags::NONBLOCK)?);
            let mut writer = File::from(files.open("fifo", OFlags::WRONLY | OFlags::NONBLOCK)?);
            writer.write_all(b"through a pipe")?;
            drop(writer);
            let mut through = Vec::new();
            reader.read_to_end(&mut through)?;
            same("what came through", through, b"through a pipe")
        })
    })
}

fn archives_over_a_child(cx: &Context<'_>) -> Verdict {
    use crate::suite::archive::{Item, archive};
    unharmed(cx, write_base, |store, _, d| {
        let items = [
            Item::file("f", b"replaced"),
            Item::hard_link("link", "g"),
            Item::file("d/sub/new", b"1"),
            Item::dir("e").mode(0o700).owner(9, 9).mtime(9, 9),
            Item::empty("o/.wh..wh..opq"),
            Item::empty("a/.wh.z"),
            Item::symlink("x", "nowhere"),
            Item::dir("p"),
            Item::dir(".").mode(0o700),
        ];
        store.unpack(d, &archive(&items))?;
        store.edit(d, |files| files.append("link", b"written after"))
    })
}

fn grandchildren_and_removed_children(cx: &Context<'_>) -> Verdict {
    unharmed(cx, write_base, |store, l, _| {
        let mid = store.layer("mid", Some(l), |files| {
            files.unlink("f")?;
            files.append("d/f", b"mid")
        })?;
        let top = store.layer("top", Some(&mid), |files| {
            files.write("f", b"again")?;
            files.append("d/f", b"top")
        })?;
        let before = store.tree(&mid)?;
        let d = store.on("grandchild", &top)?;
        store.edit(&d, |files| empty(files, "."))?;
        same_tree("the layer between", &store.tree(&mid)?, &before)?;
        for node in [(&d).into(), (&top).into(), (&mid).into()] {
            store.remove(node)?;
        }
        store.reclaim().map(drop).map_err(Stop::from)
    })
}

fn attributes_of_the_root(cx: &Context<'_>) -> Verdict {
    unharmed(cx, write_base, |store, _, d| {
        store.edit(d, |files| {
            files.chmod(".", 0o1700)?;
            files.chown(".", 8, 9)?;
            files.set_xattr(".", "trusted.root", b"1")?;
            files.touch(".", 5, 5)
        })
    })
}

fn read_access_leaves_no_trace(cx: &Context<'_>) -> Verdict {
    unharmed(cx, write_base, |store, l, d| {
        let before = store.usage(d.into())?;
        store.edit(d, |files| files.snapshot().map(drop))?;
        let v = store.view_of("v", l)?;
        store.look(&v, |files| files.snapshot().map(drop))?;
        store.remove((&v).into())?;
        let after = store.usage(d.into())?;
        ensure!(
            after.inodes <= before.inodes + 2,
            "reading made {} inodes of {}",
            after.inodes,
            before.inodes
        );
        Ok(())
    })
}
