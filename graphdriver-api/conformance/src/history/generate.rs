//! Random histories: each operation is drawn to suit what those before it
//! have made, so that most of them succeed.

mod choose;

use std::path::PathBuf;

use proptest::prelude::*;
use proptest::strategy::BoxedStrategy;
use proptest_state_machine::Sequential;

use super::guide::Guide;
use super::op::{Action, Fill, Kind, Op};
use crate::tree::{Body, Bytes, Node, Rename, Rules, Tree};
use choose::{Chooser, pick};

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
        Kind::Mkdir => (choose.fresh(), Action::Mkdir(choose.mode())),
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
            (choose.existing(Node::is_directory), rename(choose.fresh(), Rename::Replace))
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
            (choose.existing(|_| true), rename(choose.fresh(), Rename::NoReplace))
        }
        Kind::Exchange => {
            (choose.existing(|_| true), rename(choose.another(|_| true), Rename::Exchange))
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
