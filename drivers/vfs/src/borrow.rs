//! Layers that lie in another root: a tree is copied from there as from here.

use std::path::Path;

use graphdriver_api::{Borrow, LayerId, Result};

use crate::driver::Vfs;
use crate::tree::{Private, TREE};

impl Borrow for Vfs {
    /// A baseline is a time of the medium that the tree was made on. Elsewhere, in a
    /// copy, it would make changed files pass for untouched ones: without it they
    /// are compared.
    fn borrow(&self, layer: &LayerId, lender: &Path) -> Result<()> {
        self.store.borrow(layer, lender, TREE, |_| Ok(Private::default()))
    }
}
