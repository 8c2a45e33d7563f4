//! `diff`: what the archive itself looks like.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::Path;

use graphdriver_api::{Base, DraftId, ErrorKind};

use crate::suite::archive::{Read, entries};
use crate::suite::case::cases;
use crate::suite::context::Context;
use crate::suite::edits::{put_back_times, write_base};
use crate::suite::files::Files;
use crate::suite::stop::{Verdict, When, ensure, refused, same};
use crate::suite::store::{Store, lines, same_tree};

cases! { archives:
    Law is_the_same_each_time, Contract("The same trees give the same bytes.");
    Law is_the_same_however_the_tree_was_made, Contract("The same trees give the same bytes.");
    Law is_in_path_order,
        Contract("entries in path order (a whiteout where its target would stand)");
    Law names_what_changes_names, Contract("Writes the difference as an uncompressed layer archive");
    Law whiteouts_are_empty_files,
        Image("layer.md, Whiteouts: a whiteout file is an empty file with a special filename");
    Law hard_links_hold_their_content_once,
        Image("layer.md, Hardlinks: a tar entry of type hardlink refers to an entry before it");
    Law refuses_names_that_mean_whiteouts,
        Contract("`Unsupported` for a file whose name an archive can't hold (one that begins with `.wh.`)");
    Law counts_what_it_wrote, Contract("What a written diff holds.");
    Law of_nothing_is_an_empty_archive, Contract("Writes the difference as an uncompressed layer archive");
    Law a_failed_write_is_io, Contract("A failed write is `Io`.");
    Law while_mounted, Contract("everything but looking ([`stat`](GraphDriver::stat), `usage`, `changes`, `diff`)");
    Law owes_nothing_to_the_hosts_users, Contract("The same trees give the same bytes.");
}

/// A draft with one edit of each kind, and the layer that it stands on.
fn edited(store: &Store) -> Verdict<DraftId> {
    let l = store.layer("base", None, write_base)?;
    let d = store.on("d", &l)?;
    store.edit(&d, edit_much)?;
    Ok(d)
}

fn edit_much(files: &Files) -> Verdict {
    files.append("a.b", b"+")?;
    files.write("a/new", b"n")?;
    files.unlink("a-b")?;
    files.link("f", "d/link")?;
    files.unlink("d/sub/x")?;
    files.unlink("d/sub/y")?;
    files.rmdir("d/sub")?;
    files.chmod("e", 0o711)?;
    for path in ["a.b", "a/new"] {
        files.touch(path, 7, 8)?;
    }
    put_back_times(files)
}

fn is_the_same_each_time(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let d = edited(&store)?;
    let (first, second) = (store.archive(&d)?, store.archive(&d)?);
    ensure!(first == second, "two archives of one draft differ");
    store.edit(&d, |files| files.snapshot().map(drop))?;
    ensure!(store.archive(&d)? == first, "looking at the draft changed its archive");
    drop(store);
    ensure!(cx.open()?.archive(&d)? == first, "opening again changed the archive");
    Ok(())
}

fn is_the_same_however_the_tree_was_made(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let names: Vec<_> = (0..40).map(|i| format!("file-{i}")).collect();
    let (a, b) = (store.draft("a", Base::Scratch)?, store.draft("b", Base::Scratch)?);
    let write = |files: &Files, name: &String| files.write(name, name);
    store.edit(&a, |files| {
        names.iter().try_for_each(|name| write(files, name))?;
        files.link("file-1", "link")?;
        finish(files, &names)
    })?;
    store.edit(&b, |files| {
        files.write("link", b"file-1")?;
        files.write("extra", b"gone soon")?;
        files.link("link", "file-1")?;
        let others = names.iter().rev().filter(|name| *name != "file-1");
        others.clone().try_for_each(|name| write(files, name))?;
        files.unlink("extra")?;
        finish(files, &names)
    })?;
    same_tree("the trees", &store.tree(&b)?, &store.tree(&a)?)?;
    ensure!(store.archive(&a)? == store.archive(&b)?, "the same trees give other archives");
    Ok(())
}

