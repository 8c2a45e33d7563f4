//! Layers that mean harm, or that are damaged.

use super::tar::Tar;

/// What has to come of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is refused in words that contain these.
    Refused(&'static str),
    /// It is unpacked, and harms nobody.
    Unpacked,
    /// Either, depending on the driver.
    Either,
}

use Outcome::{Either, Refused, Unpacked};

/// Name, outcome, and how to make one that aims at the folder `out`.
pub(crate) type Layer = (&'static str, Outcome, fn(&str) -> Vec<u8>);

const UP: &str = "../../../../../../../../../../../..";

fn t() -> Tar {
    Tar::new()
}

pub(crate) const LAYERS: &[Layer] = &[
    ("dots", Refused(".."), |out| t().file(format!("{UP}{out}/secret")).end()),
    ("dots behind a directory", Refused(".."), |out| {
        t().dir("a").file(format!("a/{UP}{out}/secret")).end()
    }),
    ("an absolute name", Unpacked, |out| t().file(format!("{out}/secret")).end()),
    ("writing through a link", Either, |out| t().symlink("l", out).file("l/secret").end()),
    ("writing through a link upwards", Either, |out| {
        t().symlink("l", format!("{UP}{out}")).file("l/secret").end()
    }),
    ("a file over a link", Unpacked, |out| {
        t().symlink("l", format!("{out}/secret")).file("l").end()
    }),
    ("a directory over a link", Unpacked, |out| t().symlink("l", out).dir("l").file("l/x").end()),
    ("a chain of links", Either, |out| {
        t().symlink("a", "b").symlink("b", "c").symlink("c", out).file("a/secret").end()
    }),
    ("a directory that becomes a link", Either, |out| {
        t().dir("d").file("d/x").symlink("d", out).file("d/secret").end()
    }),
    ("links in a circle", Either, |_| t().symlink("a", "b").symlink("b", "a").file("a/x").end()),
    ("a link to itself", Either, |_| t().symlink("a", "a").file("a/x").end()),
    ("a magic link", Either, |out| {
        t().symlink("m", "/proc/self/root").file(format!("m{out}/secret")).end()
    }),
    ("a hard link to outside", Refused("hard link"), |out| {
        t().link("h", format!("{out}/secret")).file("h").end()
    }),
    ("a hard link upwards", Refused(".."), |out| t().link("h", format!("{UP}{out}/secret")).end()),
    ("a hard link through a link", Refused("hard link"), |out| {
        t().symlink("l", out).link("h", "l/secret").file("h").end()
    }),
    ("a hard link to itself", Refused("hard link"), |_| t().link("h", "h").end()),
    ("a hard link to a directory", Refused("hard link to a directory"), |_| {
        t().dir("d").link("h", "d").end()
    }),
    ("a whiteout of nothing", Refused("whiteout"), |_| t().file(".wh.").end()),
    ("a whiteout of the directory", Refused("whiteout"), |_| t().file("a/.wh..").end()),
    ("a whiteout of the parent", Refused("whiteout"), |_| t().file("a/.wh...").end()),
    ("a whiteout through a link", Either, |out| t().symlink("l", out).file("l/.wh.secret").end()),
    ("an opaque mark through a link", Either, |out| {
        t().symlink("l", out).file("l/.wh..wh..opq").end()
    }),
    ("an opaque mark that is a directory", Either, |_| t().dir("a/.wh..wh..opq").end()),
    ("an opaque mark that is a link", Either, |out| {
        t().symlink("a/.wh..wh..opq", format!("{out}/secret")).end()
    }),
    ("a file beneath a whiteout", Refused("whiteout"), |_| t().file("a/.wh.b/c").end()),
    ("AUFS's own links", Either, |_| t().dir(".wh..wh.plnk").file(".wh..wh.plnk/1.2").end()),
    ("a file twice", Unpacked, |_| t().file("a").file("a").end()),
    ("a file that becomes a directory", Unpacked, |_| {
        t().file("a").dir("a").file("a/b").file("a").end()
    }),
    ("everything in turn at one name", Unpacked, |_| {
        t().file("a")
            .dir("a")
            .symlink("a", "b")
            .entry(b'6', b"a", b"", b"")
            .entry(b'3', b"a", b"", b"")
            .dir("a")
            .end()
    }),
    ("no name", Refused("empty"), |_| t().file("").end()),
    ("the root as a file", Refused("root"), |_| t().file(".").end()),
    ("a file that ends in a slash", Refused("slash"), |_| t().file("./").end()),
    ("the root as a link", Refused("root"), |out| t().symlink(".", out).end()),
    ("a zero in a name", Refused("zero"), |_| t().pax(&[("path", b"a\0b")]).file("x").end()),
    ("a name of 256 bytes", Refused("255"), |_| t().pax(&[("path", &[b'n'; 256])]).file("x").end()),
    ("a path of a thousand and more", Refused("(limit depth)"), |_| {
        t().pax(&[("path", "d/".repeat(1100).as_bytes())]).dir("x").end()
    }),
    ("bytes that are no text", Unpacked, |_| t().file(b"a\xff\xfe\x1b[2J\nb").end()),
    ("a negative size", Refused("size"), |_| t().header(b'0', b"a", b"", &[0xff; 12]).end()),
    ("a size of exbibytes", Refused(""), |_| {
        t().header(b'0', b"a", b"", b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff").end()
    }),
    ("a size that is no number", Refused("octal"), |_| t().header(b'0', b"a", b"", b"many").end()),
    ("a wrong checksum", Refused("checksum"), |_| {
        let mut bytes = t().file("first").file("second").end();
        bytes[1024 + 20] ^= 1;
        bytes
    }),
    ("an unknown type", Either, |_| t().entry(b'Z', b"a", b"", b"x").end()),
    ("a part of several volumes", Refused(""), |_| t().entry(b'M', b"a", b"", b"x").end()),
    ("a record that lies about its length", Refused("record"), |_| {
        t().entry(b'x', b"pax", b"", b"99 path=a\n").file("x").end()
    }),
    ("a record without an end", Refused("record"), |_| {
        t().entry(b'x', b"pax", b"", b"11 path=abc").file("x").end()
    }),
    ("records for nobody", Either, |_| t().pax(&[("path", b"a")]).end()),
    ("endless records", Refused("(limit extension-bytes)"), |_| {
        t().pax(&[("comment", &vec![b'c'; 3 << 20])]).file("x").end()
    }),
    ("huge attributes", Refused("(limit "), |_| {
        t().pax(&[("SCHILY.xattr.user.a", &vec![b'c'; 3 << 19])]).file("x").end()
    }),
    ("an attribute of overlayfs", Refused("overlay"), |_| {
        t().pax(&[("SCHILY.xattr.trusted.overlay.redirect", b"/etc")]).dir("x").end()
    }),
    ("a user's attribute of overlayfs", Refused("overlay"), |_| {
        t().pax(&[("SCHILY.xattr.user.overlay.opaque", b"y")]).dir("x").end()
    }),
    ("an attribute of no namespace", Either, |_| {
        t().pax(&[("SCHILY.xattr.nonsense", b"y")]).file("x").end()
    }),
    ("a capability that is none", Either, |_| {
        t().pax(&[("SCHILY.xattr.security.capability", b"y")]).file("x").end()
    }),
    ("an access list that is none", Either, |_| {
        t().pax(&[("SCHILY.acl.access", b"nonsense")]).file("x").end()
    }),
    ("a hole of exbibytes", Refused(""), |_| {
        t().pax(&[("GNU.sparse.size", b"4611686018427387904"), ("GNU.sparse.map", b"0,1")])
            .entry(b'0', b"x", b"", b"y")
            .end()
    }),
    ("a map of holes that overlap", Refused(""), |_| {
        t().pax(&[("GNU.sparse.size", b"100"), ("GNU.sparse.map", b"0,9,5,9")])
            .entry(b'0', b"x", b"", &[b'y'; 18])
            .end()
    }),
    ("a whiteout of overlayfs", Either, |_| {
        t().header(b'3', b"x", b"", b"0").field(329..345, b"0").end()
    }),
    ("devices", Unpacked, |_| t().entry(b'3', b"c", b"", b"").entry(b'4', b"b", b"", b"").end()),
    ("an owner beyond all owners", Refused(""), |_| {
        t().header(b'0', b"x", b"", b"0").field(108..116, &[0x80, 0, 0, 9, 9, 9, 9, 9]).end()
    }),
    ("a time before all times", Either, |_| {
        t().pax(&[("mtime", b"-99999999999999999")]).dir("x").end()
    }),
    ("nothing", Unpacked, |_| t().end()),
    ("an end that is missing", Unpacked, |_| t().file("a").cut(0)),
    ("something behind the end", Unpacked, |_| {
        [t().file("a").end(), b"garbage".repeat(1000)].concat()
    }),
    ("cut off in a header", Refused(""), |_| t().file("a").raw(&t().file("b").cut(600)).cut(0)),
    ("cut off in a file", Refused(""), |_| t().entry(b'0', b"a", b"", &[1; 2000]).cut(700)),
    ("cut off in a record", Refused(""), |_| t().pax(&[("comment", &[b'c'; 2000])]).cut(1000)),
    ("cut off behind a record", Refused(""), |_| t().pax(&[("path", b"a")]).cut(0)),
];
