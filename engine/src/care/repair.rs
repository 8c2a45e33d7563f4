//! Doing what findings say.
//!
//! In rounds: each does the first kind of things that is left to do, and then
//! everything is compared again, because what was wrong with an image may have
//! been the lost link of a layer. What is intact is never removed. What isn't
//! is moved to the quarantine, or stays and is named; it is removed only by
//! [leave](Mode::prune_damaged).

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use graphdriver_api::{DraftId, NodeRef, Repaired};
use rusqlite::Transaction;
use serde::Serialize;

use super::check::{Depth, QUARANTINE};
use super::finding::{Action, Finding};
use super::{Site, account, rebuild};
use crate::container::Containers;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::image::clean_up;
use crate::store::layers;
use crate::store::{Durability, Root, Store, images};

/// More than there are kinds of things to do: damage upon damage takes some
/// rounds more.
const ROUNDS: usize = 24;

/// How far a repair may go.
#[derive(Debug, Clone, Copy, Default)]
pub struct Mode {
    /// Only tell.
    pub dry_run: bool,
    /// Remove images and containers that can't be saved.
    pub prune_damaged: bool,
}

/// What became of a finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It would be mended.
    Would,
    /// It is right now.
    Mended,
    /// What was in the way lies there now.
    SetAside(PathBuf),
    /// What was damaged is removed, by leave.
    Removed,
    /// It couldn't be saved.
    Unsaved,
    /// Mending it failed, with these words.
    Failed(String),
}

/// A finding and what became of it.
#[derive(Debug, Clone, Serialize)]
pub struct Done {
    /// What was found.
    #[serde(flatten)]
    pub finding: Finding,
    /// What became of it.
    pub outcome: Outcome,
}

impl Site<'_> {
    /// Mends what can be mended. `open` opens driver and records, as commands
    /// do; it is called only once both can be.
    ///
    /// # Errors
    /// As [`check`](Self::check). What fails to be mended is told by its
    /// [`Outcome`].
    pub fn repair(&self, mode: Mode, open: &dyn Fn() -> Result<Engine>) -> Result<Vec<Done>> {
        if mode.dry_run {
            return self.would(mode);
        }
        let mut repair = Repair { site: self, mode, open, done: Vec::new(), rebuilt: false };
        for depth in [Depth::Structure, Depth::Accounts] {
            for _ in 0..ROUNDS {
                if !repair.round(depth)? {
                    break;
                }
            }
        }
        Ok(repair.done)
    }

    fn would(&self, mode: Mode) -> Result<Vec<Done>> {
        let report = self.check(Depth::Accounts)?;
        let done = report.all().map(|finding| Done {
            finding: finding.clone(),
            outcome: match phase(&finding.action) {
                Phase::Prune if !mode.prune_damaged => Outcome::Unsaved,
                Phase::Never => Outcome::Unsaved,
                _ => Outcome::Would,
            },
        });
        Ok(done.collect())
    }
}

/// The order in which things are done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Ground,
    Driver,
    Database,
    Layers,
    Images,
    Names,
    Copies,
    Count,
    Prune,
    Collect,
    Never,
}

fn phase(action: &Action) -> Phase {
    match action {
        Action::WriteMarker | Action::SetAside => Phase::Ground,
        Action::Driver(_) => Phase::Driver,
        Action::Rebuild => Phase::Database,
        Action::RecordLayer(_) | Action::SetParent(..) => Phase::Layers,
        Action::RestoreImage(_) | Action::RestoreContainer(_) => Phase::Images,
        Action::DropName(..) => Phase::Names,
        Action::WriteCopy(..) | Action::Open | Action::Settle => Phase::Copies,
        Action::Recount(_) => Phase::Count,
        Action::ForgetImage(_)
        | Action::ForgetLayer(_)
        | Action::ForgetContainer(_)
        | Action::RemoveDraft(_) => Phase::Prune,
        Action::Collect => Phase::Collect,
        Action::Nothing => Phase::Never,
    }
}

struct Repair<'a> {
    site: &'a Site<'a>,
    mode: Mode,
    open: &'a dyn Fn() -> Result<Engine>,
    done: Vec<Done>,
    rebuilt: bool,
}

