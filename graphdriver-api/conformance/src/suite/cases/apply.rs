//! `apply`: what each kind of entry makes of what is there.

use graphdriver_api::{Base, DraftId};
use rustix::fs::FileType;

use crate::snapshot::{Entry, Kind, Snapshot};
use crate::suite::archive::{Item, archive};
use crate::suite::case::cases;
use crate::suite::context::Context;
use crate::suite::files::Files;
use crate::suite::stop::{Verdict, When, ensure};
use crate::suite::store::{Store, same_tree};

cases! { apply:
    Law makes_every_kind_of_file,
        Image("layer.md, File Types: regular files, directories, sockets, symbolic links, block and \
         character devices, FIFOs");
    Law makes_what_is_said_and_nothing_else,
        Contract("a result that depends on the two alone, not on the driver, the time or the order of readdir");
    Law keeps_the_times_of_entered_directories,
        Contract("Directories that were only entered, or made because an entry lacked its parents (0755, \
         0:0, time 0), have the times that they had.");
    Law makes_missing_parents,
        Contract("made because an entry lacked its parents (0755, 0:0, time 0)");
    Law a_directory_may_come_after_what_is_in_it,
        Contract("a result that depends on the two alone, not on the driver, the time or the order of readdir");
    Law a_directory_entry_replaces_attributes_alone,
        Image("layer.md, Applying Changesets: if both are directories, the existing path's attributes must \
         be replaced");
    Law any_other_entry_replaces_what_is_there,
        Image("layer.md, Applying Changesets: in all other cases, remove the path and recreate it");
    Law an_overwritten_name_leaves_other_names_alone,
        Image("layer.md, Applying Changesets: the semantic equivalent of removing the file path (unlink)");
    Law the_last_of_several_entries_counts,
        Image("layer.md, Applying Changesets: entries are applied as they come");
    Law the_roots_own_entry_sets_its_attributes,
        Contract("the draft's tree is the old tree with the archive's changes");
    Law spellings_of_a_path_are_one_path,
        Image("pax(1), path: a pathname, in which ./ and repeated slashes mean nothing");
    Law one_archive_after_another, Contract("its last `apply` (if any) succeeded");
    Law over_what_a_mount_wrote, Contract("Unpacks a layer archive over a draft");
}

/// A draft on a layer of what `write` writes, whose root was last modified at
/// second 50.
pub(super) fn over(
    store: &Store,
    write: impl FnOnce(&Files) -> Verdict,
) -> Verdict<(DraftId, Snapshot)> {
    let l = store.layer("below", None, |files| {
        write(files)?;
        files.touch(".", 50, 50)
    })?;
    let tree = store.tree(&l)?;
    Ok((store.on("d", &l)?, tree))
}

/// Unpacks the items over a draft and compares its tree, and that of the layer
/// that it becomes, with what is expected.
pub(super) fn gives(
    store: &Store,
    draft: &DraftId,
    items: &[Item],
    expected: &Snapshot,
) -> Verdict {
    store.unpack(draft, &archive(items))?;
    same_tree("the draft", &store.tree(draft)?, expected)?;
    let l = store.committed(draft, &format!("layer-of-{draft}"))?;
    same_tree("its layer", &store.tree(&l)?, expected)
}

/// An empty tree whose root has the time that [`over`] gives it.
pub(super) fn empty() -> Snapshot {
    Snapshot::new().with(".", Entry::directory().mtime(50, 50))
}

