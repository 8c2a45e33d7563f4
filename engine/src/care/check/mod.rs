//! Comparing records, driver and disk.
//!
//! Others may be at work. What they are in the middle of is no finding:
//!
//! * The store's lock is held as long as things are compared: alone, if nobody
//!   is making layers, and only then layers without a row, drafts of loads and
//!   notes of work are judged; else shared, so that nobody removes any.
//! * Rows are read before the driver is looked at and after. What is said to
//!   be missing was there in both; what is said to be nobody's in neither.

mod accounts;
mod containers;
mod copies;
mod ground;
mod images;
mod layers;
mod outlines;
mod world;

use std::collections::BTreeSet;
use std::io;
use std::ops::ControlFlow;

use graphdriver_api::{NodeId, NodeInfo, Remedy, Severity};
use rustix::event::Timespec;
use serde::Serialize;

pub(super) use self::ground::QUARANTINE;
use self::world::World;
use super::finding::{Action, Finding};
use super::snapshot::{Database, Snapshot};
use super::{Site, Subject, SubjectKind};
use crate::error::{Error, Result};
use crate::store::lock::Watch;
use crate::store::{DATABASE, copies as stored};

/// How often, and after how long, a container without a tree is looked for
/// again: far longer than its removal takes.
const LOOKS: usize = 20;
const PAUSE: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };

/// How far a check goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Records, nodes and how they fit together.
    Structure,
    /// Also what every layer holds, counted.
    Accounts,
}

/// What a check found.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// The driver whose part of the store it is.
    pub driver: String,
    /// What is wrong.
    pub findings: Vec<Finding>,
    /// What crashes left, and the next command or `storage gc` takes away.
    pub leftovers: Vec<Finding>,
    /// What couldn't be judged, and why.
    pub notes: Vec<String>,
    /// How many images were looked at.
    pub images: usize,
    /// How many layers.
    pub layers: usize,
    /// How many containers.
    pub containers: usize,
}

impl Report {
    /// Whether nothing is wrong. Leftovers are nothing wrong.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }

    fn add(&mut self, finding: Finding) {
        match finding.severity {
            Severity::Leftover => self.leftovers.push(finding),
            Severity::Wrong | Severity::Lost => self.findings.push(finding),
        }
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().chain(&self.leftovers)
    }
}

/// The nodes that the driver finds something wrong with, or doesn't show because
/// of what it finds. What else is wrong with them may come of that.
fn suspects(found: &[graphdriver_api::Finding], nodes: &[NodeInfo]) -> BTreeSet<NodeId> {
    let shown: BTreeSet<_> = nodes.iter().map(|info| &info.id).collect();
    let named = found.iter().filter_map(|f| Some((f.severity, f.node.as_ref()?)));
    let suspect = named.filter(|(s, node)| *s != Severity::Leftover || !shown.contains(node));
    suspect.map(|(_, node)| node.clone()).collect()
}

/// What was read of the records.
struct Records {
    snapshot: Option<Snapshot>,
    problems: Vec<Finding>,
}

