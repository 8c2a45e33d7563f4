//! Random histories beside the kernel, and each mounting what the other wrote.
//!
//! `SAPWOOD_UNION_HISTORIES=10000` and `SAPWOOD_UNION_SEED=1` say how many and
//! which, `SAPWOOD_UNION_SUBJECTS=rival` on whom.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking"
)]

use sapwood_union::history::check;
use sapwood_union::{Kind, Mounted, Subject};

/// Seconds, not minutes.
const FEW: u64 = 24;

fn each(kinds: &[Kind], swap: bool) {
    for kind in kinds {
        let subject = match Subject::find(*kind) {
            Ok(subject) => subject,
            Err(reason) => return sapwood_vm::not_run(&reason).unwrap(),
        };
        match check(&subject, FEW, swap) {
            Ok(done) => println!("{}: {done}", kind.name()),
            Err(e) if e.what().contains(Mounted::NOTHING) => {
                sapwood_vm::not_run("fuse-overlay mounts nothing yet").unwrap();
            }
            Err(e) => panic!("{}: {e}", kind.name()),
        }
    }
}

/// Whether the judge finds differences where there are none.
#[test]
fn the_kernel_is_like_itself() {
    each(&[Kind::Kernel], true);
}

#[test]
fn trees_and_answers_are_the_kernels() {
    let kinds: Vec<_> = Kind::chosen().unwrap();
    each(&kinds.into_iter().filter(|k| *k != Kind::Kernel).collect::<Vec<_>>(), false);
}

#[test]
fn each_mounts_what_the_other_wrote() {
    let kinds: Vec<_> = Kind::chosen().unwrap();
    each(&kinds.into_iter().filter(|k| *k != Kind::Kernel).collect::<Vec<_>>(), true);
}
