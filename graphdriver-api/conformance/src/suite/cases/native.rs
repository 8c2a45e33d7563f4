//! The power to tell a difference cheaply: the same answer as a walk of both
//! trees, or a refusal before the first word.

use std::ops::ControlFlow;

use graphdriver_api::{DraftId, Error, ErrorKind, LayerId, NativeDiff};

use crate::suite::archive::{Item, archive};
use crate::suite::case::cases;
use crate::suite::context::Context;
use crate::suite::edits::{self, write_base};
use crate::suite::stop::{Stop, Verdict, When, ensure, refused_as, same};
use crate::suite::store::{Store, collect, same_tree};

cases! { native:
    Law changes_are_those_of_a_walk,
        Contract("the suite compares both answers with a walk of the two trees"), needs [NativeDiff];
    Law diffs_give_the_tree,
        Contract("the suite compares both answers with a walk of the two trees"), needs [NativeDiff];
    Law refusals_come_before_the_first_word,
        Contract("`Unsupported`, before the first change, for a node whose difference can't be told this way"),
        needs [NativeDiff];
    Law of_unpacked_layers,
        Contract("the suite compares both answers with a walk of the two trees"), needs [NativeDiff];
    Law of_absent_nodes, Contract("As [`GraphDriver::changes`](crate::GraphDriver::changes)."), needs [NativeDiff];
}

fn native(store: &Store) -> Verdict<&dyn NativeDiff> {
    store.native_diff().ok_or_else(|| Stop::failed("the power has gone"))
}

/// Makes every edit on a draft of its own, and lets `check` see it.
fn each(cx: &Context<'_>, check: impl Fn(&Store, &LayerId, &DraftId) -> Verdict) -> Verdict {
    let store = cx.open()?;
    let l = store.layer("base", None, write_base)?;
    for edit in edits::ALL.iter().copied().flatten() {
        let d = store.on("d", &l)?;
        store.edit(&d, |files| edit.carry_out(files))?;
        check(&store, &l, &d).when(edit.name)?;
        store.remove((&d).into())?;
    }
    Ok(())
}

fn changes_are_those_of_a_walk(cx: &Context<'_>) -> Verdict {
    each(cx, |store, l, d| {
        let native = native(store)?;
        let mut told = Vec::new();
        let result = native.changes(d.into(), &mut |change| {
            told.push(change);
            Ok(ControlFlow::Continue(()))
        });
        if unsupported(&result) {
            return same("changes told before the refusal", told.len(), 0);
        }
        result?;
        super::changes::as_the_trees_differ(store, &told, &store.tree(l)?, &store.tree(d)?)?;
        same("what the driver tells", store.changes_of(d)?, told)
    })
}

fn unsupported<T>(result: &Result<T, Error>) -> bool {
    result.as_ref().err().is_some_and(|e| e.kind() == ErrorKind::Unsupported)
}

fn diffs_give_the_tree(cx: &Context<'_>) -> Verdict {
    each(cx, |store, l, d| {
        let mut tar = Vec::new();
        let result = native(store)?.diff(d.into(), &mut tar);
        if unsupported(&result) {
            return same("bytes before the refusal", tar.len(), 0);
        }
        same("bytes said", result?.bytes, tar.len() as u64)?;
        let copy = store.on("copy", l)?;
        store.unpack(&copy, &tar)?;
        same_tree("applied to the parent", &store.tree(&copy)?, &store.tree(d)?)?;
        store.remove((&copy).into())?;
        ensure!(store.archive(d)? == tar, "the driver's own diff has other bytes");
        Ok(())
    })
}

fn refusals_come_before_the_first_word(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let l = store.layer("base", None, write_base)?;
    let power = native(&store)?;
    // What drivers find hardest: directories moved, replaced, and both.
    let d = store.on("d", &l)?;
    store.edit(&d, |files| {
        if files.try_rename("d", "moved").is_ok() {
            files.dir("d")?;
            files.write("d/f", b"another")?;
            files.try_rename("o", "moved/o").when("a second rename")?;
        }
        files.chmod("f", 0o600)
    })?;
    let v = store.view_of("v", &l)?;
    for node in [(&d).into(), (&v).into(), (&l).into()] {
        let mut seen = 0;
        let result = power.changes(node, &mut |_| {
            seen += 1;
            Ok(ControlFlow::Continue(()))
        });
        ensure!(result.is_ok() || seen == 0, "{node}: {seen} changes, then {result:?}");
        let mut tar = Vec::new();
        let result = power.diff(node, &mut tar);
        ensure!(result.is_ok() || tar.is_empty(), "{node}: {} bytes, then {result:?}", tar.len());
    }
    let told = store.changes_of(&d).when("what can't be told cheaply is told by a walk")?;
    super::changes::as_the_trees_differ(&store, &told, &store.tree(&l)?, &store.tree(&d)?)
}

fn of_unpacked_layers(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let l = store.layer("base", None, write_base)?;
    let before = store.tree(&l)?;
    let d = store.on("d", &l)?;
    let items = [
        Item::file("d/sub/new", b"1").mtime(1, 0),
        Item::empty("o/.wh..wh..opq"),
        Item::file("o/3", b"").mtime(1, 0),
        Item::empty(".wh.f"),
        Item::hard_link("link", "g"),
        Item::file("l", b"no link any more").mtime(1, 0),
    ];
    store.unpack(&d, &archive(&items))?;
    let top = store.committed(&d, "top")?;
    let power = native(&store)?;
    let told = collect(|sink| match power.changes((&top).into(), sink) {
        // Told by a walk instead; that is another case.
        refused if unsupported(&refused) => store.changes((&top).into(), sink),
        result => result,
    })?;
    super::changes::as_the_trees_differ(&store, &told, &before, &store.tree(&top)?)
}

fn of_absent_nodes(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let absent = super::super::store::layer("absent")?;
    let power = native(&store)?;
    let mut seen = 0;
    let result = power.changes((&absent).into(), &mut |_| {
        seen += 1;
        Ok(ControlFlow::Continue(()))
    });
    refused_as("changes", result, &[ErrorKind::NotFound])?;
    let mut tar = Vec::new();
    refused_as("diff", power.diff((&absent).into(), &mut tar), &[ErrorKind::NotFound])?;
    same("words", (seen, tar.len()), (0, 0))
}
