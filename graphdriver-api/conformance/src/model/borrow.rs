//! Layers of one model whose trees are another's.

use std::path::Path;
use std::time::SystemTime;

use graphdriver_api::{Borrow, Error, ErrorKind, LayerId, Op, Result};

use super::driver::Model;
use super::fault::Fault;
use super::place::Place;
use super::state::{Layer, refused};
use super::{MAX_DEPTH, NAME};

impl Borrow for Model {
    fn borrow(&self, layer: &LayerId, lender: &Path) -> Result<()> {
        self.told(layer, self.do_borrow(layer, lender))
    }
}

impl Model {
    fn do_borrow(&self, id: &LayerId, lender: &Path) -> Result<()> {
        let op = Op::Borrow;
        let taken = self.place.lock().layers.contains_key(id);
        if taken && !self.has(Fault::BorrowReplacesLayer) {
            return Err(refused(ErrorKind::AlreadyExists, op, id, ""));
        }
        if !lender.is_absolute() || self.place.overlaps(lender) {
            let why = "a lender is another root, named by its absolute path";
            return Err(refused(ErrorKind::InvalidArgument, op, id, why));
        }
        let (parent, tree) = {
            let place = lender_of(op, id, lender)?;
            let theirs = place.lock();
            let lent = theirs.layer(op, id)?;
            if lent.lender.is_some() {
                let why = "the lender has only borrowed it";
                return Err(refused(ErrorKind::Unsupported, op, id, why));
            }
            (lent.parent.clone(), lent.tree.clone())
        };
        let mut state = self.place.lock();
        if let Some(parent) = &parent
            && !self.has(Fault::BorrowWithoutParent)
        {
            state.layer(op, parent)?;
        }
        if state.depth(parent.as_ref()) >= MAX_DEPTH {
            return Err(refused(ErrorKind::Unsupported, op, id, "its chain would be too long"));
        }
        let created = SystemTime::now();
        let lender = Some(lender.to_owned());
        state.layers.insert(id.clone(), Layer { parent, created, tree, lender });
        Ok(())
    }

    /// Whether a layer's tree is where it was borrowed from.
    pub(super) fn check_lender(&self, op: Op, id: &LayerId, layer: &Layer) -> Result<()> {
        let Some(lender) = &layer.lender else { return Ok(()) };
        if self.has(Fault::BorrowKeepsCopies) {
            return Ok(());
        }
        let place = lender_of(op, id, lender)?;
        let is_there = place.lock().layers.contains_key(id);
        match is_there {
            true => Ok(()),
            false => Err(refused(ErrorKind::Corrupt, op, id, "its lender has it no more")),
        }
    }
}

fn lender_of(op: Op, id: &LayerId, lender: &Path) -> Result<std::sync::Arc<Place>> {
    let found = Place::existing(lender).map_err(|e| e.with_op(op).with_node(id))?;
    found.ok_or_else(|| {
        Error::new(ErrorKind::Prerequisite, op, "it was borrowed from a root that isn't there")
            .with_driver(NAME)
            .with_node(id)
            .with_path(lender)
    })
}
