//! Drafts whose parent comes at commit: unpacked side by side they give the
//! trees that they give one after another, or are refused.

use graphdriver_api::{Base, DraftSpec, ErrorKind, LayerId, MountRequest};

use crate::suite::archive::{Item, archive};
use crate::suite::case::cases;
use crate::suite::context::Context;
use crate::suite::files::Files;
use crate::suite::stop::{Verdict, When, ensure, refused, same};
use crate::suite::store::{Store, draft, layer, same_tree};

cases! { deferred:
    Law side_by_side_as_one_after_another,
        Contract("Layers hold only their own difference, so that a draft may be prepared with"),
        needs [Rebase];
    Law what_looks_below_is_refused_or_right,
        Contract("The diff refers to something beneath it, and the draft's parent comes only at commit."),
        needs [Rebase];
    Law a_refused_one_can_only_be_removed,
        Contract("*Do:* remove the draft, prepare it on its parent, and apply again."),
        needs [Rebase];
    Law commits_without_a_parent, Contract("(`None`: it has none)"), needs [Rebase];
    Law a_missing_parent_is_not_found,
        Contract("`NotFound` (the draft; `onto`), `AlreadyExists` (the layer; the draft stays as it was)"),
        needs [Rebase];
    Law only_what_needs_no_tree_is_possible,
        Contract("only [`apply`](GraphDriver::apply), `commit`, `stat`, `usage` and `remove` are possible until then"),
        needs [Rebase];
    Law a_draft_with_a_base_never_needs_its_parent,
        Contract("`NeedsParent` (only [`Base::Deferred`];");
    Law refused_where_layers_need_their_parents,
        Contract("`Deferred` without `rebase`"), needs [NoRebase];
}

fn on(parent: &LayerId) -> Base<'_> {
    Base::Layer(parent)
}

fn below(files: &Files) -> Verdict {
    for dir in ["usr", "usr/bin", "etc", "gone"] {
        files.dir(dir)?;
    }
    files.symlink("usr/bin", "bin")?;
    for file in ["usr/bin/sh", "usr/bin/old", "etc/passwd", "gone/f", "f"] {
        files.write(file, file)?;
        files.touch(file, 10, 10)?;
    }
    for path in ["usr/bin", "usr", "etc", "gone", "."] {
        files.chmod(path, 0o751)?;
        files.touch(path, 20, 20)?;
    }
    Ok(())
}

/// An archive as engines write them: every directory on the way is named.
fn typical() -> Vec<Item> {
    vec![
        Item::dir("etc").mtime(5, 0),
        Item::file("etc/passwd", b"root").mtime(5, 0),
        Item::empty("etc/.wh.nothing"),
        Item::dir("usr").mtime(5, 0),
        Item::dir("usr/bin").mtime(5, 0),
        Item::empty("usr/bin/.wh.old"),
        Item::file("usr/bin/new", b"#!").mode(0o755).mtime(5, 0),
        Item::hard_link("usr/bin/link", "usr/bin/new"),
        Item::dir("fresh").mtime(5, 0),
        Item::empty("fresh/.wh..wh..opq"),
        Item::symlink("fresh/link", "../etc").mtime(5, 0),
        Item::empty(".wh.gone"),
        Item::file("f", b"replaced").mtime(5, 0),
    ]
}

/// Makes the base and applies the archives on it, one after another.
fn in_sequence(store: &Store, archives: &[Vec<Item>]) -> Verdict<Vec<LayerId>> {
    let mut layers = vec![store.layer("base", None, below)?];
    for (i, items) in archives.iter().enumerate() {
        let d = store.draft("sequential", on(&layers[i]))?;
        store.unpack(&d, &archive(items))?;
        layers.push(store.committed(&d, &format!("sequential-{i}"))?);
    }
    Ok(layers)
}

fn side_by_side_as_one_after_another(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let second = vec![
        Item::dir("etc").mode(0o700).mtime(6, 0),
        Item::empty("etc/.wh..wh..opq"),
        Item::file("etc/hosts", b"").mtime(6, 0),
        Item::dir("gone").mtime(6, 0),
        Item::empty(".wh.f"),
        Item::empty(".wh.fresh"),
    ];
    let archives = [typical(), second, typical()];
    let sequential = in_sequence(&store, &archives)?;
    let drafts: Vec<_> =
        (0..3).map(|i| store.draft(&format!("d{i}"), Base::Deferred)).collect::<Verdict<_>>()?;
    // The last first: nothing of the others is there yet.
    for (d, items) in drafts.iter().zip(&archives).rev() {
        store.unpack(d, &archive(items)).when("unpack what names all its directories")?;
    }
    let mut parent = sequential[0].clone();
    for (i, d) in drafts.iter().enumerate() {
        let id = layer(&format!("beside-{i}"))?;
        store.commit(d, &id, Some(&parent))?;
        same_tree(&id, &store.tree(&id)?, &store.tree(&sequential[i + 1])?)?;
        same("its parent", store.stat((&id).into())?.parent.as_ref(), Some(&parent))?;
        let depth = u32::try_from(i).unwrap_or(0) + 2;
        same("its depth", store.stat((&id).into())?.depth, depth)?;
        let told = store.changes_of(&id)?;
        let trees = (store.tree(&parent)?, store.tree(&id)?);
        super::changes::as_the_trees_differ(&store, &told, &trees.0, &trees.1)?;
        parent = id;
    }
    Ok(())
}

