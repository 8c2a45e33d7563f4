//! What a union shows of its layers.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, OFlags, mkdirat, openat};
use rustix::io::Errno;
use sapwood_union::{Bench, Outcome, equal, fails_with, holds};

use crate::case::cases;

cases! { "lookup":
    a_file_of_the_upper_hides_those_below,
    directories_merge,
    a_file_hides_a_directory,
    a_directory_hides_a_file,
    a_file_between_ends_a_merge,
    a_whiteout_hides_whats_below,
    a_whiteout_in_a_lower_hides_whats_below_it,
    an_opaque_directory_hides_whats_below,
    an_opaque_lower_directory_hides_whats_below_it,
    opaque_of_users_doesnt_count,
    names_of_255_bytes,
    names_that_are_no_text,
    names_with_special_characters,
    paths_longer_than_the_kernel_takes,
    many_layers,
    attributes_are_those_of_the_uppermost,
    special_files_show_through,
    a_device_that_is_no_whiteout_shows,
    dots_lead_out_and_back,
}

fn a_file_of_the_upper_hides_those_below(b: &mut Bench) -> Outcome {
    b.lower(1)?.file("a", b"two")?;
    b.lower(0)?.file("a", b"one")?;
    b.lower(0)?.file("b", b"one")?;
    b.lower(1)?.file("c", b"two")?;
    b.upper().file("a", b"upper")?;
    let t = b.mount()?;
    equal("a", t.read("a")?, b"upper")?;
    equal("b", t.read("b")?, b"one")?;
    equal("c", t.read("c")?, b"two")
}

fn directories_merge(b: &mut Bench) -> Outcome {
    for (layer, name) in [(b.lower(0)?, "d/one"), (b.lower(1)?, "d/two"), (b.upper(), "d/up")] {
        layer.dir("d")?;
        layer.file(name, b"")?;
        layer.file("d/all", name.as_bytes())?;
    }
    let t = b.mount()?;
    equal("names", t.names("d")?, ["all", "one", "two", "up"])?;
    equal("all", t.read("d/all")?, b"d/up")?;
    fails_with("a name of no layer", t.stat("d/none"), Errno::NOENT)
}

fn a_file_hides_a_directory(b: &mut Bench) -> Outcome {
    b.lower(0)?.dirs("x/y")?;
    b.upper().file("x", b"file")?;
    let t = b.mount()?;
    equal("x", t.read("x")?, b"file")?;
    fails_with("below a file", t.stat("x/y"), Errno::NOTDIR)
}

fn a_directory_hides_a_file(b: &mut Bench) -> Outcome {
    b.lower(0)?.file("x", b"file")?;
    b.upper().dirs("x/y")?;
    let t = b.mount()?;
    equal("names", t.names("x")?, ["y"])
}

fn a_file_between_ends_a_merge(b: &mut Bench) -> Outcome {
    b.lower(2)?.dirs("x/hidden")?;
    b.lower(1)?.file("x", b"between")?;
    b.lower(0)?.dirs("x/one")?;
    b.upper().dirs("x/up")?;
    let t = b.mount()?;
    equal("names", t.names("x")?, ["one", "up"])?;
    fails_with("behind a file", t.stat("x/hidden"), Errno::NOENT)
}

fn a_whiteout_hides_whats_below(b: &mut Bench) -> Outcome {
    b.lower(0)?.file("f", b"")?;
    b.lower(0)?.dirs("d/e")?;
    b.upper().whiteout("f")?;
    b.upper().whiteout("d")?;
    b.upper().whiteout("nothing")?;
    let t = b.mount()?;
    for name in ["f", "d", "d/e", "nothing"] {
        fails_with(name, t.stat(name), Errno::NOENT)?;
    }
    holds(t.names("")?.is_empty(), "no whiteout is listed")
}

fn a_whiteout_in_a_lower_hides_whats_below_it(b: &mut Bench) -> Outcome {
    b.lower(1)?.dirs("d/e")?;
    b.lower(1)?.file("d/f", b"")?;
    b.lower(0)?.dir("d")?;
    b.lower(0)?.whiteout("d/f")?;
    b.lower(0)?.whiteout("d/e")?;
    let t = b.mount()?;
    holds(t.names("d")?.is_empty(), "nothing is listed")?;
    fails_with("the file", t.stat("d/f"), Errno::NOENT)?;
    fails_with("the directory", t.stat("d/e"), Errno::NOENT)
}

