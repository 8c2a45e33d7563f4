//! Layers whose trees lie in another root: they are like any others, and the other
//! root never notices.

use std::path::{Path, PathBuf};

use graphdriver_api::{Base, Borrow, ErrorKind, LayerId, Usage};

use crate::suite::case::cases;
use crate::suite::context::Context;
use crate::suite::files::Files;
use crate::suite::stop::{Stop, Verdict, ensure, refused, same};
use crate::suite::store::{Store, layer, same_tree};

cases! { borrowing:
    Law a_borrowed_layer_is_like_any_other,
        Contract("the layer is like any other, with the lender's tree and parent."),
        needs [Borrow];
    Law the_lender_never_changes,
        Contract("nothing in it is ever changed or locked."), needs [Borrow];
    Law nothing_is_held_by_it,
        Contract("`usage` tells that it holds nothing, and `remove` takes away what is here."),
        needs [Borrow];
    Law layers_are_made_on_it,
        Contract("it can be a base."), needs [Borrow];
    Law its_parent_must_be_here,
        Contract("its parent isn't a layer here"), needs [Borrow];
    Law its_parent_may_be_our_own,
        Contract("is a layer here, whether borrowed or not."), needs [Borrow];
    Law what_cant_be_lent_is_refused,
        Contract("`InvalidArgument` (a relative path; this root itself, or one within the other)"),
        needs [Borrow];
    Law a_lender_that_goes_away_is_named,
        Contract("`stat`, `list` and `remove` work as before; what needs the tree says where it should lie"),
        needs [Borrow];
    Law survives_being_closed,
        Contract("Durability: the layer survives, if the lender does."), needs [Borrow];
    Law a_sound_loan_has_no_findings,
        Contract("Tells everything in `root` that isn't as the driver left it"), needs [Borrow, Care];
    Law a_lost_lender_is_a_finding,
        Contract("Tells everything in `root` that isn't as the driver left it"), needs [Borrow, Care, OnDisk];
}

/// Another root with two layers, the upper of which hides something and changes
/// attributes.
struct Lender {
    path: PathBuf,
    store: Store,
    low: LayerId,
    top: LayerId,
}

impl Lender {
    fn new(cx: &Context<'_>) -> Verdict<Self> {
        let path = cx.room("lender")?;
        let store = Store::new(cx.factory().open(&path, cx.options())?);
        let low = store.layer("low", None, write_low)?;
        let top = store.layer("top", Some(&low), |files| {
            files.unlink("dir/gone")?;
            files.write("dir/changed", b"new")?;
            files.chmod("dir", 0o2751)?;
            files.write("added", b"added")?;
            files.touch("added", 7, 7)
        })?;
        Ok(Self { path, store, low, top })
    }

    /// Every path beneath it, with its length.
    fn everything(&self) -> Verdict<Vec<(PathBuf, u64)>> {
        super::care::everything(&self.path)
    }
}

fn write_low(files: &Files) -> Verdict {
    files.dir("dir")?;
    for file in ["dir/gone", "dir/changed", "kept"] {
        files.write(file, file)?;
        files.touch(file, 5, 5)?;
    }
    files.symlink("kept", "link")?;
    files.touch("dir", 6, 6)
}

fn power(store: &Store) -> Verdict<&dyn Borrow> {
    store.borrowing().ok_or_else(|| Stop::failed("the power has gone"))
}

/// Both layers of the lender, borrowed.
fn borrowed(cx: &Context<'_>) -> Verdict<(Store, Lender)> {
    let (store, lender) = (cx.open()?, Lender::new(cx)?);
    for id in [&lender.low, &lender.top] {
        power(&store)?.borrow(id, &lender.path)?;
    }
    Ok((store, lender))
}

fn a_borrowed_layer_is_like_any_other(cx: &Context<'_>) -> Verdict {
    let (store, lender) = borrowed(cx)?;
    for id in [&lender.low, &lender.top] {
        let (found, expected) = (store.stat(id.into())?, lender.store.stat(id.into())?);
        same("its parent", &found.parent, &expected.parent)?;
        same("its depth", found.depth, expected.depth)?;
        same("its lender", found.lender.as_deref(), Some(lender.path.as_path()))?;
        same_tree(id, &store.tree(id)?, &lender.store.tree(id)?)?;
        same("its changes", store.changes_of(id)?, lender.store.changes_of(id)?)?;
        same("its difference", store.archive(id)?, lender.store.archive(id)?)?;
        let d = store.on(&format!("on-{id}"), id)?;
        same_tree("a draft on it", &store.tree(&d)?, &lender.store.tree(id)?)?;
        same("what the draft has changed", store.changes_of(&d)?, Vec::new())?;
    }
    let again = power(&store)?.borrow(&lender.top, &lender.path);
    refused("borrowing it again", again, ErrorKind::AlreadyExists)?;
    let listed = store.list()?;
    same("nodes listed", listed.len(), 4)?;
    same("its lender as listed", listed[2].lender.as_deref(), Some(lender.path.as_path()))
}

