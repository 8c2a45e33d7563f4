//! `apply`: whiteouts and opaque markers, which hide what is below and nothing
//! else.

use graphdriver_api::ErrorKind;

use super::apply::{gives, over};
use crate::snapshot::{Entry, Snapshot};
use crate::suite::archive::{Item, archive};
use crate::suite::case::cases;
use crate::suite::context::Context;
use crate::suite::files::Files;
use crate::suite::stop::{Verdict, When, ensure, same};
use crate::suite::store::same_tree;

cases! { whiteouts:
    Law hide_what_is_below,
        Image("layer.md, Whiteouts: the file or directory of the lower layer must be hidden");
    Law of_a_link_leave_its_target,
        Image("layer.md, Whiteouts: it hides the path that its name says");
    Law of_one_name_leave_the_others,
        Image("layer.md, Whiteouts: it hides the path that its name says");
    Law of_what_is_not_there_do_nothing,
        Image("layer.md, Whiteouts: they only apply to resources in lower layers");
    Law never_delete_entries_of_their_archive,
        Contract("an entry of the same archive is never deleted by it, whatever the order");
    Law of_a_directory_that_the_archive_makes_again,
        Contract("an entry of the same archive is never deleted by it, whatever the order");
    Law opaque_hides_all_that_is_below,
        Image("layer.md, Opaque Whiteout: all children of the directory in the lower layer are hidden");
    Law opaque_keeps_what_the_archive_holds,
        Contract("an entry of the same archive is never deleted by it, whatever the order");
    Law opaque_at_the_root, Image("layer.md, Opaque Whiteout: .wh..wh..opq in a directory");
    Law opaque_keeps_the_directory,
        Image("layer.md, Opaque Whiteout: children are hidden, not the directory itself");
    Law opaque_of_what_is_no_directory_below,
        Image("layer.md, Opaque Whiteout: siblings of the marker are added");
    Law leave_no_file_of_their_own,
        Image("layer.md, Whiteouts: files that are a whiteout must not be created");
    Law of_dots_touch_nothing_else,
        Contract("no path is resolved outside the tree, whatever `..`, absolute names and links say");
    Law through_several_layers, Image("layer.md, Applying Changesets: layer by layer");
}

fn below(files: &Files) -> Verdict {
    for dir in ["d", "d/sub", "e"] {
        files.dir(dir)?;
    }
    for file in ["a", "b", "d/1", "d/2", "d/sub/3", "e/4"] {
        files.write(file, file)?;
    }
    files.link("a", "hard")?;
    files.symlink("d", "link")?;
    for (path, sec) in [("d/sub", 11), ("d", 12), ("e", 13), ("a", 14)] {
        files.touch(path, sec, 5)?;
    }
    Ok(())
}

fn without(tree: Snapshot, paths: &[&str]) -> Snapshot {
    paths.iter().fold(tree, Snapshot::without)
}

fn hide_what_is_below(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let (d, tree) = over(&store, below)?;
    let items = [Item::empty(".wh.b"), Item::empty("d/.wh.sub"), Item::empty(".wh.e")];
    let gone = ["b", "d/sub", "d/sub/3", "e", "e/4"];
    gives(&store, &d, &items, &without(tree, &gone))
}

fn of_a_link_leave_its_target(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let (d, tree) = over(&store, below)?;
    gives(&store, &d, &[Item::empty(".wh.link")], &tree.without("link"))
}

fn of_one_name_leave_the_others(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let (d, tree) = over(&store, below)?;
    gives(&store, &d, &[Item::empty(".wh.a")], &tree.without("a"))
}

fn of_what_is_not_there_do_nothing(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let (d, tree) = over(&store, below)?;
    gives(&store, &d, &[Item::empty(".wh.nothing"), Item::empty("d/.wh.a")], &tree)
}

