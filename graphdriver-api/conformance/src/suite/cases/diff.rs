//! `diff`: the difference as an archive that, applied to the parent's tree,
//! gives the node's tree.

use std::path::Path;

use graphdriver_api::{Base, DraftId, LayerId};
use rustix::fs::FileType;

use crate::suite::archive::entries;
use crate::suite::case::cases;
use crate::suite::context::Context;
use crate::suite::edits::{self, Edit, write_base};
use crate::suite::stop::{Stop, Verdict, When, ensure, same};
use crate::suite::store::{Store, base, lines, same_tree};

cases! { diff:
    Law of_content_applied_gives_the_tree, Contract("Applied to the parent's tree it gives the node's tree.");
    Law of_attributes_applied_gives_the_tree, Contract("Applied to the parent's tree it gives the node's tree.");
    Law of_names_applied_gives_the_tree, Contract("Applied to the parent's tree it gives the node's tree.");
    Law of_types_applied_gives_the_tree, Contract("Applied to the parent's tree it gives the node's tree.");
    Law of_replaced_directories_applied_gives_the_tree, Contract("Applied to the parent's tree it gives the node's tree.");
    Law of_hard_links_applied_gives_the_tree, Contract("Applied to the parent's tree it gives the node's tree.");
    Law of_everything_applied_gives_the_tree, Contract("Applied to the parent's tree it gives the node's tree.");
    Law of_a_chain_applied_layer_by_layer, Contract("Applied to the parent's tree it gives the node's tree.");
    Law leaves_sockets_out, Contract("sockets are left out as every engine does, and are not an error");
    Law says_whole_attributes,
        Image("layer.md, File Attributes: mtime, uid, gid, mode, xattrs and char or block numbers are kept");
}

/// Takes each edit to another draft of the same parent by `diff` and `apply`.
fn each(cx: &Context<'_>, edits: &[Edit]) -> Verdict {
    let store = cx.open()?;
    let l = store.layer("base", None, write_base)?;
    for (i, edit) in edits.iter().enumerate() {
        let d = store.on(&format!("d{i}"), &l)?;
        store.edit(&d, |files| edit.carry_out(files))?;
        round_trip(&store, &d, Some(&l)).when(edit.name)?;
        let done = store.committed(&d, &format!("l{i}"))?;
        let tar = store.archive(&done)?;
        let again = store.on(&format!("again{i}"), &l)?;
        store.unpack(&again, &tar)?;
        same_tree(edit.name, &store.tree(&again)?, &store.tree(&done)?)?;
    }
    Ok(())
}

/// Applies a draft's difference to its parent, compares the trees, and gives
/// the archive.
pub(super) fn round_trip(
    store: &Store,
    node: &DraftId,
    parent: Option<&LayerId>,
) -> Verdict<Vec<u8>> {
    let tar = store.archive(node)?;
    let copy = store.draft(&format!("copy-of-{node}"), base(parent))?;
    store.unpack(&copy, &tar)?;
    same_tree("the copy", &store.tree(&copy)?, &store.tree(node)?)?;
    Ok(tar)
}

fn of_content_applied_gives_the_tree(cx: &Context<'_>) -> Verdict {
    each(cx, edits::CONTENT)
}

fn of_attributes_applied_gives_the_tree(cx: &Context<'_>) -> Verdict {
    each(cx, edits::ATTRIBUTES)
}

fn of_names_applied_gives_the_tree(cx: &Context<'_>) -> Verdict {
    each(cx, edits::NAMES)
}

fn of_types_applied_gives_the_tree(cx: &Context<'_>) -> Verdict {
    each(cx, edits::TYPES)
}

fn of_replaced_directories_applied_gives_the_tree(cx: &Context<'_>) -> Verdict {
    each(cx, edits::DIRECTORIES_REPLACED)
}

fn of_hard_links_applied_gives_the_tree(cx: &Context<'_>) -> Verdict {
    each(cx, edits::LINKS)
}

fn of_everything_applied_gives_the_tree(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let d = store.draft("d", Base::Scratch)?;
    store.edit(&d, |files| {
        super::kinds::write_everything(files)?;
        files.dir("names")?;
        let names = super::names::treacherous();
        names.iter().try_for_each(|name| files.write(Path::new("names").join(name), b"1"))
    })?;
    round_trip(&store, &d, None).map(drop)
}

fn of_a_chain_applied_layer_by_layer(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let steps = [edits::NAMES, edits::TYPES, edits::LINKS, edits::DIRECTORIES_REPLACED];
    let (mut parent, mut copy) = (None, None);
    for (i, edits) in steps.iter().enumerate() {
        let d = store.draft("d", base(parent.as_ref()))?;
        store.edit(&d, |files| match i {
            0 => write_base(files),
            _ => edits.iter().skip(i).step_by(7).try_for_each(|edit| edit.carry_out(files)),
        })?;
        let l = store.committed(&d, &format!("l{i}"))?;
        let tar = store.archive(&l)?;
        let c = store.draft("c", base(copy.as_ref()))?;
        store.unpack(&c, &tar)?;
        let c = store.committed(&c, &format!("c{i}"))?;
        same_tree(format!("layer {i}"), &store.tree(&c)?, &store.tree(&l)?)?;
        ensure!(store.archive(&c)? == tar, "layer {i}: the copy's archive is another");
        copy = Some(c);
        parent = Some(l);
    }
    Ok(())
}

fn leaves_sockets_out(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let l = store.layer("l", None, |files| files.write("below", b"1"))?;
    let d = store.on("d", &l)?;
    store.edit(&d, |files| {
        files.node("socket", FileType::Socket)?;
        files.write("f", b"1")?;
        files.unlink("below")?;
        files.node("below", FileType::Socket)
    })?;
    let told = lines(&store.changes_of(&d)?);
    ensure!(told.iter().any(|l| l == "A socket"), "changes don't tell of the socket: {told:?}");
    let read = entries(&store.archive(&d)?)?;
    ensure!(!read.iter().any(|e| e.name().ends_with("socket")), "a socket in an archive");
    let copy = store.on("copy", &l)?;
    store.unpack(&copy, &store.archive(&d)?)?;
    let names = store.look(&copy, |files| files.names("."))?;
    same("names after applying (the file that became a socket is gone)", names, ["f"])
}

fn says_whole_attributes(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let d = store.draft("d", Base::Scratch)?;
    store.edit(&d, |files| {
        files.write("f", b"1")?;
        files.chown("f", 3_000_000_000, 70_000)?;
        files.chmod("f", 0o6755)?;
        files.set_xattr("f", "trusted.name", b"a\0=\nb")?;
        files.touch("f", 1_234_567_890, 123_456_789)
    })?;
    let read = entries(&store.archive(&d)?)?;
    let found = read.iter().find(|e| e.name().ends_with('f'));
    let f = found.ok_or_else(|| Stop::failed("no entry for the file"))?;
    same("mode", f.mode, 0o6755)?;
    same("time", f.record("mtime"), Some(&b"1234567890.123456789"[..]))?;
    same("attribute", f.record("SCHILY.xattr.trusted.name"), Some(&b"a\0=\nb"[..]))?;
    round_trip(&store, &d, None).map(drop)
}
