//! Who is who: inode numbers and hard links, over copy-up, rename and remount.

use rustix::fs::OFlags;
use sapwood_union::{Bench, Outcome, equal, holds};

use crate::case::cases;

cases! { "inodes":
    numbers_stay_over_copy_up,
    numbers_stay_over_rename,
    numbers_stay_over_remount,
    a_directorys_number_stays,
    numbers_differ,
    one_device_in_a_mount,
    a_descriptor_agrees_with_its_name,
    lower_links_are_one_file,
    lower_links_stay_one_file_over_copy_up,
    lower_links_stay_one_file_over_remount,
    lower_links_count_down,
    new_links_count_up_and_down,
    a_link_to_a_lower_file_is_that_file,
    directories_count_a_link_at_least,
    a_symlink_has_links_too,
}

fn numbers_stay_over_copy_up(b: &mut Bench) -> Outcome {
    b.lower(0)?.file("f", b"low")?;
    b.lower(0)?.symlink("x", "l")?;
    let t = b.mount()?;
    let before = (t.stat("f")?.st_ino, t.stat("l")?.st_ino);
    t.append("f", b"x")?;
    t.chown("l", 1, 1)?;
    equal("after", (t.stat("f")?.st_ino, t.stat("l")?.st_ino), before)
}

fn numbers_stay_over_rename(b: &mut Bench) -> Outcome {
    b.lower(0)?.file("f", b"low")?;
    b.lower(0)?.dir("d")?;
    let t = b.mount()?;
    let before = (t.stat("f")?.st_ino, t.stat("d")?.st_ino);
    t.rename("f", "g")?;
    t.rename("d", "e")?;
    equal("after", (t.stat("g")?.st_ino, t.stat("e")?.st_ino), before)
}

fn numbers_stay_over_remount(b: &mut Bench) -> Outcome {
    b.lower(1)?.dirs("d")?;
    b.lower(0)?.dir("d")?;
    for name in ["low", "changed", "d/moved"] {
        b.lower(0)?.file(name, b"low")?;
    }
    let t = b.mount()?;
    t.file("new", b"")?;
    t.append("changed", b"x")?;
    t.rename("d/moved", "d/there")?;
    let names = ["low", "changed", "d/there", "new", "d"];
    let before: Result<Vec<_>, _> = names.iter().map(|n| t.stat(n).map(|s| s.st_ino)).collect();
    let t = b.remount()?;
    let after: Result<Vec<_>, _> = names.iter().map(|n| t.stat(n).map(|s| s.st_ino)).collect();
    equal("after", after?, before?)
}

fn a_directorys_number_stays(b: &mut Bench) -> Outcome {
    b.lower(1)?.dirs("d/e")?;
    b.lower(0)?.dirs("d/e")?;
    let t = b.mount()?;
    let before = (t.stat("d")?.st_ino, t.stat("d/e")?.st_ino);
    t.file("d/e/f", b"")?;
    t.chmod("d", 0o700)?;
    equal("after", (t.stat("d")?.st_ino, t.stat("d/e")?.st_ino), before)
}

fn numbers_differ(b: &mut Bench) -> Outcome {
    for layer in [b.lower(1)?, b.lower(0)?, b.upper()] {
        for i in 0..30 {
            let name = format!("{}{i}", layer.path("").display()).replace('/', "-");
            layer.file(name, b"")?;
        }
    }
    let t = b.mount()?;
    for i in 0..30 {
        t.file(format!("new{i}"), b"")?;
    }
    let names = t.names("")?;
    let mut numbers = names.iter().map(|n| Ok(t.stat(n)?.st_ino)).collect::<Outcome<Vec<_>>>()?;
    numbers.sort_unstable();
    numbers.dedup();
    equal("different numbers", numbers.len(), 120)
}

fn one_device_in_a_mount(b: &mut Bench) -> Outcome {
    b.lower(0)?.dirs("d/e")?;
    b.lower(0)?.file("d/low", b"")?;
    b.upper().file("up", b"")?;
    let t = b.mount()?;
    t.file("new", b"")?;
    let device = t.stat("")?.st_dev;
    for name in ["d", "d/e", "d/low", "up", "new"] {
        equal(name, t.stat(name)?.st_dev, device)?;
    }
    Ok(())
}

fn a_descriptor_agrees_with_its_name(b: &mut Bench) -> Outcome {
    b.lower(0)?.file("f", b"low")?;
    let t = b.mount()?;
    let before = t.open("f", OFlags::RDONLY)?;
    t.append("f", b"x")?;
    let after = t.open("f", OFlags::RDONLY)?;
    let name = t.stat("f")?;
    for fd in [before, after] {
        let stat = rustix::fs::fstat(&fd)?;
        equal("inode", (stat.st_ino, stat.st_dev), (name.st_ino, name.st_dev))?;
        equal("size", stat.st_size, 4)?;
    }
    Ok(())
}