fn makes_every_kind_of_file(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let d = store.draft("d", Base::Scratch)?;
    let items = [
        Item::dir("dir").mode(0o1775).owner(1, 2).mtime(1, 0),
        Item::file("dir/file", b"content").mode(0o4751).owner(3, 4).mtime(2, 0),
        Item::symlink("dir/symlink", "../elsewhere").owner(5, 6).mtime(3, 0),
        Item::hard_link("hard", "dir/file"),
        Item::fifo("fifo").mode(0o620).owner(7, 8).mtime(4, 0),
        Item::char_device("char", 4, 64).mode(0o660).owner(0, 5).mtime(5, 0),
        Item::block_device("block", 8, 1).mode(0o640).owner(9, 0).mtime(6, 0),
    ];
    let expected = Snapshot::new()
        .with("dir", Entry::directory().mode(0o1775).owner(1, 2).mtime(1, 0))
        .with("dir/file", Entry::file(b"content").mode(0o4751).owner(3, 4).mtime(2, 0))
        .with("dir/symlink", Entry::symlink("../elsewhere").owner(5, 6).mtime(3, 0))
        .link("hard", "dir/file")
        .with("fifo", Entry::new(Kind::Fifo).mode(0o620).owner(7, 8).mtime(4, 0))
        .with("char", Entry::new(Kind::CharDevice(4, 64)).mode(0o660).owner(0, 5).mtime(5, 0))
        .with("block", Entry::new(Kind::BlockDevice(8, 1)).mode(0o640).owner(9, 0).mtime(6, 0));
    gives(&store, &d, &items, &expected)
}

fn makes_what_is_said_and_nothing_else(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let (d, below) = over(&store, |files| {
        files.dir("dir")?;
        files.chmod("dir", 0o2777)?;
        files.touch("dir", 9, 9)
    })?;
    // The directory's setgid bit and a umask would change what plain calls make.
    let items = [
        Item::file("dir/f", b"1").mode(0o666).owner(5, 6).mtime(1, 0),
        Item::dir("dir/d").mode(0o777).owner(5, 6).mtime(1, 0),
    ];
    let expected = below
        .with("dir/f", Entry::file(b"1").mode(0o666).owner(5, 6).mtime(1, 0))
        .with("dir/d", Entry::directory().mode(0o777).owner(5, 6).mtime(1, 0));
    gives(&store, &d, &items, &expected)
}

fn keeps_the_times_of_entered_directories(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let (d, below) = over(&store, |files| {
        for path in ["a", "a/b", "a/b/c", "other"] {
            files.dir(path)?;
        }
        files.write("a/gone", b"")?;
        for (path, nsec) in [("a/b/c", 1), ("a/b", 2), ("a", 3), ("other", 4)] {
            files.touch(path, 1000, nsec)?;
        }
        Ok(())
    })?;
    let items = [
        Item::file("a/b/c/new", b"1").mtime(5, 0),
        Item::empty("a/.wh.gone"),
        Item::hard_link("other/link", "a/b/c/new"),
    ];
    let new = Entry::file(b"1").mtime(5, 0);
    let expected = below.without("a/gone").with("a/b/c/new", new).link("other/link", "a/b/c/new");
    gives(&store, &d, &items, &expected)
}

fn makes_missing_parents(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let (d, below) =
        over(&store, |files| files.dir("there").and_then(|()| files.touch("there", 7, 7)))?;
    let items = [
        Item::file("there/a/b/f", b"1").mtime(5, 0),
        Item::symlink("c/d/link", "x").mtime(6, 0),
        Item::dir("e/f").mode(0o700).mtime(7, 0),
    ];
    let made = || Entry::directory().mtime(0, 0);
    let expected = below
        .with("there/a", made())
        .with("there/a/b", made())
        .with("there/a/b/f", Entry::file(b"1").mtime(5, 0))
        .with("c", made())
        .with("c/d", made())
        .with("c/d/link", Entry::symlink("x").mtime(6, 0))
        .with("e", made())
        .with("e/f", Entry::directory().mode(0o700).mtime(7, 0));
    gives(&store, &d, &items, &expected)
}

