//! Random histories: each operation is drawn to suit what those before it
//! have made, so that most of them succeed.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use proptest::prelude::*;
use proptest::strategy::BoxedStrategy;
use proptest_state_machine::Sequential;

use super::guide::Guide;
use super::op::{Action, Fill, Kind, Op};
use crate::snapshot::Timestamp;
use crate::tree::{Body, Bytes, Node, Rename, Rules, Tree};

/// Operations in a history.
const LENGTH: std::ops::RangeInclusive<usize> = 50..=70;

/// Files in a tree above which deleting is preferred to making.
const CROWD: usize = 28;

/// Random numbers for one operation: which file, what with it.
type Dice = [u32; 6];

pub(super) type Histories = Sequential<Guide, Op, BoxedStrategy<Guide>, BoxedStrategy<Op>>;

/// Histories for drivers that keep these rules.
pub(super) fn histories(rules: Rules, maps: bool, deferred: bool) -> Histories {
    let table = table(maps, deferred);
    Sequential::new(
        LENGTH.into(),
        move || Just(Guide::new(rules)).boxed(),
        Guide::allows,
        move |guide| next(guide, &table),
        Guide::apply,
    )
}

/// What kinds of operations there are, each as often as it is to be drawn.
fn table(maps: bool, deferred: bool) -> Vec<Kind> {
    let weights: &[(Kind, usize)] = &[
        (Kind::Create, 9),
        (Kind::Write, 4),
        (Kind::WriteFar, 2),
        (Kind::Append, 4),
        (Kind::Rewrite, 3),
        (Kind::MapWrite, if maps { 4 } else { 0 }),
        (Kind::Truncate, 4),
        (Kind::Punch, 3),
        (Kind::Mkdir, 7),
        (Kind::Symlink, 4),
        (Kind::CharDevice, 2),
        (Kind::BlockDevice, 2),
        (Kind::Fifo, 2),
        (Kind::Socket, 2),
        (Kind::Link, 6),
        (Kind::RenameFile, 5),
        (Kind::RenameDirectory, 4),
        (Kind::RenameOver, 5),
        (Kind::RenameNoReplace, 2),
        (Kind::Exchange, 4),
        (Kind::Unlink, 6),
        (Kind::Rmdir, 4),
        (Kind::Chmod, 4),
        (Kind::Chown, 4),
        (Kind::SetTime, 4),
        (Kind::SetXattr, 5),
        (Kind::RemoveXattr, 3),
        (Kind::Remount, 3),
        (Kind::Persist, 1),
        (Kind::Reopen, 1),
        (Kind::Commit, 4),
        (Kind::Discard, 1),
        (Kind::RoundTrip, 2),
        (Kind::RoundTripDeferred, if deferred { 2 } else { 0 }),
    ];
    weights.iter().flat_map(|(kind, weight)| std::iter::repeat_n(*kind, *weight)).collect()
}

/// The next operation. While shrinking, the kind stays and the rest becomes
/// simpler.
fn next(guide: &Guide, table: &[Kind]) -> BoxedStrategy<Op> {
    let guide = guide.clone();
    let Some(tree) = guide.draft.clone() else {
        let layers = guide.layers.len();
        return any::<u32>().prop_map(move |dice| child(layers, dice)).boxed();
    };
    let dice = proptest::array::uniform6(any::<u32>());
    if guide.is_ripe() {
        return Just(Op::Commit).boxed();
    }
    let (table, layers) = (table.to_vec(), guide.layers.len());
    let row = (0..table.len()).no_shrink();
    (row, dice)
        .prop_map(move |(row, dice)| {
            let kind = table.get(row).copied().unwrap_or(Kind::Create);
            draw_op(&tree, layers, kind, dice)
        })
        .boxed()
}

/// Mostly a child of the newest layer; now and then of another, or of none.
fn child(layers: usize, dice: u32) -> Op {
    match (layers.checked_sub(1), dice % 12) {
        (None, _) | (_, 11) => Op::Child(None),
        (Some(newest), 8..=10) => Op::Child(Some(pick(newest + 1, dice / 12))),
        (Some(newest), _) => Op::Child(Some(newest)),
    }
}

fn pick(len: usize, dice: u32) -> usize {
    usize::try_from(dice).unwrap_or(0) % len.max(1)
}

fn draw_op(tree: &Tree, layers: usize, kind: Kind, dice: Dice) -> Op {
    let round_trip = |deferred| match layers {
        0 => Op::Remount,
        _ => Op::RoundTrip { layer: pick(layers, dice[0]), deferred },
    };
    match kind {
        Kind::Remount => Op::Remount,
        Kind::Persist => Op::Persist,
        Kind::Reopen => Op::Reopen,
        Kind::Commit => Op::Commit,
        Kind::Discard => Op::Discard,
        Kind::RoundTrip => round_trip(false),
        Kind::RoundTripDeferred => round_trip(true),
        _ => {
            let kind = sensible(tree, kind);
            let (path, action) = draw_action(&Chooser { tree, dice }, kind);
            Op::File(path, action)
        }
    }
}