fn an_opaque_directory_hides_whats_below(b: &mut Bench) -> Outcome {
    b.lower(0)?.dirs("d/hidden/deep")?;
    b.upper().dirs("d/hidden")?;
    b.upper().set_xattr("d", "trusted.overlay.opaque", b"y")?;
    b.upper().file("d/up", b"")?;
    let t = b.mount()?;
    equal("names", t.names("d")?, ["hidden", "up"])?;
    holds(t.names("d/hidden")?.is_empty(), "below an opaque one nothing merges")
}

fn an_opaque_lower_directory_hides_whats_below_it(b: &mut Bench) -> Outcome {
    b.lower(2)?.dirs("d/three")?;
    b.lower(1)?.dirs("d/two")?;
    b.lower(1)?.set_xattr("d", "trusted.overlay.opaque", b"y")?;
    b.lower(0)?.dirs("d/one")?;
    b.upper().dirs("d/up")?;
    let t = b.mount()?;
    equal("names", t.names("d")?, ["one", "two", "up"])
}

fn opaque_of_users_doesnt_count(b: &mut Bench) -> Outcome {
    b.lower(0)?.dirs("d/below")?;
    b.upper().dir("d")?;
    b.upper().set_xattr("d", "user.overlay.opaque", b"y")?;
    let t = b.mount()?;
    equal("names", t.names("d")?, ["below"])
}

fn names_of_255_bytes(b: &mut Bench) -> Outcome {
    let (low, new) = ("l".repeat(255), "n".repeat(255));
    b.lower(0)?.file(&low, b"low")?;
    b.lower(0)?.dirs(format!("d/{low}"))?;
    let t = b.mount()?;
    equal("content", t.read(&low)?, b"low")?;
    t.append(&low, b" more")?;
    equal("content", t.read(&low)?, b"low more")?;
    t.file(&new, b"")?;
    t.unlink(&low)?;
    t.rmdir(format!("d/{low}"))?;
    fails_with("256 bytes", t.dir("x".repeat(256)), Errno::NAMETOOLONG)?;
    let t = b.remount()?;
    equal("names", t.names("")?, ["d", &new])?;
    holds(t.names("d")?.is_empty(), "the directory is gone")
}

fn names_that_are_no_text(b: &mut Bench) -> Outcome {
    let name = |bytes: &[u8]| Path::new(OsStr::from_bytes(bytes)).to_owned();
    let (low, new, moved) = (name(b"\xff\xfe low"), name(b"\x80\n"), name(b"\xc3\x28"));
    b.lower(0)?.file(&low, b"low")?;
    let t = b.mount()?;
    equal("content", t.read(&low)?, b"low")?;
    t.file(&new, b"new")?;
    t.rename(&low, &moved)?;
    let t = b.remount()?;
    equal("names", t.list("")?, [b"\x80\n".to_vec(), b"\xc3\x28".to_vec()])?;
    equal("content", t.read(&moved)?, b"low")
}

fn names_with_special_characters(b: &mut Bench) -> Outcome {
    let names = ["a:b", "a,b", "a\\b", "a b", "a=b", ".wh", "-o", "%s", "\\040"];
    for name in names {
        b.lower(0)?.file(name, name.as_bytes())?;
        b.lower(0)?.dirs(format!("d {name}/x"))?;
    }
    let t = b.mount()?;
    for name in names {
        equal(name, t.read(name)?, name.as_bytes())?;
        t.chmod(name, 0o600)?;
        t.rename(format!("d {name}"), format!("e {name}"))?;
        holds(t.stat(format!("e {name}/x")).is_ok(), name)?;
    }
    Ok(())
}

