//! `changes`: every path that differs, once, in order, and no other.

use std::io;
use std::ops::ControlFlow;

use graphdriver_api::{Base, Change, ChangeKind, Error, ErrorKind, Op};
use rustix::fs::FileType;

use crate::snapshot::Snapshot;
use crate::suite::case::cases;
use crate::suite::context::Context;
use crate::suite::edits::{self, Edit, put_back_times, write_base};
use crate::suite::files::Files;
use crate::suite::stop::{Verdict, When, ensure, refused, same};
use crate::suite::store::{Store, draft, lines, scratch};
use crate::tree::changes as between;

cases! { changes:
    Law of_content, Contract("The parent has something there, and type, content or attributes differ.");
    Law of_attributes, Contract("The parent has something there, and type, content or attributes differ.");
    Law of_names, Contract("Tells every path at which the node differs from its parent");
    Law of_types, Contract("The parent has something there, and type, content or attributes differ.");
    Law of_replaced_directories, Contract("Nothing beneath a deleted directory is named.");
    Law of_hard_links, Contract("Tells every path at which the node differs from its parent");
    Law of_a_layer_are_those_of_its_draft,
        Contract("what turns the parent's tree into the node's");
    Law of_a_node_without_parent_are_all,
        Contract("(from the empty tree if it has none)");
    Law of_an_untouched_draft_are_none,
        Contract("Tells every path at which the node differs from its parent");
    Law of_a_view_are_none, Contract("Makes a read-only draft that shows `layer`'s tree.");
    Law a_directorys_time_is_told,
        Contract("A directory counts as modified when its own attributes differ, its modification time \
         included.");
    Law come_in_path_order,
        Contract("by component, bytes compared (the order of [`std::path::Path`]'s `Ord`)");
    Law names_are_bytes, Contract("Bytes as they are on disk: not necessarily UTF-8.");
    Law stop_when_told_to, Contract("returns `Break` to stop early, which is not an error");
    Law an_error_of_the_sink_comes_back,
        Contract("an error from the sink ends the walk and is returned");
    Law while_mounted, Contract("May run while the draft is mounted;");
    Law of_five_thousand, Contract("Memory: bounded by the depth and the largest directory.");
    Law through_a_long_chain, Contract("Tells every path at which the node differs from its parent");
    Law of_a_missing_node_tell_nothing, Contract("`NotFound`, `WrongState` (deferred);");
    Law are_exact_where_promised,
        Contract("`changes` and `diff` name a path only if something about it differs.");
}

/// Makes each edit on a draft of its own, and checks what `changes` tells
/// against the list of the edit and against both trees.
fn each(cx: &Context<'_>, edits: &[Edit]) -> Verdict {
    let store = cx.open()?;
    let base = store.layer("base", None, write_base)?;
    let below = store.tree(&base)?;
    for (i, edit) in edits.iter().enumerate() {
        let d = store.on(&format!("d{i}"), &base)?;
        store.edit(&d, |files| edit.carry_out(files))?;
        let told = store.changes_of(&d)?;
        let tree = store.tree(&d)?;
        as_the_trees_differ(&store, &told, &below, &tree).when(edit.name)?;
        let told = lines(&told);
        let missing: Vec<_> =
            edit.told.iter().filter(|line| !told.contains(&line.to_string())).collect();
        ensure!(missing.is_empty(), "{}: {missing:?} not among {told:?}", edit.name);
    }
    Ok(())
}

/// Fails unless `told` is the difference of the trees, as exactly as the
/// driver promises.
pub(super) fn as_the_trees_differ(
    store: &Store,
    told: &[Change],
    parent: &Snapshot,
    node: &Snapshot,
) -> Verdict {
    let faults = between(parent, node).faults_in(told, store.traits().exact_diff);
    ensure!(faults.is_empty(), "{}; told: {:?}", faults.join("; "), lines(told));
    Ok(())
}

fn of_content(cx: &Context<'_>) -> Verdict {
    each(cx, edits::CONTENT)
}

fn of_attributes(cx: &Context<'_>) -> Verdict {
    each(cx, edits::ATTRIBUTES)
}

fn of_names(cx: &Context<'_>) -> Verdict {
    each(cx, edits::NAMES)
}

fn of_types(cx: &Context<'_>) -> Verdict {
    each(cx, edits::TYPES)
}

fn of_replaced_directories(cx: &Context<'_>) -> Verdict {
    each(cx, edits::DIRECTORIES_REPLACED)
}

fn of_hard_links(cx: &Context<'_>) -> Verdict {
    each(cx, edits::LINKS)
}