/// The kind itself, or one that makes what it lacks.
fn sensible(tree: &Tree, kind: Kind) -> Kind {
    let any = |suits: fn(&Node) -> bool| tree.files().skip(1).any(suits);
    match kind {
        _ if makes(kind) && tree.len() > CROWD => Kind::Unlink,
        Kind::Write
        | Kind::WriteFar
        | Kind::Append
        | Kind::Rewrite
        | Kind::MapWrite
        | Kind::Truncate
        | Kind::Punch
            if !any(|node| node.bytes().is_some()) =>
        {
            Kind::Create
        }
        Kind::MapWrite | Kind::Punch if !any(|n| n.bytes().is_some_and(|b| !b.is_empty())) => {
            Kind::Append
        }
        Kind::Rmdir if !any(is_empty_directory) => Kind::Mkdir,
        Kind::RenameDirectory if !any(Node::is_directory) => Kind::Mkdir,
        Kind::RemoveXattr if !any(|node| !node.xattrs.is_empty()) => Kind::SetXattr,
        Kind::Link | Kind::Unlink | Kind::RenameFile if !any(|node| !node.is_directory()) => {
            Kind::Create
        }
        Kind::Chmod
        | Kind::Chown
        | Kind::SetTime
        | Kind::RenameOver
        | Kind::RenameNoReplace
        | Kind::Exchange
            if tree.is_empty() =>
        {
            Kind::Mkdir
        }
        kind => kind,
    }
}

fn makes(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Create
            | Kind::Mkdir
            | Kind::Symlink
            | Kind::CharDevice
            | Kind::BlockDevice
            | Kind::Fifo
            | Kind::Socket
            | Kind::Link
    )
}

fn draw_action(choose: &Chooser<'_>, kind: Kind) -> (PathBuf, Action) {
    match kind {
        Kind::Create => (choose.fresh(), Action::Create(choose.mode())),
        Kind::Mkdir => (choose.fresh_directory(), Action::Mkdir(choose.mode())),
        Kind::Symlink => (choose.fresh(), Action::Symlink(choose.target())),
        Kind::CharDevice => {
            let (major, minor) = choose.of(&[(1, 3), (0, 0), (250, 1_000), (1, 5)]);
            (choose.fresh(), Action::CharDevice(major, minor))
        }
        Kind::BlockDevice => {
            let (major, minor) = choose.of(&[(7, 200), (0, 0), (250, 70_000)]);
            (choose.fresh(), Action::BlockDevice(major, minor))
        }
        Kind::Fifo => (choose.fresh(), Action::Fifo(choose.mode())),
        Kind::Socket => (choose.fresh(), Action::Socket(choose.mode())),
        Kind::Unlink => (choose.existing(|node| !node.is_directory()), Action::Unlink),
        Kind::Rmdir => (choose.existing(is_empty_directory), Action::Rmdir),
        Kind::Link
        | Kind::RenameFile
        | Kind::RenameDirectory
        | Kind::RenameOver
        | Kind::RenameNoReplace
        | Kind::Exchange => draw_names(choose, kind),
        Kind::Chmod | Kind::Chown | Kind::SetTime | Kind::SetXattr | Kind::RemoveXattr => {
            draw_attributes(choose, kind)
        }
        _ => draw_content(choose, kind),
    }
}

fn is_empty_directory(node: &Node) -> bool {
    node.names().is_some_and(std::collections::BTreeMap::is_empty)
}

fn draw_names(choose: &Chooser<'_>, kind: Kind) -> (PathBuf, Action) {
    let not_directory = |node: &Node| !node.is_directory();
    let rename = |path: PathBuf, how| Action::Rename(path, how);
    match kind {
        Kind::Link => (choose.existing(not_directory), Action::Link(choose.fresh())),
        Kind::RenameDirectory => {
            (choose.existing(Node::is_directory), rename(choose.fresh_directory(), Rename::Replace))
        }
        Kind::RenameOver => {
            let old = choose.existing(|_| true);
            let directory = choose.tree.get(&old).is_ok_and(Node::is_directory);
            let over = |node: &Node| match directory {
                true => is_empty_directory(node),
                false => !node.is_directory(),
            };
            (old, rename(choose.another(over), Rename::Replace))
        }
        Kind::RenameNoReplace => {
            (choose.existing(|_| true), rename(choose.fresh_directory(), Rename::NoReplace))
        }
        Kind::Exchange => {
            let (old, new) = (choose.existing(|_| true), choose.another(|_| true));
            let is_directory = |path| choose.tree.get(path).is_ok_and(Node::is_directory);
            let directory = is_directory(&old) || is_directory(&new);
            match directory && (is_longest(&old) || is_longest(&new)) {
                true => (old, rename(choose.fresh_directory(), Rename::NoReplace)),
                false => (old, rename(new, Rename::Exchange)),
            }
        }
        _ => (choose.existing(not_directory), rename(choose.fresh(), Rename::Replace)),
    }
}

