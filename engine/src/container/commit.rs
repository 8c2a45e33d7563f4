//! `commit`, `diff` and `export`: what a container has changed, as an image, a
//! list, and within a whole tree.

use std::io::Write;

use graphdriver_api::{ChangeSink, LayerId, MountRequest, NodeRef, Op};
use sapwood_kit::archive;
use sapwood_kit::diff::Trees;

use super::Containers;
use super::error::{Error, Result};
use super::records::{self, Overrides, Record};
use super::run::{draft_of, layer_of};
use super::standstill::Standstill;
use super::state::Life;
use super::value::StopSignal;
use crate::image::{self, Change, Digest, Lease, Name, Progress, RunConfig};
use crate::store::{Durability, layers};

/// What the image of a container should be.
#[derive(Debug, Clone, Default)]
pub struct Commit {
    /// Who made it.
    pub author: Option<String>,
    /// A remark for the history.
    pub message: Option<String>,
    /// Instructions, in order.
    pub changes: Vec<Change>,
    /// Whether a running container is paused while its changes are read. Otherwise
    /// what it writes meanwhile may or may not be in the image.
    pub pause: bool,
    /// The image's name.
    pub tag: Option<Name>,
}

impl Containers<'_> {
    /// Makes an image of the container that `given` means, and returns its id:
    /// its image's layers and one of its changes. It is run as the container
    /// was, but for the instructions.
    ///
    /// # Errors
    /// `NotFound` (the container; its image, if that was removed by force),
    /// `Ambiguous`; it can't be paused; the driver's and the store's.
    pub fn commit(&self, given: &str, commit: &Commit, progress: &dyn Progress) -> Result<Digest> {
        self.recover()?;
        let record = self.record(given)?;
        // Held while its changes are read: nobody else takes it down.
        let life = self.state.life(&record.id)?;
        let still = match life {
            Life::Alive(_) if commit.pause => {
                Standstill::of(&record.id, &self.state.path_of(&record.id))?
            }
            _ => None,
        };
        let image = self.engine.image(&record.image)?;
        let mut run = RunConfig::of(image.config.run_config());
        adopt(&mut run, &record);
        for change in &commit.changes {
            run.apply(change.clone());
        }
        let committed = self.engine.commit_draft(
            &image::Commit {
                draft: &draft_of(&record)?,
                name: &format!("the container {}", record.name),
                image: &image,
                run,
                created_by: record.details.command.join(" "),
                author: commit.author.as_deref(),
                message: commit.message.as_deref(),
                tag: commit.tag.as_ref(),
            },
            progress,
        );
        drop((still, life));
        Ok(committed?)
    }

    /// Tells every path at which the container that `given` means differs from
    /// its image, in path order; as the driver does.
    ///
    /// # Errors
    /// `NotFound`, `Ambiguous`; the driver's and the sink's.
    pub fn changes(&self, given: &str, sink: &mut ChangeSink<'_>) -> Result<()> {
        let draft = draft_of(&self.record(given)?)?;
        Ok(self.engine.driver().changes(NodeRef::Draft(&draft), sink)?)
    }

    /// Writes the whole tree of the container that `given` means as a tar
    /// archive. What is mounted in it isn't part of it, nor are the empty files
    /// and directories that were made to mount something over.
    ///
    /// It may be running: what it changes meanwhile may or may not be in it.
    ///
    /// Cost: its changes are unpacked once more, over its image.
    ///
    /// # Errors
    /// `NotFound`, `Ambiguous`; the driver's, and those of `out`.
    pub fn export(&self, given: &str, out: &mut dyn Write) -> Result<()> {
        let record = self.record(given)?;
        let lease = Lease::begin(self.engine.store())?;
        let exported = self.export_as(&record, &lease, out);
        let removed = self.engine.driver().remove(NodeRef::Draft(&lease.draft(0)?));
        self.engine.store().write(Durability::Later, |t| layers::end_work(t, lease.token()))?;
        exported?;
        removed?;
        self.engine.driver().reclaim()?;
        Ok(())
    }

    fn export_as(&self, record: &Record, lease: &Lease, out: &mut dyn Write) -> Result<()> {
        let (driver, draft) = (self.engine.driver(), lease.draft(0)?);
        let top = self.image_layer(record)?;
        image::prepare_on(driver, &draft, top.as_ref())?;
        self.engine.pipe_changes(&draft_of(record)?, |mut changes| {
            Ok(driver.apply(&draft, &mut changes, &self.engine.limits().layer)?)
        })?;
        let mut guard = driver.mount(&draft, &MountRequest::read_only())?;
        let written = match guard.root() {
            Some(new) => {
                let trees = Trees { old: None, new, baseline: None };
                archive::write(Op::Diff, &trees, out)
            }
            None => return Err(Error::invalid("the driver mounted nothing")),
        };
        guard.unmount()?;
        written?;
        Ok(())
    }

    /// The topmost layer of a container's image: the one beneath the layer that
    /// the container stands on.
    fn image_layer(&self, record: &Record) -> Result<Option<LayerId>> {
        let Some(base) = layer_of(record)? else { return Ok(None) };
        let chain = self.engine.store().read(|c| layers::chain(c, base.as_str()))?;
        let below = chain.first().and_then(|row| row.parent.as_deref());
        let below = below.map(LayerId::new).transpose();
        below.map_err(|e| Error::storage("a container's record is damaged", e))
    }

    fn record(&self, given: &str) -> Result<Record> {
        self.engine.store().read(|c| records::find(c, given))
    }
}

/// What the container's user has said counts for the image too.
fn adopt(run: &mut RunConfig, record: &Record) {
    let Overrides { entrypoint, command, env, user, workdir } = &record.details.overrides;
    for (name, words) in [("Entrypoint", entrypoint), ("Cmd", command)] {
        match words {
            Some(words) if words.is_empty() => run.remove(name),
            Some(words) => run.set(name, words.clone()),
            None => {}
        }
    }
    for (name, value) in env {
        match value {
            Some(value) => run.apply(Change::Env(vec![(name.clone(), value.clone())])),
            None => run.remove_env(name),
        }
    }
    for (name, value) in [("User", user), ("WorkingDir", workdir)] {
        if let Some(value) = value {
            run.set(name, value.clone());
        }
    }
    if !record.details.labels.is_empty() {
        let labels = record.details.labels.clone().into_iter().collect();
        run.apply(Change::Label(labels));
    }
    if let Some(signal) = record.details.stop_signal {
        run.set("StopSignal", StopSignal(signal).to_string());
    }
}
