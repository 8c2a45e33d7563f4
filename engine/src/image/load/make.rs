//! Making the layers that are missing: side by side where the driver allows a
//! layer to take its parent at commit, one after the other where it doesn't.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use graphdriver_api::{Base, DraftId, ErrorKind, LayerId, NodeRef};

use super::plan::Job;
use super::stream::Cancel;
use super::unpack::{Failure, Unpacked, unpack};
use crate::additional::Wanted;
use crate::care::account;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::image::digest::ChainId;
use crate::image::lease::Lease;
use crate::image::outline::file::Outlines;
use crate::image::progress::{Event, Progress, Stage};
use crate::store::Durability;
use crate::store::layers::{self, LayerRow};

/// What every step needs.
#[derive(Clone, Copy)]
pub(crate) struct Maker<'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) lease: &'a Lease,
    pub(crate) progress: &'a dyn Progress,
    /// What messages call the archive.
    pub(crate) archive: &'a str,
}

/// A worker's result, with the number of its job.
type Outcome = (usize, Result<Unpacked, Failure>);

impl Maker<'_> {
    /// Makes each layer of `jobs` that isn't there, in order, and records it.
    ///
    /// On a failure no draft of this lease is left; layers that were made
    /// before it are, recorded and needed by nobody, for
    /// [clean-up](crate::image::lease).
    pub(crate) fn make(self, jobs: Vec<Job>) -> Result<()> {
        let mut missing = Vec::new();
        for job in jobs {
            match self.is_present(&job)? || self.is_lent(&job) {
                true => Event::layer(&job.file.diff_id, Stage::Present, self.progress),
                false => missing.push(job),
            }
        }
        let workers = thread::available_parallelism().map_or(1, usize::from).min(missing.len());
        let made = if workers > 1 && self.engine.driver().traits().rebase {
            self.side_by_side(&missing, workers)
        } else {
            self.in_order(&missing)
        };
        if made.is_err() {
            self.remove_drafts(missing.len());
        }
        made
    }

    /// A layer counts as there if it is recorded and the driver has it. One
    /// that the driver has without a record is unpacked again, so that what is
    /// recorded of it is known; its commit then finds it there.
    fn is_present(self, job: &Job) -> Result<bool> {
        let recorded = self.engine.store().read(|c| layers::size(c, job.chain.hex()))?;
        if recorded.is_none() {
            return Ok(false);
        }
        match self.engine.driver().stat(NodeRef::Layer(&layer_id(&job.chain)?)) {
            Ok(_) => Ok(true),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(false),
            Err(e) => Err(e.into()),
        }
    }

    /// What another store has is taken from there: as one that is here, it was
    /// verified under the same name when it came.
    fn is_lent(self, job: &Job) -> bool {
        self.engine.lend_from_any(Wanted {
            chain: &job.chain,
            parent: job.parent.as_ref(),
            diff_id: &job.file.diff_id,
        })
    }

    fn in_order(self, jobs: &[Job]) -> Result<()> {
        let cancel = Cancel::new(false);
        for (n, job) in jobs.iter().enumerate() {
            self.on_parent(n, job, &cancel)?;
        }
        Ok(())
    }

    /// Workers take jobs in order; layers are committed in order too, each as
    /// soon as it and all those before it are unpacked.
    fn side_by_side(self, jobs: &[Job], workers: usize) -> Result<()> {
        let (cancel, next) = (Cancel::new(false), AtomicUsize::new(0));
        thread::scope(|scope| {
            let (sender, receiver) = channel();
            for _ in 0..workers {
                let sender = sender.clone();
                let (cancel, next) = (&cancel, &next);
                scope.spawn(move || self.work(jobs, next, cancel, &sender));
            }
            drop(sender);
            let committed = self.commit_as_they_come(jobs, &receiver, &cancel);
            if committed.is_err() {
                cancel.store(true, Ordering::Relaxed);
            }
            committed
        })
    }

    fn work(self, jobs: &[Job], next: &AtomicUsize, cancel: &Cancel, results: &Sender<Outcome>) {
        while !cancel.load(Ordering::Relaxed) {
            let n = next.fetch_add(1, Ordering::Relaxed);
            let Some(job) = jobs.get(n) else { return };
            let outcome = self.unpack_alone(n, job, cancel);
            if results.send((n, outcome)).is_err() {
                return;
            }
        }
    }

    /// Without knowing what is beneath it.
    fn unpack_alone(self, n: usize, job: &Job, cancel: &Cancel) -> Result<Unpacked, Failure> {
        let draft = self.lease.draft(n).map_err(Failure::Other)?;
        let base = if job.parent.is_some() { Base::Deferred } else { Base::Scratch };
        self.unpack((&draft, base), job, cancel)
    }

    fn commit_as_they_come(
        self,
        jobs: &[Job],
        results: &Receiver<Outcome>,
        cancel: &Cancel,
    ) -> Result<()> {
        let mut early = BTreeMap::new();
        for (n, job) in jobs.iter().enumerate() {
            let outcome = loop {
                if let Some(outcome) = early.remove(&n) {
                    break outcome;
                }
                // Workers end only when every job has its result.
                let (number, outcome) = results.recv().unwrap_or((n, Err(Failure::Stopped)));
                early.insert(number, self.unless_failed(outcome)?);
            };
            match outcome {
                Some(unpacked) => self.commit(n, job, true, unpacked)?,
                None => self.again_on_parent(n, job, cancel)?,
            }
        }
        Ok(())
    }

    /// `None` for a layer that needs its parent. A failure counts at once,
    /// whichever layer it is of.
    fn unless_failed(self, outcome: Result<Unpacked, Failure>) -> Result<Option<Unpacked>> {
        match outcome {
            Ok(unpacked) => Ok(Some(unpacked)),
            Err(Failure::NeedsParent(e)) => {
                tracing::debug!("unpacking again on its parent: {}", e.report());
                Ok(None)
            }
            Err(failure) => Err(self.error(failure)),
        }
    }

    fn again_on_parent(self, n: usize, job: &Job, cancel: &Cancel) -> Result<()> {
        self.engine.driver().remove(NodeRef::Draft(&self.lease.draft(n)?))?;
        self.on_parent(n, job, cancel)
    }

    /// Unpacks and commits a layer whose parent is there.
    fn on_parent(self, n: usize, job: &Job, cancel: &Cancel) -> Result<()> {
        let draft = self.lease.draft(n)?;
        let parent = job.parent.as_ref().map(layer_id).transpose()?;
        let base = parent.as_ref().map_or(Base::Scratch, Base::Layer);
        let unpacked =
            self.unpack((&draft, base), job, cancel).map_err(|failure| self.error(failure))?;
        self.commit(n, job, false, unpacked)
    }

    fn unpack(
        self,
        draft: (&DraftId, Base<'_>),
        job: &Job,
        cancel: &Cancel,
    ) -> Result<Unpacked, Failure> {
        let outlines = Outlines::of(self.engine.store());
        let (driver, limits) = (self.engine.driver(), self.engine.limits());
        unpack(driver, &outlines, draft, &job.file, limits, cancel, self.progress)
    }

    /// Makes a layer of an unpacked draft and records it. If another process
    /// has made the same layer meanwhile, its is as good.
    fn commit(self, n: usize, job: &Job, deferred: bool, unpacked: Unpacked) -> Result<()> {
        let draft = self.lease.draft(n)?;
        let Unpacked { size, outline } = unpacked;
        outline.publish(job.chain.hex())?;
        let parent = job.parent.as_ref().filter(|_| deferred).map(layer_id).transpose()?;
        let committed =
            self.engine.driver().commit(&draft, &layer_id(&job.chain)?, parent.as_ref());
        match committed {
            Err(e) if e.kind() == ErrorKind::AlreadyExists => self.remove_draft(&draft)?,
            result => result?,
        }
        Outlines::of(self.engine.store()).flush(job.chain.hex())?;
        let row = LayerRow {
            chain_id: job.chain.hex().to_owned(),
            diff_id: job.file.diff_id.to_string(),
            parent: job.parent.as_ref().map(|p| p.hex().to_owned()),
            size,
        };
        // The images' transaction, which comes last, makes this one durable.
        self.engine.store().write(Durability::Later, |t| layers::insert(t, &row))?;
        account::count(self.engine, &row.chain_id)?;
        Event::layer(&job.file.diff_id, Stage::Committed, self.progress);
        Ok(())
    }

    fn remove_draft(self, draft: &DraftId) -> Result<()> {
        Ok(self.engine.driver().remove(NodeRef::Draft(draft))?)
    }

    /// What can't be removed now is removed by the clean-up.
    fn remove_drafts(self, count: usize) {
        for n in 0..count {
            if let Err(e) = self.lease.draft(n).and_then(|draft| self.remove_draft(&draft)) {
                tracing::debug!("left for the clean-up: {}", e.report());
            }
        }
    }

    fn error(self, failure: Failure) -> Error {
        match failure {
            Failure::Bad(problem) => problem.in_archive(self.archive),
            Failure::Driver(e) | Failure::NeedsParent(e) => Error::Driver(e),
            Failure::Other(e) => e,
            Failure::Stopped => Error::Conflict("the load was stopped".to_owned()),
        }
    }
}

/// The driver's name of a stack of layers.
pub(crate) fn layer_id(chain: &ChainId) -> Result<LayerId> {
    chain.layer().map_err(|e| Error::Invalid(format!("{chain} can't be a layer's id: {e}")))
}
