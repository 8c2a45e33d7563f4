//! What a load or an import leaves behind if it doesn't end well, and who
//! cleans up after it.
//!
//! Before the first draft is made, a row in `unfinished` says that there may
//! soon be something, and the lock is held shared. The row goes in the
//! transaction that records the images. So:
//!
//! * Whoever fails cleans up at once, unless another load is running: then
//!   that one does when it ends.
//! * After a crash the row is still there, and the next load, import or rmi
//!   that ends with nobody else at work cleans up.
//!
//! Cleaning up removes layers that nothing needs and drafts that can only be a
//! dead load's. It touches nodes by their names alone: layers called by a
//! chain ID (64 hex digits) and drafts called `unpack-…` are the images', and
//! layers called `init-…` stand between an image and its containers.
//! Everything else belongs to others.

use std::collections::HashSet;

use graphdriver_api::{DraftId, ErrorKind, NodeId, NodeRef};

use super::digest::is_hex;
use super::outline::file::Outlines;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::store::lock::{Exclusive, Shared};
use crate::store::{Durability, Store, layers};

/// How the name of every draft begins that a layer is unpacked in.
pub(crate) const PREFIX: &str = "unpack-";

/// The token of cleaning up itself.
const CLEANING: &str = "clean-up";

/// The right to make layers, until it is dropped.
#[derive(Debug)]
pub(crate) struct Lease {
    token: String,
    _lock: Shared,
}

impl Lease {
    /// Waits while somebody cleans up, which is short.
    pub(crate) fn begin(store: &Store) -> Result<Self> {
        let lock = Shared::wait(store.dir())?;
        let token = random_token(store)?;
        store.write(Durability::Full, |t| layers::begin_work(t, &token))?;
        Ok(Self { token, _lock: lock })
    }

    /// What the row is called that [`layers::end_work`] removes.
    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    /// The name of this lease's `n`th draft.
    pub(crate) fn draft(&self, n: usize) -> Result<DraftId> {
        DraftId::new(format!("{PREFIX}{}-{n}", self.token))
            .map_err(|e| Error::Invalid(e.to_string()))
    }
}

impl Lease {
    /// Takes the row back at the end of work that has made no layers, and only
    /// its first `drafts` drafts. If one of them couldn't be removed, the row
    /// stays, and with it the clean-up to come.
    pub(crate) fn end(self, engine: &Engine, drafts: usize) -> Result<()> {
        for n in 0..drafts {
            match engine.driver().stat(NodeRef::Draft(&self.draft(n)?)) {
                Err(e) if e.kind() == ErrorKind::NotFound => {}
                _ => return Ok(()),
            }
        }
        engine.store().write(Durability::Later, |t| layers::end_work(t, &self.token))
    }
}

/// No two loads may share their drafts' names, whatever process they are in.
fn random_token(store: &Store) -> Result<String> {
    let mut bytes = [0_u8; 8];
    rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())
        .map_err(|e| Error::io("get random bytes for", store.dir(), e))?;
    Ok(format!("{:016x}", u64::from_ne_bytes(bytes)))
}

/// Cleans up if there is anything to clean up and nobody else is at work.
/// Drafts that were thrown away on the way are deleted in any case.
pub(crate) fn clean_up_if_needed(engine: &Engine) -> Result<()> {
    let needed =
        engine.store().read(|c| Ok::<_, Error>(layers::any_work(c)? || layers::any_unused(c)?))?;
    match needed {
        true => clean_up(engine).map(drop),
        false => Ok(engine.driver().reclaim().map(drop)?),
    }
}

/// As [`clean_up_if_needed`], at the end of work that has had its result: what
/// was recorded stays, whether or not its leavings can be deleted now.
pub(crate) fn clean_up_after<T>(engine: &Engine, done: Result<T>) -> Result<T> {
    match (clean_up_if_needed(engine), &done) {
        (Err(e), Ok(_)) => {
            tracing::warn!("something is left for the next command to delete: {}", e.report());
        }
        // The first failure is the one to tell.
        (Err(e), Err(_)) => tracing::debug!("left for the next clean-up: {}", e.report()),
        (Ok(()), _) => {}
    }
    done
}

/// Removes the layers that nothing needs and what dead loads have left, and
/// tells the chain IDs of those that were recorded, each before the one
/// beneath it. Does nothing while a load is running: it cleans up when it ends.
///
/// Cost: a record of every node, and the removed trees.
pub(crate) fn clean_up(engine: &Engine) -> Result<Vec<String>> {
    make_room(engine)?;
    let Some(lock) = Exclusive::try_now(engine.store().dir())? else { return Ok(Vec::new()) };
    let forgotten = engine.store().write(Durability::Full, |t| {
        layers::begin_work(t, CLEANING)?;
        layers::forget_unused(t)
    })?;
    remove_unrecorded(engine)?;
    Outlines::of(engine.store()).sweep(&engine.store().read(layers::all)?)?;
    engine.store().write(Durability::Later, layers::end_all_work)?;
    drop(lock);
    engine.driver().reclaim()?;
    engine.store().keep_room_for_notes();
    Ok(forgotten)
}

/// Deletes what was removed already, because on a full medium nothing can be
/// noted before; and if that isn't enough, gives up what is kept for notes.
pub(crate) fn make_room(engine: &Engine) -> Result<()> {
    if let Err(e) = engine.driver().reclaim() {
        tracing::debug!("not deleted: {}", e.report());
    }
    engine.store().make_room_for_notes()
}

/// The caller holds the lock alone.
fn remove_unrecorded(engine: &Engine) -> Result<()> {
    let known: HashSet<String> = engine.store().read(layers::all)?;
    let mut nodes = engine.driver().list()?;
    nodes.retain(|node| match &node.id {
        NodeId::Draft(id) => id.as_str().starts_with(PREFIX),
        NodeId::Layer(id) => is_ours(id.as_str()) && !known.contains(id.as_str()),
    });
    // Drafts before layers, and each layer before the one beneath it.
    nodes.sort_by_key(|node| (matches!(node.id, NodeId::Layer(_)), std::cmp::Reverse(node.depth)));
    for node in nodes {
        match engine.driver().remove(node.id.as_ref()) {
            // Somebody else's draft or mount stands on it. It stays for the
            // next time.
            Err(e) if matches!(e.kind(), ErrorKind::HasChildren | ErrorKind::Busy) => {
                tracing::debug!("not removed: {}", e.report());
            }
            result => result?,
        }
    }
    Ok(())
}

/// An image's layer, or the one between an image and its containers.
pub(crate) fn is_ours(id: &str) -> bool {
    is_chain_id(id) || crate::container::is_init_layer(id)
}

fn is_chain_id(id: &str) -> bool {
    matches!(id.len(), 64 | 128) && is_hex(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_digests_are_chain_ids() {
        assert!(is_chain_id(&"0a".repeat(32)));
        assert!(!is_chain_id(&"0A".repeat(32)));
        assert!(!is_chain_id("0a"));
        assert!(!is_chain_id(&format!("init-{}", "0".repeat(59))));
    }
}
