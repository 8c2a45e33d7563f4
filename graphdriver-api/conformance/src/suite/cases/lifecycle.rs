//! Nodes come, change their state and go: what each step leaves.

use std::time::{Duration, SystemTime};

use graphdriver_api::{Base, DraftSpec, ErrorKind, MAX_ID_LEN, MountState, NodeId, NodeKind};

use crate::snapshot::{Entry, Snapshot};
use crate::suite::case::cases;
use crate::suite::context::Context;
use crate::suite::files::Files;
use crate::suite::stop::{Verdict, ensure, refused, same};
use crate::suite::store::{draft, layer, same_tree, scratch};

cases! { lifecycle:
    Law scratch_is_an_empty_root,
        Contract("Nothing: an empty tree whose root is a directory 0755, 0:0, last modified at time 0 (1970)");
    Law ids_of_every_shape,
        Contract("digits, `_`, `.` and `-`, beginning with a letter or digit. It is therefore always a \
         safe file name.");
    Law drafts_and_layers_have_separate_names,
        Contract("the draft `a` and the layer `a` are two nodes");
    Law a_draft_equals_its_base,
        Contract("its tree equals its base's tree, content and attributes of the root included");
    Law a_volatile_draft_is_like_any_other,
        Contract("Until then it is like any other; a layer made of it is as durable as every layer.");
    Law a_layer_has_the_drafts_tree,
        Contract("the layer has the draft's tree and its parent; it can be a base");
    Law commit_frees_the_drafts_id,
        Contract("the draft's id is free; the layer has the draft's tree");
    Law an_untouched_draft_can_be_committed, Contract("Turns a draft into a layer, for ever.");
    Law commit_onto_a_taken_layer_changes_nothing,
        Contract("`AlreadyExists` (the layer; the draft stays as it was)");
    Law onto_is_for_deferred_drafts_only,
        Contract("`InvalidArgument` (`onto` for a draft that has its base)");
    Law a_missing_base_leaves_nothing,
        Contract("Unless a method says otherwise, a failed call has changed nothing.");
    Law a_taken_id_is_refused, Contract("`AlreadyExists` (draft or view of that id)");
    Law what_has_children_stays,
        Contract("A layer is removed only when no draft, view or layer stands on it.");
    Law siblings_are_independent, Contract("nodes that stand on a layer are its children");
    Law removing_is_idempotent, Contract("Idempotent: a node that isn't there is removed.");
    Law a_removed_id_is_free_at_once,
        Contract("the id is free at once; the space may come back later");
    Law stat_tells_what_a_node_is,
        Contract("What is known of a node without looking into its tree.");
    Law creation_times_are_the_hosts,
        Contract("When it was made or committed, by the host's clock.");
    Law list_is_in_order, Contract("Every node, drafts before layers, each in the order of ids.");
    Law list_agrees_with_stat,
        Contract("Every node, drafts before layers, each in the order of ids.");
    Law a_view_shows_its_layer, Contract("Makes a read-only draft that shows `layer`'s tree.");
    Law the_roots_attributes_are_kept,
        Contract("its tree equals its base's tree, content and attributes of the root included");
}

fn hello(files: &Files) -> Verdict {
    files.dir("d")?;
    files.write("d/hello", b"world")?;
    files.chmod("d/hello", 0o640)?;
    files.chown("d/hello", 7, 8)?;
    files.touch("d/hello", 1_000_000, 5)?;
    files.touch("d", 2_000_000, 6)
}

fn hello_tree() -> Snapshot {
    let file = Entry::file(b"world").mode(0o640).owner(7, 8).mtime(1_000_000, 5);
    Snapshot::new().with("d", Entry::directory().mtime(2_000_000, 6)).with("d/hello", file)
}

fn scratch_is_an_empty_root(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let d = store.draft("d", Base::Scratch)?;
    same_tree("a draft from scratch", &store.tree(&d)?, &scratch())?;
    let l = store.committed(&d, "l")?;
    same_tree("the layer of it", &store.tree(&l)?, &scratch())
}

fn ids_of_every_shape(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let longest = "x".repeat(MAX_ID_LEN);
    let shapes = ["0", "Z", "a.b", "a..", "a--b", "a_b", "sha256-0aF", "diff", "merged", &longest];
    for id in shapes {
        let d = store.draft(id, Base::Scratch)?;
        store.edit(&d, |files| files.write("id", id))?;
        let l = store.committed(&d, id)?;
        let on = store.on(id, &l)?;
        let found = store.look(&on, |files| files.read("id"))?;
        same("the file in the tree of that id", found, id.as_bytes())?;
    }
    same("the number of nodes", store.list()?.len(), 2 * shapes.len())
}

