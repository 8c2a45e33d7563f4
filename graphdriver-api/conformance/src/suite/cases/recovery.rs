//! Opening again: after a quiet end, and after a process was killed at work.

use graphdriver_api::{Base, ErrorKind, MountState, NodeInfo, NodeKind};

use super::mounts::writable;
use crate::snapshot::Snapshot;
use crate::suite::case::cases;
use crate::suite::child::{Part, say};
use crate::suite::context::Context;
use crate::suite::edits::write_base;
use crate::suite::stop::{Stop, Verdict, ensure, refused, same};
use crate::suite::store::{Store, draft, files, layer, same_tree};

cases! { recovery:
    Law opened_again_all_is_as_it_was,
        Contract("What a method that changes nodes has done survives a power cut once it has returned `Ok`");
    Law several_have_it_open, Contract("Several processes may have it open at once.");
    Law what_the_living_hold_is_left_alone, Contract("What a living process holds is left alone.");
    Law what_awaits_is_not_forgotten, Contract("Cut off, it is simply continued by the next call");
    Law another_process_sees_what_was_done,
        Contract("Every method may be called from any number of threads and processes at once."),
        needs [OnDisk];
}

pub(super) const PARTS: &[Part] = &[("tell-and-add", tell_and_add)];

/// Nodes of each kind, in each state that lasts.
pub(super) fn populate(store: &Store) -> Verdict {
    let l = store.layer("l", None, write_base)?;
    let top = store.layer("top", Some(&l), |files| files.unlink("f"))?;
    let d = store.on("d", &top)?;
    store.edit(&d, |files| files.write("own", b"1"))?;
    store.view_of("v", &l)?;
    let poisoned = store.draft("poisoned", Base::Scratch)?;
    refused("no archive", store.try_unpack(&poisoned, b"no archive"), ErrorKind::BadDiff)?;
    Ok(())
}

pub(super) type Everything = (Vec<NodeInfo>, Vec<Snapshot>);

/// What stat tells of each node, and each tree that can be looked at.
pub(super) fn everything(store: &Store) -> Verdict<Everything> {
    let list = store.list()?;
    let visible = list.iter().filter(|info| !info.unpacking);
    let trees = visible.map(|info| store.tree(info.id.as_ref())).collect::<Verdict<_>>()?;
    Ok((list, trees))
}

pub(super) fn unchanged(found: &Everything, expected: &Everything) -> Verdict {
    same("the nodes", &found.0, &expected.0)?;
    for (found, expected) in found.1.iter().zip(&expected.1) {
        same_tree("a tree", found, expected)?;
    }
    Ok(())
}

fn opened_again_all_is_as_it_was(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    populate(&store)?;
    let before = everything(&store)?;
    same("nodes", before.0.len(), 5)?;
    drop(store);
    for _ in 0..2 {
        let store = cx.open()?;
        unchanged(&everything(&store)?, &before)?;
        same("mounts that recovery took away", store.status()?.recovered.mounts, 0)?;
    }
    Ok(())
}

fn several_have_it_open(cx: &Context<'_>) -> Verdict {
    let (one, other) = (cx.open()?, cx.open()?);
    let d = one.draft("d", Base::Scratch)?;
    other.edit(&d, |files| files.write("f", b"by the other"))?;
    let l = one.committed(&d, "l")?;
    same("seen by the other", other.stat((&l).into())?.kind, NodeKind::Layer)?;
    refused("the draft", other.stat((&d).into()), ErrorKind::NotFound)?;
    let on = other.on("on", &l)?;
    refused("removing it by the one", one.remove((&l).into()), ErrorKind::HasChildren)?;
    other.remove((&on).into())?;
    one.remove((&l).into())?;
    refused("the layer", other.stat((&l).into()), ErrorKind::NotFound)?;
    other.reclaim().map(drop).map_err(Stop::from)
}

fn what_the_living_hold_is_left_alone(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let l = store.layer("l", None, write_base)?;
    let (d, v) = (store.on("d", &l)?, store.view_of("v", &l)?);
    let (mut one, mut two) = (store.mount(&d, &writable())?, store.mount(&v, &writable())?);
    for round in 0..3_u8 {
        let another = cx.open()?;
        same("mounts that recovery took away", another.status()?.recovered.mounts, 0)?;
        same("the draft's state", another.stat((&d).into())?.mount, MountState::Held)?;
        files(&one)?.write("f", [round])?;
        ensure!(files(&two)?.has("f")?, "the view's tree has gone");
    }
    one.unmount()?;
    Ok(two.unmount()?)
}

fn what_awaits_is_not_forgotten(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let l = store.layer("l", None, write_base)?;
    store.remove((&l).into())?;
    let waiting = store.status()?.awaiting_reclaim;
    drop(store);
    let store = cx.open()?;
    same("what awaits, opened again", store.status()?.awaiting_reclaim, waiting)?;
    same("nodes", store.list()?.len(), 0)?;
    same("nodes reclaimed", store.reclaim()?.nodes, waiting)
}

fn another_process_sees_what_was_done(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    populate(&store)?;
    let mine: Vec<_> = store.list()?.iter().map(|info| info.id.to_string()).collect();
    let said = cx.play("tell-and-add")?;
    let theirs: Vec<_> = String::from_utf8_lossy(&said).lines().map(str::to_owned).collect();
    same("nodes that the other sees", theirs, mine)?;
    let found =
        store.looking_at(&layer("theirs")?, |view| store.look(view, |files| files.read("f")))?;
    same("what the other made", found, b"by another process")?;
    refused(
        "a draft that the other removed",
        store.stat((&draft("v")?).into()),
        ErrorKind::NotFound,
    )
    .map(drop)
}

fn tell_and_add(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    for info in store.list()? {
        say(&info.id.to_string())?;
    }
    store.layer("theirs", None, |files| files.write("f", b"by another process"))?;
    Ok(store.remove((&draft("v")?).into())?)
}
