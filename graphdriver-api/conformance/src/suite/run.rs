//! Runs cases: each in a world of its own, each panic the failure of that case
//! alone, each end checked for what was left behind.

use std::any::Any;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{OnceLock, RwLock};
use std::time::{Duration, Instant};

use graphdriver_api::{Base, ErrorKind, MountRequest, Traits};

use super::case::{Case, Need};
use super::context::Context;
use super::host::{Host, detach_below, mounts_below};
use super::report::Report;
use super::stop::{Stop, Verdict, When, ensure};
use super::store::Store;
use super::subject::Subject;

/// What became of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It holds.
    Passed,
    /// It doesn't: what was expected, and what happened.
    Failed(String),
    /// It has no meaning with this driver's traits.
    NotApplicable(Need),
    /// This host lacks what it takes, in words.
    NotRun(String),
}

/// A subject on a host, with the outcome of each case that has been run.
#[derive(Debug)]
pub struct Runner {
    subject: Subject,
    host: Host,
    cases: Vec<(Case, OnceLock<Done>)>,
    powers: OnceLock<Result<Powers, String>>,
    /// Taken for writing by cases that must be alone.
    company: RwLock<()>,
}

/// An outcome with the time that it took.
#[derive(Debug, Clone)]
pub struct Done {
    /// What became of the case.
    pub outcome: Outcome,
    /// How long it took.
    pub took: Duration,
}

/// What the driver can do as it is opened here.
#[derive(Debug, Clone)]
struct Powers {
    traits: Traits,
    native_diff: bool,
    quota: bool,
    borrowing: bool,
    persist: bool,
}

impl Runner {
    /// Nothing is run yet.
    #[must_use]
    pub fn new(subject: Subject, host: Host, cases: &[Case]) -> Self {
        let cases = cases.iter().map(|case| (*case, OnceLock::new())).collect();
        Self { subject, host, cases, powers: OnceLock::new(), company: RwLock::new(()) }
    }

    /// What is being tested.
    #[must_use]
    pub fn subject(&self) -> &Subject {
        &self.subject
    }

    /// Where.
    #[must_use]
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// A case's outcome: runs it the first time, or waits for whoever does.
    ///
    /// `None` for a case that isn't this runner's.
    #[must_use]
    pub fn outcome(&self, name: &str) -> Option<&Done> {
        let (case, cell) = self.cases.iter().find(|(case, _)| case.name == name)?;
        Some(cell.get_or_init(|| self.run(case)))
    }

    /// Runs what hasn't been run yet, one case after another.
    #[must_use]
    pub fn report(&self) -> Report {
        let done = self.cases.iter().map(|(case, cell)| {
            let done = cell.get_or_init(|| self.run(case));
            (*case, done.clone())
        });
        Report::new(self.subject.factory().name(), self.host.kernel(), done.collect())
    }

    /// How many cases have a meaning with the driver as it is opened here.
    /// Runs none of them.
    ///
    /// # Errors
    /// The driver can't be asked for its traits.
    pub fn applicable(&self) -> Result<usize, String> {
        let unmet = self.cases.iter().map(|(case, _)| self.unmet(case));
        unmet.map(|need| need.map(|need| usize::from(need.is_none()))).sum()
    }

    fn run(&self, case: &Case) -> Done {
        let alone = case.alone.then(|| self.company.write());
        let beside = (!case.alone).then(|| self.company.read());
        let began = Instant::now();
        let outcome = match self.unmet(case) {
            Ok(None) => self.attempt(case),
            Ok(Some(need)) => Outcome::NotApplicable(need),
            Err(message) => Outcome::Failed(message),
        };
        drop((alone, beside));
        Done { outcome, took: began.elapsed() }
    }

