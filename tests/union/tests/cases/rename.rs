//! Names that move: within and across layers, over others, with flags.

use rustix::fs::{FileType, OFlags, RenameFlags};
use rustix::io::Errno;
use sapwood_union::{Bench, Outcome, Tree, equal, fails_with, holds};

use crate::case::cases;

cases! { "rename":
    a_moved_directory_shows_nothing_that_was_hidden,
    files_of_each_layer,
    over_a_file_of_each_layer,
    a_lower_directory,
    a_merged_directory,
    a_directory_into_another,
    a_directory_back_and_forth,
    a_directory_within_a_renamed_one,
    a_directory_over_an_empty_one,
    a_directory_over_a_full_one,
    a_directory_over_a_whiteout,
    a_directory_into_itself,
    of_the_wrong_kinds,
    a_new_directory_over_the_name_of_a_lower_one,
    noreplace,
    exchange_of_files,
    exchange_of_a_file_and_a_directory,
    exchange_of_lower_directories,
    whiteout,
    onto_a_link_of_the_same_file,
    symlinks_and_nodes,
    an_open_file_follows,
    a_directorys_parent_follows,
    what_is_missing,
}

fn gone(t: &Tree, name: &str) -> Outcome {
    fails_with(name, t.stat(name), Errno::NOENT)
}

fn files_of_each_layer(b: &mut Bench) -> Outcome {
    b.lower(0)?.file("low", b"low")?;
    b.lower(0)?.file("both", b"low")?;
    b.lower(0)?.dir("d")?;
    b.upper().file("up", b"up")?;
    b.upper().file("both", b"both")?;
    let mut t = b.mount()?;
    for name in ["low", "up", "both"] {
        let to = format!("d/{name}2");
        t.rename(name, &to)?;
        equal(name, t.read(&to)?, name.as_bytes())?;
        gone(&t, name)?;
    }
    t = b.remount()?;
    equal("names", t.names("")?, ["d"])?;
    equal("names", t.names("d")?, ["both2", "low2", "up2"])
}

fn over_a_file_of_each_layer(b: &mut Bench) -> Outcome {
    for to in ["low", "up", "both"] {
        b.lower(0)?.file(format!("from-{to}"), b"new")?;
    }
    b.lower(0)?.file("low", b"old")?;
    b.lower(0)?.file("both", b"old")?;
    b.upper().file("up", b"old")?;
    b.upper().file("both", b"old")?;
    let t = b.mount()?;
    for to in ["low", "up", "both"] {
        t.rename(format!("from-{to}"), to)?;
        equal(to, t.read(to)?, b"new")?;
    }
    let t = b.remount()?;
    equal("names", t.names("")?, ["both", "low", "up"])?;
    equal("content", t.read("low")?, b"new")
}

fn a_lower_directory(b: &mut Bench) -> Outcome {
    let low = b.lower(0)?;
    low.dirs("d/e")?;
    low.file("d/e/f", b"deep")?;
    low.chmod("d", 0o751)?;
    low.chown("d", 3, 4)?;
    low.set_xattr("d", "user.x", b"1")?;
    let t = b.mount()?;
    t.rename("d", "new")?;
    for t in [t, b.remount()?] {
        gone(&t, "d")?;
        equal("content", t.read("new/e/f")?, b"deep")?;
        let stat = t.stat("new")?;
        equal("attributes", (stat.st_mode & 0o7777, stat.st_uid, stat.st_gid), (0o751, 3, 4))?;
        equal("xattr", t.xattr("new", "user.x")?, b"1")?;
    }
    equal("xattrs", b.tree().xattr_names("new")?.len(), 1)
}

fn a_merged_directory(b: &mut Bench) -> Outcome {
    b.lower(1)?.dirs("d/two")?;
    b.lower(1)?.dirs("d/gone")?;
    b.lower(0)?.dirs("d/one")?;
    b.upper().dirs("d/up")?;
    let t = b.mount()?;
    t.rmdir("d/gone")?;
    t.rename("d", "new")?;
    let t = b.remount()?;
    gone(&t, "d")?;
    equal("names", t.names("new")?, ["one", "two", "up"])?;
    t.file("new/two/f", b"")?;
    equal("names", t.names("new/two")?, ["f"])
}