fn drafts_and_layers_have_separate_names(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let l = store.layer("a", None, hello)?;
    let d = store.on("a", &l)?;
    same("the kind of draft a", store.stat((&d).into())?.kind, NodeKind::Draft)?;
    same("the kind of layer a", store.stat((&l).into())?.kind, NodeKind::Layer)?;
    store.remove((&d).into())?;
    refused("draft a after its removal", store.stat((&d).into()), ErrorKind::NotFound)?;
    same_tree("layer a after the draft's removal", &store.tree(&l)?, &hello_tree())
}

fn a_draft_equals_its_base(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let l = store.layer("l", None, hello)?;
    let below = store.tree(&l)?;
    same_tree("the layer", &below, &hello_tree())?;
    let d = store.on("d", &l)?;
    same_tree("a draft on it", &store.tree(&d)?, &below)
}

fn a_volatile_draft_is_like_any_other(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let base = store.layer("l", None, hello)?;
    let (d, other) = (draft("d")?, draft("other")?);
    let spec = DraftSpec { volatile: true, ..DraftSpec::default() };
    for id in [&d, &other] {
        store.prepare(id, Base::Layer(&base), &spec)?;
    }
    store.edit(&d, |files| files.write("made", "1"))?;
    let tree = store.tree(&d)?;
    drop(store);
    // As another process, before the host is restarted.
    let store = cx.open()?;
    same_tree("the draft, opened again", &store.tree(&d)?, &tree)?;
    refused("its base's removal", store.remove((&base).into()), ErrorKind::HasChildren)?;
    let made = store.committed(&d, "made")?;
    store.remove((&other).into())?;
    same_tree("the layer made of it", &store.tree(&made)?, &tree)?;
    refused("the removed draft", store.stat((&other).into()), ErrorKind::NotFound)?;
    Ok(())
}

fn a_layer_has_the_drafts_tree(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let l1 = store.layer("l1", None, hello)?;
    let d = store.on("d", &l1)?;
    store.edit(&d, |files| files.write("second", b"2"))?;
    let tree = store.tree(&d)?;
    let l2 = store.committed(&d, "l2")?;
    same_tree("the layer", &store.tree(&l2)?, &tree)?;
    same("its parent", store.stat((&l2).into())?.parent, Some(l1))?;
    let on = store.on("on", &l2)?;
    same_tree("a draft on it", &store.tree(&on)?, &tree)
}

fn commit_frees_the_drafts_id(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let d = store.draft("d", Base::Scratch)?;
    store.edit(&d, hello)?;
    store.committed(&d, "l1")?;
    refused("the committed draft", store.stat((&d).into()), ErrorKind::NotFound)?;
    let d = store.draft("d", Base::Scratch)?;
    same_tree("a new draft of that id", &store.tree(&d)?, &scratch())?;
    store.committed(&d, "l2").map(drop)
}

fn an_untouched_draft_can_be_committed(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let l1 = store.layer("l1", None, hello)?;
    let d = store.on("d", &l1)?;
    let l2 = store.committed(&d, "l2")?;
    same_tree("a layer without changes", &store.tree(&l2)?, &store.tree(&l1)?)?;
    same("its depth", store.stat((&l2).into())?.depth, 2)
}

fn commit_onto_a_taken_layer_changes_nothing(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let l = store.layer("l", None, hello)?;
    let d = store.draft("d", Base::Scratch)?;
    store.edit(&d, |files| files.write("mine", b"1"))?;
    let before = (store.stat((&d).into())?, store.tree(&d)?);
    refused("a commit to a taken id", store.commit(&d, &l, None), ErrorKind::AlreadyExists)?;
    same("what stat tells of the draft", store.stat((&d).into())?, before.0)?;
    same_tree("the draft", &store.tree(&d)?, &before.1)?;
    same_tree("the layer", &store.tree(&l)?, &hello_tree())?;
    store.committed(&d, "another").map(drop)
}

fn onto_is_for_deferred_drafts_only(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let l = store.layer("l", None, hello)?;
    let free = layer("free")?;
    for d in [store.draft("scratch", Base::Scratch)?, store.on("on-layer", &l)?] {
        let before = store.stat((&d).into())?;
        let result = store.commit(&d, &free, Some(&l));
        refused("onto for a draft with a base", result, ErrorKind::InvalidArgument)?;
        same("the draft", store.stat((&d).into())?, before)?;
        refused("the layer", store.stat((&free).into()), ErrorKind::NotFound)?;
    }
    Ok(())
}

