//! Layer archives, pure: what is in one, what applying it to a tree gives,
//! and which one turns a tree into another.
//!
//! Written after the image specification and POSIX pax(1), and sharing nothing
//! with what drivers use, because it judges them. An archive is held in memory
//! as a whole, which is what makes the rules short: whiteouts are done first,
//! because they only hide what is below.

mod apply;
mod entry;
mod extended;
mod read;
mod sparse;
mod write;

pub(super) use apply::{Footing, apply, misplaced};
pub(super) use read::{Archive, read};
pub(super) use write::write;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    use std::path::Path;

    use graphdriver_api::{Limits, Result};

    use super::*;
    use crate::snapshot::Timestamp;
    use crate::tree::{Body, Bytes, Rename, Tree};

    fn dir() -> Body {
        Body::Directory(BTreeMap::new())
    }

    fn unpack(parent: &Tree, archive: &[u8]) -> Result<Tree> {
        let mut tree = parent.clone();
        let archive = read(&mut &*archive, &Limits::default(), false)?;
        apply(&mut tree, &archive, Footing::Known, None).map(|()| tree)
    }

    /// Gives every path a time of its own.
    fn timed(mut tree: Tree, sec: i64) -> Tree {
        for (path, _) in tree.paths() {
            if tree.get(&path).unwrap().mtime.exact.is_none() {
                tree.set_mtime(&path, Some(Timestamp { sec, nsec: 250_000_001 })).unwrap();
            }
        }
        tree
    }

    fn round_trip(parent: &Tree, tree: &Tree) {
        let mut archive = Vec::new();
        let summary = write(parent, tree, &mut archive, None).unwrap();
        assert_eq!(summary.bytes, archive.len() as u64);
        let again = unpack(parent, &archive).unwrap();
        let (expected, actual) = (tree.exact_snapshot(), again.exact_snapshot());
        let lines: Vec<_> = expected.differences(&actual).iter().map(ToString::to_string).collect();
        assert_eq!(lines, Vec::<String>::new());
    }

    #[test]
    fn a_difference_applied_to_the_parent_gives_the_tree() {
        let p = Path::new;
        let odd = OsStr::from_bytes(b"\xff\n").to_owned();
        let long = "n".repeat(255);
        let deep: std::path::PathBuf = ["d", &long, &long].iter().collect();
        let mut base = Tree::new();
        base.make(p("d"), dir(), 0o2775).unwrap();
        base.make(&p("d").join(&long), dir(), 0o700).unwrap();
        base.make(&deep, Body::File(Bytes::of(b"deep")), 0o4755).unwrap();
        base.link(&deep, p("z")).unwrap();
        base.make(Path::new(&odd), Body::Symlink(odd.clone()), 0o777).unwrap();
        base.make(p("gone"), dir(), 0o755).unwrap();
        base.make(p("gone/x"), Body::Fifo, 0o600).unwrap();
        base.make(p("null"), Body::CharDevice(1, 3), 0o666).unwrap();
        base.write(p("z"), 70_000, b"far").unwrap();
        base.chown(p("null"), 4_000_000_000, 3_000_000).unwrap();
        base.set_xattr(p("z"), OsStr::new("user.x"), b"a=b\n\0").unwrap();
        base.set_mtime(p("z"), Some(Timestamp { sec: -2, nsec: 750_000_000 })).unwrap();
        let base = timed(base, 1_000);
        round_trip(&Tree::new(), &base);

        let mut next = base.child();
        next.unlink(p("gone/x")).unwrap();
        next.rmdir(p("gone")).unwrap();
        next.make(p("gone"), Body::BlockDevice(7, 1000), 0o600).unwrap();
        next.link(p("z"), p("y")).unwrap();
        next.rename(p("d"), p("e"), Rename::Replace).unwrap();
        next.unlink(p("null")).unwrap();
        next.make(p("null"), dir(), 0o755).unwrap();
        round_trip(&base, &timed(next, 2_000));
    }

    #[test]
    fn names_that_look_like_whiteouts_are_refused() {
        let mut tree = Tree::new();
        tree.make(Path::new(".wh.x"), Body::Fifo, 0o600).unwrap();
        let error = write(&Tree::new(), &tree, &mut Vec::new(), None).unwrap_err();
        assert_eq!(error.kind(), graphdriver_api::ErrorKind::Unsupported);
    }

    #[test]
    fn a_damaged_archive_is_refused_and_never_half_read() {
        let mut tree = Tree::new();
        tree.make(Path::new("f"), Body::File(Bytes::of(&[7; 2000])), 0o644).unwrap();
        let mut archive = Vec::new();
        write(&Tree::new(), &timed(tree, 1), &mut archive, None).unwrap();
        for cut in [100, 600, 1400, 2600] {
            let error = unpack(&Tree::new(), &archive[..cut]).unwrap_err();
            assert_eq!(error.kind(), graphdriver_api::ErrorKind::BadDiff, "cut at {cut}");
        }
        archive[20] ^= 1;
        assert!(unpack(&Tree::new(), &archive).is_err(), "checksum");
    }
}
