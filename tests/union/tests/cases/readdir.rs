//! Directories that are read, also while they change.

use std::collections::BTreeSet;
use std::ffi::CString;

use rustix::fs::{Dir, FileType, OFlags};
use sapwood_union::{Bench, Outcome, Tree, equal, holds};

use crate::case::cases;

cases! { "readdir":
    types_and_inode_numbers_are_those_of_stat,
    dots_are_listed_once,
    positions_are_kept,
    a_rewound_directory_shows_what_is_new,
    names_that_stay_are_listed_once_under_change,
    emptying_while_reading,
    ten_thousand_entries_of_three_layers,
    a_removed_directory_reads_empty,
    two_readers_dont_disturb_each_other,
}

fn types_and_inode_numbers_are_those_of_stat(b: &mut Bench) -> Outcome {
    let low = b.lower(0)?;
    low.dirs("d/merged")?;
    low.dirs("d/lower")?;
    low.file("d/low", b"")?;
    low.file("d/changed", b"")?;
    low.symlink("x", "d/link")?;
    low.node("d/fifo", FileType::Fifo, 0o600, (0, 0))?;
    low.node("d/socket", FileType::Socket, 0o600, (0, 0))?;
    low.node("d/null", FileType::CharacterDevice, 0o600, (1, 3))?;
    b.upper().dirs("d/merged")?;
    b.upper().file("d/up", b"")?;
    let t = b.mount()?;
    t.append("d/changed", b"more")?;
    t.file("d/new", b"")?;
    let dir = t.open("d", OFlags::DIRECTORY)?;
    let mut seen = 0;
    for entry in Dir::read_from(&dir)? {
        let entry = entry?;
        let name = entry.file_name().to_str()?.to_owned();
        let stat = t.stat(format!("d/{name}"))?;
        equal(&name, entry.file_type(), FileType::from_raw_mode(stat.st_mode))?;
        // Of "..", the number on disk may differ from the union's.
        if name != ".." {
            equal(&name, entry.ino(), stat.st_ino)?;
        }
        seen += 1;
    }
    equal("entries", seen, 12)
}

fn dots_are_listed_once(b: &mut Bench) -> Outcome {
    b.lower(1)?.dirs("d/e")?;
    b.lower(0)?.dirs("d/e")?;
    b.upper().dirs("d/e")?;
    let t = b.mount()?;
    for name in ["", "d", "d/e"] {
        let dir = t.open(name, OFlags::DIRECTORY)?;
        let names: Result<Vec<_>, _> =
            Dir::read_from(&dir)?.map(|e| e.map(|e| e.file_name().to_owned())).collect();
        let names = names?;
        for dot in [c".", c".."] {
            let count = names.iter().filter(|n| n.as_c_str() == dot).count();
            equal(&format!("{dot:?} in /{name}"), count, 1)?;
        }
    }
    Ok(())
}

fn many(tree: &Tree, dir: &str, prefix: &str, count: usize) -> Outcome {
    (0..count).try_for_each(|i| tree.file(format!("{dir}/{prefix}{i}"), b""))
}

/// Every name, with the position after it.
fn read_all(dir: &mut Dir) -> Outcome<Vec<(CString, i64)>> {
    let mut found = Vec::new();
    while let Some(entry) = dir.read() {
        let entry = entry?;
        found.push((entry.file_name().to_owned(), entry.offset()));
    }
    Ok(found)
}

fn positions_are_kept(b: &mut Bench) -> Outcome {
    b.lower(0)?.dir("d")?;
    many(&b.lower(0)?, "d", "low", 300)?;
    b.upper().dir("d")?;
    many(&b.upper(), "d", "up", 300)?;
    let t = b.mount()?;
    let mut dir = Dir::read_from(t.open("d", OFlags::DIRECTORY)?)?;
    let all = read_all(&mut dir)?;
    equal("entries", all.len(), 602)?;
    for at in [500, 3, 250, 0, 599] {
        dir.seek(all[at].1)?;
        equal("after a seek", read_all(&mut dir)?, all[at + 1..].to_vec())?;
    }
    dir.rewind();
    equal("from the start", read_all(&mut dir)?, all)
}