fn a_directory_into_another(b: &mut Bench) -> Outcome {
    b.lower(0)?.dirs("a/b/c")?;
    b.lower(0)?.dirs("x/y")?;
    b.lower(0)?.file("a/b/c/f", b"deep")?;
    let t = b.mount()?;
    t.rename("a/b", "x/y/z")?;
    equal("content", t.read("x/y/z/c/f")?, b"deep")?;
    t.rename("x", "w")?;
    let t = b.remount()?;
    equal("content", t.read("w/y/z/c/f")?, b"deep")?;
    holds(t.names("a")?.is_empty(), "the old parent is empty")?;
    gone(&t, "x")
}

fn a_directory_back_and_forth(b: &mut Bench) -> Outcome {
    b.lower(0)?.dirs("d/e")?;
    b.lower(0)?.file("d/f", b"low")?;
    let mut t = b.mount()?;
    for _ in 0..3 {
        t.rename("d", "x")?;
        t.rename("x", "y")?;
        t.rename("y", "d")?;
        t = b.remount()?;
        equal("names", t.names("")?, ["d"])?;
        equal("content", t.read("d/f")?, b"low")?;
    }
    Ok(())
}

fn a_directory_within_a_renamed_one(b: &mut Bench) -> Outcome {
    b.lower(1)?.dirs("a/b/c/two")?;
    b.lower(0)?.dirs("a/b/c/one")?;
    let t = b.mount()?;
    t.rename("a", "A")?;
    t.rename("A/b", "A/B")?;
    t.rename("A/B/c", "C")?;
    t.dir("a")?;
    let t = b.remount()?;
    equal("names", t.names("C")?, ["one", "two"])?;
    equal("names", t.names("A")?, ["B"])?;
    holds(t.names("a")?.is_empty(), "the old name is a new directory")
}

fn a_directory_over_an_empty_one(b: &mut Bench) -> Outcome {
    b.lower(0)?.dirs("from/x")?;
    b.lower(0)?.dir("low")?;
    b.lower(0)?.dirs("emptied/hidden")?;
    let t = b.mount()?;
    t.rename("from", "low")?;
    t.rmdir("emptied/hidden")?;
    t.rename("low", "emptied")?;
    let t = b.remount()?;
    equal("names", t.names("")?, ["emptied"])?;
    equal("names", t.names("emptied")?, ["x"])
}

fn a_directory_over_a_full_one(b: &mut Bench) -> Outcome {
    b.lower(0)?.dir("from")?;
    b.lower(0)?.dirs("low/x")?;
    b.upper().dirs("up/x")?;
    b.upper().dir("new")?;
    let t = b.mount()?;
    for from in ["from", "new"] {
        for to in ["low", "up"] {
            fails_with(to, t.rename(from, to), Errno::NOTEMPTY)?;
            equal(to, t.names(to)?, ["x"])?;
        }
    }
    Ok(())
}

fn a_directory_over_a_whiteout(b: &mut Bench) -> Outcome {
    b.lower(0)?.dirs("from/x")?;
    b.lower(0)?.dirs("was/hidden")?;
    b.lower(0)?.file("file", b"")?;
    let t = b.mount()?;
    std::fs::remove_dir_all(t.path("was"))?;
    t.unlink("file")?;
    t.rename("from", "was")?;
    equal("names", t.names("was")?, ["x"])?;
    t.rename("was", "file")?;
    t.dir("was")?;
    let t = b.remount()?;
    equal("names", t.names("")?, ["file", "was"])?;
    equal("names", t.names("file")?, ["x"])?;
    holds(t.names("was")?.is_empty(), "nothing comes back")
}

fn a_directory_into_itself(b: &mut Bench) -> Outcome {
    b.lower(0)?.dirs("d/e")?;
    let t = b.mount()?;
    fails_with("below itself", t.rename("d", "d/e/f"), Errno::INVAL)?;
    fails_with("over its parent", t.rename("d/e", "d"), Errno::NOTEMPTY)?;
    t.rename("d", "d")?;
    equal("names", t.names("d")?, ["e"])
}

