//! `diff`: the difference as an archive that, applied to the parent's tree,
//! gives the node's tree.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::Path;

use graphdriver_api::{Base, DraftId, ErrorKind, LayerId};
use rustix::fs::FileType;

use crate::suite::archive::{Read, entries};
use crate::suite::case::cases;
use crate::suite::context::Context;
use crate::suite::edits::{self, Edit, put_back_times, write_base};
use crate::suite::files::Files;
use crate::suite::stop::{Stop, Verdict, When, ensure, refused, same};
use crate::suite::store::{Store, base, lines, same_tree};

cases! { diff:
    Law of_content_applied_gives_the_tree, Contract("Applied to the parent's tree it gives the node's tree.");
    Law of_attributes_applied_gives_the_tree, Contract("Applied to the parent's tree it gives the node's tree.");
    Law of_names_applied_gives_the_tree, Contract("Applied to the parent's tree it gives the node's tree.");
    Law of_types_applied_gives_the_tree, Contract("Applied to the parent's tree it gives the node's tree.");
    Law of_replaced_directories_applied_gives_the_tree, Contract("Applied to the parent's tree it gives the node's tree.");
    Law of_hard_links_applied_gives_the_tree, Contract("Applied to the parent's tree it gives the node's tree.");
    Law of_everything_applied_gives_the_tree, Contract("Applied to the parent's tree it gives the node's tree.");
    Law of_a_chain_applied_layer_by_layer, Contract("Applied to the parent's tree it gives the node's tree.");
    Law is_the_same_each_time, Contract("The same trees give the same bytes.");
    Law is_the_same_however_the_tree_was_made, Contract("The same trees give the same bytes.");
    Law is_in_path_order,
        Contract("entries in path order (a whiteout where its target would stand)");
    Law names_what_changes_names, Contract("Writes the difference as an uncompressed layer archive");
    Law whiteouts_are_empty_files,
        Image("layer.md, Whiteouts: a whiteout file is an empty file with a special filename");
    Law hard_links_hold_their_content_once,
        Image("layer.md, Hardlinks: a tar entry of type hardlink refers to an entry before it");
    Law leaves_sockets_out, Contract("sockets are left out as every engine does, and are not an error");
    Law refuses_names_that_mean_whiteouts,
        Contract("`Unsupported` for a file whose name an archive can't hold (one that begins with `.wh.`)");
    Law counts_what_it_wrote, Contract("What a written diff holds.");
    Law of_nothing_is_an_empty_archive, Contract("Writes the difference as an uncompressed layer archive");
    Law a_failed_write_is_io, Contract("A failed write is `Io`.");
    Law while_mounted, Contract("everything but looking ([`stat`](GraphDriver::stat), `usage`, `changes`, `diff`)");
    Law says_whole_attributes,
        Image("layer.md, File Attributes: mtime, uid, gid, mode, xattrs and char or block numbers are kept");
    Law owes_nothing_to_the_hosts_users, Contract("The same trees give the same bytes.");
}

/// Takes each edit to another draft of the same parent by `diff` and `apply`.
fn each(cx: &Context<'_>, edits: &[Edit]) -> Verdict {
    let store = cx.open()?;
    let l = store.layer("base", None, write_base)?;
    for (i, edit) in edits.iter().enumerate() {
        let d = store.on(&format!("d{i}"), &l)?;
        store.edit(&d, |files| edit.carry_out(files))?;
        round_trip(&store, &d, Some(&l)).when(edit.name)?;
        let done = store.committed(&d, &format!("l{i}"))?;
        let tar = store.archive(&done)?;
        let again = store.on(&format!("again{i}"), &l)?;
        store.unpack(&again, &tar)?;
        same_tree(edit.name, &store.tree(&again)?, &store.tree(&done)?)?;
    }
    Ok(())
}

/// Applies a draft's difference to its parent, compares the trees, and gives
/// the archive.
fn round_trip(store: &Store, node: &DraftId, parent: Option<&LayerId>) -> Verdict<Vec<u8>> {
    let tar = store.archive(node)?;
    let copy = store.draft(&format!("copy-of-{node}"), base(parent))?;
    store.unpack(&copy, &tar)?;
    same_tree("the copy", &store.tree(&copy)?, &store.tree(node)?)?;
    Ok(tar)
}

fn of_content_applied_gives_the_tree(cx: &Context<'_>) -> Verdict {
    each(cx, edits::CONTENT)
}

