//! Making an image of what a container has changed.

use std::io::{self, BufWriter, PipeReader, Write};
use std::ops::ControlFlow;
use std::thread;

use graphdriver_api::{DraftId, NodeRef};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::change::RunConfig;
use super::config::Config;
use super::digest::{ChainId, Digest};
use super::find::Image;
use super::layer::{self, Incoming, Made};
use super::lease::{self, Lease};
use super::load::now;
use super::progress::Progress;
use super::reference::Name;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::store::{Durability, images, layers};

/// Bytes of a difference that are written at once.
const BUFFER: usize = 64 << 10;

/// What becomes an image.
#[derive(Debug)]
pub(crate) struct Commit<'a> {
    /// The container's draft.
    pub(crate) draft: &'a DraftId,
    /// What messages call the container.
    pub(crate) name: &'a str,
    /// The image that it stands on.
    pub(crate) image: &'a Image,
    /// How to run the new one.
    pub(crate) run: RunConfig,
    /// The command that made the changes.
    pub(crate) created_by: String,
    pub(crate) author: Option<&'a str>,
    pub(crate) message: Option<&'a str>,
    /// The new image's name.
    pub(crate) tag: Option<&'a Name>,
}

impl Engine {
    /// Makes an image: the old one's layers, and one of what the draft has
    /// changed, unpacked as in a load. If nothing has changed, there is no new
    /// layer. What the old configuration says beyond what is known here stays.
    pub(crate) fn commit_draft(
        &self,
        commit: &Commit<'_>,
        progress: &dyn Progress,
    ) -> Result<Digest> {
        let committed = self.commit_under_lease(commit, progress);
        lease::clean_up_after(self, committed)
    }

    fn commit_under_lease(&self, commit: &Commit<'_>, progress: &dyn Progress) -> Result<Digest> {
        let lease = Lease::begin(self.store())?;
        let parent = ChainId::all(commit.image.config.diff_ids()).pop();
        let made = match self.has_changed(commit.draft)? {
            true => Some(self.layer_of(&lease, commit, parent.as_ref(), progress)?),
            false => None,
        };
        let config = describe(commit, made.as_ref())?;
        let id = config.id().to_string();
        let top = made.as_ref().map(|made| made.row.chain_id.as_str());
        let top = top.or(parent.as_ref().map(ChainId::hex));
        self.store().write(Durability::Full, |t| {
            if let Some(made) = &made {
                layers::insert(t, &made.row)?;
            }
            images::insert(t, &id, config.raw(), top, now())?;
            if let Some(name) = commit.tag {
                images::set_name(t, name, &id, now())?;
            }
            layers::end_work(t, lease.token())
        })?;
        Ok(config.id().clone())
    }

    fn has_changed(&self, draft: &DraftId) -> Result<bool> {
        let mut changed = false;
        self.driver().changes(NodeRef::Draft(draft), &mut |_| {
            changed = true;
            Ok(ControlFlow::Break(()))
        })?;
        Ok(changed)
    }

    fn layer_of(
        &self,
        lease: &Lease,
        commit: &Commit<'_>,
        parent: Option<&ChainId>,
        progress: &dyn Progress,
    ) -> Result<Made> {
        self.pipe_changes(commit.draft, |reader| {
            // What the driver writes names each path once.
            let incoming = Incoming { reader, name: commit.name, len: 0, strange: false };
            layer::make(self, lease, parent, incoming, progress)
        })
    }

    /// Gives `take` what a draft has changed, as an archive. Its result counts
    /// only if the archive was whole.
    pub(crate) fn pipe_changes<T>(
        &self,
        draft: &DraftId,
        take: impl FnOnce(PipeReader) -> Result<T>,
    ) -> Result<T> {
        let (reader, writer) =
            io::pipe().map_err(|e| Error::io("make a pipe in", self.store().dir(), e))?;
        let (taken, written) = thread::scope(|scope| {
            let written = scope.spawn(move || {
                let mut out = BufWriter::with_capacity(BUFFER, writer);
                let written = self.driver().diff(NodeRef::Draft(draft), &mut out);
                written.map(|_| out.flush())
            });
            let taken = take(reader);
            (taken, written.join())
        });
        let broke_off = || Error::Conflict("the container's changes broke off".to_owned());
        match written.map_err(|_| broke_off())? {
            // Whoever took them has stopped, and knows better why.
            Err(_) if taken.is_err() => taken,
            Err(e) => Err(e.into()),
            Ok(Err(e)) if taken.is_ok() => Err(Error::io("write", "a pipe", e)),
            Ok(_) => taken,
        }
    }
}

/// The old image's configuration with what is new.
fn describe(commit: &Commit<'_>, made: Option<&Made>) -> Result<Config> {
    let problem = |e| Error::Invalid(format!("the image's configuration: {e}"));
    let mut fields: Map<String, Value> =
        serde_json::from_slice(commit.image.config.raw()).map_err(problem)?;
    let created = Timestamp::now().to_string();
    let mut step = json!({ "created": created, "created_by": commit.created_by });
    if let Some(step) = step.as_object_mut() {
        let said = [("author", commit.author), ("comment", commit.message)];
        step.extend(said.into_iter().filter_map(|(k, v)| Some((k.to_owned(), v?.into()))));
        if made.is_none() {
            step.insert("empty_layer".to_owned(), true.into());
        }
    }
    fields.insert("created".to_owned(), created.into());
    match commit.author {
        Some(author) => fields.insert("author".to_owned(), author.into()),
        None => fields.remove("author"),
    };
    fields.insert("config".to_owned(), commit.run.clone().into_value());
    if !fields.get("rootfs").is_some_and(Value::is_object) {
        fields.insert("rootfs".to_owned(), json!({ "type": "layers" }));
    }
    if let Some(made) = made
        && let Some(rootfs) = fields.get_mut("rootfs").and_then(Value::as_object_mut)
    {
        push(rootfs, "diff_ids", json!(made.diff_id));
    }
    push(&mut fields, "history", step);
    Config::parse(Value::Object(fields).to_string().into_bytes()).map_err(problem)
}

/// Adds to a list, which is made where there is none.
fn push(object: &mut Map<String, Value>, name: &str, member: Value) {
    match object.get_mut(name) {
        Some(Value::Array(list)) => list.push(member),
        _ => {
            object.insert(name.to_owned(), json!([member]));
        }
    }
}