fn of_the_wrong_kinds(b: &mut Bench) -> Outcome {
    b.lower(0)?.file("f", b"")?;
    b.lower(0)?.dir("d")?;
    let t = b.mount()?;
    fails_with("a file over a directory", t.rename("f", "d"), Errno::ISDIR)?;
    fails_with("a directory over a file", t.rename("d", "f"), Errno::NOTDIR)?;
    fails_with("into a file", t.rename("d", "f/x"), Errno::NOTDIR)
}

fn a_new_directory_over_the_name_of_a_lower_one(b: &mut Bench) -> Outcome {
    b.lower(0)?.dirs("d/hidden")?;
    let t = b.mount()?;
    std::fs::remove_dir_all(t.path("d"))?;
    t.dirs("new/x")?;
    t.rename("new", "d")?;
    equal("names", t.names("d")?, ["x"])?;
    let t = b.remount()?;
    equal("names", t.names("d")?, ["x"])
}

fn noreplace(b: &mut Bench) -> Outcome {
    for name in ["a", "low", "was"] {
        b.lower(0)?.file(name, name.as_bytes())?;
    }
    let t = b.mount()?;
    t.unlink("was")?;
    let no = RenameFlags::NOREPLACE;
    fails_with("over a lower file", t.rename_with("a", "low", no), Errno::EXIST)?;
    fails_with("over itself", t.rename_with("a", "a", no), Errno::EXIST)?;
    t.rename_with("a", "was", no)?;
    equal("content", t.read("was")?, b"a")
}

fn exchange_of_files(b: &mut Bench) -> Outcome {
    b.lower(0)?.file("low", b"low")?;
    b.lower(0)?.dir("d")?;
    b.upper().dir("d")?;
    b.upper().file("d/up", b"up")?;
    let t = b.mount()?;
    t.rename_with("low", "d/up", RenameFlags::EXCHANGE)?;
    for t in [t, b.remount()?] {
        equal("low", t.read("low")?, b"up")?;
        equal("up", t.read("d/up")?, b"low")?;
    }
    let missing = b.tree().rename_with("low", "none", RenameFlags::EXCHANGE);
    fails_with("with nothing", missing, Errno::NOENT)
}

fn exchange_of_a_file_and_a_directory(b: &mut Bench) -> Outcome {
    b.lower(0)?.file("f", b"file")?;
    b.lower(0)?.dirs("d/x")?;
    let t = b.mount()?;
    t.rename_with("f", "d", RenameFlags::EXCHANGE)?;
    let t = b.remount()?;
    equal("names", t.names("f")?, ["x"])?;
    equal("content", t.read("d")?, b"file")
}

fn exchange_of_lower_directories(b: &mut Bench) -> Outcome {
    b.lower(1)?.dirs("a/a2")?;
    b.lower(0)?.dirs("a/a1")?;
    b.lower(0)?.dirs("p/b/b1")?;
    let t = b.mount()?;
    t.rename_with("a", "p/b", RenameFlags::EXCHANGE)?;
    let t = b.remount()?;
    equal("names", t.names("p/b")?, ["a1", "a2"])?;
    equal("names", t.names("a")?, ["b1"])
}

/// With RENAME_WHITEOUT a union below leaves a whiteout; ours shows nothing.
fn whiteout(b: &mut Bench) -> Outcome {
    b.lower(0)?.file("low", b"low")?;
    b.upper().file("up", b"up")?;
    let t = b.mount()?;
    let flag = RenameFlags::WHITEOUT;
    fails_with("low", t.rename_with("low", "low2", flag), Errno::INVAL)?;
    fails_with("up", t.rename_with("up", "up2", flag), Errno::INVAL)?;
    equal("names", t.names("")?, ["low", "up"])
}

