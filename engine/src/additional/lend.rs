//! Making an image of another store one of ours, without a copy.
//!
//! The order is that of a load: the driver's records of borrowed layers, outlines,
//! rows of layers, and in the end the image, in one transaction that is flushed. A
//! note of unfinished work lies there meanwhile, so that what a crash leaves is taken
//! away.

use graphdriver_api::{Borrow, ErrorKind, LayerId, NodeRef};

use super::Additional;
use crate::care::account;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::image::{
    ChainId, Digest, Image, Lease, Outlines, clean_up_after, layer_id, load_row, now,
};
use crate::store::Durability;
use crate::store::images::{self, ImageRow};
use crate::store::layers::{self, LayerRow};

impl Engine {
    /// The image that `given` means, to be used: if it is in another store only, it
    /// becomes one of ours first, with its layers and without its names.
    ///
    /// Cost: as [`Engine::image`] for one that is here; else a record a layer, and a
    /// flush for each.
    ///
    /// # Errors
    /// As [`Engine::image`]; the driver's for layers that can't be borrowed.
    pub fn usable_image(&self, given: &str) -> Result<Image> {
        let image = self.image(given)?;
        if image.store.is_none() {
            return Ok(image);
        }
        let (store, row) = self.find_elsewhere(given)?;
        let adopted = self.adopt(store, &row);
        clean_up_after(self, adopted)?;
        let own = self.own_image(&row.id)?;
        let own = own.ok_or_else(|| Error::NoSuchImage(given.to_owned()))?;
        Ok(Image { names: image.names, repo_digests: image.repo_digests, ..own })
    }

    fn adopt(&self, store: &Additional, row: &ImageRow) -> Result<()> {
        let lease = Lease::begin(self.store())?;
        let image = store.read(|c| load_row(c, row))?;
        self.lend_all(store, &image)?;
        let manifests = store.read(|c| images::manifest_rows(c, &row.id))?;
        let top = ChainId::all(image.config.diff_ids()).pop();
        self.store().write(Durability::Full, |t| {
            images::insert(t, &row.id, &row.config, top.as_ref().map(ChainId::hex), now())?;
            for (digest, media_type, content) in &manifests {
                images::insert_manifest(t, &row.id, digest, media_type, content)?;
            }
            layers::end_work(t, lease.token())
        })
    }

    /// Borrows and records the layers of a store's image, where they aren't here.
    /// Their names are made of its configuration, whose digest is its id: so nobody
    /// hides another layer among them. The caller has a lease; what nothing needs in
    /// the end goes with the next clean-up.
    pub(crate) fn lend_all(&self, store: &Additional, image: &Image) -> Result<()> {
        let mut parent = None;
        for diff_id in image.config.diff_ids() {
            let chain = ChainId::on(parent.as_ref(), diff_id);
            let wanted = Wanted { chain: &chain, parent: parent.as_ref(), diff_id };
            if !self.lend(store, wanted)? {
                return Err(store.unusable(format!("it has no record of the layer {chain}")));
            }
            parent = Some(chain);
        }
        Ok(())
    }

    /// Borrows a layer that a load needs, if any store has it. What stands in the way
    /// is no failure: the archive has it too.
    pub(crate) fn lend_from_any(&self, wanted: Wanted<'_>) -> bool {
        self.additional().iter().any(|store| {
            self.lend(store, wanted).unwrap_or_else(|e| {
                tracing::debug!("not borrowed: {}", e.report());
                false
            })
        })
    }

    /// Whether the store has the layer, which then is here as well.
    fn lend(&self, store: &Additional, wanted: Wanted<'_>) -> Result<bool> {
        let chain = wanted.chain.hex();
        let Some(theirs) = store.read(|c| layers::find(c, chain))? else { return Ok(false) };
        let id = layer_id(wanted.chain)?;
        match self.driver().stat(NodeRef::Layer(&id)) {
            Ok(_) if self.store().read(|c| layers::size(c, chain))?.is_some() => return Ok(true),
            Ok(_) => {}
            Err(e) if e.kind() == ErrorKind::NotFound => {
                self.borrow_from_any(store, &id)?;
                self.check_parent(store, &id, wanted)?;
            }
            Err(e) => return Err(e.into()),
        }
        self.take_outline(store, chain)?;
        let row = LayerRow {
            chain_id: chain.to_owned(),
            diff_id: wanted.diff_id.to_string(),
            parent: wanted.parent.map(|parent| parent.hex().to_owned()),
            size: theirs.size,
        };
        // The image's transaction, which comes last, makes this one durable.
        self.store().write(Durability::Later, |t| layers::insert(t, &row))?;
        account::count(self, chain)?;
        Ok(true)
    }

    /// From that store, or if that has it only borrowed, from one that has it.
    fn borrow_from_any(&self, first: &Additional, layer: &LayerId) -> Result<()> {
        let power = self.power(first)?;
        let others = self.additional().iter().filter(|store| store.path() != first.path());
        let mut failed = None;
        for store in std::iter::once(first).chain(others) {
            match power.borrow(layer, &store.driver_root()) {
                Ok(()) => return Ok(()),
                // Another process was faster.
                Err(e) if e.kind() == ErrorKind::AlreadyExists => return Ok(()),
                Err(e) => failed = failed.or(Some(e)),
            }
        }
        failed.map_or(Ok(()), |e| Err(e.into()))
    }

    /// A store whose records say that the layer stands on another has another layer
    /// under its name.
    fn check_parent(&self, store: &Additional, id: &LayerId, wanted: Wanted<'_>) -> Result<()> {
        let found = self.driver().stat(NodeRef::Layer(id))?.parent;
        if found.as_ref().map(LayerId::as_str) == wanted.parent.map(ChainId::hex) {
            return Ok(());
        }
        self.driver().remove(NodeRef::Layer(id))?;
        Err(store.unusable(format!("its layer {id} stands on another than it should")))
    }

    fn power(&self, store: &Additional) -> Result<&dyn Borrow> {
        self.driver().borrowing().ok_or_else(|| {
            let why = format!("{} can't use layers from where they lie", self.driver().name());
            store.unusable(why)
        })
    }

    /// The layer's archive is put together from it, so it has to be here when the
    /// store isn't. One that the store lacks is lacking here too.
    fn take_outline(&self, store: &Additional, chain: &str) -> Result<()> {
        let outlines = Outlines::of(self.store());
        if outlines.open(chain)?.is_some() {
            return Ok(());
        }
        match store.opened()?.outline(chain)? {
            Some(outline) => outlines.take(chain, &outline),
            None => Ok(()),
        }
    }
}

/// A layer to be borrowed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'a> {
    pub(crate) chain: &'a ChainId,
    pub(crate) parent: Option<&'a ChainId>,
    pub(crate) diff_id: &'a Digest,
}
