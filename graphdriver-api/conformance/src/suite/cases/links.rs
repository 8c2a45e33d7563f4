//! `apply`: hard links, and paths that lead through symbolic links below.

use graphdriver_api::{Base, ErrorKind};

use super::apply::{gives, over};
use crate::snapshot::{Entry, Snapshot};
use crate::suite::archive::{Item, archive};
use crate::suite::case::cases;
use crate::suite::context::Context;
use crate::suite::files::Files;
use crate::suite::stop::{Verdict, ensure, refused};

cases! { links:
    Law to_files_of_the_archive, Image("layer.md, Hardlinks: entries of type hardlink");
    Law to_files_of_lower_layers, Image("layer.md, Hardlinks: entries of type hardlink");
    Law to_symbolic_links, Image("layer.md, Hardlinks: entries of type hardlink");
    Law replace_what_is_there,
        Image("layer.md, Applying Changesets: in all other cases, remove the path and recreate it");
    Law keep_the_file_that_they_named,
        Contract("a result that depends on the two alone, not on the driver, the time or the order of readdir");
    Law to_nothing_are_refused, Contract("`BadDiff` (names the entry and the rule)");
    Law to_directories_are_refused, Contract("`BadDiff` (names the entry and the rule)");
    Law beneath_a_symbolic_link_below,
        Contract("no path is resolved outside the tree, whatever `..`, absolute names and links say");
    Law whiteouts_beneath_a_symbolic_link_below,
        Contract("no path is resolved outside the tree, whatever `..`, absolute names and links say");
    Law beneath_a_symbolic_link_of_the_archive,
        Contract("no path is resolved outside the tree, whatever `..`, absolute names and links say");
    Law absolute_links_mean_the_trees_root,
        Contract("no path is resolved outside the tree, whatever `..`, absolute names and links say");
    Law beneath_links_that_lead_nowhere_are_refused,
        Contract("`BadDiff` (names the entry and the rule)");
}

fn to_files_of_the_archive(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let (d, below) = over(&store, |_| Ok(()))?;
    let items = [
        Item::dir("a").mtime(1, 0),
        Item::dir("b").mtime(1, 0),
        Item::file("b/file", b"one").mode(0o640).owner(1, 2).mtime(2, 3).xattr("trusted.a", b"1"),
        Item::hard_link("a/link", "b/file"),
        Item::hard_link("c", "a/link"),
    ];
    let file = Entry::file(b"one").mode(0o640).owner(1, 2).mtime(2, 3).xattr("trusted.a", b"1");
    let expected = below
        .with("a", Entry::directory().mtime(1, 0))
        .with("b", Entry::directory().mtime(1, 0))
        .with("b/file", file)
        .link("a/link", "b/file")
        .link("c", "b/file");
    gives(&store, &d, &items, &expected)
}

fn to_files_of_lower_layers(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let (d, below) = over(&store, |files| {
        files.dir("a")?;
        files.write("a/file", b"of the lower layer")?;
        files.set_xattr("a/file", "trusted.a", b"1")?;
        files.touch("a/file", 5, 6)?;
        files.touch("a", 7, 8)
    })?;
    let items = [Item::hard_link("link", "a/file"), Item::hard_link("a/again", "a/file")];
    let expected = below.link("link", "a/file").link("a/again", "a/file");
    gives(&store, &d, &items, &expected)
}

fn to_symbolic_links(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let (d, below) = over(&store, |files| {
        files.write("target", b"1")?;
        files.symlink("target", "lower")?;
        files.touch("lower", 5, 6)
    })?;
    let items = [
        Item::symlink("own", "target").mtime(1, 0),
        Item::hard_link("to-own", "own"),
        Item::hard_link("to-lower", "lower"),
    ];
    let expected = below
        .with("own", Entry::symlink("target").mtime(1, 0))
        .link("to-own", "own")
        .link("to-lower", "lower");
    gives(&store, &d, &items, &expected)
}

fn replace_what_is_there(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let (d, below) = over(&store, |files| {
        files.write("file", b"1")?;
        files.write("in-the-way", b"old")?;
        files.dir("dir")?;
        files.write("dir/gone", b"")
    })?;
    let items = [Item::hard_link("in-the-way", "file"), Item::hard_link("dir", "file")];
    let expected = below.without("dir/gone").link("in-the-way", "file").link("dir", "file");
    gives(&store, &d, &items, &expected)
}

fn keep_the_file_that_they_named(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let (d, below) = over(&store, |_| Ok(()))?;
    let items = [
        Item::file("name", b"first").mtime(1, 0),
        Item::hard_link("link", "name"),
        Item::file("name", b"second").mtime(2, 0),
    ];
    let expected = below
        .with("link", Entry::file(b"first").mtime(1, 0))
        .with("name", Entry::file(b"second").mtime(2, 0));
    gives(&store, &d, &items, &expected)
}

