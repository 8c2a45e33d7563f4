//! Chooses names and values for an operation, by dice.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::Dice;
use crate::history::op::Fill;
use crate::snapshot::Timestamp;
use crate::tree::{Body, Node, Tree};

/// Chooses names and values. The first two dice choose the first path, the
/// third the second, the others values.
pub(super) struct Chooser<'a> {
    pub(super) tree: &'a Tree,
    pub(super) dice: Dice,
}

impl Chooser<'_> {
    /// One that suits, if there is one; now and then any, there or not.
    pub(super) fn existing(&self, suits: impl Fn(&Node) -> bool) -> PathBuf {
        self.one_of(self.dice[0], self.dice[1], suits)
    }

    pub(super) fn another(&self, suits: impl Fn(&Node) -> bool) -> PathBuf {
        self.one_of(self.dice[0].rotate_left(16), self.dice[2], suits)
    }

    fn one_of(&self, odds: u32, dice: u32, suits: impl Fn(&Node) -> bool) -> PathBuf {
        let paths = self.tree.paths();
        let mut suitable: Vec<_> = paths
            .iter()
            .skip(1)
            .filter(|(_, ino)| self.tree.node(*ino).is_some_and(&suits))
            .map(|(path, _)| path)
            .collect();
        if odds % 16 == 15 || suitable.is_empty() {
            suitable = paths.iter().skip(1).map(|(path, _)| path).collect();
        }
        match suitable.get(pick(suitable.len(), dice)) {
            Some(path) if odds % 32 != 15 => (*path).clone(),
            _ => self.fresh(),
        }
    }

    pub(super) fn existing_or_root(&self, suits: impl Fn(&Node) -> bool) -> PathBuf {
        if self.dice[0] % 16 == 14 { PathBuf::from(".") } else { self.existing(suits) }
    }

    /// A name in a directory, mostly one that isn't there.
    pub(super) fn fresh(&self) -> PathBuf {
        let names = names();
        let paths = self.tree.paths();
        let directories: Vec<_> = paths
            .iter()
            .filter(|(_, ino)| self.tree.node(*ino).is_some_and(Node::is_directory))
            .map(|(path, _)| path)
            .collect();
        let dice = self.dice[2];
        let above = directories.get(pick(directories.len(), dice)).map_or(Path::new("."), |p| *p);
        let name = names.get(pick(names.len(), dice / 64)).cloned().unwrap_or_default();
        if above == Path::new(".") { PathBuf::from(name) } else { above.join(name) }
    }

    pub(super) fn of<T: Copy + Default>(&self, values: &[T]) -> T {
        values.get(pick(values.len(), self.dice[3])).copied().unwrap_or_default()
    }

    pub(super) fn mode(&self) -> u32 {
        self.of(&[0o644, 0o755, 0o600, 0o4755, 0o2755, 0o1777, 0o6711, 0o2644, 0])
    }

    pub(super) fn fill(&self) -> Fill {
        let lengths = [1, 10, 100, 4_096, 5_000, 20_000];
        let len = lengths[pick(lengths.len(), self.dice[4])];
        Fill { seed: self.dice[5].to_le_bytes()[0], len }
    }

    pub(super) fn time(&self) -> Option<Timestamp> {
        let at = |sec, nsec| Some(Timestamp { sec, nsec });
        self.of(&[
            None,
            at(0, 0),
            at(1, 1),
            at(1_600_000_000, 123_456_789),
            at(1_600_000_000, 123_456_788),
            at(-2, 500_000_000),
            at(8_589_934_592, 999_999_999),
        ])
    }

    pub(super) fn target(&self) -> OsString {
        let targets = [".", "..", "/a", "a/b", "nowhere", "../../../../a", "\u{fffd} x"];
        OsString::from(targets[pick(targets.len(), self.dice[3])])
    }

    pub(super) fn xattr(&self, path: &Path) -> (OsString, Vec<u8>) {
        let value = [b"".as_slice(), b"1", b"\0=\n\xff", &[7; 200]][pick(4, self.dice[4])].to_vec();
        let plain = match self.tree.get(path).map(|node| &node.body) {
            Ok(Body::File(_)) => ["user.x", "trusted.y", "security.capability", "security.test"],
            Ok(Body::Directory(_)) => ["user.x", "user.z", "trusted.y", "security.test"],
            _ => ["trusted.y", "trusted.y", "security.test", "user.x"],
        };
        let name = plain[pick(4, self.dice[3])];
        if name == "security.capability" {
            // Revision 2, effective: cap_net_raw.
            let words = [0x0200_0001_u32, 1 << 13, 0, 0, 0];
            return (name.into(), words.iter().flat_map(|word| word.to_le_bytes()).collect());
        }
        (name.into(), value)
    }
}

/// Few, so that names meet again; in an order in which bytes and paths differ;
/// and some that are easily mishandled. The last is as long as can be.
fn names() -> &'static [OsString] {
    static NAMES: OnceLock<Vec<OsString>> = OnceLock::new();
    NAMES.get_or_init(|| {
        let plain = ["a", "b", "c", "d", "a-b", "a.b", "A", ".hidden", "x y", "wh."];
        let mut names: Vec<OsString> = plain.iter().map(OsString::from).collect();
        names.push(OsStr::from_bytes(b"\xff\xfe").to_owned());
        names.push("n".repeat(255).into());
        names
    })
}

/// One of `len`.
pub(super) fn pick(len: usize, dice: u32) -> usize {
    usize::try_from(dice).unwrap_or(0) % len.max(1)
}