fn lower_links(b: &mut Bench) -> Outcome {
    let low = b.lower(0)?;
    low.dir("d")?;
    low.file("a", b"low")?;
    low.link("a", "b")?;
    low.link("a", "d/c")
}

fn lower_links_are_one_file(b: &mut Bench) -> Outcome {
    lower_links(b)?;
    let t = b.mount()?;
    let first = t.stat("a")?;
    equal("links", first.st_nlink, 3)?;
    for name in ["b", "d/c"] {
        equal(name, (t.stat(name)?.st_ino, t.stat(name)?.st_nlink), (first.st_ino, 3))?;
    }
    Ok(())
}

fn lower_links_stay_one_file_over_copy_up(b: &mut Bench) -> Outcome {
    lower_links(b)?;
    let t = b.mount()?;
    let before = t.stat("a")?.st_ino;
    t.append("b", b"er")?;
    for name in ["a", "b", "d/c"] {
        equal(name, t.read(name)?, b"lower")?;
        equal(name, (t.stat(name)?.st_ino, t.stat(name)?.st_nlink), (before, 3))?;
    }
    t.chmod("d/c", 0o601)?;
    equal("mode", t.mode("a")?, 0o601)
}

fn lower_links_stay_one_file_over_remount(b: &mut Bench) -> Outcome {
    lower_links(b)?;
    let t = b.mount()?;
    t.append("b", b"er")?;
    let before = t.stat("b")?.st_ino;
    let t = b.remount()?;
    for name in ["a", "b", "d/c"] {
        equal(name, t.read(name)?, b"lower")?;
        equal(name, t.stat(name)?.st_ino, before)?;
    }
    t.append("d/c", b"most")?;
    equal("content", t.read("a")?, b"lowermost")
}

fn lower_links_count_down(b: &mut Bench) -> Outcome {
    lower_links(b)?;
    let t = b.mount()?;
    t.unlink("b")?;
    equal("one less", t.stat("a")?.st_nlink, 2)?;
    t.append("a", b"er")?;
    equal("after copy-up", (t.stat("a")?.st_nlink, t.stat("d/c")?.st_nlink), (2, 2))?;
    let t = b.remount()?;
    equal("after a remount", (t.stat("a")?.st_nlink, t.stat("d/c")?.st_nlink), (2, 2))?;
    t.unlink("a")?;
    equal("the last", (t.stat("d/c")?.st_nlink, t.read("d/c")?), (1, b"lower".to_vec()))
}

fn new_links_count_up_and_down(b: &mut Bench) -> Outcome {
    b.lower(0)?.dir("d")?;
    let t = b.mount()?;
    t.file("a", b"x")?;
    for i in 0..5 {
        t.link("a", format!("d/{i}"))?;
    }
    equal("up", t.stat("a")?.st_nlink, 6)?;
    for i in 0..4 {
        t.unlink(format!("d/{i}"))?;
    }
    equal("down", t.stat("a")?.st_nlink, 2)?;
    let t = b.remount()?;
    equal("one file", t.stat("a")?.st_ino, t.stat("d/4")?.st_ino)
}

fn a_link_to_a_lower_file_is_that_file(b: &mut Bench) -> Outcome {
    b.lower(0)?.file("a", b"low")?;
    b.lower(0)?.symlink("target", "l")?;
    let t = b.mount()?;
    let before = t.stat("a")?.st_ino;
    t.link("a", "b")?;
    t.link("l", "m")?;
    equal("inodes", (t.stat("a")?.st_ino, t.stat("b")?.st_ino), (before, before))?;
    t.append("b", b"er")?;
    let t = b.remount()?;
    equal("content", t.read("a")?, b"lower")?;
    equal("one file", t.stat("a")?.st_ino, t.stat("b")?.st_ino)?;
    equal("one symlink", t.stat("l")?.st_ino, t.stat("m")?.st_ino)?;
    equal("target", t.target("m")?, b"target")
}

fn directories_count_a_link_at_least(b: &mut Bench) -> Outcome {
    b.lower(0)?.dirs("d/e")?;
    let t = b.mount()?;
    for name in ["", "d", "d/e"] {
        holds(t.stat(name)?.st_nlink >= 1, name)?;
    }
    // What programs like find(1) conclude from: one means "not counted".
    let links = t.stat("d")?.st_nlink;
    holds(links == 1 || links == 3, &format!("{links} links of one subdirectory"))
}

fn a_symlink_has_links_too(b: &mut Bench) -> Outcome {
    b.lower(0)?.symlink("x", "a")?;
    b.lower(0)?.link("a", "b")?;
    let t = b.mount()?;
    t.chown("a", 3, 3)?;
    equal("owner", t.stat("b")?.st_uid, 3)?;
    equal("links", t.stat("b")?.st_nlink, 2)
}