fn finish(files: &Files, names: &[String]) -> Verdict {
    names.iter().try_for_each(|name| files.touch(name, 5, 5))?;
    files.touch(".", 6, 6)
}

/// Where an entry stands in path order: a whiteout as what it hides, an opaque
/// marker right behind its directory.
fn place(entry: &Read) -> Vec<Vec<u8>> {
    let path = entry.path.strip_suffix(b"/").unwrap_or(&entry.path);
    let path = path.strip_prefix(b"./").unwrap_or(path);
    if path == b"." {
        return Vec::new();
    }
    let mut parts: Vec<_> = path.split(|b| *b == b'/').map(<[u8]>::to_vec).collect();
    if parts.last().is_some_and(|last| last == b".wh..wh..opq") {
        parts.pop();
    } else if let Some(hidden) =
        parts.last_mut().and_then(|last| last.strip_prefix(b".wh.").map(<[u8]>::to_vec))
    {
        parts.pop();
        parts.push(hidden);
    }
    parts
}

fn is_in_path_order(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let d = edited(&store)?;
    let read = entries(&store.archive(&d)?)?;
    let names: Vec<_> = read.iter().map(Read::name).collect();
    ensure!(read.len() >= 6, "too few entries: {names:?}");
    for pair in read.windows(2) {
        let ordered = place(&pair[0]) <= place(&pair[1]);
        ensure!(ordered, "{:?} comes before {:?} in {names:?}", pair[0].name(), pair[1].name());
    }
    Ok(())
}

fn names_what_changes_names(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let d = edited(&store)?;
    let told: BTreeSet<_> = lines(&store.changes_of(&d)?)
        .iter()
        .filter_map(|line| line.split_once(' ').map(|(_, path)| path.to_owned()))
        .collect();
    let read = entries(&store.archive(&d)?)?;
    let shown = |entry: &Read| {
        let path = place(entry).join(&b'/');
        if path.is_empty() { ".".to_owned() } else { path.escape_ascii().to_string() }
    };
    // Names of one file may be written together, though only one is new.
    let links: Vec<_> = read.iter().filter(|entry| entry.kind == b'1').collect();
    let linked =
        |entry: &Read| entry.kind == b'1' || links.iter().any(|link| link.link == entry.path);
    // A directory that is entered may be named so that its parents are known.
    let entered =
        |path: &str| path == "." || told.iter().any(|line| line.starts_with(&format!("{path}/")));
    let surplus = |entry: &&Read| linked(entry) || entered(&shown(entry));
    let counts = |entry: &&Read| told.contains(&shown(entry)) || !surplus(entry);
    let written: BTreeSet<_> = read.iter().filter(counts).map(shown).collect();
    same("paths in the archive", written, told)
}

fn whiteouts_are_empty_files(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let d = edited(&store)?;
    let read = entries(&store.archive(&d)?)?;
    let is_whiteout =
        |entry: &&Read| entry.name().rsplit('/').next().is_some_and(|n| n.starts_with(".wh."));
    let whiteouts: Vec<_> = read.iter().filter(is_whiteout).collect();
    let names: Vec<_> = whiteouts.iter().map(|w| w.name()).collect();
    same("whiteouts", names, [".wh.a-b", "d/.wh.sub"].map(str::to_owned).to_vec()).or_else(
        |stop| {
            // In path order, d/.wh.sub stands behind .wh.a-b in either spelling.
            let dotted: Vec<_> =
                whiteouts.iter().map(|w| w.name().trim_start_matches("./").to_owned()).collect();
            if dotted == [".wh.a-b", "d/.wh.sub"] { Ok(()) } else { Err(stop) }
        },
    )?;
    for whiteout in whiteouts {
        same("a whiteout's type", whiteout.kind, b'0')?;
        same("its length", whiteout.data.len(), 0)?;
    }
    Ok(())
}

