//! Archives that mean harm. Whatever becomes of one, nothing outside the root
//! is read into it or changed: a canary beside the root, and what lies above
//! it, is held against what it was.

use std::fs;
use std::path::Path;

use graphdriver_api::{ErrorKind, Limits};
use sapwood_kit::archive::{self, Beneath, Form};
use sapwood_kit::whiteout::OverlayFormat;

use crate::support::tree::assert_same;
use crate::support::{Item, Room, apply, apply_as, archive, open, refused, snapshot};

const UP: &str = "../../../../../../../../../../../../../../../..";

/// The canary's room, by its absolute path, in what is to be done.
type Make = fn(&str) -> Vec<Item>;

fn f(path: impl AsRef<[u8]>) -> Item {
    Item::file(path, "overwritten")
}

/// Archives that lead outside, if they can.
const ESCAPES: &[(&str, Make)] = &[
    ("dots", |out| vec![f(format!("{UP}{out}/secret"))]),
    ("dots behind a directory", |out| vec![Item::dir("a"), f(format!("a/{UP}{out}/secret"))]),
    ("an absolute path", |out| vec![f(format!("{out}/secret"))]),
    ("a link to a directory", |out| vec![Item::symlink("l", out), f("l/secret"), f("l/new")]),
    ("a link upwards", |out| vec![Item::symlink("l", format!("{UP}{out}")), f("l/secret")]),
    ("a link to the file", |out| vec![Item::symlink("l", format!("{out}/secret")), f("l")]),
    ("a directory over a link", |out| vec![Item::symlink("l", out), Item::dir("l").mode(0o777)]),
    ("a directory in a link", |out| vec![Item::symlink("l", out), Item::dir("l/d")]),
    ("a directory with a slash over a link", |out| {
        vec![Item::symlink("l", out), Item::dir("l/"), f("l/secret")]
    }),
    ("a chain of links", |out| {
        vec![
            Item::symlink("a", "b"),
            Item::symlink("b", "c"),
            Item::symlink("c", out),
            f("a/secret"),
        ]
    }),
    ("a link through a link", |out| {
        vec![Item::symlink("a", "."), Item::symlink("a/b", UP), f(format!("a/b{out}/secret"))]
    }),
    ("a directory that becomes a link", |out| {
        vec![Item::dir("d"), f("d/x"), Item::symlink("d", out), f("d/secret")]
    }),
    ("a parent that becomes a link", |out| {
        vec![Item::dir("d"), Item::dir("d/e"), f("d/e/x"), Item::symlink("d", out), f("d/e/secret")]
    }),
    ("a link in place of a file", |out| vec![f("x"), Item::symlink("x", out), f("x/secret")]),
    ("magic links", |out| {
        vec![
            Item::symlink("m", "/proc/self/root"),
            Item::symlink("n", "/proc/self/cwd"),
            f(format!("m{out}/secret")),
            f(format!("n/{UP}{out}/secret")),
        ]
    }),
    ("a magic link by number", |_| {
        (0..20)
            .flat_map(|fd| {
                let link = format!("m{fd}");
                [Item::symlink(&link, format!("/proc/self/fd/{fd}")), f(format!("{link}/new"))]
            })
            .take(2)
            .collect()
    }),
    ("a link that leads nowhere yet", |out| {
        vec![Item::symlink("l", format!("{out}/made")), f("l/f")]
    }),
    ("a FIFO through a link", |out| vec![Item::symlink("l", out), Item::new(b'6', "l/fifo")]),
    ("a device through a link", |out| {
        vec![Item::symlink("l", out), Item::device(b'3', "l/d", 1, 3)]
    }),
    ("a link through a link", |out| vec![Item::symlink("l", out), Item::symlink("l/s", "x")]),
    ("a hard link to outside", |out| vec![Item::link("h", format!("{out}/secret")), f("h")]),
    ("a hard link upwards", |out| vec![Item::link("h", format!("{UP}{out}/secret")), f("h")]),
    ("a hard link through a link", |out| {
        vec![Item::symlink("l", out), Item::link("h", "l/secret"), f("h")]
    }),
    ("a hard link to a link", |out| {
        vec![Item::symlink("l", format!("{out}/secret")), Item::link("h", "l"), f("h")]
    }),
    ("a hard link to a link, as a directory", |out| {
        vec![Item::symlink("l", out), Item::link("h", "l"), f("h/secret")]
    }),
    ("a hard link made in a link", |out| {
        vec![f("x"), Item::symlink("l", out), Item::link("l/secret", "x")]
    }),
    ("a whiteout outside", |out| vec![f(format!("{UP}{out}/.wh.secret"))]),
    ("an absolute whiteout", |out| vec![f(format!("{out}/.wh.secret"))]),
    ("a whiteout through a link", |out| vec![Item::symlink("l", out), f("l/.wh.secret")]),
    ("an opaque marker outside", |out| vec![f(format!("{out}/.wh..wh..opq"))]),
    ("an opaque marker through a link", |out| vec![Item::symlink("l", out), f("l/.wh..wh..opq")]),
    ("a whiteout of a link", |out| vec![Item::symlink("l", out), f(".wh.l")]),
    ("a whiteout of dots", |_| vec![f(".wh...")]),
    ("a whiteout of a dot", |_| vec![f(".wh..")]),
    ("a whiteout of nothing", |_| vec![f(".wh.")]),
    ("a whiteout of dots in a directory", |_| vec![Item::dir("d"), f("d/.wh...")]),
    ("a slash in a whiteout", |_| vec![Item::file("a", "").pax("path", "d/.wh.../secret")]),
    ("a zero byte in a record", |out| vec![f("x").pax("path", format!("x\0{out}/secret"))]),
    ("a record with dots", |out| vec![f("x").pax("path", format!("{UP}{out}/secret"))]),
    ("a record of a link with dots", |out| {
        vec![Item::link("h", "x").pax("linkpath", format!("{UP}{out}/secret")), f("h")]
    }),
    ("a sparse name with dots", |out| {
        vec![
            f("x")
                .pax("GNU.sparse.name", format!("{UP}{out}/secret"))
                .pax("GNU.sparse.size", "11")
                .pax("GNU.sparse.map", "0,11"),
        ]
    }),
    ("a long name with dots", |out| {
        let mut name = Item::new(b'L', "././@LongLink");
        name.data = format!("{UP}{out}/secret\0").into_bytes();
        vec![name, f("x")]
    }),
    ("the root as a link", |out| vec![Item::symlink("./", out), f("secret")]),
    ("the root as a file", |_| vec![f("/")]),
    ("many links in a circle", |_| {
        vec![Item::symlink("a", "b"), Item::symlink("b", "a"), f("a/f")]
    }),
    ("links that double at each step", |_| {
        let mut items: Vec<_> =
            (0..30).map(|i| Item::symlink(format!("l{i}"), format!("l{0}/l{0}", i + 1))).collect();
        items.push(Item::symlink("l30", "."));
        items.push(f("l0/f"));
        items
    }),
];