/// Each archive is refused as damaged, and the error names the entry.
fn each_refused(cx: &Context<'_>, archives: &[&[Item]], name: &str) -> Verdict {
    let store = cx.open()?;
    for (i, items) in archives.iter().enumerate() {
        let d = store.draft(&format!("d{i}"), Base::Scratch)?;
        let result = store.try_unpack(&d, &archive(*items));
        let error = refused(format!("archive {i}"), result, ErrorKind::BadDiff)?;
        ensure!(error.report().contains(name), "archive {i}: {name:?} isn't named by {error:?}");
        ensure!(store.stat((&d).into())?.unpacking, "archive {i}: the draft is usable");
    }
    Ok(())
}

fn to_nothing_are_refused(cx: &Context<'_>) -> Verdict {
    let after = [Item::hard_link("thelink", "later"), Item::file("later", b"1")];
    let replaced = [
        Item::dir("d"),
        Item::file("d/f", b""),
        Item::file("d", b""),
        Item::hard_link("thelink", "d/f"),
    ];
    let archives: [&[Item]; 4] = [
        &[Item::hard_link("thelink", "nowhere")],
        &[Item::hard_link("thelink", "thelink")],
        &after,
        &replaced,
    ];
    each_refused(cx, &archives, "thelink")
}

fn to_directories_are_refused(cx: &Context<'_>) -> Verdict {
    let archives: [&[Item]; 2] =
        [&[Item::dir("d"), Item::hard_link("thelink", "d")], &[Item::hard_link("thelink", ".")]];
    each_refused(cx, &archives, "thelink")
}

/// A merged /usr: `bin` and `lib` are links to what is in `usr`.
fn merged_usr(files: &Files) -> Verdict {
    files.dir("usr")?;
    for dir in ["usr/bin", "usr/lib"] {
        files.dir(dir)?;
    }
    files.symlink("usr/bin", "bin")?;
    files.symlink("./bin/../lib", "lib")?;
    files.write("usr/bin/sh", b"#!")?;
    files.write("usr/lib/old", b"old")?;
    for path in ["usr/bin", "usr/lib", "usr"] {
        files.touch(path, 20, 20)?;
    }
    Ok(())
}

fn beneath_a_symbolic_link_below(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let (d, below) = over(&store, merged_usr)?;
    let items = [
        Item::file("bin/new", b"1").mtime(1, 0),
        Item::hard_link("bin/link", "bin/sh"),
        Item::hard_link("usr/bin/new2", "bin/new"),
        Item::dir("lib/dir").mtime(2, 0),
        Item::file("lib/dir/f", b"2").mtime(1, 0),
        Item::symlink("lib/soft", "dir").mtime(1, 0),
    ];
    let expected = below
        .with("usr/bin/new", Entry::file(b"1").mtime(1, 0))
        .link("usr/bin/link", "usr/bin/sh")
        .link("usr/bin/new2", "usr/bin/new")
        .with("usr/lib/dir", Entry::directory().mtime(2, 0))
        .with("usr/lib/dir/f", Entry::file(b"2").mtime(1, 0))
        .with("usr/lib/soft", Entry::symlink("dir").mtime(1, 0));
    gives(&store, &d, &items, &expected)
}

fn whiteouts_beneath_a_symbolic_link_below(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let (d, below) = over(&store, merged_usr)?;
    let items = [
        Item::empty("bin/.wh.sh"),
        Item::empty("lib/.wh..wh..opq"),
        Item::file("lib/new", b"1").mtime(1, 0),
    ];
    let expected = below
        .without("usr/bin/sh")
        .without("usr/lib/old")
        .with("usr/lib/new", Entry::file(b"1").mtime(1, 0));
    gives(&store, &d, &items, &expected)
}

fn beneath_a_symbolic_link_of_the_archive(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let (d, below) = over(&store, |_| Ok(()))?;
    let items = [
        Item::dir("real").mtime(1, 0),
        Item::symlink("link", "real").mtime(1, 0),
        Item::file("link/f", b"1").mtime(1, 0),
    ];
    let expected = below
        .with("real", Entry::directory().mtime(1, 0))
        .with("link", Entry::symlink("real").mtime(1, 0))
        .with("real/f", Entry::file(b"1").mtime(1, 0));
    gives(&store, &d, &items, &expected)
}

fn absolute_links_mean_the_trees_root(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let (d, below) = over(&store, |files| {
        files.dir("etc")?;
        files.dir("var")?;
        files.symlink("/etc", "abs")?;
        files.symlink("../../../../../etc", "var/up")?;
        files.touch("etc", 20, 20)?;
        files.touch("var", 20, 20)
    })?;
    let items = [
        Item::file("abs/sapwood-one", b"1").mtime(1, 0),
        Item::file("var/up/sapwood-two", b"2").mtime(1, 0),
    ];
    let expected: Snapshot = below
        .with("etc/sapwood-one", Entry::file(b"1").mtime(1, 0))
        .with("etc/sapwood-two", Entry::file(b"2").mtime(1, 0));
    gives(&store, &d, &items, &expected)
}

fn beneath_links_that_lead_nowhere_are_refused(cx: &Context<'_>) -> Verdict {
    let entry = || Item::file("astray/f", b"1");
    let archives: [&[Item]; 3] = [
        &[Item::symlink("astray", "nowhere"), entry()],
        &[Item::symlink("astray", "astray"), entry()],
        &[Item::file("file", b""), Item::symlink("astray", "file"), entry()],
    ];
    each_refused(cx, &archives, "astray")
}