/// 21 names of 250 bytes: 5,270 bytes, reached step by step.
fn paths_longer_than_the_kernel_takes(b: &mut Bench) -> Outcome {
    const DEPTH: usize = 21;
    let name = "p".repeat(250);
    let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut at = b.lower(0)?.open("", flags)?;
    for _ in 0..DEPTH {
        mkdirat(&at, name.as_str(), Mode::from_raw_mode(0o755))?;
        at = openat(&at, name.as_str(), flags, Mode::empty())?;
    }
    let mode = Mode::from_raw_mode(0o644);
    rustix::io::write(openat(&at, "f", OFlags::CREATE | OFlags::WRONLY, mode)?, b"low")?;
    let t = b.mount()?;
    let mut at = openat(CWD, t.path(""), flags, Mode::empty())?;
    for _ in 0..DEPTH {
        at = openat(&at, name.as_str(), flags, Mode::empty())?;
    }
    let file = openat(&at, "f", OFlags::RDWR | OFlags::APPEND | OFlags::CLOEXEC, Mode::empty())?;
    rustix::io::write(&file, b" more")?;
    let mut content = [0; 20];
    let length = rustix::io::pread(&file, &mut content, 0)?;
    equal("content", &content[..length], b"low more".as_slice())?;
    mkdirat(&at, "new", mode)?;
    Ok(rustix::fs::renameat(&at, "new", &at, "newer")?)
}

fn many_layers(b: &mut Bench) -> Outcome {
    const LAYERS: usize = 60;
    b.lower(LAYERS - 1)?;
    for layer in 0..LAYERS {
        let tree = b.lower(layer)?;
        tree.dir("d")?;
        tree.file(format!("d/{layer}"), b"")?;
        tree.file("d/all", layer.to_string().as_bytes())?;
    }
    let t = b.mount()?;
    equal("names", t.names("d")?.len(), LAYERS + 1)?;
    equal("all", t.read("d/all")?, b"0")?;
    t.unlink("d/all")?;
    fails_with("of the lowest", t.stat("d/all"), Errno::NOENT)
}

fn attributes_are_those_of_the_uppermost(b: &mut Bench) -> Outcome {
    for (layer, number) in [(b.lower(1)?, 1), (b.lower(0)?, 2), (b.upper(), 3)] {
        layer.dir("d")?;
        layer.chmod("d", 0o700 + number)?;
        layer.chown("d", number, number)?;
        layer.set_xattr("d", "user.layer", number.to_string().as_bytes())?;
        layer.set_xattr("d", &format!("user.only{number}"), b"")?;
    }
    let t = b.mount()?;
    let stat = t.stat("d")?;
    equal("mode", stat.st_mode & 0o7777, 0o703)?;
    equal("owner", (stat.st_uid, stat.st_gid), (3, 3))?;
    equal("xattr", t.xattr("d", "user.layer")?, b"3")?;
    equal(
        "xattrs",
        t.xattr_names("d")?.into_iter().collect::<Vec<_>>(),
        ["user.layer", "user.only3"],
    )
}

fn special_files_show_through(b: &mut Bench) -> Outcome {
    let low = b.lower(0)?;
    low.node("fifo", FileType::Fifo, 0o640, (0, 0))?;
    low.node("socket", FileType::Socket, 0o600, (0, 0))?;
    low.node("null", FileType::CharacterDevice, 0o666, (1, 3))?;
    low.node("block", FileType::BlockDevice, 0o600, (7, 200))?;
    low.symlink("nowhere/at all", "link")?;
    let t = b.mount()?;
    for name in ["fifo", "socket", "null", "block", "link"] {
        let (seen, low) = (t.stat(name)?, low.stat(name)?);
        equal(name, (seen.st_mode, seen.st_rdev), (low.st_mode, low.st_rdev))?;
    }
    equal("target", t.target("link")?, b"nowhere/at all")?;
    equal("device", rustix::io::write(t.open("null", OFlags::WRONLY)?, b"gone")?, 4)
}

fn a_device_that_is_no_whiteout_shows(b: &mut Bench) -> Outcome {
    b.lower(0)?.node("zero-one", FileType::CharacterDevice, 0o600, (0, 1))?;
    b.lower(0)?.node("block", FileType::BlockDevice, 0o600, (0, 0))?;
    let t = b.mount()?;
    equal("names", t.names("")?, ["block", "zero-one"])
}

fn dots_lead_out_and_back(b: &mut Bench) -> Outcome {
    b.lower(0)?.dirs("a/b")?;
    b.upper().dirs("a/c")?;
    let t = b.mount()?;
    let inode = |name: &str| t.stat(name).map(|s| s.st_ino);
    equal("..", inode("a/b/..")?, inode("a")?)?;
    equal(".", inode("a/.")?, inode("a")?)?;
    equal("../..", inode("a/b/../..")?, inode("")?)
}
