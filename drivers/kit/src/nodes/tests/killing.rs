//! Every point of a life is a process's last: the next `open` shows the state
//! before the call or after it, and mends what was left.

use std::process::Command;

use super::*;
use crate::fault::{Failure, inject};

const ROOT: &str = "SAPWOOD_TEST_ROOT";
const POINT: &str = "SAPWOOD_TEST_POINT";

/// The life that is cut off; runs in a process of its own.
#[test]
#[ignore = "run by the test below, in a process that it kills"]
fn victim() {
    let (Some(root), Ok(point)) = (std::env::var_os(ROOT), std::env::var(POINT)) else { return };
    let root = Path::new(&root);
    let injection = inject("nodes.", point.parse().unwrap(), Failure::Kill);
    let store = open(&root.join("root"));
    for (n, step) in STEPS.iter().enumerate() {
        std::fs::write(root.join("step"), n.to_string()).unwrap();
        step(&store).unwrap();
    }
    drop(injection);
    std::fs::write(root.join("step"), STEPS.len().to_string()).unwrap();
}

/// The step at which the victim died; `None` if it outlived all.
fn kill_at(point: usize, root: &Path) -> Option<usize> {
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "nodes::tests::killing::victim", "--ignored", "--quiet"])
        .env(ROOT, root)
        .env(POINT, point.to_string())
        .stdout(std::process::Stdio::null())
        .status()
        .unwrap();
    let step = std::fs::read_to_string(root.join("step")).unwrap_or_else(|_| "0".into());
    let step: usize = step.parse().unwrap();
    match std::os::unix::process::ExitStatusExt::signal(&status) {
        Some(9) => Some(step),
        other => {
            assert!(status.success() && step == STEPS.len(), "point {point}: {other:?}, {status}");
            None
        }
    }
}

#[test]
fn a_call_that_is_cut_off_has_happened_or_hasnt() {
    let states = states();
    for point in 1.. {
        let dir = fast_dir();
        let died = kill_at(point, dir.path());
        let root = dir.path().join("root");
        let store = open(&root);
        let found = shown(&store);
        let Some(step) = died else {
            assert_eq!(found, states[STEPS.len()]);
            // The points of a whole life, and those of founding the root.
            assert!(point > 60, "only {point} points");
            break;
        };
        assert!(cut_off(&states, step, &found), "point {point}, step {step}: {found:?}");
        check_layers(&store, &root);
        assert_eq!(disk::names(&store.making).unwrap().len(), 0, "point {point}");
        assert_eq!(open(&root).recovered(), Recovered::default(), "point {point}");
        remove_all(&store, &root);
    }
}