fn the_lender_never_changes(cx: &Context<'_>) -> Verdict {
    let lender = Lender::new(cx)?;
    let seen = |lender: &Lender| -> Verdict<_> {
        Ok((lender.store.tree(&lender.low)?, lender.store.tree(&lender.top)?))
    };
    let (trees, before) = (seen(&lender)?, lender.everything()?);
    let store = cx.open()?;
    for id in [&lender.low, &lender.top] {
        power(&store)?.borrow(id, &lender.path)?;
    }
    let d = store.on("d", &lender.top)?;
    store.edit(&d, |files| {
        files.write("dir/changed", b"by a container")?;
        files.chmod("kept", 0o600)?;
        files.unlink("added")
    })?;
    store.changes_of(&d)?;
    store.archive(&d)?;
    let own = store.committed(&d, "own")?;
    store.tree(&own)?;
    for id in [&own, &lender.top, &lender.low] {
        store.remove(id.into())?;
    }
    store.reclaim()?;
    same("what lies in the lender", lender.everything()?, before)?;
    let after = seen(&lender)?;
    same_tree("the lender's lower layer", &after.0, &trees.0)?;
    same_tree("the lender's upper layer", &after.1, &trees.1)
}

fn nothing_is_held_by_it(cx: &Context<'_>) -> Verdict {
    let (store, lender) = borrowed(cx)?;
    same("its usage", store.usage((&lender.top).into())?, Usage::default())?;
    let stays = store.remove((&lender.low).into());
    refused("removing what another stands on", stays, ErrorKind::HasChildren)?;
    store.remove((&lender.top).into())?;
    refused("stat", store.stat((&lender.top).into()), ErrorKind::NotFound)?;
    store.reclaim()?;
    lender.store.stat((&lender.top).into())?;
    power(&store)?.borrow(&lender.top, &lender.path)?;
    same_tree("borrowed again", &store.tree(&lender.top)?, &lender.store.tree(&lender.top)?)
}

fn layers_are_made_on_it(cx: &Context<'_>) -> Verdict {
    let (store, lender) = borrowed(cx)?;
    let write = |files: &Files| {
        files.write("dir/changed", b"newer")?;
        files.unlink("kept")
    };
    let own = store.layer("own", Some(&lender.top), write)?;
    let expected = lender.store.layer("own", Some(&lender.top), write)?;
    let told = |store: &Store, id: &LayerId| -> Verdict<_> {
        let paths = store.changes_of(id)?.into_iter().map(|c| (c.path, c.kind));
        Ok(paths.collect::<Vec<_>>())
    };
    same("its changes", told(&store, &own)?, told(&lender.store, &expected)?)?;
    same("its depth", store.stat((&own).into())?.depth, 3)?;
    let above = store.on("above", &own)?;
    store.look(&above, |files| {
        same("a file of the new layer", files.read("dir/changed")?, b"newer".to_vec())?;
        same("a file of the borrowed one", files.read("added")?, b"added".to_vec())
    })
}

fn its_parent_must_be_here(cx: &Context<'_>) -> Verdict {
    let (store, lender) = (cx.open()?, Lender::new(cx)?);
    let orphan = power(&store)?.borrow(&lender.top, &lender.path);
    refused("without its parent", orphan, ErrorKind::NotFound)?;
    refused("stat", store.stat((&lender.top).into()), ErrorKind::NotFound)?;
    let absent = power(&store)?.borrow(&layer("absent")?, &lender.path);
    refused("what the lender doesn't have", absent, ErrorKind::NotFound)?;
    same("nodes", store.list()?.len(), 0)
}

fn its_parent_may_be_our_own(cx: &Context<'_>) -> Verdict {
    let (store, lender) = (cx.open()?, Lender::new(cx)?);
    store.layer("low", None, write_low)?;
    power(&store)?.borrow(&lender.top, &lender.path)?;
    let (found, expected) = (store.tree(&lender.top)?, lender.store.tree(&lender.top)?);
    // Only times that nobody has set may differ.
    for path in ["dir/changed", "added", "kept", "dir"] {
        let attributes = |tree: &crate::snapshot::Snapshot| {
            tree.get(Path::new(path)).map(|entry| (entry.mode, entry.kind.clone()))
        };
        same(path, attributes(&found), attributes(&expected))?;
    }
    ensure!(found.get(Path::new("dir/gone")).is_none(), "what it hides is seen");
    Ok(())
}

