//! Many histories, and the smallest that fails.

use std::env;
use std::fmt::{self, Display};

use sapwood_kit::mount::in_private_namespace;

use crate::failure::{Failure, Outcome};
use crate::history::generate;
use crate::history::op::Op;
use crate::history::pair::{Ended, Pair};
use crate::subject::{Kind, Subject};

/// How many histories.
pub const HISTORIES_ENV: &str = "SAPWOOD_UNION_HISTORIES";
/// The first one's seed; each further one has the next.
pub const SEED_ENV: &str = "SAPWOOD_UNION_SEED";
/// How often a failing history is made smaller.
const SMALLER: usize = 400;

/// What was checked.
#[derive(Debug, Default, Clone, Copy)]
pub struct Check {
    /// Histories.
    pub histories: u64,
    /// Operations in them.
    pub operations: usize,
    /// Those that succeeded.
    pub succeeded: usize,
    /// Histories that ended early at a declared difference.
    pub declared: u64,
}

impl Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { histories, operations, succeeded, declared } = self;
        write!(
            f,
            "{histories} histories, {operations} operations, of which {succeeded} succeeded; "
        )?;
        write!(f, "{declared} ended at a declared difference")
    }
}

/// Runs `default` histories, or as many as [`HISTORIES_ENV`] says, on a subject
/// beside the kernel; with `swap`, each then mounts what the other wrote.
///
/// # Errors
/// The first history that fails, with its seed and made as small as it gets.
pub fn check(subject: &Subject, default: u64, swap: bool) -> Outcome<Check> {
    let kernel = Subject::find(Kind::Kernel).map_err(Failure::new)?;
    let number = |name: &str, default| match env::var(name) {
        Ok(text) => text.parse::<u64>().map_err(|e| Failure::new(format!("{name}={text}: {e}"))),
        Err(_) => Ok(default),
    };
    let (histories, first) = (number(HISTORIES_ENV, default)?, number(SEED_ENV, 1)?);
    let mut check = Check { histories, ..Check::default() };
    for seed in first..first + histories {
        let run = |ops: &[Op]| once(subject, &kernel, ops, swap);
        let mut tree = generate::history(seed).map_err(|e| Failure::new(e.message()))?;
        let ops = tree.current();
        check.operations += ops.len();
        match run(&ops) {
            Ok((ended, succeeded)) => {
                check.succeeded += succeeded;
                check.declared += u64::from(matches!(ended, Ended::Declared(_)));
            }
            Err(failure) => return Err(smallest(seed, &mut tree, failure, run)),
        }
    }
    Ok(check)
}

fn once(subject: &Subject, kernel: &Subject, ops: &[Op], swap: bool) -> Outcome<(Ended, usize)> {
    in_private_namespace(|| {
        Ok((|| {
            let mut pair = Pair::new(subject, kernel)?;
            let ended = pair.run(ops)?;
            if swap && matches!(ended, Ended::Alike) {
                pair.swap()?;
            }
            Ok((ended, pair.succeeded()))
        })())
    })?
}

/// Drops operations and makes numbers smaller as long as it still fails.
fn smallest(
    seed: u64,
    tree: &mut generate::Tree,
    failure: Failure,
    run: impl Fn(&[Op]) -> Outcome<(Ended, usize)>,
) -> Failure {
    let (mut failure, mut ops) = (failure, tree.current());
    // The harness's own trouble isn't a finding to make smaller.
    let mut more = tree.simplify();
    for _ in 0..SMALLER {
        if !more {
            break;
        }
        more = match run(&tree.current()) {
            Err(smaller) => {
                (failure, ops) = (smaller, tree.current());
                tree.simplify()
            }
            Ok(_) => tree.complicate(),
        };
    }
    let lines: Vec<_> = ops.iter().enumerate().map(|(i, op)| format!("{i:4} {op:?}")).collect();
    Failure::new(format!("seed {seed}: {failure}\n{}", lines.join("\n")))
}
