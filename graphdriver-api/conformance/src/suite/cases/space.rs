//! Space: what a node holds by itself, and how it comes back.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use graphdriver_api::{Base, CopyUnit, Reclaimed};
use rustix::fs::OFlags;

use crate::suite::case::cases;
use crate::suite::context::Context;
use crate::suite::files::Files;
use crate::suite::stop::{Verdict, ensure, same};
use crate::suite::store::same_tree;

cases! { space:
    Law what_is_written_is_counted, Contract("Allocated bytes (512 × `st_blocks`), not apparent length.");
    Law a_hard_linked_file_counts_once, Contract("Inodes, a hard-linked file counted once.");
    Law holes_count_nothing, Contract("Allocated bytes (512 × `st_blocks`), not apparent length.");
    Law a_childs_is_its_own, Contract("The space a node holds by itself");
    Law a_view_holds_next_to_nothing, Contract("Cost: a record, with every driver.");
    Law committing_changes_nothing, Contract("what removing it would give back");
    Law reclaim_gives_it_back, Contract("Deletes what [`remove`](Self::remove) set aside.");
    Law reclaim_counts_what_it_did, Contract("Removed nodes that are now wholly deleted.");
    Law status_tells_what_awaits,
        Contract("Removed nodes whose space [`reclaim`](crate::GraphDriver::reclaim) has yet to give back.");
    Law reclaim_touches_nothing_else, Contract("Runs beside everything else.");
    Law reclaim_deletes_what_is_hard_to_delete, Contract("Deletes what [`remove`](Self::remove) set aside.");
}

const MIB: usize = 1 << 20;
const SMALL: u64 = 256 << 10;

fn what_is_written_is_counted(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let d = store.draft("d", Base::Scratch)?;
    let before = store.usage((&d).into())?;
    store.edit(&d, |files| files.write("f", vec![1; 3 * MIB]))?;
    let after = store.usage((&d).into())?;
    let grown = after.bytes - before.bytes.min(after.bytes);
    let expected = 3 * MIB as u64;
    ensure!((expected..expected + SMALL).contains(&grown), "3 MiB written, {grown} bytes counted");
    same("inodes more", after.inodes - before.inodes.min(after.inodes), 1)?;
    store.edit(&d, |files| files.unlink("f"))?;
    let gone = store.usage((&d).into())?;
    ensure!(gone.bytes < before.bytes + SMALL, "deleted, and still {} bytes", gone.bytes);
    same("inodes", gone.inodes, before.inodes)
}

fn a_hard_linked_file_counts_once(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let d = store.draft("d", Base::Scratch)?;
    let before = store.usage((&d).into())?;
    store.edit(&d, |files| {
        files.write("f", vec![1; MIB])?;
        (0..20).try_for_each(|i| files.link("f", format!("link{i}")))
    })?;
    let after = store.usage((&d).into())?;
    same("inodes more", after.inodes - before.inodes, 1)?;
    let grown = after.bytes - before.bytes;
    ensure!(grown < MIB as u64 + SMALL, "1 MiB with 21 names takes {grown} bytes");
    Ok(())
}

fn holes_count_nothing(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let d = store.draft("d", Base::Scratch)?;
    store.edit(&d, |files| {
        files.write("f", b"1")?;
        Ok(rustix::fs::ftruncate(files.open("f", OFlags::WRONLY)?, 1 << 32)?)
    })?;
    let used = store.usage((&d).into())?.bytes;
    ensure!(used < SMALL, "a hole of 4 GiB takes {used} bytes");
    Ok(())
}

fn a_childs_is_its_own(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let large = |files: &Files| files.write("large", vec![1; 4 * MIB]);
    let l = store.layer("l", None, large)?;
    let child = store.layer("child", Some(&l), |files| files.write("small", vec![2; 1000]))?;
    let below = store.usage((&l).into())?.bytes;
    ensure!(below >= 4 * MIB as u64, "a layer of 4 MiB holds {below} bytes");
    let own = store.usage((&child).into())?.bytes;
    // Where nothing is shared, a child has a copy, and removing it gives that back.
    match store.traits().copy_unit {
        CopyUnit::Tree => ensure!(own >= below, "a copy of {below} bytes holds {own}"),
        _ => ensure!(own < SMALL, "a child with 1,000 bytes of its own holds {own}"),
    }
    Ok(())
}

fn a_view_holds_next_to_nothing(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let l = store.layer("l", None, |files| files.write("large", vec![1; 4 * MIB]))?;
    let (before, v) = (disk(&cx.root())?, store.view_of("v", &l)?);
    let used = store.usage((&v).into())?.bytes;
    ensure!(used < SMALL, "a view of a layer of 4 MiB holds {used} bytes");
    let grown = disk(&cx.root())? - before;
    ensure!(grown < i64::try_from(SMALL).unwrap_or(0), "a view took {grown} bytes on disk");
    Ok(())
}