fn draw_content(choose: &Chooser<'_>, kind: Kind) -> (PathBuf, Action) {
    let path = match kind {
        Kind::MapWrite | Kind::Punch => {
            choose.existing(|node| node.bytes().is_some_and(|bytes| !bytes.is_empty()))
        }
        _ => choose.existing(|node| node.bytes().is_some()),
    };
    let len = choose.tree.get(&path).ok().and_then(Node::bytes).map_or(0, Bytes::len);
    let within = u64::from(choose.dice[3]) % len.max(1);
    let action = match kind {
        Kind::Write => Action::Write(within, choose.fill()),
        Kind::WriteFar => {
            Action::Write(len + 4096 + u64::from(choose.dice[3] % (1 << 18)), choose.fill())
        }
        Kind::Append => Action::Append(choose.fill()),
        Kind::Rewrite => Action::Rewrite(choose.fill()),
        Kind::MapWrite => {
            let fill = choose.fill();
            let fits = u64::from(fill.len).min(len).max(1);
            let fill = Fill { len: u32::try_from(fits).unwrap_or(1), ..fill };
            Action::MapWrite(within.min(len.saturating_sub(fits)), fill)
        }
        Kind::Truncate => {
            Action::Truncate(choose.of(&[0, len / 2, len, len + 1, len + 5_000, len + 200_000]))
        }
        _ => Action::Punch(within, 1 + u64::from(choose.dice[4] % 20_000)),
    };
    (path, action)
}

fn draw_attributes(choose: &Chooser<'_>, kind: Kind) -> (PathBuf, Action) {
    let any = |_: &Node| true;
    match kind {
        Kind::Chmod => {
            let not_link = |node: &Node| !matches!(node.body, Body::Symlink(_));
            (choose.existing_or_root(not_link), Action::Chmod(choose.mode()))
        }
        Kind::Chown => {
            let id = |dice: u32| [0, 1, 1000, 65_534, 4_000_000_000][pick(5, dice)];
            let (uid, gid) = (id(choose.dice[3]), id(choose.dice[4]));
            (choose.existing_or_root(any), Action::Chown(uid, gid))
        }
        Kind::SetTime => (choose.existing_or_root(any), Action::SetTime(choose.time())),
        Kind::SetXattr => {
            let path = choose.existing_or_root(any);
            let (name, value) = choose.xattr(&path);
            (path, Action::SetXattr(name, value))
        }
        _ => {
            let path = choose.existing_or_root(|node| !node.xattrs.is_empty());
            let there = choose.tree.get(&path).ok().and_then(|node| node.xattrs.keys().next());
            let name = there.cloned().unwrap_or_else(|| "user.none".into());
            (path, Action::RemoveXattr(name))
        }
    }
}

/// Chooses names and values. The first two dice choose the first path, the
/// third the second, the others values.
struct Chooser<'a> {
    tree: &'a Tree,
    dice: Dice,
}

impl Chooser<'_> {
    /// One that suits, if there is one; now and then any, there or not.
    fn existing(&self, suits: impl Fn(&Node) -> bool) -> PathBuf {
        self.one_of(self.dice[0], self.dice[1], suits)
    }

    fn another(&self, suits: impl Fn(&Node) -> bool) -> PathBuf {
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

    fn existing_or_root(&self, suits: impl Fn(&Node) -> bool) -> PathBuf {
        if self.dice[0] % 16 == 14 { PathBuf::from(".") } else { self.existing(suits) }
    }

    /// A name in a directory, mostly one that isn't there.
    fn fresh(&self) -> PathBuf {
        self.named(names())
    }

    /// The same for what may be a directory, which doesn't get the longest
    /// name: where moved directories are redirected, as on overlays, no path
    /// above 256 bytes can be, and the kernel answers `EXDEV`.
    fn fresh_directory(&self) -> PathBuf {
        self.named(names().split_last().map_or(&[], |(_, shorter)| shorter))
    }

    fn named(&self, names: &[OsString]) -> PathBuf {
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

    fn of<T: Copy + Default>(&self, values: &[T]) -> T {
        values.get(pick(values.len(), self.dice[3])).copied().unwrap_or_default()
    }

    fn mode(&self) -> u32 {
        self.of(&[0o644, 0o755, 0o600, 0o4755, 0o2755, 0o1777, 0o6711, 0o2644, 0])
    }

    fn fill(&self) -> Fill {
        let lengths = [1, 10, 100, 4_096, 5_000, 20_000];
        let len = lengths[pick(lengths.len(), self.dice[4])];
        Fill { seed: self.dice[5].to_le_bytes()[0], len }
    }

    fn time(&self) -> Option<Timestamp> {
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

    fn target(&self) -> OsString {
        let targets = [".", "..", "/a", "a/b", "nowhere", "../../../../a", "\u{fffd} x"];
        OsString::from(targets[pick(targets.len(), self.dice[3])])
    }

    fn xattr(&self, path: &Path) -> (OsString, Vec<u8>) {
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

fn is_longest(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.len() == 255)
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