fn what_looks_below_is_refused_or_right(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let archives: [(&str, Vec<Item>); 9] = [
        ("a hard link to below", vec![Item::hard_link("link", "f")]),
        ("an entry without its parents", vec![Item::file("etc/new", b"1").mtime(1, 0)]),
        ("new parents", vec![Item::file("new/dir/f", b"1").mtime(1, 0)]),
        ("beneath a link below", vec![Item::file("bin/new", b"1").mtime(1, 0)]),
        ("a whiteout without its parents", vec![Item::empty("etc/.wh.passwd")]),
        ("a whiteout beneath a link below", vec![Item::empty("bin/.wh.sh")]),
        ("an opaque marker alone", vec![Item::empty("etc/.wh..wh..opq")]),
        ("an opaque root", vec![Item::empty(".wh..wh..opq"), Item::file("only", b"").mtime(1, 0)]),
        ("a directory over a link below", vec![Item::dir("bin").mtime(1, 0)]),
    ];
    let base = store.layer("base", None, below)?;
    for (i, (what, items)) in archives.iter().enumerate() {
        let d = store.draft(&format!("sequential{i}"), on(&base))?;
        store.unpack(&d, &archive(items)).when(what)?;
        let expected = store.tree(&d)?;
        let d = store.draft(&format!("deferred{i}"), Base::Deferred)?;
        match store.try_unpack(&d, &archive(items)) {
            Ok(_) => {
                let l = layer(&format!("l{i}"))?;
                store.commit(&d, &l, Some(&base)).when(what)?;
                same_tree(what, &store.tree(&l)?, &expected)?;
            }
            Err(error) => same(what, error.kind(), ErrorKind::NeedsParent)?,
        }
    }
    Ok(())
}

fn a_refused_one_can_only_be_removed(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let base = store.layer("base", None, below)?;
    let items = [Item::file("first", b"1").mtime(1, 0), Item::hard_link("link", "f")];
    let d = store.draft("d", Base::Deferred)?;
    let result = store.try_unpack(&d, &archive(&items));
    refused("a hard link to what comes at commit", result, ErrorKind::NeedsParent)?;
    ensure!(store.stat((&d).into())?.unpacking, "the draft is usable");
    let commit = store.commit(&d, &layer("l")?, Some(&base));
    refused("commit", commit, ErrorKind::WrongState)?;
    store.remove((&d).into())?;
    let d = store.on("d", &base)?;
    store.unpack(&d, &archive(&items))?;
    let l = store.committed(&d, "l")?;
    let tree = store.tree(&l)?;
    same("the first name of the link", tree.first_name("link".as_ref()), std::path::Path::new("f"))
}

fn commits_without_a_parent(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let d = store.draft("d", Base::Deferred)?;
    store.unpack(&d, &archive(&typical()))?;
    let l = layer("l")?;
    store.commit(&d, &l, None)?;
    let info = store.stat((&l).into())?;
    same("parent and depth", (info.parent, info.depth), (None, 1))?;
    let s = store.draft("s", Base::Scratch)?;
    store.unpack(&s, &archive(&typical()))?;
    same_tree("the layer", &store.tree(&l)?, &store.tree(&s)?)
}

fn a_missing_parent_is_not_found(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let base = store.layer("base", None, below)?;
    let d = store.draft("d", Base::Deferred)?;
    store.unpack(&d, &archive(&typical()))?;
    let (absent, free) = (layer("absent")?, layer("free")?);
    refused("onto an absent layer", store.commit(&d, &free, Some(&absent)), ErrorKind::NotFound)?;
    let taken = store.commit(&d, &base, Some(&base));
    refused("to a taken id", taken, ErrorKind::AlreadyExists)?;
    let info = store.stat((&d).into())?;
    same("the draft's parent and state", (info.parent, info.unpacking), (None, false))?;
    store.commit(&d, &free, Some(&base))?;
    let stays = store.remove((&base).into());
    refused("removing the parent afterwards", stays, ErrorKind::HasChildren).map(drop)
}

fn only_what_needs_no_tree_is_possible(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let d = store.draft("d", Base::Deferred)?;
    for round in ["before", "after"] {
        let plan = store.mount_plan(&d, &MountRequest::default());
        refused(format!("{round}: plan"), plan, ErrorKind::WrongState)?;
        let mount = store.mount(&d, &MountRequest::read_only());
        refused(format!("{round}: mount"), mount, ErrorKind::WrongState)?;
        let told = store.changes((&d).into(), &mut |_| Ok(std::ops::ControlFlow::Continue(())));
        refused(format!("{round}: changes"), told, ErrorKind::WrongState)?;
        let tar = store.diff((&d).into(), &mut std::io::sink());
        refused(format!("{round}: diff"), tar, ErrorKind::WrongState)?;
        let info = store.stat((&d).into())?;
        same("parent and depth", (info.parent, info.depth), (None, 0))?;
        store.usage((&d).into())?;
        if round == "before" {
            store.unpack(&d, &archive(&typical()))?;
        }
    }
    store.remove((&d).into())?;
    same("nodes", store.list()?.len(), 0)
}

fn a_draft_with_a_base_never_needs_its_parent(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let base = store.layer("base", None, below)?;
    let d = store.on("d", &base)?;
    let items = [
        Item::hard_link("link", "f"),
        Item::file("etc/new", b"").mtime(1, 0),
        Item::file("bin/new", b"").mtime(1, 0),
        Item::empty("etc/.wh..wh..opq"),
    ];
    store.unpack(&d, &archive(&items))?;
    let s = store.draft("s", Base::Scratch)?;
    let result = store.try_unpack(&s, &archive(&[Item::hard_link("link", "f")]));
    refused("a link to nothing, without a parent", result, ErrorKind::BadDiff).map(drop)
}

fn refused_where_layers_need_their_parents(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let d = draft("d")?;
    let result = store.prepare(&d, Base::Deferred, &DraftSpec::default());
    refused("prepare", result, ErrorKind::Unsupported)?;
    refused("the draft", store.stat((&d).into()), ErrorKind::NotFound).map(drop)
}