impl Repair<'_> {
    /// Whether anything was done.
    fn round(&mut self, depth: Depth) -> Result<bool> {
        let report = self.site.check(depth)?;
        let new: Vec<_> = report.all().filter(|f| !self.is_done(f)).cloned().collect();
        let Some(first) = new.iter().map(|f| phase(&f.action)).min() else { return Ok(false) };
        // What only counting shows may still be mended.
        if depth == Depth::Structure && first >= Phase::Count {
            return Ok(false);
        }
        for finding in new.into_iter().filter(|f| phase(&f.action) == first) {
            let outcome = match self.act(&finding) {
                Ok(outcome) => outcome,
                Err(e) => Outcome::Failed(e.report()),
            };
            self.done.push(Done { finding, outcome });
        }
        Ok(true)
    }

    fn is_done(&self, finding: &Finding) -> bool {
        let same = |f: &Finding| {
            (&f.code, &f.path, &f.what, &f.subject)
                == (&finding.code, &finding.path, &finding.what, &finding.subject)
        };
        self.done.iter().any(|done| same(&done.finding))
    }

    fn act(&mut self, finding: &Finding) -> Result<Outcome> {
        match &finding.action {
            Action::SetAside => quarantine(self.site.root, &finding.path).map(Outcome::SetAside),
            Action::Driver(found) => self.by_driver(found),
            Action::Recount(chain) => self.recount(chain),
            Action::Collect if self.rebuilt => Ok(Outcome::Unsaved),
            mend if phase(mend) < Phase::Count || *mend == Action::Collect => {
                self.mend(mend).map(|()| Outcome::Mended)
            }
            _ if !self.mode.prune_damaged => Ok(Outcome::Unsaved),
            prune => self.prune(prune),
        }
    }

    /// What needs no more than the store, and always ends well if it ends.
    fn mend(&mut self, action: &Action) -> Result<()> {
        match action {
            Action::WriteMarker => Root::mark_again(self.site.root),
            Action::Rebuild => {
                self.rebuilt = true;
                rebuild::rebuild(self.site)
            }
            Action::WriteCopy(kind, name) => self.store()?.write_copy(*kind, name),
            Action::Open => self.store().map(drop),
            Action::Settle => self.settle(),
            Action::Collect => clean_up(&(self.open)()?).map(drop),
            rows => self.store()?.write(Durability::Full, |t| mend_rows(t, rows)),
        }
    }

    fn by_driver(&self, found: &graphdriver_api::Finding) -> Result<Outcome> {
        let to = quarantine_folder(self.site.root)?;
        Ok(match self.site.care.repair(&self.site.driver_root(), found, &to)? {
            Repaired::Mended | Repaired::Gone => Outcome::Mended,
            Repaired::SetAside(path) => Outcome::SetAside(path),
            Repaired::Kept => Outcome::Unsaved,
        })
    }

    fn store(&self) -> Result<Store> {
        Store::open(&Root::open(self.site.root)?, self.site.driver)
    }

    fn settle(&self) -> Result<()> {
        let engine = (self.open)()?;
        Containers::open(&engine, self.site.run_root)
            .and_then(|containers| containers.recover())
            .map_err(|e| Error::Conflict(e.to_string()))
    }

    /// A layer whose account is wrong and that is what its archive says: then
    /// the account was wrong. Only where it is proven not to be, or nothing can
    /// prove it, is the layer given up.
    fn recount(&self, chain: &str) -> Result<Outcome> {
        let engine = (self.open)()?;
        match engine.is_intact(chain)? {
            true => account::count(&engine, chain).map(|()| Outcome::Mended),
            false if self.mode.prune_damaged => self.prune(&Action::ForgetLayer(chain.to_owned())),
            false => Ok(Outcome::Unsaved),
        }
    }

    /// Removes what can't be saved.
    fn prune(&self, action: &Action) -> Result<Outcome> {
        let engine = (self.open)()?;
        match action {
            Action::ForgetImage(id) => {
                engine.store().write(Durability::Full, |t| images::remove(t, id))?;
            }
            Action::ForgetLayer(chain) => {
                engine.store().write(Durability::Full, |t| images::remove_all_on(t, chain))?;
            }
            Action::ForgetContainer(id) => {
                remove_draft(&engine, id)?;
                engine.store().write(Durability::Full, |t| {
                    t.execute("DELETE FROM container WHERE id = ?1", [id])?;
                    Ok::<_, Error>(())
                })?;
            }
            Action::RemoveDraft(id) => remove_draft(&engine, id)?,
            _ => return Ok(Outcome::Unsaved),
        }
        clean_up(&engine)?;
        Ok(Outcome::Removed)
    }
}

fn mend_rows(t: &Transaction<'_>, action: &Action) -> Result<()> {
    match action {
        Action::RecordLayer(row) => layers::insert(t, row),
        Action::SetParent(chain, parent) => layers::set_parent(t, chain, parent.as_deref()),
        Action::RestoreImage(copy) => rebuild::insert_image(t, copy),
        Action::RestoreContainer(copy) => rebuild::insert_container(t, copy),
        Action::DropName(table, image) => images::drop_names(t, table, image),
        _ => Ok(()),
    }
}

fn remove_draft(engine: &Engine, id: &str) -> Result<()> {
    let draft = DraftId::new(id).map_err(|e| Error::Invalid(e.to_string()))?;
    Ok(engine.driver().remove(NodeRef::Draft(&draft))?)
}

fn quarantine_folder(root: &Path) -> Result<PathBuf> {
    let folder = root.join(QUARANTINE);
    match DirBuilder::new().mode(0o700).create(&folder) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => Err(Error::io("create", folder, e)),
        _ => Ok(folder),
    }
}

/// Moves a file or folder to the quarantine, under a name of its own, and tells
/// where it lies now. Durable on return.
pub(super) fn quarantine(root: &Path, path: &Path) -> Result<PathBuf> {
    let folder = quarantine_folder(root)?;
    let mut random = [0; 4];
    rustix::rand::getrandom(&mut random[..], rustix::rand::GetRandomFlags::empty())
        .map_err(|e| Error::io("get random bytes for", path, e))?;
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{:08x}", u32::from_ne_bytes(random)));
    let to = folder.join(name);
    let above = path.parent().unwrap_or(root);
    fs::rename(path, &to)
        .and_then(|()| File::open(&folder)?.sync_all())
        .and_then(|()| File::open(above)?.sync_all())
        .map_err(|e| Error::io("move to the quarantine", path, e))?;
    Ok(to)
}
