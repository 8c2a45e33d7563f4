//! A disk that loses its power: a file with ext4 on it, and what has to be so with
//! whatever a store on it looks like afterwards.

use std::fs::File;
use std::path::Path;
use std::process::Command;

use sapwood_crash::Trees;

use super::{BIG, Bench};

/// What the disk of a store holds.
const ROOM: u64 = 192 << 20;

/// Runs a program that has to succeed.
#[track_caller]
pub fn run(program: &str, args: &[&Path]) {
    let done = Command::new(program).args(args).output().unwrap();
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{program} {args:?}: {said}");
}

/// A file without content that is `size` bytes long.
pub fn sparse(path: &Path, size: u64) {
    File::create(path).unwrap().set_len(size).unwrap();
}

/// Makes a file a disk for a store.
pub fn format(file: &Path) {
    sparse(file, ROOM);
    run("mkfs.ext4", &["-q".as_ref(), "-F".as_ref(), file]);
}

pub fn mount(file: &Path, place: &Path) {
    run("mount", &["-o".as_ref(), "loop".as_ref(), file, place]);
}

pub fn unmount(place: &Path) {
    run("umount", &[place]);
}

/// A store as it came out of a power cut, of which it is certain that [`BIG`] is
/// `there` or isn't, or neither.
pub fn is_whole_after_a_cut(bench: &Bench, there: Option<bool>, what: &str) {
    bench.assert_sound(&Trees::new(), what);
    if let Some(there) = there {
        let images = bench.images();
        // A removal is durable too, but for what a reader can't tell: names go
        // in the same transaction.
        assert_eq!(images.contains(BIG), there, "{what}: {images:?}");
    }
    bench.load("big.tar");
    bench.assert_sound(&Trees::new(), what);
    bench.sapwood.ok(["rmi", BIG]);
    bench.assert_at_rest(what);
}