fn of_a_layer_are_those_of_its_draft(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let base = store.layer("base", None, write_base)?;
    for (i, edit) in edits::ALL.iter().copied().flatten().enumerate() {
        let d = store.on("d", &base)?;
        store.edit(&d, |files| edit.carry_out(files))?;
        let told = lines(&store.changes_of(&d)?);
        let l = store.committed(&d, &format!("l{i}"))?;
        same(edit.name, lines(&store.changes_of(&l)?), told)?;
    }
    Ok(())
}

fn of_a_node_without_parent_are_all(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let d = store.draft("d", Base::Scratch)?;
    store.edit(&d, write_base)?;
    let told = store.changes_of(&d)?;
    as_the_trees_differ(&store, &told, &scratch(), &store.tree(&d)?)?;
    same("the first change", lines(&told).first().map(String::as_str), Some("M ."))?;
    let l = store.committed(&d, "l")?;
    same("changes of its layer", lines(&store.changes_of(&l)?), lines(&told))?;
    let d = store.draft("d", Base::Scratch)?;
    same("changes of an empty one", lines(&store.changes_of(&d)?), no_lines())?;
    store.edit(&d, |files| files.chmod(".", 0o700))?;
    same("changes of its root's mode", lines(&store.changes_of(&d)?), ["M ."])
}

fn of_an_untouched_draft_are_none(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let base = store.layer("base", None, write_base)?;
    let d = store.on("d", &base)?;
    same("before it is mounted", lines(&store.changes_of(&d)?), no_lines())?;
    let tree = store.tree(&d)?;
    store.edit(&d, |files| files.names("d").map(drop))?;
    let told = store.changes_of(&d)?;
    as_the_trees_differ(&store, &told, &tree, &tree).when("after it was only read")?;
    let l = store.committed(&d, "l")?;
    as_the_trees_differ(&store, &store.changes_of(&l)?, &tree, &tree).when("committed")
}

fn no_lines() -> Vec<String> {
    Vec::new()
}

fn of_a_view_are_none(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let base = store.layer("base", None, write_base)?;
    let top = store.layer("top", Some(&base), |files| files.unlink("f"))?;
    let v = store.view_of("v", &top)?;
    same("changes of a view", lines(&store.changes_of(&v)?), no_lines())?;
    store.during(&v, &super::mounts::writable(), |files| files.names(".").map(drop))?;
    same("after it was mounted", lines(&store.changes_of(&v)?), no_lines())
}

fn a_directorys_time_is_told(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let base = store.layer("base", None, write_base)?;
    let d = store.on("d", &base)?;
    store.edit(&d, |files| {
        files.write("d/sub/new", b"")?;
        files.touch("e", 5, 6)
    })?;
    let told = lines(&store.changes_of(&d)?);
    for line in ["M d/sub", "A d/sub/new", "M e"] {
        ensure!(told.iter().any(|l| l == line), "{line:?} isn't among {told:?}");
    }
    ensure!(told.len() <= 5, "more than the changes and the directories above: {told:?}");
    Ok(())
}

fn come_in_path_order(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let base = store.layer("base", None, write_base)?;
    let d = store.on("d", &base)?;
    store.edit(&d, |files| {
        for name in ["zz", "a!", "a/b", "a/b-", "a-", "B", "d/sub-x", "d/sub/z", "d/sub!"] {
            files.write(name, b"")?;
        }
        files.unlink("a/z")?;
        files.unlink("d/sub/x")?;
        files.rename("f", "d/F")
    })?;
    let told = store.changes_of(&d)?;
    ensure!(told.len() >= 13, "too few changes: {:?}", lines(&told));
    for pair in told.windows(2) {
        ensure!(pair[0].path < pair[1].path, "{:?} come in this order", lines(pair));
    }
    Ok(())
}

fn names_are_bytes(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let names = super::names::treacherous();
    let base = store.layer("base", None, |files| {
        files.touch(".", 1, 1)?;
        names.iter().take(3).try_for_each(|name| files.write(name, b"below"))?;
        files.touch(".", 1, 1)
    })?;
    let d = store.on("d", &base)?;
    store.edit(&d, |files| {
        names.iter().take(3).try_for_each(|name| files.unlink(name))?;
        names.iter().skip(3).try_for_each(|name| files.write(name, b"above"))?;
        files.touch(".", 1, 1)
    })?;
    let told: Vec<_> =
        store.changes_of(&d)?.into_iter().filter(|c| c.path.as_os_str() != ".").collect();
    let change = |(i, name): (usize, &std::ffi::OsString)| Change {
        path: name.into(),
        kind: if i < 3 { ChangeKind::Deleted } else { ChangeKind::Added },
    };
    let mut expected: Vec<_> = names.iter().enumerate().map(change).collect();
    expected.sort();
    same("changes", lines(&told), lines(&expected))
}

