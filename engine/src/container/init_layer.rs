//! The layer between an image and its containers.
//!
//! It holds the empty files and directories over which every container has
//! something mounted, where the image lacks them. Were they in the container's
//! own draft, each difference of the container would show them.
//!
//! One such layer serves all containers of all images with the same topmost
//! layer. It is made when the first of them is, recorded like any layer, and
//! forgotten like any layer that nothing needs.

use std::path::Path;

use graphdriver_api::{Base, DraftId, ErrorKind, GraphDriver, LayerId, MountRequest, NodeRef};

use super::error::{Error, Result};
use super::rootfs::{InitEntry, Tree, init_layer_entries};
use crate::engine::Engine;
use crate::image::{Lease, UNTIL_COMMIT};
use crate::store::{Durability, layers};

/// How the name of every such layer begins. The number changes with what is in
/// it.
const PREFIX: &str = "init-1-";

/// What follows the prefix for an image without layers.
const SCRATCH: &str = "scratch";

/// Whether a layer of the driver is such a layer, of this version or another.
pub(crate) fn is_init_layer(id: &str) -> bool {
    id.starts_with("init-")
}

/// The layer to put containers on, made if it isn't there. The caller holds
/// the store's lock, so that it stays until a container is recorded on it.
///
/// Cost: a query where it is there; else a draft, a mount and a commit.
///
/// # Errors
/// The driver or the store fails.
pub(super) fn ensure(engine: &Engine, top: Option<&LayerId>) -> Result<LayerId> {
    let layer = name(top)?;
    let known = engine.store().read(|c| layers::size(c, layer.as_str()))?;
    if known.is_none() {
        make(engine, top, &layer)?;
    }
    Ok(layer)
}

fn name(top: Option<&LayerId>) -> Result<LayerId> {
    // An id holds 128 bytes, and a chain ID of SHA-512 is as long by itself.
    let of: String = top.map_or(SCRATCH, LayerId::as_str).chars().take(64).collect();
    LayerId::new(format!("{PREFIX}{of}"))
        .map_err(|e| Error::storage("can't name the init layer", e))
}

fn make(engine: &Engine, top: Option<&LayerId>, layer: &LayerId) -> Result<()> {
    let lease = Lease::begin(engine.store())?;
    let draft = lease.draft(0)?;
    let driver = engine.driver();
    let made = fill(driver, &draft, top).and_then(|()| commit(driver, &draft, layer));
    if made.is_err()
        && let Err(e) = driver.remove(NodeRef::Draft(&draft))
    {
        tracing::debug!("left for the clean-up: {}", e.report());
    }
    made?;
    let row = layers::LayerRow {
        chain_id: layer.as_str().to_owned(),
        diff_id: String::new(),
        parent: top.map(|t| t.as_str().to_owned()),
        size: 0,
    };
    engine.store().write(Durability::Later, |t| {
        layers::insert(t, &row)?;
        layers::end_work(t, lease.token())
    })?;
    Ok(())
}

fn fill(driver: &dyn GraphDriver, draft: &DraftId, top: Option<&LayerId>) -> Result<()> {
    let base = top.map_or(Base::Scratch, Base::Layer);
    driver.prepare(draft, base, &UNTIL_COMMIT)?;
    let mut guard = driver.mount(draft, &MountRequest::default())?;
    let root = guard.root().ok_or_else(|| Error::invalid("the driver mounted nothing"))?;
    let tree = Tree::new(root);
    init_layer_entries().iter().try_for_each(|entry| match entry {
        InitEntry::Dir(path) => tree.make_dirs(Path::new(path)),
        InitEntry::File(path) => tree.make_file(Path::new(path)),
        InitEntry::Link(path, target) => tree.make_link(Path::new(path), target),
    })?;
    Ok(guard.unmount()?)
}

fn commit(driver: &dyn GraphDriver, draft: &DraftId, layer: &LayerId) -> Result<()> {
    match driver.commit(draft, layer, None) {
        // Another process was faster, or the row was lost in a power cut. The
        // name says what is in it.
        Err(e) if e.kind() == ErrorKind::AlreadyExists => Ok(driver.remove(NodeRef::Draft(draft))?),
        committed => Ok(committed?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_and_differ() {
        let long = LayerId::new("a".repeat(128)).unwrap();
        assert_eq!(name(Some(&long)).unwrap().as_str().len(), PREFIX.len() + 64);
        assert_ne!(name(None).unwrap(), name(Some(&long)).unwrap());
        assert!(is_init_layer(name(None).unwrap().as_str()));
        assert!(!is_init_layer(&"0".repeat(64)));
    }
}
