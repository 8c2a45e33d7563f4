//! Runs histories against a driver: many by chance, or one from text.

use std::cell::RefCell;
use std::env;
use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use graphdriver_api::{DriverFactory, DriverOptions};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

use super::generate::{Histories, histories};
use super::hands::MapWrite;
use super::minimise::minimise;
use super::op::{Kind, Op};
use super::regressions::REGRESSIONS;
use super::stats::Stats;
use super::text::{from_text, to_text};
use super::world::World;
use crate::suite::{Host, Stop};
use crate::tree::Rules;

/// How many histories to run.
pub const COUNT_ENV: &str = "SAPWOOD_HISTORIES";
/// The seed of the first.
pub const SEED_ENV: &str = "SAPWOOD_HISTORY_SEED";

/// How seldom a kind of operation may be: once in so many.
const SHARE: u64 = 2_000;

/// A driver that histories are run against, and how it is opened.
#[derive(Debug)]
pub struct Bench<'a> {
    pub(super) factory: &'a dyn DriverFactory,
    pub(super) options: &'a DriverOptions,
    pub(super) map_write: Option<MapWrite>,
    shrinks: bool,
}

/// A history that went wrong, made as short as it could be.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The seed that made it; `None` if it came from text.
    pub seed: Option<u64>,
    /// The history, as text.
    pub history: String,
    /// What was wrong, and after which line.
    pub wrong: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.wrong)?;
        if let Some(seed) = self.seed {
            writeln!(f, "again with {SEED_ENV}={seed} {COUNT_ENV}=1; the shortest found:")?;
        }
        f.write_str(&self.history)
    }
}

impl std::error::Error for Failure {}

impl<'a> Bench<'a> {
    /// Of drivers opened with these options. Without a way to write through
    /// mappings, histories do without that.
    #[must_use]
    pub fn new(
        factory: &'a dyn DriverFactory,
        options: &'a DriverOptions,
        map_write: Option<MapWrite>,
    ) -> Self {
        Self { factory, options, map_write, shrinks: true }
    }

    /// The same, but failing histories are left as long as they are: for who
    /// only wants to know that they fail.
    #[must_use]
    pub fn unshrunk(mut self) -> Self {
        self.shrinks = false;
        self
    }

    /// What a driver's test calls: sets the host up, runs every case of
    /// [`REGRESSIONS`], then `count` histories or as many as the environment
    /// says, and sees that every kind of operation was among them.
    ///
    /// Takes the calling thread into a mount namespace of its own.
    ///
    /// # Errors
    /// The first failure; kinds of operations that never succeeded; what the
    /// host lacks.
    pub fn check(&self, count: u64) -> Result<Stats, String> {
        let host = Host::set_up().map_err(in_words)?;
        let room = host.room().map_err(in_words)?;
        for (name, text) in REGRESSIONS {
            self.replay(text, room.path()).map_err(|failure| format!("{name}: {failure}"))?;
        }
        let count = from_env(COUNT_ENV)?.unwrap_or(count);
        let seed = match from_env(SEED_ENV)? {
            Some(seed) => seed,
            None => arbitrary_seed(),
        };
        // Before the first, for who has to end one that hangs.
        let name = self.factory.name();
        writeln!(io::stdout(), "{name}: {SEED_ENV}={seed} {COUNT_ENV}={count}")
            .map_err(|e| format!("say which histories are run: {e}"))?;
        let stats = self.run(seed, count, room.path()).map_err(|failure| failure.to_string())?;
        let rebase = self.traits(room.path())?.rebase;
        let expected = Kind::ALL.into_iter().filter(|kind| match kind {
            Kind::MapWrite => self.map_write.is_some(),
            Kind::RoundTripDeferred => rebase,
            _ => true,
        });
        let neglected = stats.neglected(expected, SHARE);
        // A few histories can't have everything.
        if count >= 50 && !neglected.is_empty() {
            return Err(format!("hardly ever done: {neglected:?}\n{stats}"));
        }
        Ok(stats)
    }

    /// Runs `count` histories, the first of that seed, in directories made in
    /// `dir`.
    ///
    /// # Errors
    /// The first that goes wrong, shrunk.
    pub fn run(&self, seed: u64, count: u64, dir: &Path) -> Result<Stats, Failure> {
        let mut stats = Stats::default();
        for seed in (0..count).map(|i| seed.wrapping_add(i)) {
            stats.add(&self.one(seed, dir)?);
        }
        Ok(stats)
    }