fn of_attributes_applied_gives_the_tree(cx: &Context<'_>) -> Verdict {
    each(cx, edits::ATTRIBUTES)
}

fn of_names_applied_gives_the_tree(cx: &Context<'_>) -> Verdict {
    each(cx, edits::NAMES)
}

fn of_types_applied_gives_the_tree(cx: &Context<'_>) -> Verdict {
    each(cx, edits::TYPES)
}

fn of_replaced_directories_applied_gives_the_tree(cx: &Context<'_>) -> Verdict {
    each(cx, edits::DIRECTORIES_REPLACED)
}

fn of_hard_links_applied_gives_the_tree(cx: &Context<'_>) -> Verdict {
    each(cx, edits::LINKS)
}

fn of_everything_applied_gives_the_tree(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let d = store.draft("d", Base::Scratch)?;
    store.edit(&d, |files| {
        super::kinds::write_everything(files)?;
        files.dir("names")?;
        let names = super::names::treacherous();
        names.iter().try_for_each(|name| files.write(Path::new("names").join(name), b"1"))
    })?;
    round_trip(&store, &d, None).map(drop)
}

fn of_a_chain_applied_layer_by_layer(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let steps = [edits::NAMES, edits::TYPES, edits::LINKS, edits::DIRECTORIES_REPLACED];
    let (mut parent, mut copy) = (None, None);
    for (i, edits) in steps.iter().enumerate() {
        let d = store.draft("d", base(parent.as_ref()))?;
        store.edit(&d, |files| match i {
            0 => write_base(files),
            _ => edits.iter().skip(i).step_by(7).try_for_each(|edit| edit.carry_out(files)),
        })?;
        let l = store.committed(&d, &format!("l{i}"))?;
        let tar = store.archive(&l)?;
        let c = store.draft("c", base(copy.as_ref()))?;
        store.unpack(&c, &tar)?;
        let c = store.committed(&c, &format!("c{i}"))?;
        same_tree(format!("layer {i}"), &store.tree(&c)?, &store.tree(&l)?)?;
        ensure!(store.archive(&c)? == tar, "layer {i}: the copy's archive is another");
        copy = Some(c);
        parent = Some(l);
    }
    Ok(())
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
    let mut written: BTreeSet<_> = read.iter().map(shown).collect();
    // A directory that is entered may be named so that its parents are known.
    let ancestor = |path: &String| {
        path == "." || told.iter().any(|line| line.starts_with(&format!("{path}/")))
    };
    written.retain(|path| told.contains(path) || !ancestor(path));
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

fn leaves_sockets_out(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let l = store.layer("l", None, |files| files.write("below", b"1"))?;
    let d = store.on("d", &l)?;
    store.edit(&d, |files| {
        files.node("socket", FileType::Socket)?;
        files.write("f", b"1")?;
        files.unlink("below")?;
        files.node("below", FileType::Socket)
    })?;
    let told = lines(&store.changes_of(&d)?);
    ensure!(told.iter().any(|l| l == "A socket"), "changes don't tell of the socket: {told:?}");
    let read = entries(&store.archive(&d)?)?;
    ensure!(!read.iter().any(|e| e.name().ends_with("socket")), "a socket in an archive");
    let copy = store.on("copy", &l)?;
    store.unpack(&copy, &store.archive(&d)?)?;
    let names = store.look(&copy, |files| files.names("."))?;
    same("names after applying (the file that became a socket is gone)", names, ["f"])
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

fn says_whole_attributes(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let d = store.draft("d", Base::Scratch)?;
    store.edit(&d, |files| {
        files.write("f", b"1")?;
        files.chown("f", 3_000_000_000, 70_000)?;
        files.chmod("f", 0o6755)?;
        files.set_xattr("f", "trusted.name", b"a\0=\nb")?;
        files.touch("f", 1_234_567_890, 123_456_789)
    })?;
    let read = entries(&store.archive(&d)?)?;
    let found = read.iter().find(|e| e.name().ends_with('f'));
    let f = found.ok_or_else(|| Stop::failed("no entry for the file"))?;
    same("mode", f.mode, 0o6755)?;
    same("time", f.record("mtime"), Some(&b"1234567890.123456789"[..]))?;
    same("attribute", f.record("SCHILY.xattr.trusted.name"), Some(&b"a\0=\nb"[..]))?;
    round_trip(&store, &d, None).map(drop)
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