/// Every order of the items gives the same tree.
fn in_every_order(
    cx: &Context<'_>,
    items: &[Item],
    gone: &[&str],
    new: &[(&str, Entry)],
) -> Verdict {
    let store = cx.open()?;
    let l = store.layer("below", None, |files| {
        below(files)?;
        files.touch(".", 50, 50)
    })?;
    let mut expected = without(store.tree(&l)?, gone);
    for (path, entry) in new {
        expected = expected.with(path, entry.clone());
    }
    for (i, order) in permutations(items.len()).into_iter().enumerate() {
        let d = store.on(&format!("d{i}"), &l)?;
        let ordered: Vec<_> = order.iter().map(|at| items[*at].clone()).collect();
        gives(&store, &d, &ordered, &expected).when(format_args!("in the order {order:?}"))?;
    }
    Ok(())
}

fn permutations(count: usize) -> Vec<Vec<usize>> {
    if count == 0 {
        return vec![Vec::new()];
    }
    let insert = |shorter: Vec<usize>| {
        (0..count).map(move |at| {
            let mut longer = shorter.clone();
            longer.insert(at, count - 1);
            longer
        })
    };
    permutations(count - 1).into_iter().flat_map(insert).collect()
}

fn file() -> Entry {
    Entry::file(b"new").mtime(3, 0)
}

fn new_file(path: &str) -> Item {
    Item::file(path, b"new").mtime(3, 0)
}

fn never_delete_entries_of_their_archive(cx: &Context<'_>) -> Verdict {
    let items = [new_file("b"), Item::empty(".wh.b"), new_file("fresh"), Item::empty(".wh.fresh")];
    in_every_order(cx, &items, &[], &[("b", file()), ("fresh", file())])
}

fn of_a_directory_that_the_archive_makes_again(cx: &Context<'_>) -> Verdict {
    let items = [Item::empty(".wh.d"), Item::dir("d").mode(0o700).mtime(9, 0), new_file("d/2")];
    let dir = Entry::directory().mode(0o700).mtime(9, 0);
    let gone = ["d/1", "d/2", "d/sub", "d/sub/3"];
    in_every_order(cx, &items, &gone, &[("d", dir), ("d/2", file())])
}

fn opaque_hides_all_that_is_below(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let (d, tree) = over(&store, below)?;
    let items = [Item::dir("d").mtime(9, 0), Item::empty("d/.wh..wh..opq")];
    let expected = without(tree, &["d/1", "d/2", "d/sub", "d/sub/3"]);
    gives(&store, &d, &items, &expected.with("d", Entry::directory().mtime(9, 0)))
}

fn opaque_keeps_what_the_archive_holds(cx: &Context<'_>) -> Verdict {
    let items = [
        Item::empty("d/.wh..wh..opq"),
        new_file("d/1"),
        Item::dir("d/sub").mtime(8, 0),
        new_file("d/sub/new"),
    ];
    let new = [("d/1", file()), ("d/sub", Entry::directory().mtime(8, 0)), ("d/sub/new", file())];
    in_every_order(cx, &items, &["d/1", "d/2", "d/sub/3"], &new)
}

fn opaque_at_the_root(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let (d, tree) = over(&store, below)?;
    let items = [new_file("before"), Item::empty(".wh..wh..opq"), new_file("after")];
    let paths: Vec<_> = tree.iter().map(|(path, _)| path.to_owned()).skip(1).collect();
    let expected = paths.iter().fold(tree, Snapshot::without);
    gives(&store, &d, &items, &expected.with("before", file()).with("after", file()))
}

fn opaque_keeps_the_directory(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let (d, tree) = over(&store, |files| {
        below(files)?;
        files.chmod("d", 0o1777)?;
        files.chown("d", 4, 5)?;
        files.set_xattr("d", "trusted.d", b"kept")?;
        files.touch("d", 12, 5)
    })?;
    let items = [Item::empty("d/.wh..wh..opq")];
    gives(&store, &d, &items, &without(tree, &["d/1", "d/2", "d/sub", "d/sub/3"]))
}