fn a_directory_may_come_after_what_is_in_it(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let (d, below) = over(&store, |_| Ok(()))?;
    let items = [
        Item::file("a/b/f", b"1").mtime(5, 0),
        Item::dir("a/b").mode(0o711).owner(1, 1).mtime(6, 7),
        Item::file("a/g", b"2").mtime(5, 0),
        Item::dir("a").mode(0o2750).mtime(8, 9),
        Item::file("a/b/h", b"3").mtime(5, 0),
    ];
    let expected = below
        .with("a", Entry::directory().mode(0o2750).mtime(8, 9))
        .with("a/b", Entry::directory().mode(0o711).owner(1, 1).mtime(6, 7))
        .with("a/b/f", Entry::file(b"1").mtime(5, 0))
        .with("a/b/h", Entry::file(b"3").mtime(5, 0))
        .with("a/g", Entry::file(b"2").mtime(5, 0));
    gives(&store, &d, &items, &expected)
}

fn a_directory_entry_replaces_attributes_alone(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let (d, below) = over(&store, |files| {
        files.dir("dir")?;
        files.write("dir/f", b"stays")?;
        files.set_xattr("dir", "trusted.old", b"1")?;
        files.chown("dir", 9, 9)?;
        files.chmod("dir", 0o4777)
    })?;
    let items = [Item::dir("dir").mode(0o750).owner(1, 2).mtime(3, 4).xattr("trusted.new", b"2")];
    let dir = Entry::directory().mode(0o750).owner(1, 2).mtime(3, 4).xattr("trusted.new", b"2");
    gives(&store, &d, &items, &below.with("dir", dir))
}

fn any_other_entry_replaces_what_is_there(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let (d, below) = over(&store, |files| {
        files.write("file", b"old")?;
        files.set_xattr("file", "trusted.old", b"1")?;
        files.chmod("file", 0o6777)?;
        for full in ["dir1", "dir2"] {
            files.dir(full)?;
            files.write(format!("{full}/f"), b"gone")?;
        }
        files.dir("target")?;
        files.write("target/f", b"stays")?;
        files.symlink("target", "link1")?;
        files.symlink("target", "link2")?;
        files.node("fifo", FileType::Fifo)?;
        files.write("file2", b"old")
    })?;
    let items = [
        Item::file("file", b"n").mtime(1, 0),
        Item::file("dir1", b"now a file").mtime(1, 0),
        Item::symlink("dir2", "file").mtime(1, 0),
        Item::file("link1", b"now a file").mtime(1, 0),
        Item::dir("link2").mtime(1, 0),
        Item::file("fifo", b"now a file").mtime(1, 0),
        Item::dir("file2").mtime(1, 0),
    ];
    let file = |content: &[u8]| Entry::file(content).mtime(1, 0);
    let expected = below
        .with("file", file(b"n"))
        .without("dir1/f")
        .with("dir1", file(b"now a file"))
        .without("dir2/f")
        .with("dir2", Entry::symlink("file").mtime(1, 0))
        .with("link1", file(b"now a file"))
        .with("link2", Entry::directory().mtime(1, 0))
        .with("fifo", file(b"now a file"))
        .with("file2", Entry::directory().mtime(1, 0));
    gives(&store, &d, &items, &expected)
}

fn an_overwritten_name_leaves_other_names_alone(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let (d, below) = over(&store, |files| {
        files.write("a", b"one file")?;
        files.link("a", "b")?;
        files.link("a", "c")?;
        files.touch("a", 7, 7)
    })?;
    let items = [Item::file("b", b"a file of its own").mtime(1, 0)];
    let expected = below.with("b", Entry::file(b"a file of its own").mtime(1, 0));
    gives(&store, &d, &items, &expected)
}