fn a_missing_base_leaves_nothing(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let (d, absent) = (draft("d")?, layer("absent")?);
    let result = store.prepare(&d, Base::Layer(&absent), &DraftSpec::default());
    let error = refused("prepare on an absent layer", result, ErrorKind::NotFound)?;
    same("the node that the error names", error.node(), Some(&NodeId::Layer(absent.clone())))?;
    refused("view of an absent layer", store.view(&d, &absent), ErrorKind::NotFound)?;
    refused("the draft", store.stat((&d).into()), ErrorKind::NotFound)?;
    same("the number of nodes", store.list()?.len(), 0)?;
    store.draft("d", Base::Scratch).map(drop)
}

fn a_taken_id_is_refused(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let l = store.layer("l", None, hello)?;
    for taken in [store.on("draft", &l)?, store.view_of("view", &l)?] {
        let before = store.stat((&taken).into())?;
        let bases = [Base::Scratch, Base::Layer(&l)];
        for base in bases {
            let result = store.prepare(&taken, base, &DraftSpec::default());
            refused("prepare", result, ErrorKind::AlreadyExists)?;
        }
        refused("view", store.view(&taken, &l), ErrorKind::AlreadyExists)?;
        same("the node", store.stat((&taken).into())?, before)?;
    }
    Ok(())
}

fn what_has_children_stays(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let l1 = store.layer("l1", None, hello)?;
    let l2 = store.layer("l2", Some(&l1), |files| files.write("2", b"2"))?;
    let tree = store.tree(&l1)?;
    let stays = |what: &str| -> Verdict {
        refused(what, store.remove((&l1).into()), ErrorKind::HasChildren)?;
        same_tree(what, &store.tree(&l1)?, &tree)
    };
    stays("under a layer")?;
    let d = store.on("d", &l1)?;
    store.remove((&l2).into())?;
    stays("under a draft")?;
    let v = store.view_of("v", &l1)?;
    store.remove((&d).into())?;
    stays("under a view")?;
    store.remove((&v).into())?;
    store.remove((&l1).into())?;
    refused("the removed layer", store.stat((&l1).into()), ErrorKind::NotFound).map(drop)
}

fn siblings_are_independent(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let l = store.layer("l", None, hello)?;
    let (a, b) = (store.on("a", &l)?, store.on("b", &l)?);
    store.edit(&a, |files| files.write("d/hello", b"from a"))?;
    store.edit(&b, |files| files.unlink("d/hello"))?;
    same("in a", store.look(&a, |files| files.read("d/hello"))?, b"from a")?;
    ensure!(!store.look(&b, |files| files.has("d/hello"))?, "deleted in b, and still there");
    let (a, b) = (store.committed(&a, "la")?, store.committed(&b, "lb")?);
    store.remove((&a).into())?;
    ensure!(!store.tree(&b)?.iter().any(|(p, _)| p.ends_with("hello")), "b has a's file");
    same_tree("the base", &store.tree(&l)?, &hello_tree())
}

fn removing_is_idempotent(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let (d, l) = (draft("d")?, layer("l")?);
    store.remove((&d).into())?;
    store.remove((&l).into())?;
    let d = store.draft("d", Base::Scratch)?;
    for _ in 0..2 {
        store.remove((&d).into())?;
    }
    let l = store.layer("l", None, hello)?;
    for _ in 0..2 {
        store.remove((&l).into())?;
    }
    same("the number of nodes", store.list()?.len(), 0)
}

fn a_removed_id_is_free_at_once(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    for round in 0..3 {
        let d = store.draft("d", Base::Scratch)?;
        same_tree("a new draft", &store.tree(&d)?, &scratch())?;
        store.edit(&d, |files| files.write(format!("{round}"), b""))?;
        store.remove((&d).into())?;
        let l = store.layer("l", None, |files| files.write(format!("{round}"), b""))?;
        same("files in the layer", store.tree(&l)?.iter().count(), 2)?;
        store.remove((&l).into())?;
    }
    Ok(())
}

fn stat_tells_what_a_node_is(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let l1 = store.layer("l1", None, hello)?;
    let l2 = store.layer("l2", Some(&l1), hello2)?;
    let (d0, d2) = (store.draft("d0", Base::Scratch)?, store.on("d2", &l2)?);
    let v1 = store.view_of("v1", &l1)?;
    let rows: [(NodeId, _, _, _); 5] = [
        (NodeId::Layer(l1.clone()), NodeKind::Layer, None, 1),
        (NodeId::Layer(l2.clone()), NodeKind::Layer, Some(&l1), 2),
        (NodeId::Draft(d0), NodeKind::Draft, None, 0),
        (NodeId::Draft(d2), NodeKind::Draft, Some(&l2), 2),
        (NodeId::Draft(v1), NodeKind::View, Some(&l1), 1),
    ];
    for (id, kind, parent, depth) in rows {
        let info = store.stat(id.as_ref())?;
        let found = (&info.id, info.kind, info.parent.as_ref(), info.depth, info.unpacking);
        same(format!("stat of {id}"), found, (&id, kind, parent, depth, false))?;
        same(format!("the mount of {id}"), info.mount, MountState::Unmounted)?;
    }
    Ok(())
}

