//! Many threads at once: of calls that exclude each other, one wins, and the
//! others get the error that they would have got coming later, or `Busy`.

use std::sync::Barrier;
use std::thread;

use graphdriver_api::{Base, DraftId, DraftSpec, ErrorKind, LayerId, MountRequest, Result};

use crate::suite::archive::{Item, archive};
use crate::suite::case::cases;
use crate::suite::context::Context;
use crate::suite::stop::{Stop, Verdict, When, ensure, same};
use crate::suite::store::{Store, draft, layer};

cases! { concurrency:
    Law one_prepares, Contract("Of two calls on one node that exclude each other, one wins");
    Law one_commits_a_draft, Contract("Of two calls on one node that exclude each other, one wins");
    Law one_commits_to_a_layer, Contract("Of two calls on one node that exclude each other, one wins");
    Law one_mounts, Contract("Of two calls on one node that exclude each other, one wins");
    Law one_unpacks, Contract("Of two calls on one node that exclude each other, one wins");
    Law everybody_may_remove, Contract("Idempotent: a node that isn't there is removed.");
    Law a_base_is_removed_or_used,
        Contract("The base can't be removed while the draft is there.");
    Law different_nodes_side_by_side,
        Contract("Calls on different nodes don't wait for one another");
    Law list_sees_what_is_there_throughout,
        Contract("a node that is there during the whole call is in it");
    Law reclaim_beside_everything, Contract("Runs beside everything else.");
}

const THREADS: usize = 8;
const ROUNDS: usize = 12;

/// Lets that many threads do one thing at the same moment, each through a
/// handle of its own, and gives what each was answered.
fn at_once<T: Send>(
    cx: &Context<'_>,
    what: impl Fn(usize, &Store) -> Result<T> + Sync,
) -> Verdict<Vec<Result<T>>> {
    let stores: Vec<_> = (0..THREADS).map(|_| cx.open()).collect::<Verdict<_>>()?;
    let start = Barrier::new(THREADS);
    thread::scope(|scope| {
        let one = |(i, store): (usize, Store)| {
            let (start, what) = (&start, &what);
            scope.spawn(move || {
                start.wait();
                what(i, &store)
            })
        };
        let running: Vec<_> = stores.into_iter().enumerate().map(one).collect();
        let joined = running.into_iter().map(thread::ScopedJoinHandle::join);
        joined.map(|done| done.map_err(|_| Stop::failed("a thread panicked"))).collect()
    })
}

/// Exactly one was answered with success, and every other with one of these.
fn one_won<T>(answers: &[Result<T>], others: &[ErrorKind]) -> Verdict {
    same("winners", answers.iter().filter(|answer| answer.is_ok()).count(), 1)?;
    only(answers, others)
}

fn only<T>(answers: &[Result<T>], kinds: &[ErrorKind]) -> Verdict {
    for error in answers.iter().filter_map(|answer| answer.as_ref().err()) {
        ensure!(kinds.contains(&error.kind()), "a loser got {error:?}, expected {kinds:?}");
    }
    Ok(())
}

fn plain() -> DraftSpec {
    DraftSpec::default()
}

fn one_prepares(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    for round in 0..ROUNDS {
        let d = draft(&format!("d{round}"))?;
        let answers = at_once(cx, |_, store| store.prepare(&d, Base::Scratch, &plain()))?;
        one_won(&answers, &[ErrorKind::AlreadyExists, ErrorKind::Busy])?;
        store.edit(&d, |files| files.write("f", b"1")).when("the winner's draft")?;
    }
    same("nodes", store.list()?.len(), ROUNDS)
}

