//! `apply`: the stream as a whole, and entries that are about more than a file.

use graphdriver_api::Base;

use super::apply::{gives, over};
use crate::snapshot::{Entry, Kind};
use crate::suite::archive::{Item, archive};
use crate::suite::case::cases;
use crate::suite::context::Context;
use crate::suite::stop::{Verdict, ensure, refused, same};
use crate::suite::store::same_tree;

cases! { streams:
    Law an_empty_archive_changes_nothing,
        Contract("the draft's tree is the old tree with the archive's changes");
    Law counts_what_it_held, Contract("What an applied archive held.");
    Law tells_when_bytes_are_not_where_the_archive_says,
        Contract("0 is a promise: when the archive has been applied, the bytes of each regular file in it \
                  are found at its path.");
    Law reads_to_the_very_end,
        Contract("Reads `tar` to its very end, padding included, so that a digest taken on the way covers every byte.");
    Law reads_from_slow_sources, Contract("a result that depends on the two alone");
    Law a_kind_of_entry_that_nobody_knows_is_refused,
        Contract("What can't be done as asked is refused with `Unsupported`, `Prerequisite` or `BadDiff`.");
    Law entries_about_the_archive_are_no_files,
        Image("pax(1), typeflag g: global extended header records");
    Law the_zero_device_is_made_or_refused,
        Contract("`Unsupported` (the entry can't exist on this driver, such as a 0:0 device on a union)");
}

fn an_empty_archive_changes_nothing(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let (d, below) = over(&store, |files| files.write("f", b"1"))?;
    let applied = store.unpack(&d, &archive(&[]))?;
    same("what it held", applied, graphdriver_api::Applied::default())?;
    same_tree("the draft", &store.tree(&d)?, &below)
}

fn counts_what_it_held(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let (d, _) = over(&store, |files| files.write("f", b"1"))?;
    let items = [
        Item::dir("dir"),
        Item::file("dir/a", vec![1; 1000]).xattr("trusted.a", b"1"),
        Item::file("dir/b", vec![2; 24]),
        Item::hard_link("dir/c", "dir/a"),
        Item::empty(".wh.f"),
        Item::empty("dir/.wh..wh..opq"),
    ];
    let applied = store.unpack(&d, &archive(&items))?;
    let expected = graphdriver_api::Applied { entries: 6, bytes: 1024, whiteouts: 2, replaced: 0 };
    same("what it held", applied, expected)
}

fn tells_when_bytes_are_not_where_the_archive_says(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let (usual, _) = over(&store, |files| {
        files.write("f", b"1")?;
        files.dir("dir")?;
        files.symlink("dir", "link")
    })?;
    // What is replaced was there before: nothing of the archive's is.
    let items = [
        Item::empty(".wh.f"),
        Item::file("f", vec![2; 9]),
        Item::dir("dir"),
        Item::file("link/x", vec![3; 9]),
        Item::file("y", vec![4; 9]),
        Item::hard_link("z", "y"),
    ];
    let applied = store.unpack(&usual, &archive(&items))?;
    same("replaced by an archive as they are", applied.replaced, 0)?;
    let layer = store.committed(&usual, "usual")?;
    let undone: [(&str, &[Item]); 4] = [
        ("a file by a file", &[Item::file("a", vec![5; 9]), Item::file("a", vec![6; 9])]),
        ("by another way", &[Item::file("dir/a", vec![5; 9]), Item::file("link/a", vec![6; 9])]),
        ("with its directory", &[Item::file("dir/a", vec![5; 9]), Item::empty("dir")]),
        ("the link that leads there", &[Item::file("link/a", vec![5; 9]), Item::dir("link")]),
    ];
    for (number, (what, items)) in undone.iter().enumerate() {
        let draft = store.on(&format!("undone{number}"), &layer)?;
        let applied = store.unpack(&draft, &archive(*items))?;
        ensure!(applied.replaced > 0, "{what}: not told that it was replaced");
    }
    Ok(())
}

/// Counts what is taken, and whether the end was seen; gives at most `step`
/// bytes at once.
struct Counting<'a> {
    rest: &'a [u8],
    step: usize,
    ended: bool,
}

impl std::io::Read for Counting<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.rest.len().min(self.step).min(buffer.len());
        self.ended |= self.rest.is_empty();
        buffer[..count].copy_from_slice(&self.rest[..count]);
        self.rest = &self.rest[count..];
        Ok(count)
    }
}

fn reads_to_the_very_end(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let plain = archive(&[Item::file("f", b"1")]);
    for (name, more) in [("none", 0), ("a record", 20 * 512), ("odd", 333), ("much", 3 << 20)] {
        let mut tar = plain.clone();
        tar.resize(tar.len() + more, 0);
        let d = store.draft(name.split(' ').next().unwrap_or(name), Base::Scratch)?;
        let mut source = Counting { rest: &tar, step: usize::MAX, ended: false };
        store.apply(&d, &mut source, &graphdriver_api::Limits::default())?;
        same(format!("bytes left unread of padding ({name})"), source.rest.len(), 0)?;
        ensure!(source.ended, "with padding ({name}), the end was never asked for");
    }
    Ok(())
}

fn reads_from_slow_sources(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let items = [
        Item::dir("dir").xattr("trusted.a", b"1").mtime(1, 1),
        Item::file("dir/file", vec![9; 3000]).mtime(1, 0),
        Item::file("dir/".to_owned() + &"n".repeat(200), b"2").mtime(1, 0),
    ];
    let tar = archive(&items);
    let fast = store.draft("fast", Base::Scratch)?;
    store.unpack(&fast, &tar)?;
    let expected = store.tree(&fast)?;
    for step in [1, 7, 511, 513] {
        let slow = store.draft(&format!("slow{step}"), Base::Scratch)?;
        let mut source = Counting { rest: &tar, step, ended: false };
        store.apply(&slow, &mut source, &graphdriver_api::Limits::default())?;
        same_tree(format!("read {step} bytes at once"), &store.tree(&slow)?, &expected)?;
    }
    Ok(())
}

fn a_kind_of_entry_that_nobody_knows_is_refused(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    for kind in [b'Z', b'8', b'M', 0xff] {
        let d = store.draft(&format!("d{kind}"), Base::Scratch)?;
        let result = store.try_unpack(&d, &archive(&[Item::new(kind, "f")]));
        let what = format!("an entry of type {:?}", char::from(kind));
        refused(what, result, graphdriver_api::ErrorKind::BadDiff)?;
    }
    Ok(())
}

fn entries_about_the_archive_are_no_files(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let (d, below) = over(&store, |_| Ok(()))?;
    let comment = Item::new(b'g', "pax_global_header").data(b"18 comment=0a1b2c\n");
    let items = [comment, Item::file("f", b"1").mtime(1, 0)];
    gives(&store, &d, &items, &below.with("f", Entry::file(b"1").mtime(1, 0)))
}

fn the_zero_device_is_made_or_refused(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let (d, below) = over(&store, |_| Ok(()))?;
    let items = [Item::char_device("zero", 0, 0).mtime(1, 0)];
    if store.traits().zero_device {
        let zero = Entry::new(Kind::CharDevice(0, 0)).mtime(1, 0);
        return gives(&store, &d, &items, &below.with("zero", zero));
    }
    let result = store.try_unpack(&d, &archive(&items));
    refused("a 0:0 device", result, graphdriver_api::ErrorKind::Unsupported)?;
    ensure!(store.stat((&d).into())?.unpacking, "after a refused entry, the draft is usable");
    Ok(())
}