fn canary(room: &Room) -> std::path::PathBuf {
    let out = room.dir("outside");
    fs::write(out.join("secret"), "the host's").unwrap();
    fs::create_dir(out.join("d")).unwrap();
    out
}

fn holds_no_secret(root: &Path) {
    let mut rest = vec![root.to_owned()];
    while let Some(path) = rest.pop() {
        let meta = fs::symlink_metadata(&path).unwrap();
        if meta.is_dir() {
            rest.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if meta.is_file() {
            assert_ne!(fs::read(&path).unwrap(), b"the host's", "{}", path.display());
        }
    }
}

#[test]
fn nothing_outside_is_touched() {
    assert!(ESCAPES.len() >= 40, "{} archives", ESCAPES.len());
    let upper = |beneath| Form::Upper { format: OverlayFormat::KERNEL, beneath };
    for form in [Form::Merged, upper(Beneath::Nothing), upper(Beneath::Unknown)] {
        for (what, make) in ESCAPES {
            let room = Room::new();
            let out = canary(&room);
            let tar = archive(&make(out.to_str().unwrap()));
            let before = snapshot(room.path());
            if let Err(error) = apply_as(form, &room.root(), &tar) {
                let kinds = [ErrorKind::BadDiff, ErrorKind::NeedsParent];
                assert!(kinds.contains(&error.kind()), "{what}: {error:?}");
                assert!(error.path().is_some() || error.report().contains("byte"), "{error:?}");
            }
            let outside = |mut tree: crate::support::Tree| {
                tree.retain(|path, _| !path.starts_with("root") && path != Path::new("."));
                tree
            };
            assert_same(what, &outside(before), &outside(snapshot(room.path())));
            holds_no_secret(&room.root());
        }
    }
}

type Archive = fn() -> Vec<Item>;

/// Archives that are refused, and a word that the refusal must have.
const REFUSED: &[(&str, Archive)] = &[
    ("..", || vec![f("a/../b")]),
    ("empty path", || vec![f("")]),
    ("255", || vec![f("n".repeat(256))]),
    ("255", || vec![f(format!("{}/x", "n".repeat(256)))]),
    ("components", || vec![f("d/".repeat(1024) + "f")]),
    ("reserved", || vec![f(".wh.d/f")]),
    ("reserved", || vec![f("a/.wh..wh..opq/f")]),
    ("AUFS", || vec![f("a/.wh..wh.plnk")]),
    ("names nothing", || vec![f("a/.wh...")]),
    ("unknown type", || vec![Item::new(b'M', "f")]),
    ("unknown type", || vec![Item::new(b'D', "f")]),
    ("slash", || vec![f("f/")]),
    ("whose target", || vec![Item::symlink("l", "")]),
    ("whose target", || vec![Item::symlink("l", "t".repeat(4096))]),
    ("hard link to an empty path", || vec![Item::link("l", "")]),
    ("isn't there", || vec![Item::link("l", "nothing")]),
    ("hard link to a directory", || vec![Item::dir("d"), Item::link("l", "d")]),
    ("hard link to a directory", || vec![Item::link("l", "/")]),
    ("whiteout", || vec![Item::link("l", ".wh.x")]),
    ("isn't a directory", || vec![f("f"), f("f/g")]),
    ("leads nowhere", || vec![Item::symlink("l", "none"), f("l/g")]),
    ("too many symbolic links", || vec![Item::symlink("l", "l"), f("l/g")]),
    ("too long", || vec![Item::symlink("l", "n".repeat(300)), f("l/g")]),
    ("overlay", || vec![f("f").xattr("trusted.overlay.redirect", "/etc")]),
    ("overlay", || vec![Item::dir("d").xattr("user.overlay.opaque", "y")]),
    ("overlay", || vec![f("f").pax("LIBARCHIVE.xattr.trusted.overlay.metacopy", "")]),
    ("damaged value", || vec![f("f").xattr("security.capability", "nonsense")]),
    ("damaged value", || vec![f("f").xattr("system.posix_acl_access", "nonsense")]),
    ("no file system", || vec![f("f").xattr("", "1")]),
    ("isn't base64", || vec![f("f").pax("LIBARCHIVE.xattr.user.a", "*")]),
    ("ACL", || vec![f("f").pax("SCHILY.acl.access", "user:lisa:rwx")]),
    ("attributes", || vec![f("f").xattr("user.a", vec![0; (1 << 20) + 1])]),
    ("extension records", || vec![f("f").pax("comment", vec![b'c'; 3 << 20])]),
    ("no user or group", || vec![f("f").pax("uid", "4294967295")]),
    ("no user or group", || vec![f("f").patch(108, [0xff; 8])]),
    ("device number", || vec![Item::device(b'3', "d", 5000, 0)]),
    ("negative size", || vec![f("f").patch(124, [0xff; 12])]),
    ("content (limit bytes)", || vec![f("f").pax("size", "9999999999999999")]),
    ("too large", || vec![f("f").patch(124, [0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0])]),
    ("isn't a number", || vec![f("f").pax("size", "0x10")]),
    ("isn't one", || vec![f("f").pax("mtime", "yesterday")]),
    ("global record", || {
        let mut global = Item::new(b'g', "g");
        archive::pax::push(&mut global.data, b"path", b"x");
        vec![global, f("f")]
    }),
    ("of one kind", || vec![long(b'L'), long(b'L'), f("f")]),
    ("of one kind", || vec![long(b'K'), long(b'K'), f("f")]),
    ("zero byte", || {
        let mut name = long(b'L');
        name.data = b"a\0b".to_vec();
        vec![name, f("f")]
    }),
    ("without the entry", || vec![f("f"), long(b'L')]),
    ("sparse", || vec![f("f").pax("GNU.sparse.map", "0,11")]),
    ("sparse", || vec![f("f").pax("GNU.sparse.size", "5").pax("GNU.sparse.map", "0,11")]),
    ("account", || vec![f("f").pax("GNU.sparse.size", "50").pax("GNU.sparse.map", "0,5")]),
    ("format other", || vec![f("f").pax("GNU.sparse.major", "2").pax("GNU.sparse.minor", "0")]),
    ("longer than", || {
        let map = [("major", "1"), ("minor", "0"), ("realsize", "9")];
        let file = Item::file("f", format!("{}\n", "9".repeat(10)));
        vec![map.iter().fold(file, |file, (k, v)| file.pax(format!("GNU.sparse.{k}"), v))]
    }),
];

fn long(flag: u8) -> Item {
    let mut name = Item::new(flag, "././@LongLink");
    name.data = b"name\0".to_vec();
    name
}

#[test]
fn refusals_name_the_rule() {
    for (words, make) in REFUSED {
        let room = Room::new();
        let report = refused(apply(&room.root(), &archive(&make())), ErrorKind::BadDiff);
        assert!(report.contains(words), "{words:?} isn't in: {report}");
    }
}

#[test]
fn limits_stop_what_no_entry_pays_for() {
    let limits = Limits { entries: 10, ..Limits::default() };
    let room = Room::new();
    let parents = archive(&[f("a/b/c/d/e/f/g/h/i/j/k/l/m")]);
    let result = archive::apply(open(&room.root()), &mut &parents[..], Form::Merged, &limits);
    assert!(refused(result, ErrorKind::BadDiff).contains("parent directories"));
    // Deeper by way of links than any path of the archive.
    let limits = Limits { depth: 5, ..Limits::default() };
    let room = Room::new();
    let deep = archive(&[
        Item::dir("a"),
        Item::dir("a/b"),
        Item::dir("a/b/c"),
        Item::symlink("l", "a/b/c"),
        f("l/d/e/f/g"),
    ]);
    let result = archive::apply(open(&room.root()), &mut &deep[..], Form::Merged, &limits);
    assert!(refused(result, ErrorKind::BadDiff).contains("deeper than 5"));
}

#[test]
fn an_upper_directory_gets_no_device_that_means_a_whiteout() {
    for beneath in [Beneath::Nothing, Beneath::Unknown] {
        let room = Room::new();
        let form = Form::Upper { format: OverlayFormat::KERNEL, beneath };
        let tar = archive(&[Item::device(b'3', "zero", 0, 0)]);
        let report = refused(apply_as(form, &room.root(), &tar), ErrorKind::Unsupported);
        assert!(report.contains("0:0") && report.contains("\"zero\""), "{report}");
    }
    let room = Room::new();
    apply(&room.root(), &archive(&[Item::device(b'3', "zero", 0, 0)])).unwrap();
}