fn one_commits_a_draft(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    for round in 0..ROUNDS {
        let d = store.draft("d", Base::Scratch)?;
        store.edit(&d, |files| files.write("f", b"1"))?;
        let ids: Vec<_> =
            (0..THREADS).map(|i| layer(&format!("l{round}-{i}"))).collect::<Verdict<_>>()?;
        let answers = at_once(cx, |i, store| store.commit(&d, &ids[i], None))?;
        one_won(&answers, &[ErrorKind::NotFound, ErrorKind::Busy])?;
        let there: Vec<_> = ids.iter().filter(|id| store.stat((*id).into()).is_ok()).collect();
        same("layers", there.len(), 1)?;
        same("names in it", store.tree(there[0])?.iter().count(), 2)?;
    }
    Ok(())
}

fn one_commits_to_a_layer(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    for round in 0..ROUNDS {
        let l = layer(&format!("l{round}"))?;
        let mut drafts = Vec::new();
        for i in 0..THREADS {
            let d = store.draft(&format!("d{round}-{i}"), Base::Scratch)?;
            store.edit(&d, |files| files.write("whose", i.to_string()))?;
            drafts.push(d);
        }
        let answers = at_once(cx, |i, store| store.commit(&drafts[i], &l, None))?;
        one_won(&answers, &[ErrorKind::AlreadyExists, ErrorKind::Busy])?;
        let winner = answers.iter().position(std::result::Result::is_ok).unwrap_or(0);
        let found = store.looking_at(&l, |view| store.look(view, |files| files.read("whose")))?;
        same("whose tree it is", found, winner.to_string().as_bytes())?;
        for (i, d) in drafts.iter().enumerate().filter(|(i, _)| *i != winner) {
            let own = store.look(d, |files| files.read("whose")).when("a loser's draft")?;
            same("a loser's tree", own, i.to_string().as_bytes())?;
            store.remove(d.into())?;
        }
    }
    Ok(())
}

fn one_mounts(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let l = store.layer("l", None, |files| files.write("f", b"1"))?;
    for round in 0..ROUNDS {
        let d = store.on(&format!("d{round}"), &l)?;
        let answers = at_once(cx, |_, store| store.mount(&d, &MountRequest::default()))?;
        one_won(&answers, &[ErrorKind::Busy])?;
        for mut guard in answers.into_iter().flatten() {
            guard.unmount()?;
        }
        store.remove((&d).into())?;
    }
    Ok(())
}

fn one_unpacks(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    for round in 0..ROUNDS {
        let d = store.draft(&format!("d{round}"), Base::Scratch)?;
        let answers = at_once(cx, |i, store| {
            let names: Vec<_> = (0..50).map(|n| Item::file(format!("by-{i}-{n}"), b"1")).collect();
            store.try_unpack(&d, &archive(&names))
        })?;
        // One after another they all succeed; side by side, only one does.
        only(&answers, &[ErrorKind::Busy, ErrorKind::WrongState])?;
        let winners = answers.iter().filter(|answer| answer.is_ok()).count();
        ensure!(winners > 0, "nobody unpacked: {answers:?}");
        same("files of the winners", store.tree(&d)?.iter().count() - 1, winners * 50)?;
    }
    Ok(())
}

fn everybody_may_remove(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    for _ in 0..ROUNDS {
        let l = store.layer("l", None, |files| files.write("f", b"1"))?;
        let d = store.on("d", &l)?;
        only(&at_once(cx, |_, store| store.remove((&d).into()))?, &[ErrorKind::Busy])?;
        store.remove((&d).into())?;
        only(&at_once(cx, |_, store| store.remove((&l).into()))?, &[ErrorKind::Busy])?;
        store.remove((&l).into())?;
        same("nodes", store.list()?.len(), 0)?;
    }
    store.reclaim()?;
    same("what awaits", store.status()?.awaiting_reclaim, 0)
}

