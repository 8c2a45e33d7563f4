//! `apply`: archives that are damaged, lie, or mean harm.

use std::io::{self, Read};

use graphdriver_api::{Base, Error, ErrorKind, LayerId, Limits};

use crate::suite::archive::{Item, archive};
use crate::suite::case::cases;
use crate::suite::context::Context;
use crate::suite::files::Files;
use crate::suite::stop::{Verdict, ensure, refused, same};
use crate::suite::store::{Store, same_tree, scratch};

cases! { hostile:
    Law nothing_is_written_outside,
        Contract("no path is resolved outside the tree, whatever `..`, absolute names and links say");
    Law nothing_outside_is_linked_in,
        Contract("no path is resolved outside the tree, whatever `..`, absolute names and links say");
    Law nothing_outside_is_whited_out,
        Contract("no path is resolved outside the tree, whatever `..`, absolute names and links say");
    Law a_failed_unpacking_is_poison, Contract("So a half-unpacked layer can't be committed.");
    Law a_failed_unpacking_leaves_the_base_alone,
        Contract("a committed layer's content and attributes stay what they were");
    Law a_source_that_fails_is_io, Contract("every method can fail with `Io`");
}

/// Something outside every root, that no archive may touch: `secret`, in a
/// room beside the root, with its absolute name.
fn outside(cx: &Context<'_>) -> Verdict<(Files, String)> {
    let room = cx.room("outside")?;
    let files = Files::of(&room)?;
    files.write("secret", b"the host's")?;
    Ok((files, room.display().to_string()))
}

/// Far more than there are directories above any root.
const UP: &str = "../../../../../../../../../../../../../../../..";

/// Applies each archive to a draft of its own. What comes of it may be a
/// refusal or a tree, but what is outside stays what it was.
fn each_stays_inside(cx: &Context<'_>, archives: &[Vec<Item>]) -> Verdict {
    let (outside, _) = outside(cx)?;
    let before = outside.snapshot()?;
    let store = cx.open()?;
    for (i, items) in archives.iter().enumerate() {
        let d = store.draft(&format!("d{i}"), Base::Scratch)?;
        if let Err(error) = store.try_unpack(&d, &archive(items)) {
            same(format!("archive {i}: {error:?}"), error.kind(), ErrorKind::BadDiff)?;
        } else {
            store.edit(&d, |files| no_secret(files, ".", 6))?;
        }
        same_tree(format!("outside, after archive {i}"), &outside.snapshot()?, &before)?;
    }
    Ok(())
}

/// Fails if a file of the tree is one from outside.
fn no_secret(files: &Files, dir: &str, depth: u32) -> Verdict {
    for name in files.names(dir)? {
        let path = format!("{dir}/{}", name.display());
        let kind = rustix::fs::FileType::from_raw_mode(files.stat(&path)?.st_mode);
        match kind {
            rustix::fs::FileType::Directory if depth > 0 => no_secret(files, &path, depth - 1)?,
            rustix::fs::FileType::RegularFile => {
                ensure!(files.read(&path)? != b"the host's", "{path} is the file from outside");
            }
            _ => {}
        }
    }
    Ok(())
}

fn nothing_is_written_outside(cx: &Context<'_>) -> Verdict {
    let (_, room) = outside(cx)?;
    let f = |path: &str| Item::file(path, b"overwritten");
    let archives = [
        vec![f(&format!("{UP}{room}/secret"))],
        vec![f(&format!("{room}/secret"))],
        vec![Item::dir("a"), f(&format!("a/{UP}{room}/secret"))],
        vec![Item::symlink("link", &room), f("link/secret"), f("link/new")],
        vec![Item::symlink("link", format!("{UP}{room}")), f("link/secret")],
        vec![Item::symlink("link", format!("{room}/secret")), f("link")],
        vec![Item::dir("d"), Item::symlink("d/up", UP), f(&format!("d/up{room}/secret"))],
        vec![Item::dir("d"), f("d/f"), Item::symlink("d", &room), f("d/secret")],
        vec![Item::symlink("a", "b"), Item::symlink("b", &room), f("a/secret")],
        vec![Item::symlink("a", "."), Item::symlink("a/b", UP), f(&format!("a/b{room}/secret"))],
        vec![Item::symlink("self", "/proc/self/cwd"), f(&format!("self/{UP}{room}/secret"))],
        vec![Item::symlink("d", &room), Item::dir("d/").mode(0o777), Item::dir("d/new")],
        vec![
            Item::symlink("link", &room),
            Item::fifo("link/secret"),
            Item::symlink("link/s2", "x"),
        ],
        vec![Item::symlink("link", format!("{room}/made")), f("link/f")],
    ];
    each_stays_inside(cx, &archives)
}