fn onto_a_link_of_the_same_file(b: &mut Bench) -> Outcome {
    b.lower(0)?.file("a", b"x")?;
    let t = b.mount()?;
    t.link("a", "b")?;
    t.rename("a", "b")?;
    equal("both stay", t.names("")?, ["a", "b"])?;
    let t = b.remount()?;
    t.rename("b", "a")?;
    equal("both stay", t.names("")?, ["a", "b"])
}

fn symlinks_and_nodes(b: &mut Bench) -> Outcome {
    let low = b.lower(0)?;
    low.symlink("target", "link")?;
    low.chown("link", 5, 6)?;
    low.node("fifo", FileType::Fifo, 0o640, (0, 0))?;
    low.node("null", FileType::CharacterDevice, 0o640, (1, 3))?;
    let t = b.mount()?;
    for name in ["link", "fifo", "null"] {
        t.rename(name, format!("{name}2"))?;
        gone(&t, name)?;
    }
    let t = b.remount()?;
    equal("target", t.target("link2")?, b"target")?;
    equal("owner", t.stat("link2")?.st_uid, 5)?;
    equal("fifo", FileType::from_raw_mode(t.stat("fifo2")?.st_mode), FileType::Fifo)?;
    equal("device", t.stat("null2")?.st_rdev, rustix::fs::makedev(1, 3))
}

fn an_open_file_follows(b: &mut Bench) -> Outcome {
    b.lower(0)?.file("f", b"low")?;
    let t = b.mount()?;
    let file = t.open("f", OFlags::RDWR | OFlags::APPEND)?;
    t.rename("f", "g")?;
    rustix::io::write(&file, b" more")?;
    equal("content", t.read("g")?, b"low more")?;
    equal("inode", rustix::fs::fstat(&file)?.st_ino, t.stat("g")?.st_ino)
}

fn a_directorys_parent_follows(b: &mut Bench) -> Outcome {
    b.lower(0)?.dirs("a/d")?;
    b.lower(0)?.dir("b")?;
    let t = b.mount()?;
    let open = t.open("a/d", OFlags::DIRECTORY)?;
    t.rename("a/d", "b/d")?;
    let up = rustix::fs::statat(&open, "..", rustix::fs::AtFlags::empty())?;
    equal("..", up.st_ino, t.stat("b")?.st_ino)?;
    rustix::fs::mkdirat(&open, "new", rustix::fs::Mode::from_raw_mode(0o755))?;
    equal("names", t.names("b/d")?, ["new"])
}

fn what_is_missing(b: &mut Bench) -> Outcome {
    b.lower(0)?.file("f", b"")?;
    b.lower(0)?.file("g", b"")?;
    let t = b.mount()?;
    fails_with("from nothing", t.rename("none", "x"), Errno::NOENT)?;
    fails_with("to nowhere", t.rename("f", "none/x"), Errno::NOENT)?;
    t.unlink("f")?;
    fails_with("from a whiteout", t.rename("f", "x"), Errno::NOENT)?;
    fails_with("too long", t.rename("g", "x".repeat(256)), Errno::NAMETOOLONG)
}

/// The way to where it was leads through what hides the layers below.
fn a_moved_directory_shows_nothing_that_was_hidden(b: &mut Bench) -> Outcome {
    b.lower(1)?.dirs("p/d")?;
    b.lower(1)?.file("p/d/secret", b"")?;
    b.lower(1)?.dirs("w/d")?;
    b.lower(1)?.file("w/d/secret", b"")?;
    b.lower(0)?.dirs("p/d")?;
    b.lower(0)?.set_xattr("p", "trusted.overlay.opaque", b"y")?;
    b.lower(0)?.whiteout("w")?;
    let t = b.mount()?;
    equal("before", t.names("p/d")?, Vec::<String>::new())?;
    t.rename("p/d", "q")?;
    equal("moved", t.names("q")?, Vec::<String>::new())?;
    let t = b.remount()?;
    equal("after a remount", t.names("q")?, Vec::<String>::new())?;
    t.dir("w")?;
    t.rename("q", "w/q")?;
    let t = b.remount()?;
    equal("moved again", t.names("w/q")?, Vec::<String>::new())
}