fn a_base_is_removed_or_used(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    for round in 0..ROUNDS {
        let l: LayerId = store.layer("l", None, |files| files.write("f", b"1"))?;
        let ids: Vec<DraftId> =
            (0..THREADS).map(|i| draft(&format!("d{round}-{i}"))).collect::<Verdict<_>>()?;
        let answers = at_once(cx, |i, store| match i % 2 {
            0 => store.remove((&l).into()),
            _ => store.prepare(&ids[i], Base::Layer(&l), &plain()),
        })?;
        only(&answers, &[ErrorKind::HasChildren, ErrorKind::NotFound, ErrorKind::Busy])?;
        let used = answers.iter().skip(1).step_by(2).any(std::result::Result::is_ok);
        let removed = store.stat((&l).into()).is_err();
        ensure!(used != removed, "the base was both used and removed, or neither: {answers:?}");
        for (id, answer) in ids.iter().zip(&answers).skip(1).step_by(2) {
            if answer.is_ok() {
                same("its file", store.look(id, |files| files.read("f"))?, b"1")?;
            }
            store.remove(id.into())?;
        }
        store.remove((&l).into())?;
    }
    Ok(())
}

fn different_nodes_side_by_side(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let base = store.layer("base", None, |files| files.write("f", b"1"))?;
    let work = |i: usize, store: &Store| -> Verdict {
        for round in 0..6 {
            let name = format!("t{i}-{round}");
            let d = store.on(&name, &base)?;
            store.edit(&d, |files| files.write(&name, &name))?;
            let l = store.committed(&d, &name)?;
            let on = store.on(&format!("on-{name}"), &l)?;
            same("its own file", store.look(&on, |files| files.read(&name))?, name.as_bytes())?;
            store.remove((&on).into())?;
            if round % 2 == 0 {
                store.remove((&l).into())?;
            }
        }
        Ok(())
    };
    let answers = at_once(cx, |i, store| Ok(work(i, store)))?;
    for answer in answers.into_iter().flatten() {
        answer?;
    }
    same("nodes left", store.list()?.len(), 1 + THREADS * 3)?;
    for info in store.list()? {
        same("children of the base", info.parent.is_some(), info.id.as_ref().as_str() != "base")?;
    }
    Ok(())
}

fn list_sees_what_is_there_throughout(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let mut kept = Vec::new();
    for i in 0..10 {
        kept.push(store.layer(&format!("kept{i}"), None, |files| files.write("f", b"1"))?);
    }
    let answers = at_once(cx, |i, store| {
        for round in 0..20 {
            if i % 2 == 0 {
                let d = DraftId::new(format!("d{i}-{round}")).map_err(invalid)?;
                store.prepare(&d, Base::Scratch, &plain())?;
                store.remove((&d).into())?;
            } else {
                let list = store.list()?;
                let layers = list.iter().filter(|n| n.id.as_ref().as_str().starts_with("kept"));
                if layers.count() != 10 {
                    return Ok(Some(list.len()));
                }
            }
        }
        Ok(None)
    })?;
    for answer in answers {
        same("the length of a list without one of ten layers", answer?, None)?;
    }
    same("layers in the end", store.list()?.len(), kept.len())
}

#[allow(clippy::needless_pass_by_value)] // As `map_err` gives it.
fn invalid(error: graphdriver_api::IdError) -> graphdriver_api::Error {
    graphdriver_api::Error::new(
        ErrorKind::InvalidArgument,
        graphdriver_api::Op::Prepare,
        error.to_string(),
    )
}

fn reclaim_beside_everything(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let base = store.layer("base", None, crate::suite::edits::write_base)?;
    let before = store.tree(&base)?;
    let work = |i: usize, store: &Store| -> Verdict {
        for round in 0..8 {
            if i < 2 {
                store.reclaim()?;
                continue;
            }
            let d = store.on(&format!("d{i}-{round}"), &base)?;
            store.edit(&d, |files| files.write("own", b"1"))?;
            same("in a draft", store.look(&d, |files| files.read("own"))?, b"1")?;
            store.remove((&d).into())?;
        }
        Ok(())
    };
    for answer in at_once(cx, |i, store| Ok(work(i, store)))?.into_iter().flatten() {
        answer?;
    }
    store.reclaim()?;
    same("what awaits", store.status()?.awaiting_reclaim, 0)?;
    crate::suite::store::same_tree("the base", &store.tree(&base)?, &before)
}
