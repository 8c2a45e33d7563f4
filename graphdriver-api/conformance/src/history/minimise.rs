//! Makes a failing history shorter than proptest does, which never takes away
//! two operations that only go together (a commit and the draft after it).

use std::time::{Duration, Instant};

use super::op::Op;

/// How long it may take: a failure is to be read, not to be waited for.
const PATIENCE: Duration = Duration::from_secs(20);

/// The shortest history found that still fails, with how it fails: ever
/// smaller pieces are left out, as long as that succeeds. Any series of
/// operations is a history: those that have lost their meaning do nothing.
pub(super) fn minimise(
    mut history: Vec<Op>,
    mut wrong: String,
    fails: impl Fn(&[Op]) -> Option<String>,
) -> (Vec<Op>, String) {
    let began = Instant::now();
    let mut size = history.len().div_ceil(2);
    while size > 0 {
        let mut shorter = false;
        let mut end = history.len();
        while end > 0 && began.elapsed() < PATIENCE {
            let from = end.saturating_sub(size);
            let mut candidate = history.clone();
            candidate.drain(from..end);
            if let Some(why) = fails(&candidate) {
                (history, wrong, shorter) = (candidate, why, true);
            }
            end = from;
        }
        if !shorter || began.elapsed() >= PATIENCE {
            size /= 2;
        }
    }
    (history, wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_goes_together_is_left_out_together() {
        let history = [vec![Op::Child(None), Op::Commit], vec![Op::Remount; 9]].concat();
        let balanced = |ops: &[Op]| {
            let count = |op: &Op| ops.iter().filter(|o| *o == op).count();
            let pairs = count(&Op::Child(None)) == count(&Op::Commit);
            (pairs && count(&Op::Remount) >= 2).then(|| format!("{} operations", ops.len()))
        };
        let (shortest, wrong) = minimise(history, String::new(), balanced);
        assert_eq!(shortest, [Op::Remount, Op::Remount]);
        assert_eq!(wrong, "2 operations");
    }
}
