//! Every point of a life fails, with EIO and with ENOSPC: the call has the
//! right error, nothing has changed, and all can still be removed.

use rustix::io::Errno;

use super::*;
use crate::fault::{Failure, inject};

/// Runs the life with the nth point failing; the step that failed and its
/// error, or `None` if nothing did.
fn live(store: &NodeStore, nth: usize, errno: Errno) -> (usize, Option<graphdriver_api::Error>) {
    let injection = inject("nodes.", nth, Failure::Errno(errno));
    for (n, step) in STEPS.iter().enumerate() {
        if let Err(e) = step(store) {
            assert!(injection.passed().len() >= nth);
            return (n, Some(e));
        }
    }
    (STEPS.len(), None)
}

fn points() -> usize {
    point_names().len()
}

fn point_names() -> Vec<&'static str> {
    let dir = fast_dir();
    let store = open(dir.path());
    let injection = inject("nodes.", 0, Failure::None);
    STEPS.iter().for_each(|step| step(&store).unwrap());
    injection.passed()
}

#[test]
fn a_failing_call_has_changed_nothing() {
    let (states, points) = (states(), points());
    let mut failed = 0;
    for (nth, (errno, expected)) in (1..=points).flat_map(|nth| {
        [(Errno::IO, ErrorKind::Io), (Errno::NOSPC, ErrorKind::NoSpace)].map(|e| (nth, e))
    }) {
        let dir = fast_dir();
        let store = open(dir.path());
        let (step, error) = live(&store, nth, errno);
        let found = shown(&store);
        if let Some(error) = error {
            failed += 1;
            assert_eq!(error.kind(), expected, "point {nth}: {}", error.report());
            // A failed unpacking is documented to leave its mark.
            let unpacked = [1, 6].contains(&step);
            let before = found == states[step] || unpacked && cut_off(&states, step, &found);
            assert!(before, "point {nth}, step {step}: {found:?}");
        } else {
            assert_eq!(found, states[STEPS.len()], "point {nth}");
        }
        drop(store);
        let store = open(dir.path());
        assert_eq!(shown(&store), found, "point {nth}");
        check_layers(&store, dir.path());
        remove_all(&store, dir.path());
    }
    // All but the points of tidying up, whose failure isn't the call's.
    assert!(failed > points * 2 * 8 / 10, "{failed} of {points} points failed a call");
}

/// No failure leaves anything in the way of the next attempt, but one that may
/// have cost a draft its bytes.
#[test]
fn what_failed_succeeds_when_it_is_tried_again() {
    let mut flushes = 0;
    let points = point_names();
    for (nth, point) in (1..).zip(&points) {
        let dir = fast_dir();
        let store = open(dir.path());
        let (step, error) = live(&store, nth, Errno::IO);
        if error.is_none() || [1, 6].contains(&step) {
            continue;
        }
        if *point == "nodes.flush" {
            // What it couldn't write is lost: flushing again would tell nothing.
            assert_eq!(kind(STEPS[step](&store)), ErrorKind::WrongState);
            drop(store);
            let store = open(dir.path());
            assert_eq!(kind(STEPS[step](&store)), ErrorKind::WrongState);
            remove_all(&store, dir.path());
            flushes += 1;
            continue;
        }
        STEPS[step..].iter().for_each(|step| step(&store).unwrap());
        check_layers(&store, dir.path());
        remove_all(&store, dir.path());
    }
    assert_eq!(flushes, 3, "as many as there are commits");
}
