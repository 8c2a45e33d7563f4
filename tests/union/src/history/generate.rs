//! Histories from a seed. proptest makes them, and makes smaller ones of one
//! that fails.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::history::op::{Flag, Op};

/// Operations of one history at most.
const LENGTH: usize = 60;
/// Files of the layers that every history starts with, and directories: most
/// operations are on these, or they would only be refused.
const FILES: [&str; 11] =
    ["a/c", "a/d", "a/a/b", "a/a/c", "a/a/d", "a/a/a/c", "b/a", "b/b", "b/c", "c", "d"];
const DIRECTORIES: [&str; 5] = ["a", "b", "a/a", "a/a/a", "b/d"];
const NAMES: [&str; 4] = ["a", "b", "c", "d"];
const MODES: [u32; 7] = [0o644, 0o600, 0o755, 0o711, 0o4755, 0o2770, 0o1777];

/// A history that can be made smaller.
pub(crate) type Tree = Box<dyn ValueTree<Value = Vec<Op>>>;

/// The history of a seed.
pub(crate) fn history(seed: u64) -> Result<Tree, proptest::test_runner::Reason> {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let random = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(Config::default(), random);
    vec(op(), 1..LENGTH).boxed().new_tree(&mut runner)
}

fn path() -> impl Strategy<Value = String> {
    vec(prop::sample::select(&NAMES[..]), 1..=3).prop_map(|names| names.join("/"))
}

fn file() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => prop::sample::select(&FILES[..]).prop_map(str::to_owned),
        1 => path()
    ]
}

fn dir() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => prop::sample::select(&DIRECTORIES[..]).prop_map(str::to_owned),
        1 => path()
    ]
}

fn either() -> impl Strategy<Value = String> {
    prop_oneof![file(), dir()]
}

/// A name in a directory that may be there.
fn fresh() -> impl Strategy<Value = String> {
    let name = prop::sample::select(&NAMES[..]);
    prop_oneof![2 => (dir(), name).prop_map(|(d, n)| format!("{d}/{n}")), 1 => path()]
}

fn mode() -> impl Strategy<Value = u32> {
    prop::sample::select(&MODES[..])
}

fn flag() -> impl Strategy<Value = Flag> {
    prop_oneof![4 => Just(Flag::Plain), 1 => Just(Flag::NoReplace), 2 => Just(Flag::Exchange)]
}

fn slot() -> std::ops::Range<u8> {
    0..3
}

fn op() -> BoxedStrategy<Op> {
    prop_oneof![6 => names(), 4 => content(), 4 => attributes(), 3 => open_files(), 3 => looks()]
        .boxed()
}

fn names() -> BoxedStrategy<Op> {
    prop_oneof![
        1 => (fresh(), mode()).prop_map(|(p, m)| Op::Create(p, m)),
        2 => (fresh(), mode()).prop_map(|(p, m)| Op::Mkdir(p, m)),
        1 => (path(), fresh()).prop_map(|(t, p)| Op::Symlink(t, p)),
        1 => fresh().prop_map(Op::Fifo),
        2 => file().prop_map(Op::Unlink),
        2 => dir().prop_map(Op::Rmdir),
        5 => (either(), prop_oneof![fresh(), either()], flag()).prop_map(|(a, b, f)| Op::Rename(a, b, f)),
        2 => (file(), fresh()).prop_map(|(a, b)| Op::Link(a, b)),
    ]
    .boxed()
}

fn content() -> BoxedStrategy<Op> {
    prop_oneof![
        (file(), 0..9000_u64, 1..5000_usize).prop_map(|(p, at, n)| Op::Write(p, at, n)),
        (file(), 1..200_usize).prop_map(|(p, n)| Op::Append(p, n)),
        (file(), 0..9000_u64).prop_map(|(p, n)| Op::Truncate(p, n)),
        file().prop_map(Op::Empty),
    ]
    .boxed()
}

fn attributes() -> BoxedStrategy<Op> {
    prop_oneof![
        (either(), mode()).prop_map(|(p, m)| Op::Chmod(p, m)),
        (either(), 0..3_u32, 0..3_u32).prop_map(|(p, u, g)| Op::Chown(p, u, g)),
        (either(), 1..900_000_000_i64).prop_map(|(p, s)| Op::Utimens(p, s)),
        (either(), 0..4_u8, 0..300_usize).prop_map(|(p, k, n)| Op::SetXattr(p, k, n)),
        (either(), 0..4_u8).prop_map(|(p, k)| Op::RemoveXattr(p, k)),
    ]
    .boxed()
}

fn open_files() -> BoxedStrategy<Op> {
    prop_oneof![
        3 => (slot(), file(), any::<bool>()).prop_map(|(s, p, w)| Op::Open(s, p, w)),
        2 => (slot(), 0..9000_u64, 1..3000_usize).prop_map(|(s, at, n)| Op::SlotWrite(s, at, n)),
        2 => slot().prop_map(Op::SlotRead),
        1 => slot().prop_map(Op::SlotStat),
        1 => (slot(), 0..9000_u64).prop_map(|(s, n)| Op::SlotTruncate(s, n)),
        1 => slot().prop_map(Op::Close),
    ]
    .boxed()
}

fn looks() -> BoxedStrategy<Op> {
    prop_oneof![
        4 => dir().prop_map(Op::Readdir),
        4 => file().prop_map(Op::Read),
        4 => either().prop_map(Op::Stat),
        1 => Just(Op::Remount),
    ]
    .boxed()
}