fn a_rewound_directory_shows_what_is_new(b: &mut Bench) -> Outcome {
    b.lower(0)?.dirs("d/low")?;
    let t = b.mount()?;
    t.dir("d/first")?;
    let mut dir = Dir::read_from(t.open("d", OFlags::DIRECTORY)?)?;
    let before = read_all(&mut dir)?.len();
    t.file("d/new", b"")?;
    t.rmdir("d/low")?;
    t.rmdir("d/first")?;
    dir.rewind();
    let names: Vec<_> = read_all(&mut dir)?.into_iter().map(|(name, _)| name).collect();
    equal("entries at first", before, 4)?;
    holds(names.contains(&CString::from(c"new")), "the new one is listed")?;
    equal("entries", names.len(), 3)
}

/// POSIX: what is neither added nor removed while a directory is read is
/// returned exactly once.
fn names_that_stay_are_listed_once_under_change(b: &mut Bench) -> Outcome {
    b.lower(0)?.dir("d")?;
    many(&b.lower(0)?, "d", "stay", 1500)?;
    many(&b.lower(0)?, "d", "low", 500)?;
    let t = b.mount()?;
    many(&t, "d", "up", 500)?;
    let mut dir = Dir::read_from(t.open("d", OFlags::DIRECTORY)?)?;
    let mut seen = Vec::new();
    let mut changes = 0..500;
    while let Some(entry) = dir.read() {
        seen.push(entry?.file_name().to_owned());
        if let Some(i) = changes.next() {
            t.unlink(format!("d/low{i}"))?;
            t.unlink(format!("d/up{i}"))?;
            t.file(format!("d/new{i}"), b"")?;
        }
    }
    let stayed: Vec<_> = seen.iter().filter(|n| n.to_bytes().starts_with(b"stay")).collect();
    equal("returned", stayed.len(), 1500)?;
    equal("different", stayed.iter().collect::<BTreeSet<_>>().len(), 1500)
}

/// As `rm -r` does it.
fn emptying_while_reading(b: &mut Bench) -> Outcome {
    b.lower(0)?.dir("d")?;
    many(&b.lower(0)?, "d", "low", 1200)?;
    let t = b.mount()?;
    many(&t, "d", "up", 1200)?;
    let mut dir = Dir::read_from(t.open("d", OFlags::DIRECTORY)?)?;
    while let Some(entry) = dir.read() {
        let name = entry?.file_name().to_str()?.to_owned();
        if !name.starts_with('.') {
            t.unlink(format!("d/{name}"))?;
        }
    }
    Ok(t.rmdir("d")?)
}

fn ten_thousand_entries_of_three_layers(b: &mut Bench) -> Outcome {
    for (layer, from) in [(b.lower(1)?, 0), (b.lower(0)?, 3000), (b.upper(), 6000)] {
        layer.dir("d")?;
        for i in from..from + 4000 {
            layer.file(format!("d/{i}"), b"")?;
        }
    }
    let t = b.mount()?;
    let names = t.list("d")?;
    equal("entries", names.len(), 10_000)?;
    equal("different", names.iter().collect::<BTreeSet<_>>().len(), 10_000)?;
    t.unlink("d/1")?;
    t.file("d/10000", b"")?;
    equal("entries", t.list("d")?.len(), 10_000)
}

fn a_removed_directory_reads_empty(b: &mut Bench) -> Outcome {
    b.lower(0)?.dir("d")?;
    let t = b.mount()?;
    let open = t.open("d", OFlags::DIRECTORY)?;
    t.rmdir("d")?;
    let names = Dir::read_from(&open)?.filter_map(Result::ok);
    let names: Vec<_> = names.map(|e| e.file_name().to_owned()).collect();
    holds(names.iter().all(|n| n.to_bytes().starts_with(b".")), "nothing is listed")
}

fn two_readers_dont_disturb_each_other(b: &mut Bench) -> Outcome {
    b.lower(0)?.dir("d")?;
    many(&b.lower(0)?, "d", "f", 700)?;
    let t = b.mount()?;
    let mut one = Dir::read_from(t.open("d", OFlags::DIRECTORY)?)?;
    let mut two = Dir::read_from(t.open("d", OFlags::DIRECTORY)?)?;
    let (mut a, mut c) = (Vec::new(), Vec::new());
    loop {
        let (x, y) = (one.read().transpose()?, two.read().transpose()?);
        a.extend(x.as_ref().map(|e| e.file_name().to_owned()));
        c.extend(y.as_ref().map(|e| e.file_name().to_owned()));
        if x.is_none() && y.is_none() {
            break;
        }
    }
    equal("entries", a.len(), 702)?;
    equal("of both", a, c)
}
