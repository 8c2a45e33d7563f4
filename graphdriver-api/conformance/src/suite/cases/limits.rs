//! `apply`: what a hostile archive may cost at most, each limit by itself.

use graphdriver_api::{Applied, Base, ErrorKind, Limits};

use crate::suite::archive::{Format, Item, Map, archive, gnu_sparse};
use crate::suite::case::cases;
use crate::suite::context::Context;
use crate::suite::files::Files;
use crate::suite::stop::{Verdict, When, ensure, refused, same};
use crate::suite::store::Store;

cases! { limits:
    Law of_entries, Contract("Entries in one archive.");
    Law of_bytes, Contract("Bytes of file content in one archive, holes included.");
    Law of_bytes_count_holes, Contract("Bytes of file content in one archive, holes included.");
    Law of_depth, Contract("Components of one path.");
    Law of_attributes, Contract("Bytes of all extended attributes of one entry, names included.");
    Law of_extensions, Contract("Bytes of extension records (PAX, GNU long names) of one entry.");
    Law by_default_are_generous, Contract("Far above what real images hold, far below what hurts a host:");
}

/// Applies an archive under a limit that is just enough, then under one that
/// is one too low, and expects the refusal to say which.
fn exactly(
    cx: &Context<'_>,
    items: &[Item],
    enough: u64,
    limits: impl Fn(u64) -> Limits,
    words: &[&str],
) -> Verdict {
    let store = cx.open()?;
    let tar = archive(items);
    let fits = store.draft("fits", Base::Scratch)?;
    apply(&store, &fits, &tar, &limits(enough)).when(format_args!("a limit of {enough}"))?;
    let over = store.draft("over", Base::Scratch)?;
    let result = apply(&store, &over, &tar, &limits(enough - 1));
    let error = refused(format!("a limit of {}", enough - 1), result, ErrorKind::BadDiff)?;
    let report = error.report();
    let named = words.iter().any(|word| report.contains(word));
    ensure!(named, "the refusal names none of {words:?}: {report}");
    ensure!(report.contains(&(enough - 1).to_string()), "it doesn't say the limit: {report}");
    ensure!(store.stat((&over).into())?.unpacking, "after the refusal, the draft is usable");
    Ok(())
}

fn apply(
    store: &Store,
    draft: &graphdriver_api::DraftId,
    tar: &[u8],
    limits: &Limits,
) -> graphdriver_api::Result<Applied> {
    let mut source = tar;
    store.apply(draft, &mut source, limits)
}

fn of_entries(cx: &Context<'_>) -> Verdict {
    let items = [
        Item::dir("d").xattr("trusted.a", b"1"),
        Item::file("d/f", b"1"),
        Item::hard_link("d/g", "d/f"),
        Item::empty("d/.wh.x"),
        Item::file("n".repeat(150), b"").format(Format::Gnu),
    ];
    exactly(cx, &items, 5, |entries| Limits { entries, ..Limits::default() }, &["entries"])
}

fn of_bytes(cx: &Context<'_>) -> Verdict {
    let items = [Item::file("a", vec![1; 600]), Item::dir("d"), Item::file("b", vec![2; 401])];
    exactly(cx, &items, 1001, |bytes| Limits { bytes, ..Limits::default() }, &["bytes", "content"])
}

fn of_bytes_count_holes(cx: &Context<'_>) -> Verdict {
    let map = Map { size: 1 << 30, data: vec![(1 << 20, b"data".to_vec())] };
    let items = [gnu_sparse("sparse", &map)];
    exactly(
        cx,
        &items,
        1 << 30,
        |bytes| Limits { bytes, ..Limits::default() },
        &["bytes", "content"],
    )
}

fn of_depth(cx: &Context<'_>) -> Verdict {
    let items = [Item::file("a/b/c/d/e/f", b"1"), Item::file("./g", b"")];
    let limits = |depth: u64| Limits {
        depth: u32::try_from(depth).unwrap_or(u32::MAX),
        ..Limits::default()
    };
    exactly(cx, &items, 6, limits, &["components", "depth", "deep"])
}

fn of_attributes(cx: &Context<'_>) -> Verdict {
    // Each entry by itself: "trusted.a" has 9 bytes, "trusted.bc" has 10.
    let with =
        |name| Item::file(name, b"").xattr("trusted.a", [1; 50]).xattr("trusted.bc", [2; 31]);
    let limits = |bytes: u64| Limits {
        xattr_bytes: u32::try_from(bytes).unwrap_or(u32::MAX),
        ..Limits::default()
    };
    exactly(cx, &[with("f"), with("g")], 100, limits, &["xattr", "attribute"])
}

fn of_extensions(cx: &Context<'_>) -> Verdict {
    let limits = |bytes: u64| Limits {
        extension_bytes: u32::try_from(bytes).unwrap_or(u32::MAX),
        ..Limits::default()
    };
    // One record: "999 comment=", 986 bytes and a newline.
    let items = [Item::file("f", b"").pax("comment", "c".repeat(986)), Item::file("g", b"")];
    exactly(cx, &items, 999, limits, &["extension", "record"])?;
    let store = cx.open()?;
    let long = Item::file("d/".repeat(300) + "f", b"").format(Format::Gnu);
    let d = store.draft("gnu", Base::Scratch)?;
    let result = apply(&store, &d, &archive(&[long]), &limits(400));
    refused("a GNU name of 602 bytes under a limit of 400", result, ErrorKind::BadDiff).map(drop)
}

fn by_default_are_generous(cx: &Context<'_>) -> Verdict {
    let limits = Limits::default();
    let figures = (limits.entries, limits.bytes, limits.depth, limits.xattr_bytes);
    same("entries, bytes, depth, attributes", figures, (10_000_000, 1 << 40, 1024, 1 << 20))?;
    let store = cx.open()?;
    let d = store.draft("d", Base::Scratch)?;
    let deep = "d/".repeat(299) + "f";
    store.unpack(&d, &archive(&[Item::file(&deep, b"at the bottom")]))?;
    let found = store.look(&d, |files: &Files| {
        let bottom = files.open("d", rustix::fs::OFlags::DIRECTORY)?;
        let mut at = Files::at(std::os::fd::AsFd::as_fd(&bottom))?;
        for _ in 1..299 {
            let next = at.open("d", rustix::fs::OFlags::DIRECTORY)?;
            at = Files::at(std::os::fd::AsFd::as_fd(&next))?;
        }
        at.read("f")
    })?;
    same("300 components down", found, b"at the bottom")?;
    store.remove((&d).into())?;
    store.reclaim().map(drop).when("delete what was deep")
}