fn stop_when_told_to(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let base = store.layer("base", None, write_base)?;
    for limit in 1..4 {
        let mut seen = 0;
        store
            .changes((&base).into(), &mut |_| {
                seen += 1;
                Ok(if seen < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
            })
            .when(format_args!("stopped at change {limit}"))?;
        same("changes told", seen, limit)?;
    }
    Ok(())
}

fn an_error_of_the_sink_comes_back(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let base = store.layer("base", None, write_base)?;
    let mut seen = 0;
    let result = store.changes((&base).into(), &mut |_| {
        seen += 1;
        let full = io::Error::from(io::ErrorKind::StorageFull);
        Err(Error::io(Op::Changes, "the sink's own words", full))
    });
    same("changes told", seen, 1)?;
    let error = refused("changes", result, ErrorKind::NoSpace)?;
    ensure!(error.to_string().contains("the sink's own words"), "the error has become {error:?}");
    Ok(())
}

fn while_mounted(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let base = store.layer("base", None, write_base)?;
    let d = store.on("d", &base)?;
    let mut guard = store.mount(&d, &super::mounts::writable())?;
    let tree = crate::suite::store::files(&guard)?;
    tree.write("new", b"1")?;
    tree.unlink("f")?;
    put_back_times(&tree)?;
    let told = store.changes_of(&d)?;
    let expected = store.tree(&base)?;
    as_the_trees_differ(&store, &told, &expected, &tree.snapshot()?)?;
    drop(tree);
    guard.unmount().when("after changes ran")?;
    same("unmounted", lines(&store.changes_of(&d)?), lines(&told))
}

fn of_five_thousand(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let name = |i: u32| format!("dir/file-{i:04}");
    let base = store.layer("base", None, |files| {
        files.dir("dir")?;
        (0..5000).try_for_each(|i| files.mknod_file(&name(i)))?;
        files.touch("dir", 1, 1)
    })?;
    let d = store.on("d", &base)?;
    store.edit(&d, |files| {
        (0..5000).step_by(2).try_for_each(|i| files.unlink(name(i)))?;
        (5000..7000).try_for_each(|i| files.mknod_file(&name(i)))?;
        files.touch("dir", 1, 1)
    })?;
    let told = store.changes_of(&d)?;
    let count = |kind| told.iter().filter(|c| c.kind == kind).count();
    same("deleted", count(ChangeKind::Deleted), 2500)?;
    same("added", count(ChangeKind::Added), 2000)?;
    ensure!(told.windows(2).all(|p| p[0].path < p[1].path), "not in path order");
    same("all of a node without parent", store.changes_of(&base)?.len(), 5002)
}

fn through_a_long_chain(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let mut parent = store.layer("l0", None, write_base)?;
    for i in 1..8 {
        let write = |files: &Files| -> Verdict {
            files.write(format!("d/from-{i}"), b"")?;
            if i == 4 { files.unlink("f") } else { files.append("a-b", b"+") }
        };
        parent = store.layer(&format!("l{i}"), Some(&parent), write)?;
    }
    let below = store.tree(&parent)?;
    let d = store.on("d", &parent)?;
    store.edit(&d, |files| {
        files.write("f", b"again")?;
        files.unlink("d/from-2")?;
        files.chmod("d/from-6", 0o600)?;
        put_back_times(files)
    })?;
    let told = store.changes_of(&d)?;
    as_the_trees_differ(&store, &told, &below, &store.tree(&d)?)?;
    let told = lines(&told);
    for line in ["A f", "D d/from-2", "M d/from-6"] {
        ensure!(told.iter().any(|l| l == line), "{line:?} isn't among {told:?}");
    }
    Ok(())
}

fn of_a_missing_node_tell_nothing(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let mut told = 0;
    let result = store.changes((&draft("absent")?).into(), &mut |_| {
        told += 1;
        Ok(ControlFlow::Continue(()))
    });
    refused("changes", result, ErrorKind::NotFound)?;
    same("changes told", told, 0)
}

fn are_exact_where_promised(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let base = store.layer("base", None, write_base)?;
    let d = store.on("d", &base)?;
    store.edit(&d, |files| {
        // Touched in every way, and equal again.
        files.chmod("f", 0o600)?;
        files.chmod("f", 0o644)?;
        files.unlink("a-b")?;
        files.write("a-b", b"content of a-b")?;
        files.touch("a-b", 1_000_000_000, 123_456_789)?;
        files.unlink("p")?;
        files.node("p", FileType::Fifo)?;
        files.touch("p", 1_000_000_000, 123_456_789)?;
        files.write("e/new", b"")?;
        files.unlink("e/new")?;
        put_back_times(files)
    })?;
    let told = lines(&store.changes_of(&d)?);
    let promised = store.traits().exact_diff;
    ensure!(
        promised == told.is_empty(),
        "exact_diff is {promised}, and of paths that are equal again it tells {told:?}"
    );
    Ok(())
}