fn opaque_of_what_is_no_directory_below(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let (d, tree) = over(&store, below)?;
    let items = [
        Item::dir("a").mtime(4, 0),
        Item::empty("a/.wh..wh..opq"),
        new_file("a/new"),
        Item::dir("fresh").mtime(4, 0),
        Item::empty("fresh/.wh..wh..opq"),
        new_file("fresh/new"),
    ];
    let dir = || Entry::directory().mtime(4, 0);
    let expected = tree
        .without("a")
        .with("a", dir())
        .with("a/new", file())
        .with("fresh", dir())
        .with("fresh/new", file());
    gives(&store, &d, &items, &expected)
}

fn leave_no_file_of_their_own(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    // Names that aufs and others reserve, and kinds that no whiteout has.
    let odd = [
        Item::dir(".wh..wh.plnk"),
        Item::empty(".wh..wh.aufs"),
        Item::empty("d/.wh..wh..wh..opq"),
        Item::file(".wh.b", b"with content"),
        Item::dir(".wh.b"),
        Item::symlink(".wh.b", "a"),
        Item::hard_link(".wh.b", "a"),
    ];
    let l = store.layer("below", None, below)?;
    for (i, item) in odd.iter().enumerate() {
        let d = store.on(&format!("d{i}"), &l)?;
        match store.try_unpack(&d, &archive([item])) {
            Ok(_) => {
                let tree = store.tree(&d)?;
                let mut names = tree.iter().filter_map(|(path, _)| path.file_name());
                let left = names.find(|name| name.as_encoded_bytes().starts_with(b".wh."));
                same(format!("a name left by item {i}"), left, None)?;
            }
            Err(error) => same(format!("item {i}"), error.kind(), ErrorKind::BadDiff)?,
        }
    }
    Ok(())
}

fn of_dots_touch_nothing_else(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let l = store.layer("below", None, below)?;
    let tree = store.tree(&l)?;
    for (i, name) in
        [".wh.", ".wh..", ".wh...", "d/.wh..", "d/.wh...", "d/sub/.wh..."].iter().enumerate()
    {
        let d = store.on(&format!("d{i}"), &l)?;
        match store.try_unpack(&d, &archive(&[Item::empty(name)])) {
            Ok(_) => same_tree(format!("after {name:?}"), &store.tree(&d)?, &tree)?,
            Err(error) => same(format!("{name:?}"), error.kind(), ErrorKind::BadDiff)?,
        }
    }
    ensure!(std::fs::metadata(cx.root())?.is_dir(), "the root is gone");
    same_tree("the layer below", &store.tree(&l)?, &tree)
}

fn through_several_layers(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let archives: [&[Item]; 5] = [
        &[Item::dir("d").mtime(1, 0), new_file("d/a"), new_file("d/b"), new_file("f")],
        &[Item::empty("d/.wh.a"), Item::empty(".wh.f")],
        &[new_file("d/a"), new_file("d/c"), Item::dir("f").mtime(2, 0), new_file("f/in")],
        &[
            Item::dir("d").mtime(3, 0),
            Item::empty("d/.wh..wh..opq"),
            new_file("d/z"),
            Item::empty("f/.wh.in"),
        ],
        &[new_file("d/a"), Item::empty(".wh.f")],
    ];
    let names = ["d d/a d/b f", "d d/b", "d d/a d/b d/c f f/in", "d d/z f", "d d/a d/z"];
    let mut parent = None;
    for (i, (items, expected)) in archives.iter().zip(names).enumerate() {
        let d = store.draft("d", super::super::store::base(parent.as_ref()))?;
        store.unpack(&d, &archive(*items))?;
        let l = store.committed(&d, &format!("l{i}"))?;
        let tree = store.tree(&l)?;
        let found: Vec<_> =
            tree.iter().skip(1).map(|(path, _)| path.display().to_string()).collect();
        same(format!("names in layer {i}"), found.join(" ").as_str(), expected)?;
        parent = Some(l);
    }
    Ok(())
}
