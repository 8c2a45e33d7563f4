//! Finding out whether vfs works, and opening it.

use std::path::Path;
use std::sync::Arc;

use graphdriver_api::{
    Care, DriverFactory, DriverOptions, Error, ErrorKind, GraphDriver, Op, OptionHelp, Result,
    Suitability,
};
use sapwood_kit::nodes::{Layout, NodeStore, has_nodes};

use crate::driver::Vfs;
use crate::{NAME, care, facts, probe};

/// The version of what is in a node's directory.
const VERSION: u32 = 1;

/// How its roots are laid out.
pub(crate) const LAYOUT: Layout =
    Layout { driver: NAME, version: VERSION, max_depth: None, own: &[] };

/// vfs, before it is opened.
#[derive(Debug, Clone, Copy)]
pub struct VfsFactory;

impl DriverFactory for VfsFactory {
    fn name(&self) -> &'static str {
        NAME
    }

    fn summary(&self) -> &'static str {
        "a whole copy of every layer; needs root and much space, and any file system with \
         extended attributes"
    }

    fn options(&self) -> &'static [OptionHelp] {
        &[]
    }

    fn probe(&self, root: &Path, options: &DriverOptions) -> Suitability {
        if let Err(e) = refuse_options(options) {
            return Suitability::Unsuitable { reason: e.to_string(), remedy: None };
        }
        match probe::run(root) {
            Ok(probe) => Suitability::Suitable(facts::facts(&probe)),
            Err(misfit) => Suitability::Unsuitable {
                reason: misfit.reason,
                remedy: misfit.remedy.map(str::to_owned),
            },
        }
    }

    fn has_data(&self, root: &Path) -> Result<bool> {
        has_nodes(root, NAME)
    }

    fn open(&self, root: &Path, options: &DriverOptions) -> Result<Arc<dyn GraphDriver>> {
        refuse_options(options)?;
        let probe = probe::run(root).map_err(|misfit| {
            let message = match misfit.remedy {
                Some(remedy) => format!("{}: {remedy}", misfit.reason),
                None => misfit.reason,
            };
            failed(ErrorKind::Prerequisite, message).with_path(root)
        })?;
        Ok(Arc::new(Vfs::new(NodeStore::open(root, LAYOUT)?, probe)))
    }

    fn care(&self) -> Option<&dyn Care> {
        Some(&care::CARE)
    }
}

fn refuse_options(options: &DriverOptions) -> Result<()> {
    match options.0.first() {
        Some((name, _)) => {
            let message = format!("there is no option {name:?}; vfs has none");
            Err(failed(ErrorKind::InvalidArgument, message))
        }
        None => Ok(()),
    }
}

fn failed(kind: ErrorKind, message: String) -> Error {
    Error::new(kind, Op::Open, message).with_driver(NAME)
}