    fn attempt(&self, case: &Case) -> Outcome {
        let caught = catch_unwind(AssertUnwindSafe(|| self.in_a_world(case)));
        match caught {
            Ok(Ok(())) => Outcome::Passed,
            Ok(Err(Stop::Failed(message))) => Outcome::Failed(message),
            Ok(Err(Stop::NotRun(reason))) => Outcome::NotRun(reason),
            Err(payload) => Outcome::Failed(format!("panicked: {}", words(payload.as_ref()))),
        }
    }

    fn in_a_world(&self, case: &Case) -> Verdict {
        let room = self.host.room()?;
        let context = Context::new(&self.subject, room.path().to_owned());
        let verdict = catch_unwind(AssertUnwindSafe(|| (case.run)(&context)));
        let left = left_behind(room.path());
        let cleaned = detach_below(room.path())
            .and_then(|()| room.close().when("remove the case's directory"));
        match verdict {
            Ok(verdict) => verdict.and(left).and(cleaned),
            Err(payload) => std::panic::resume_unwind(payload),
        }
    }

    fn unmet(&self, case: &Case) -> Result<Option<Need>, String> {
        if case.needs.is_empty() {
            return Ok(None);
        }
        let powers = self.powers.get_or_init(|| self.ask_powers()).as_ref()?;
        let met = |need: &Need| powers.meet(*need, &self.subject);
        Ok(case.needs.iter().find(|need| !met(need)).copied())
    }

    fn ask_powers(&self) -> Result<Powers, String> {
        let ask = || -> Verdict<Powers> {
            let room = self.host.room()?;
            let context = Context::new(&self.subject, room.path().to_owned());
            let driver = context.open()?;
            let powers = Powers {
                traits: driver.traits().clone(),
                native_diff: driver.native_diff().is_some(),
                quota: driver.quota().is_some(),
                borrowing: driver.borrowing().is_some(),
                persist: can_persist(&driver)?,
            };
            drop(driver);
            detach_below(room.path())?;
            Ok(powers)
        };
        ask().map_err(|stop| format!("can't ask the driver for its traits: {stop:?}"))
    }
}

impl Powers {
    fn meet(&self, need: Need, subject: &Subject) -> bool {
        match need {
            Need::Rebase => self.traits.rebase,
            Need::NoRebase => !self.traits.rebase,
            Need::DepthLimit => self.traits.max_depth.is_some(),
            Need::NoDepthLimit => self.traits.max_depth.is_none(),
            Need::IdMaps => self.traits.id_maps,
            Need::NoIdMaps => !self.traits.id_maps,
            Need::NativeDiff => self.native_diff,
            Need::Quota => self.quota,
            Need::NoQuota => !self.quota,
            Need::Borrow => self.borrowing,
            Need::Care => subject.factory().care().is_some(),
            Need::Persist => self.persist,
            Need::MapWrite => subject.map_write().is_some(),
            Need::OnDisk => !subject.lives_in_memory(),
        }
    }
}

fn can_persist(driver: &Store) -> Verdict<bool> {
    let draft = driver.draft("d", Base::Scratch)?;
    let mut guard = driver.mount(&draft, &MountRequest::default())?;
    // Whatever else is wrong with it is for the cases to say.
    match guard.persist() {
        Err(error) if error.kind() == ErrorKind::Unsupported => Ok(false),
        _ => Ok(true),
    }
}

/// Every guard that a case held is dropped by now: a mount that still stands
/// is one that nobody would ever take away, and a file beside the root is one
/// that no driver may make.
fn left_behind(dir: &Path) -> Verdict {
    let mounts = mounts_below(dir)?;
    ensure!(mounts.is_empty(), "after the case, there are still mounts: {mounts:?}");
    for entry in fs::read_dir(dir).when("list the case's directory")? {
        let name = entry?.file_name();
        let ours = name == "root" || name.as_encoded_bytes().starts_with(b"room-");
        ensure!(ours, "the driver made {name:?} beside its root");
    }
    Ok(())
}

fn words(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("without a word").to_owned()
}