fn nothing_outside_is_linked_in(cx: &Context<'_>) -> Verdict {
    let (_, room) = outside(cx)?;
    let secret = format!("{room}/secret");
    let archives = [
        vec![Item::hard_link("f", &secret)],
        vec![Item::hard_link("f", format!("{UP}{secret}"))],
        vec![Item::symlink("link", &room), Item::hard_link("f", "link/secret")],
        vec![Item::symlink("link", &secret), Item::hard_link("f", "link"), Item::file("f", b"x")],
        vec![Item::symlink("up", UP), Item::hard_link("f", format!("up{secret}"))],
    ];
    each_stays_inside(cx, &archives)
}

fn nothing_outside_is_whited_out(cx: &Context<'_>) -> Verdict {
    let (_, room) = outside(cx)?;
    let archives = [
        vec![Item::empty(format!("{UP}{room}/.wh.secret"))],
        vec![Item::empty(format!("{room}/.wh..wh..opq"))],
        vec![Item::symlink("link", &room), Item::empty("link/.wh.secret")],
        vec![Item::symlink("link", &room), Item::empty("link/.wh..wh..opq")],
        vec![Item::symlink("link", &room), Item::empty(".wh.link")],
        vec![Item::symlink("link", &room), Item::dir("link").mtime(1, 0)],
        vec![Item::empty(".wh..."), Item::empty(".wh..")],
    ];
    each_stays_inside(cx, &archives)
}

fn poisoned(store: &Store, base: Base<'_>) -> Verdict<graphdriver_api::DraftId> {
    let d = store.draft("d", base)?;
    let items = [
        Item::file("good", b"1"),
        Item::empty(".wh.below"),
        Item::file("below2", b"2"),
        Item::file("dir/more", b"3"),
        Item::file("bad", b"").bad_checksum(),
    ];
    refused("a bad entry at the end", store.try_unpack(&d, &archive(&items)), ErrorKind::BadDiff)?;
    Ok(d)
}

fn a_failed_unpacking_is_poison(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let d = poisoned(&store, Base::Scratch)?;
    refused("commit", store.committed_as(&d, "l")?, ErrorKind::WrongState)?;
    let again = store.try_unpack(&d, &archive(&[Item::file("good", b"1")]));
    refused("another archive", again, ErrorKind::WrongState)?;
    let mount = store.mount(&d, &super::mounts::writable());
    refused("mount", mount, ErrorKind::WrongState)?;
    drop(store);
    let store = cx.open()?;
    refused("commit, opened again", store.committed_as(&d, "l")?, ErrorKind::WrongState)?;
    store.remove((&d).into())?;
    let d = store.draft("d", Base::Scratch)?;
    same_tree("a new draft of that id", &store.tree(&d)?, &scratch())
}

fn a_failed_unpacking_leaves_the_base_alone(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let l: LayerId = store.layer("l", None, |files| {
        files.write("below", b"1")?;
        files.write("below2", b"1")?;
        files.dir("dir")
    })?;
    let before = store.tree(&l)?;
    let d = poisoned(&store, Base::Layer(&l))?;
    same_tree("the base", &store.tree(&l)?, &before)?;
    refused("removing the base", store.remove((&l).into()), ErrorKind::HasChildren)?;
    store.remove((&d).into())?;
    store.reclaim()?;
    same_tree("the base, in the end", &store.tree(&l)?, &before)
}

/// Gives its bytes, and then fails.
struct Failing<'a>(&'a [u8]);

impl Read for Failing<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.0.is_empty() {
            return Err(io::Error::from_raw_os_error(rustix::io::Errno::IO.raw_os_error()));
        }
        self.0.read(buffer)
    }
}

fn a_source_that_fails_is_io(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let whole = archive(&[Item::file("f", vec![1; 2000]), Item::file("g", b"2")]);
    for length in [0, 100, 512, 1000, 3000, whole.len() - 1024, whole.len()] {
        let d = store.draft("d", Base::Scratch)?;
        let mut source = Failing(&whole[..length]);
        let result = store.apply(&d, &mut source, &Limits::default());
        let error: Error = refused(format!("failing at {length}"), result, ErrorKind::Io)?;
        let code = error.io_source().and_then(io::Error::raw_os_error);
        same("the source's error", code, Some(rustix::io::Errno::IO.raw_os_error()))?;
        ensure!(store.stat((&d).into())?.unpacking, "failing at {length}: the draft is usable");
        store.remove((&d).into())?;
    }
    Ok(())
}
