//! How long a chain may be, and that it works at that length.

use graphdriver_api::{Base, DraftSpec, ErrorKind, LayerId};

use crate::suite::archive::{Item, archive};
use crate::suite::case::cases;
use crate::suite::context::Context;
use crate::suite::stop::{Stop, Verdict, When, ensure, refused, same};
use crate::suite::store::{Store, base, draft, layer};

cases! { depth:
    Law as_deep_as_promised_and_no_deeper,
        Contract("The longest chain of layers beneath a draft, that draft not counted;"),
        needs [DepthLimit];
    Law a_deferred_draft_counts_at_commit,
        Contract("`Unsupported` (deeper than `max_depth`)"), needs [DepthLimit, Rebase];
    Law without_a_limit_a_long_chain_works,
        Contract("`None` where only space limits it."), needs [NoDepthLimit];
    Law is_counted, Contract("Layers in its chain: those beneath it, and itself if it is a layer.");
}

/// Chains longer than this take more time than they show.
const REASONABLE: u32 = 512;

/// One layer of so many has a file of its own.
const STEP: u32 = 10;

/// A chain of layers: some by archives, most of them without changes.
fn chain(store: &Store, length: u32) -> Verdict<Vec<LayerId>> {
    let mut layers: Vec<LayerId> = Vec::new();
    for i in 0..length {
        let d = store.draft("next", base(layers.last()))?;
        if i % STEP == 0 || i + 1 == length {
            let items = [
                Item::file(format!("layer-{i}"), i.to_string()).mtime(1, 0),
                Item::file("newest", i.to_string()).mtime(1, 0),
            ];
            store.unpack(&d, &archive(&items)).when(format_args!("layer {i}"))?;
        }
        layers.push(store.committed(&d, &format!("l{i}")).when(format_args!("layer {i}"))?);
    }
    Ok(layers)
}

/// The topmost layer.
fn top(layers: &[LayerId]) -> Verdict<&LayerId> {
    layers.last().ok_or_else(|| Stop::failed("a chain of no layers"))
}

/// A draft and a view on a long chain are like any others.
fn works(store: &Store, layers: &[LayerId]) -> Verdict {
    let (top, last) = (top(layers)?, layers.len() - 1);
    let step = STEP as usize;
    let middle = last / 2 / step * step;
    let with_files = (0..=last).filter(|i| i % step == 0 || *i == last).count();
    let (d, v) = (store.on("deep-draft", top)?, store.view_of("deep-view", top)?);
    for node in [&d, &v] {
        let (names, newest, first) = store.look(node, |files| {
            Ok((files.names(".")?.len(), files.read("newest")?, files.read("layer-0")?))
        })?;
        same("names of all layers", names, with_files + 1)?;
        same("the topmost layer's file", newest, last.to_string().as_bytes())?;
        same("the lowest layer's file", first, b"0")?;
    }
    store.edit(&d, |files| {
        files.append("layer-0", b" changed")?;
        files.unlink(format!("layer-{middle}"))?;
        files.touch(".", 5, 5)
    })?;
    let told = crate::suite::store::lines(&store.changes_of(&d)?);
    for line in ["M layer-0".to_owned(), format!("D layer-{middle}")] {
        ensure!(told.contains(&line), "{line:?} isn't among {told:?}");
    }
    store.remove((&v).into())?;
    store.remove((&d).into())?;
    Ok(())
}

fn limit(store: &Store) -> Verdict<u32> {
    let limit = store.traits().max_depth.map_or(0, std::num::NonZeroU32::get);
    ensure!(limit <= REASONABLE, "a limit of {limit} is more than this suite tries ({REASONABLE})");
    Ok(limit)
}

fn as_deep_as_promised_and_no_deeper(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let limit = limit(&store)?;
    let layers = chain(&store, limit)?;
    let top = top(&layers)?;
    same("the topmost layer's depth", store.stat(top.into())?.depth, limit)?;
    works(&store, &layers)?;
    let d = store.on("d", top)?;
    store.edit(&d, |files| files.write("kept", b"1"))?;
    refused("one layer more", store.committed_as(&d, "more")?, ErrorKind::Unsupported)?;
    refused("that layer", store.stat((&layer("more")?).into()), ErrorKind::NotFound)?;
    same("the draft", store.look(&d, |files| files.read("kept"))?, b"1")?;
    same("its depth", store.stat((&d).into())?.depth, limit)
}

fn a_deferred_draft_counts_at_commit(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let limit = limit(&store)?;
    let layers = chain(&store, limit)?;
    let d = store.draft("d", Base::Deferred)?;
    store.unpack(&d, &archive(&[Item::file("f", b"1").mtime(1, 0)]))?;
    let id = layer("more")?;
    let result = store.commit(&d, &id, layers.last());
    refused("onto the topmost layer", result, ErrorKind::Unsupported)?;
    let below = layers.iter().rev().nth(1);
    store.commit(&d, &id, below).when("onto the one below")?;
    same("its depth", store.stat((&id).into())?.depth, limit)
}

fn without_a_limit_a_long_chain_works(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let layers = chain(&store, 200)?;
    works(&store, &layers)
}

fn is_counted(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let count = store.traits().max_depth.map_or(5, |max| max.get().min(5));
    let layers = chain(&store, count)?;
    for (i, l) in layers.iter().enumerate() {
        let below = u32::try_from(i).unwrap_or(0);
        same(format!("layer {i}"), store.stat(l.into())?.depth, below + 1)?;
        let d = draft(&format!("on-{i}"))?;
        store.prepare(&d, Base::Layer(l), &DraftSpec::default())?;
        same(format!("a draft on layer {i}"), store.stat((&d).into())?.depth, below + 1)?;
        let v = store.view_of(&format!("view-{i}"), l)?;
        same(format!("a view of layer {i}"), store.stat((&v).into())?.depth, below + 1)?;
    }
    Ok(())
}
