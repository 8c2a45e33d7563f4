//! Layers that lie in another root: overlays take lower directories from anywhere.

use std::ffi::OsStr;
use std::os::fd::BorrowedFd;
use std::path::Path;

use graphdriver_api::{Borrow, Error, ErrorKind, LayerId, Op, Result};
use rustix::fs::{fgetxattr, fstatfs};
use rustix::io::Errno;
use sapwood_kit::nodes::Lent;

use crate::NAME;
use crate::driver::Overlay2;
use crate::stack::Private;
use crate::tree::DIFF;

/// `OVERLAYFS_SUPER_MAGIC` (linux/magic.h).
const OVERLAY: u64 = 0x794c_7630;

impl Borrow for Overlay2 {
    fn borrow(&self, layer: &LayerId, lender: &Path) -> Result<()> {
        self.store.borrow(layer, lender, DIFF, |lent| {
            self.adopt(lent).map_err(|e| e.with_driver(NAME).with_node(layer).with_path(lender))
        })
    }
}

impl Overlay2 {
    /// What its record here says of a layer that is lent.
    fn adopt(&self, lent: &Lent<'_>) -> Result<Private> {
        check_medium(lent.tree())?;
        let theirs = Private::parse(Op::Borrow, lent.record())?;
        let below = lent.parent().map(|parent| Private::of(Op::Borrow, parent)).transpose()?;
        let metacopy = theirs.metacopy || below.unwrap_or_default().metacopy;
        if metacopy && !self.probe.metacopy.works {
            let why = format!(
                "its files may have their content in layers below, and that can't be mounted \
                 here: {}",
                self.probe.metacopy.reason
            );
            return Err(Error::new(ErrorKind::Unsupported, Op::Borrow, why));
        }
        Ok(Private { metacopy })
    }
}

/// What an overlay hides is told by attributes and devices: where they aren't
/// shown, a layer would show what it should hide.
fn check_medium(tree: BorrowedFd<'_>) -> Result<()> {
    let refuse = |why| Err(Error::new(ErrorKind::Unsupported, Op::Borrow, why));
    let failed = |e: Errno| Error::io(Op::Borrow, "look at the lender's file system", e);
    let found = fstatfs(tree).map_err(failed)?;
    // A magic number has 32 bits; the field's width is the architecture's.
    #[allow(clippy::cast_sign_loss, clippy::unnecessary_cast, clippy::cast_possible_truncation)]
    if u64::from(found.f_type as u32) == OVERLAY {
        return refuse("it lies on an overlay, which doesn't show what its layers hide");
    }
    match fgetxattr(tree, OsStr::new("trusted.overlay.opaque"), &mut [0_u8; 0][..]) {
        Ok(_) | Err(Errno::NODATA) => Ok(()),
        Err(Errno::NOTSUP) => {
            refuse("its file system has no attributes trusted.*, which say what a layer hides")
        }
        Err(e) => Err(failed(e)),
    }
}
