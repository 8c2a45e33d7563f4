//! What is measured, and the taking of turns.

use std::time::{Duration, Instant};

use crate::stats::{Estimate, median, paired_ratio};

/// Something that does the same work as its rivals.
pub trait Subject {
    /// Its name in tables, unique in a run.
    fn name(&self) -> &str;

    /// Does the work once; only this is timed.
    ///
    /// # Errors
    /// One line: what failed. A subject that failed once is out of the run,
    /// because its times would mean something else.
    fn once(&mut self) -> Result<(), String>;

    /// Makes the next turn begin as this one did; not timed.
    ///
    /// # Errors
    /// As [`once`](Self::once).
    fn undo(&mut self) -> Result<(), String> {
        Ok(())
    }
}

/// A subject, or the name of one that this machine can't run, and why.
pub type Candidate = Result<Box<dyn Subject>, (String, String)>;

/// A subject's times.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Measured {
    /// The subject.
    pub name: String,
    /// One sample a repetition, in milliseconds.
    pub samples: Vec<f64>,
    /// Why it has none, or why it stopped having them.
    pub failed: Option<String>,
}

impl Measured {
    /// Its median time in milliseconds.
    #[must_use]
    pub fn time(&self) -> Option<Estimate> {
        median(&self.samples)
    }

    /// Its time as a multiple of another's, pair by pair.
    #[must_use]
    pub fn ratio_to(&self, other: &Self) -> Option<Estimate> {
        paired_ratio(&self.samples, &other.samples)
    }
}

/// Lets the subjects take turns `repetitions` times, after one turn each that
/// doesn't count (caches, lazily loaded parts). Each repetition begins with
/// another subject, so that no one always follows the same neighbour.
pub fn interleave(
    subjects: &mut [Box<dyn Subject>],
    repetitions: usize,
    mut progress: impl FnMut(usize),
) -> Vec<Measured> {
    let mut results: Vec<_> = subjects
        .iter()
        .map(|s| Measured { name: s.name().into(), samples: Vec::new(), failed: None })
        .collect();
    let count = subjects.len();
    for repetition in 0..=repetitions {
        for turn in 0..count {
            let i = (repetition + turn) % count;
            if results[i].failed.is_some() {
                continue;
            }
            match timed(subjects[i].as_mut()) {
                Ok(_) if repetition == 0 => {}
                Ok(time) => results[i].samples.push(time.as_secs_f64() * 1000.0),
                Err(why) => results[i].failed = Some(why),
            }
        }
        progress(repetition);
    }
    results
}

fn timed(subject: &mut dyn Subject) -> Result<Duration, String> {
    let start = Instant::now();
    subject.once()?;
    let time = start.elapsed();
    subject.undo()?;
    Ok(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fails(usize);

    impl Subject for Fails {
        fn name(&self) -> &str {
            "fails"
        }
        fn once(&mut self) -> Result<(), String> {
            self.0 -= 1;
            if self.0 == 0 { Err("broke".into()) } else { Ok(()) }
        }
    }

    #[test]
    fn the_first_turn_does_not_count_and_a_failure_ends_it() {
        let results = interleave(&mut [Box::new(Fails(4))], 9, |_| {});
        assert_eq!(results[0].samples.len(), 2);
        assert_eq!(results[0].failed.as_deref(), Some("broke"));
    }
}