fn hard_links_hold_their_content_once(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let d = store.draft("d", Base::Scratch)?;
    store.edit(&d, |files| {
        files.dir("z")?;
        files.write("z/1", vec![7; 5000])?;
        files.link("z/1", "b")?;
        files.link("z/1", "c")
    })?;
    let read = entries(&store.archive(&d)?)?;
    let files: Vec<_> = read.iter().filter(|e| e.kind == b'0').map(Read::name).collect();
    same("entries with content", files.len(), 1)?;
    let links: Vec<_> = read.iter().filter(|e| e.kind == b'1').collect();
    same("links", links.len(), 2)?;
    for link in links {
        let to = link.link.strip_prefix(b"./").unwrap_or(&link.link);
        let first = files[0].trim_start_matches("./").as_bytes();
        same(format!("where {} leads", link.name()), to, first)?;
    }
    Ok(())
}

fn refuses_names_that_mean_whiteouts(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    for (i, name) in [".wh.f", ".wh..wh..opq", ".wh."].iter().enumerate() {
        let d = store.draft(&format!("d{i}"), Base::Scratch)?;
        store.edit(&d, |files| {
            files.dir("dir")?;
            files.write(Path::new("dir").join(name), b"")
        })?;
        let result = store.diff((&d).into(), &mut io::sink());
        let error = refused(format!("diff with a file {name:?}"), result, ErrorKind::Unsupported)?;
        let report = error.report();
        ensure!(report.contains(name), "the error doesn't name it: {report}");
    }
    Ok(())
}

fn counts_what_it_wrote(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let d = edited(&store)?;
    let (tar, summary) = store.diff_of(&d)?;
    same("bytes", summary.bytes, tar.len() as u64)?;
    same("entries", summary.entries, entries(&tar)?.len() as u64)?;
    let copy = store.on("copy", &super::super::store::layer("base")?)?;
    same("entries applied", store.unpack(&copy, &tar)?.entries, summary.entries)
}

fn of_nothing_is_an_empty_archive(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let l = store.layer("l", None, write_base)?;
    for d in [store.on("d", &l)?, store.view_of("v", &l)?] {
        let (tar, summary) = store.diff_of(&d)?;
        same("entries", (summary.entries, entries(&tar)?.len()), (0, 0))?;
        let copy = store.on("copy", &l)?;
        store.unpack(&copy, &tar)?;
        same_tree("applied", &store.tree(&copy)?, &store.tree(&l)?)?;
        store.remove((&copy).into())?;
    }
    Ok(())
}

/// Takes so many bytes and no more.
struct Narrow(usize);

impl Write for Narrow {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0 == 0 {
            return Err(io::Error::from(io::ErrorKind::BrokenPipe));
        }
        let taken = bytes.len().min(self.0);
        self.0 -= taken;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn a_failed_write_is_io(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let d = edited(&store)?;
    let length = store.archive(&d)?.len();
    for room in [0, 1, 511, 512, 700, length / 2, length - 513, length - 1] {
        let result = store.diff((&d).into(), &mut Narrow(room));
        let error = refused(format!("a diff into {room} bytes"), result, ErrorKind::Io)?;
        let source = error.io_source().map(io::Error::kind);
        same("the writer's error", source, Some(io::ErrorKind::BrokenPipe))?;
    }
    store.diff((&d).into(), &mut Narrow(length)).when("into just enough room")?;
    Ok(())
}

fn while_mounted(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let d = edited(&store)?;
    let expected = store.archive(&d)?;
    let mut guard = store.mount(&d, &super::mounts::writable())?;
    let found = store.archive(&d)?;
    guard.unmount()?;
    ensure!(found == expected, "the archive of a mounted draft at rest is another");
    Ok(())
}

fn owes_nothing_to_the_hosts_users(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let d = store.draft("d", Base::Scratch)?;
    store.edit(&d, |files| {
        files.write("roots", b"")?;
        files.write("somebodys", b"")?;
        files.chown("somebodys", 1, 1)
    })?;
    for entry in entries(&store.archive(&d)?)? {
        let none = (Vec::new(), Vec::new());
        same(format!("names of owner and group of {}", entry.name()), entry.names, none)?;
    }
    Ok(())
}