fn what_cant_be_lent_is_refused(cx: &Context<'_>) -> Verdict {
    let (store, lender) = (cx.open()?, Lender::new(cx)?);
    let power = power(&store)?;
    let invalid = ErrorKind::InvalidArgument;
    refused("a relative path", power.borrow(&lender.low, Path::new("lender")), invalid)?;
    refused("its own root", power.borrow(&lender.low, &cx.root()), invalid)?;
    let nowhere = power.borrow(&lender.low, &cx.dir().join("nowhere"));
    refused("a root that isn't there", nowhere, ErrorKind::Prerequisite)?;
    let foreign = cx.room("foreign")?;
    std::fs::write(foreign.join("somebody's file"), b"precious")?;
    refused("no root", power.borrow(&lender.low, &foreign), ErrorKind::Corrupt)?;
    power.borrow(&lender.low, &lender.path)?;
    // Who has it borrowed can't lend it on.
    let third = cx.room("third")?;
    let third = Store::new(cx.factory().open(&third, cx.options())?);
    let on = self::power(&third)?.borrow(&lender.low, &cx.root());
    refused("what is only borrowed there", on, ErrorKind::Unsupported).map(drop)
}

fn a_lender_that_goes_away_is_named(cx: &Context<'_>) -> Verdict {
    let (store, lender) = borrowed(cx)?;
    let d = store.on("d", &lender.top)?;
    let away = cx.dir().join("room-away");
    std::fs::rename(&lender.path, &away)?;
    let gone = store.changes_of(&lender.top);
    ensure!(gone.is_err(), "changes are told of what isn't there");
    let mut tar = Vec::new();
    let diff = store.diff((&lender.top).into(), &mut tar);
    let error = refused("diff", diff, ErrorKind::Prerequisite)?;
    let (report, path) = (error.report(), lender.path.display().to_string());
    ensure!(report.contains(&path), "it doesn't say where: {report}");
    let new = store.on("new", &lender.top);
    ensure!(new.is_err(), "a draft is made of what isn't there");
    for id in [&lender.low, &lender.top] {
        same("depth", store.stat(id.into())?.depth, if *id == lender.low { 1 } else { 2 })?;
    }
    same("nodes listed", store.list()?.len(), 3)?;
    std::fs::rename(&away, &lender.path)?;
    same_tree("back again", &store.tree(&lender.top)?, &lender.store.tree(&lender.top)?)?;
    lender.store.remove((&lender.top).into())?;
    lender.store.reclaim()?;
    let mut tar = Vec::new();
    let diff = store.diff((&lender.top).into(), &mut tar);
    refused("diff of what the lender removed", diff, ErrorKind::Corrupt)?;
    std::fs::rename(&lender.path, &away)?;
    store.remove((&d).into())?;
    store.remove((&lender.top).into())?;
    store.remove((&lender.low).into())?;
    store.reclaim()?;
    same("nodes left", store.list()?.len(), 0)?;
    std::fs::rename(&away, &lender.path)?;
    Ok(())
}

fn survives_being_closed(cx: &Context<'_>) -> Verdict {
    let (store, lender) = borrowed(cx)?;
    let before = store.list()?;
    drop(store);
    let store = cx.open()?;
    same("the nodes", store.list()?, before)?;
    same_tree("its tree", &store.tree(&lender.top)?, &lender.store.tree(&lender.top)?)?;
    same("what recovery did", store.status()?.recovered.half_made, 0)
}

fn a_sound_loan_has_no_findings(cx: &Context<'_>) -> Verdict {
    let (store, lender) = borrowed(cx)?;
    let d = store.draft("scratch", Base::Scratch)?;
    store.committed(&d, "own")?;
    let (nodes, found) = super::care::check(cx)?;
    same("findings", found, Vec::new())?;
    same("the nodes", nodes, store.list()?)?;
    let care = cx.factory().care().ok_or_else(|| Stop::failed("it can't be checked"))?;
    let usage = care.usage(&cx.root(), (&lender.top).into())?;
    same("its usage, closed", usage, Usage::default())
}

fn a_lost_lender_is_a_finding(cx: &Context<'_>) -> Verdict {
    let (store, lender) = borrowed(cx)?;
    std::fs::rename(&lender.path, cx.dir().join("room-away"))?;
    let (nodes, found) = super::care::check(cx)?;
    same("the nodes", nodes, store.list()?)?;
    let nodes: Vec<_> = found.iter().filter_map(|finding| finding.node.clone()).collect();
    same("findings", nodes.len(), 2)?;
    let unmended = found.iter().all(|f| f.remedy == graphdriver_api::Remedy::Nothing);
    ensure!(unmended, "somebody thinks that they can mend it: {found:?}");
    let mut sink = |_| Ok(std::ops::ControlFlow::Continue(()));
    let told = store.changes((&lender.top).into(), &mut sink);
    refused("changes", told, ErrorKind::Prerequisite).map(drop)
}