fn the_last_of_several_entries_counts(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let (d, below) = over(&store, |_| Ok(()))?;
    let items = [
        Item::file("f", b"first").mode(0o600).xattr("trusted.first", b"1"),
        Item::file("f", b"second").mtime(1, 0),
        Item::dir("d").mode(0o700),
        Item::file("d/in", b"1").mtime(1, 0),
        Item::dir("d").mode(0o711).mtime(2, 0),
        Item::file("turns", b"a file"),
        Item::dir("turns").mtime(3, 0),
        Item::file("turns/in", b"2").mtime(1, 0),
        Item::dir("back"),
        Item::file("back/gone", b""),
        Item::symlink("back", "f").mtime(4, 0),
    ];
    let expected = below
        .with("f", Entry::file(b"second").mtime(1, 0))
        .with("d", Entry::directory().mode(0o711).mtime(2, 0))
        .with("d/in", Entry::file(b"1").mtime(1, 0))
        .with("turns", Entry::directory().mtime(3, 0))
        .with("turns/in", Entry::file(b"2").mtime(1, 0))
        .with("back", Entry::symlink("f").mtime(4, 0));
    gives(&store, &d, &items, &expected)
}

fn the_roots_own_entry_sets_its_attributes(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let l = store.layer("l", None, |files| files.write("f", b"1"))?;
    let below = store.tree(&l)?;
    for (i, name) in [".", "./."].iter().enumerate() {
        let d = store.on(&format!("d{i}"), &l)?;
        let root = Item::dir(name).mode(0o1711).owner(3, 4).mtime(5, 6).xattr("trusted.root", b"1");
        let items = [root, Item::file("./new", b"2").mtime(1, 0)];
        let root = Entry::directory().mode(0o1711).owner(3, 4).mtime(5, 6);
        let expected = below
            .clone()
            .with(".", root.xattr("trusted.root", b"1"))
            .with("new", Entry::file(b"2").mtime(1, 0));
        gives(&store, &d, &items, &expected).when(format_args!("{name:?}"))?;
    }
    Ok(())
}

fn spellings_of_a_path_are_one_path(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let (d, below) =
        over(&store, |files| files.write("a", b"").and_then(|()| files.write("b", b"")))?;
    let items = [
        Item::dir("./d").mtime(1, 0),
        Item::file("./d//e", b"1").mtime(1, 0),
        Item::file("d/./f", b"2").mtime(1, 0),
        Item::hard_link("./d/g", "./d/./e"),
        Item::empty("./.wh.a"),
        Item::empty(".//.wh.b"),
    ];
    let expected = below
        .without("a")
        .without("b")
        .with("d", Entry::directory().mtime(1, 0))
        .with("d/e", Entry::file(b"1").mtime(1, 0))
        .link("d/g", "d/e")
        .with("d/f", Entry::file(b"2").mtime(1, 0));
    gives(&store, &d, &items, &expected)
}

fn one_archive_after_another(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let (d, below) = over(&store, |files| files.write("f", b"0"))?;
    let first =
        [Item::file("a", b"1").mtime(1, 0), Item::dir("x").mtime(2, 0), Item::file("x/y", b"")];
    store.unpack(&d, &archive(&first))?;
    ensure!(!store.stat((&d).into())?.unpacking, "unpacking, after apply succeeded");
    let second = [Item::empty(".wh.a"), Item::empty(".wh.f"), Item::empty("x/.wh..wh..opq")];
    let expected = below.without("f").with("x", Entry::directory().mtime(2, 0));
    gives(&store, &d, &second, &expected)
}

fn over_what_a_mount_wrote(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let (d, below) = over(&store, |files| files.write("below", b"0"))?;
    store.edit(&d, |files| {
        files.write("own", b"1")?;
        files.write("below", b"changed")?;
        files.dir("dir")?;
        files.write("dir/f", b"2")?;
        files.touch("dir", 3, 3)?;
        files.touch(".", 50, 50)
    })?;
    let items = [Item::empty(".wh.own"), Item::empty(".wh.below"), Item::empty("dir/.wh.f")];
    let expected = below.without("below").with("dir", Entry::directory().mtime(3, 3));
    gives(&store, &d, &items, &expected)
}