    /// Runs the history of a seed.
    fn one(&self, seed: u64, dir: &Path) -> Result<Stats, Failure> {
        let failure = |history: &[Op], wrong| {
            let history = to_text(history);
            Failure { seed: Some(seed), history, wrong }
        };
        let traits = self.traits(dir).map_err(|wrong| failure(&[], wrong))?;
        let strategy = histories(Rules::from(&traits), self.map_write.is_some(), traits.rebase);
        let mut runner = runner(seed);
        let tree = strategy
            .new_tree(&mut runner)
            .map_err(|e| failure(&[], format!("no history could be made: {e}")))?;
        if self.shrinks {
            self.shrunk(&mut runner, tree, dir).map_err(|(history, wrong)| failure(&history, wrong))
        } else {
            let (_, history, _) = tree.current();
            self.history(&history, dir, |_| ()).map_err(|wrong| failure(&history, wrong))
        }
    }

    /// Runs a history; if it fails, gives the shortest found that does.
    fn shrunk(
        &self,
        runner: &mut TestRunner,
        tree: <Histories as Strategy>::Tree,
        dir: &Path,
    ) -> Result<Stats, (Vec<Op>, String)> {
        let done = RefCell::new(Stats::default());
        let outcome = runner.run_one(tree, |(_, history, seen)| {
            let count = |_: usize| {
                if let Some(seen) = &seen {
                    seen.fetch_add(1, Ordering::SeqCst);
                }
            };
            let stats = self.history(&history, dir, count).map_err(TestCaseError::fail)?;
            *done.borrow_mut() = stats;
            Ok(())
        });
        match outcome {
            Ok(_) => Ok(done.into_inner()),
            Err(TestError::Fail(why, (_, history, _))) => {
                let fails = |history: &[Op]| self.history(history, dir, |_| ()).err();
                Err(minimise(history, why.message().to_owned(), fails))
            }
            Err(TestError::Abort(why)) => Err((Vec::new(), why.message().to_owned())),
        }
    }

    /// Runs a history that was written down, in a directory made in `dir`.
    ///
    /// # Errors
    /// What goes wrong; a line that is no operation.
    pub fn replay(&self, text: &str, dir: &Path) -> Result<Stats, Failure> {
        let failure = |wrong| Failure { seed: None, history: text.to_owned(), wrong };
        let history = from_text(text).map_err(failure)?;
        self.history(&history, dir, |_| ()).map_err(failure)
    }

    fn history(&self, history: &[Op], dir: &Path, seen: impl Fn(usize)) -> Result<Stats, String> {
        let began = Instant::now();
        let root = new_root(dir);
        let mut stats = self.in_root(history, &root, seen)?;
        std::fs::remove_dir_all(&root).map_err(|e| format!("delete the root {root:?}: {e}"))?;
        stats.took = began.elapsed();
        Ok(stats)
    }

    fn in_root(&self, history: &[Op], root: &Path, seen: impl Fn(usize)) -> Result<Stats, String> {
        let mut world = World::new(self, root)?;
        for (line, op) in history.iter().enumerate() {
            seen(line);
            world.perform(op).map_err(|wrong| format!("line {}: {op}: {wrong}", line + 1))?;
        }
        world.finish().map_err(|wrong| format!("at the end: {wrong}"))
    }

    fn traits(&self, dir: &Path) -> Result<graphdriver_api::Traits, String> {
        let root = new_root(dir);
        let driver = self.factory.open(&root, self.options).map_err(|e| e.report())?;
        let traits = driver.traits().clone();
        drop(driver);
        std::fs::remove_dir_all(&root).map_err(|e| format!("delete the root {root:?}: {e}"))?;
        Ok(traits)
    }
}

/// A directory that no history had before.
fn new_root(dir: &Path) -> PathBuf {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    dir.join(format!("history-{}", COUNTER.fetch_add(1, Ordering::Relaxed)))
}

fn runner(seed: u64) -> TestRunner {
    let mut bytes = [0; 32];
    for (to, from) in bytes.iter_mut().zip(seed.to_le_bytes()) {
        *to = from;
    }
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let config = Config {
        failure_persistence: None,
        max_shrink_iters: 3_000,
        max_shrink_time: 60_000,
        ..Config::default()
    };
    TestRunner::new_with_rng(config, rng)
}

fn from_env(name: &str) -> Result<Option<u64>, String> {
    match env::var(name) {
        Ok(text) => {
            text.parse().map(Some).map_err(|_| format!("{name}={text:?} isn't a whole number"))
        }
        Err(_) => Ok(None),
    }
}

/// Another one each time; whoever wants it again reads it in the output.
fn arbitrary_seed() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    now.as_secs().wrapping_mul(1_000_003).wrapping_add(u64::from(now.subsec_nanos()))
}

fn in_words(stop: Stop) -> String {
    match stop {
        Stop::Failed(why) | Stop::NotRun(why) => why,
    }
}