fn committing_changes_nothing(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let d = store.draft("d", Base::Scratch)?;
    store.edit(&d, |files| {
        files.write("f", vec![1; MIB])?;
        files.dir("dir")
    })?;
    let before = store.usage((&d).into())?;
    let l = store.committed(&d, "l")?;
    let after = store.usage((&l).into())?;
    same("inodes", after.inodes, before.inodes)?;
    let moved = after.bytes.abs_diff(before.bytes);
    ensure!(moved < SMALL, "{} bytes before, {} after the commit", before.bytes, after.bytes);
    Ok(())
}

/// Allocated bytes of all that lies beneath a directory of the host.
fn disk(dir: &Path) -> Verdict<i64> {
    let mut sum = 0;
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        sum += i64::try_from(512 * metadata.blocks()).unwrap_or(i64::MAX);
        if metadata.is_dir() {
            sum += disk(&entry.path())?;
        }
    }
    Ok(sum)
}

fn reclaim_gives_it_back(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let kept = store.layer("kept", None, |files| files.write("f", b"1"))?;
    store.remove((&store.on("warm-up", &kept)?).into())?;
    store.reclaim()?;
    let before = disk(&cx.root())?;
    let d = store.on("d", &kept)?;
    store.edit(&d, |files| files.write("large", vec![1; 4 * MIB]))?;
    let l = store.layer("l", Some(&kept), |files| files.write("large", vec![2; 4 * MIB]))?;
    store.remove((&d).into())?;
    store.remove((&l).into())?;
    store.reclaim()?;
    let left = disk(&cx.root())? - before;
    ensure!(
        left < i64::try_from(SMALL).unwrap_or(0),
        "after reclaim, {left} bytes are still there"
    );
    Ok(())
}

fn reclaim_counts_what_it_did(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    same("reclaim of nothing", store.reclaim()?, Reclaimed::default())?;
    for i in 0..3 {
        let d = store.draft(&format!("d{i}"), Base::Scratch)?;
        store.edit(&d, |files| files.write("f", vec![1; MIB]))?;
        store.remove((&d).into())?;
    }
    let waiting = store.status()?.awaiting_reclaim;
    let reclaimed = store.reclaim()?;
    same("nodes deleted", reclaimed.nodes, waiting)?;
    if waiting == 3 {
        let bytes = reclaimed.bytes;
        let expected = 3 * MIB as u64;
        let fine = (expected..expected + 3 * SMALL).contains(&bytes);
        ensure!(fine, "3 nodes of 1 MiB gave back {bytes} bytes");
    }
    same("once more", store.reclaim()?, Reclaimed::default())
}

fn status_tells_what_awaits(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    same("at first", store.status()?.awaiting_reclaim, 0)?;
    let d = store.draft("d", Base::Scratch)?;
    store.edit(&d, |files| files.write("f", vec![1; MIB]))?;
    store.remove((&d).into())?;
    let waiting = store.status()?.awaiting_reclaim;
    ensure!(waiting <= 1, "one node was removed, and {waiting} await");
    drop(store);
    let store = cx.open()?;
    same("opened again", store.status()?.awaiting_reclaim, waiting)?;
    store.reclaim()?;
    same("afterwards", store.status()?.awaiting_reclaim, 0)
}

fn reclaim_touches_nothing_else(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let l = store.layer("l", None, crate::suite::edits::write_base)?;
    let d = store.on("d", &l)?;
    store.edit(&d, |files| files.write("own", b"1"))?;
    let v = store.view_of("v", &l)?;
    store.layer("lonely", Some(&l), |files| files.unlink("g"))?;
    let gone = store.layer("gone", Some(&l), |files| files.unlink("f"))?;
    store.remove((&gone).into())?;
    let before = (store.list()?, store.tree(&l)?, store.tree(&d)?);
    let mut guard = store.mount(&v, &super::mounts::writable())?;
    store.reclaim()?;
    same("a file in a mount meanwhile", crate::suite::store::files(&guard)?.has("f")?, true)?;
    guard.unmount()?;
    same("the nodes", store.list()?, before.0)?;
    same_tree("the layer", &store.tree(&l)?, &before.1)?;
    same_tree("the draft", &store.tree(&d)?, &before.2)
}

fn reclaim_deletes_what_is_hard_to_delete(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let d = store.draft("d", Base::Scratch)?;
    store.edit(&d, |files| {
        super::kinds::write_everything(files)?;
        files.dir("closed")?;
        files.write("closed/f", b"1")?;
        files.chmod("closed", 0)?;
        // Longer than PATH_MAX from the top.
        let mut at = Files::at(files.root())?;
        for _ in 0..40 {
            at.dir("d".repeat(150))?;
            let next = at.open("d".repeat(150), OFlags::DIRECTORY)?;
            at = Files::at(std::os::fd::AsFd::as_fd(&next))?;
        }
        for name in super::names::treacherous() {
            at.write(name, b"1")?;
        }
        Ok(())
    })?;
    store.remove((&d).into())?;
    store.reclaim()?;
    same("what awaits", store.status()?.awaiting_reclaim, 0)
}