fn hello2(files: &Files) -> Verdict {
    files.write("two", b"2")
}

/// File systems' clocks tick coarsely, and behind the precise one.
const TICK: Duration = Duration::from_millis(20);

fn creation_times_are_the_hosts(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let within = |what: &str, created: SystemTime, from: SystemTime| {
        let now = SystemTime::now();
        let since = from.checked_sub(TICK).unwrap_or(from);
        ensure!(since <= created && created <= now + TICK, "{what}: {created:?} at {now:?}");
        Ok(())
    };
    let before = SystemTime::now();
    let d = store.draft("d", Base::Scratch)?;
    let made = store.stat((&d).into())?.created;
    within("a draft's time", made, before)?;
    let before = SystemTime::now();
    let l = store.committed(&d, "l")?;
    let committed = store.stat((&l).into())?.created;
    within("a layer's time", committed, before)?;
    drop(store);
    same("the layer's time, opened again", cx.open()?.stat((&l).into())?.created, committed)
}

fn list_is_in_order(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    same("nodes in a new root", store.list()?.len(), 0)?;
    let b = store.layer("b", None, hello)?;
    store.layer("a", Some(&b), hello2)?;
    store.layer("a-b", Some(&b), hello2)?;
    for id in ["z", "Z", "a.b", "a-b", "0"] {
        store.on(id, &b)?;
    }
    store.view_of("m", &b)?;
    let found: Vec<_> = store.list()?.iter().map(|info| info.id.to_string()).collect();
    let expected = ["draft 0", "draft Z", "draft a-b", "draft a.b", "draft m", "draft z"];
    let layers = ["layer a", "layer a-b", "layer b"];
    same("the list", found, [&expected[..], &layers[..]].concat())
}

fn list_agrees_with_stat(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let l = store.layer("l", None, hello)?;
    store.view_of("v", &l)?;
    let d = store.on("d", &l)?;
    let mut guard = store.mount(&d, &graphdriver_api::MountRequest::default())?;
    let list = store.list()?;
    same("the number of nodes", list.len(), 3)?;
    for info in list {
        same(format!("stat of {}", info.id), store.stat(info.id.as_ref())?, info.clone())?;
        let held = info.id == NodeId::Draft(d.clone());
        let expected = if held { MountState::Held } else { MountState::Unmounted };
        same(format!("the mount of {}", info.id), info.mount, expected)?;
    }
    Ok(guard.unmount()?)
}

fn a_view_shows_its_layer(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let l1 = store.layer("l1", None, hello)?;
    let l2 = store.layer("l2", Some(&l1), |files| files.rename("d/hello", "moved"))?;
    let (v1, v2) = (store.view_of("v1", &l1)?, store.view_of("v2", &l2)?);
    same_tree("a view of the first layer", &store.tree(&v1)?, &hello_tree())?;
    let found = store.look(&v2, |files| files.names("."))?;
    same("names in a view of the second", found, ["d", "moved"])?;
    let again = store.view_of("again", &l1)?;
    same_tree("a second view", &store.tree(&again)?, &hello_tree())
}

fn the_roots_attributes_are_kept(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let set = |files: &Files| -> Verdict {
        files.chmod(".", 0o1711)?;
        files.chown(".", 4, 5)?;
        files.set_xattr(".", "trusted.root", b"1")?;
        files.touch(".", 77, 88)
    };
    let l1 = store.layer("l1", None, set)?;
    let root = Entry::directory().mode(0o1711).owner(4, 5).xattr("trusted.root", b"1");
    let expected = Snapshot::new().with(".", root.mtime(77, 88));
    same_tree("the layer", &store.tree(&l1)?, &expected)?;
    let d = store.on("d", &l1)?;
    same_tree("a draft on it", &store.tree(&d)?, &expected)?;
    let l2 = store.layer("l2", Some(&l1), |files| files.chmod(".", 0o700))?;
    let mut changed = expected.clone();
    if let Some(root) = changed.get_mut(".") {
        root.mode = 0o700;
    }
    same_tree("a layer with another root", &store.tree(&l2)?, &changed)?;
    same_tree("the layer below", &store.tree(&l1)?, &expected)
}