impl Site<'_> {
    /// Compares. Changes nothing, also where something is left to recover.
    ///
    /// Cost: some system calls a node; with [`Depth::Accounts`] one for each
    /// file of every layer.
    ///
    /// # Errors
    /// [`Error::ForeignRoot`], [`Error::NewerFormat`]: it isn't for this
    /// version to judge. Of the medium. Never for what is a finding.
    pub fn check(&self, depth: Depth) -> Result<Report> {
        let mut report = Report { driver: self.driver.to_owned(), ..Report::default() };
        let dir = self.engine_dir();
        ground::look(self)?.into_iter().for_each(|f| report.add(f));
        let watch = Watch::take(&dir)?;
        let records = self.records()?;
        let mut of_driver = Vec::new();
        let nodes = self.care.check(&self.driver_root(), &mut |finding| {
            of_driver.push(finding);
            ControlFlow::Continue(())
        })?;
        let alone = watch.as_ref().is_none_or(Watch::is_alone);
        records.problems.into_iter().for_each(|f| report.add(f));
        let suspect = suspects(&of_driver, &nodes);
        let world = World::new(nodes, suspect, records.snapshot, alone);
        of_driver.into_iter().for_each(|f| report.add(self.named(&world, f)));
        self.compare(&world, &mut report)?;
        let watch = watch.map(Watch::share).transpose()?;
        if depth == Depth::Accounts {
            accounts::look(self, &world)?.into_iter().for_each(|f| report.add(f));
        }
        drop(watch);
        Ok(report)
    }

    fn compare(&self, world: &World, report: &mut Report) -> Result<()> {
        let Some(before) = &world.rows else {
            if let Some(missing) = self.missing_database(world)? {
                report.add(missing);
            }
            return Ok(());
        };
        report.images = before.images.len();
        report.layers = before.layers.len();
        report.containers = before.containers.len();
        layers::look(self, world, before)?.into_iter().for_each(|f| report.add(f));
        images::look(self, world, before)?.into_iter().for_each(|f| report.add(f));
        copies::look(self, world, before)?.into_iter().for_each(|f| report.add(f));
        outlines::look(self, world, before)?.into_iter().for_each(|f| report.add(f));
        let after = self.records()?.snapshot.unwrap_or_default();
        let found = containers::look(self, world, before, &after)?;
        self.unless_removed(found)?.into_iter().for_each(|f| report.add(f));
        if !world.alone {
            report.notes.push(
                "others are at work: layers and drafts that no record names weren't judged"
                    .to_owned(),
            );
        }
        Ok(())
    }

    /// Who removes a container removes its tree first, and holds nothing
    /// meanwhile: such a container is looked for again for a while.
    fn unless_removed(&self, mut found: Vec<Finding>) -> Result<Vec<Finding>> {
        let treeless = |f: &Finding| f.code == containers::WITHOUT_TREE;
        for _ in 0..LOOKS {
            if !found.iter().any(treeless) {
                break;
            }
            rustix::event::poll(&mut [], Some(&PAUSE))
                .map_err(|e| Error::io("wait for others at", self.root, e))?;
            let rows = self.records()?.snapshot.unwrap_or_default();
            found.retain(|f| {
                let id = f.subject.as_ref().map(|s| s.id.as_str());
                !treeless(f) || id.is_some_and(|id| rows.containers.contains_key(id))
            });
        }
        Ok(found)
    }

    /// The rows, or what is wrong with the database.
    fn records(&self) -> Result<Records> {
        let dir = self.engine_dir();
        let damaged = |why: String| {
            Finding::wrong("database-damaged", dir.join(DATABASE), why)
                .mend(Action::Rebuild, "make it again from what lies beside it and the driver")
        };
        let read = || -> Result<Option<(Snapshot, Vec<String>)>> {
            let Some(database) = Database::open(&dir)? else { return Ok(None) };
            Ok(Some((database.read()?, database.damage()?)))
        };
        Ok(match read() {
            Ok(None) => Records { snapshot: None, problems: Vec::new() },
            Ok(Some((snapshot, damage))) => {
                let problems: Vec<_> = damage.first().cloned().map(damaged).into_iter().collect();
                Records { snapshot: problems.is_empty().then_some(snapshot), problems }
            }
            Err(Error::Database(e)) => {
                Records { snapshot: None, problems: vec![damaged(e.to_string())] }
            }
            Err(Error::Corrupt { problem, .. }) => {
                Records { snapshot: None, problems: vec![damaged(problem)] }
            }
            Err(e) => return Err(e),
        })
    }

    fn missing_database(&self, world: &World) -> Result<Option<Finding>> {
        let dir = self.engine_dir();
        let path = dir.join(DATABASE);
        let is_there = match path.metadata() {
            Err(e) if e.kind() == io::ErrorKind::NotFound => false,
            meta => meta.map_err(|e| Error::io("look at", &path, e))?.len() > 0,
        };
        let was_there = stored::are_there(&dir)? || world.has_ours();
        if is_there || !was_there {
            return Ok(None);
        }
        let found = Finding::wrong("database-missing", path, "the database is missing");
        let repair = "make it again from what lies beside it and the driver";
        Ok(Some(found.mend(Action::Rebuild, repair)))
    }

    /// A finding of the driver's, in the store's terms.
    fn named(&self, world: &World, found: graphdriver_api::Finding) -> Finding {
        let subject = found.node.as_ref().map(|node| match node {
            NodeId::Layer(id) => world.layer(id.as_str()),
            NodeId::Draft(id) => world.draft(id.as_str()),
        });
        let action = match (&found.remedy, &subject) {
            (Remedy::Nothing, Some(Subject { kind: SubjectKind::Layer, id, .. })) => {
                Action::ForgetLayer(id.clone())
            }
            (Remedy::Nothing, Some(Subject { kind: SubjectKind::Container, id, .. })) => {
                Action::ForgetContainer(id.clone())
            }
            _ => Action::Driver(found.clone()),
        };
        Finding {
            code: found.code,
            severity: found.severity,
            subject,
            path: self.driver_root().join(&found.path),
            what: found.what,
            remedy: found.remedy,
            repair: found.repair,
            action,
        }
    }
}
