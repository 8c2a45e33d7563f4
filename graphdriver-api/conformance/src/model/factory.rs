//! Opens the model.

use std::path::Path;
use std::sync::Arc;

use graphdriver_api::{
    Care, DriverFactory, DriverOptions, Error, ErrorKind, Fact, Finding, FindingSink, GraphDriver,
    NodeInfo, NodeRef, Op, OptionHelp, Repaired, Result, Suitability, Usage,
};

use super::NAME;
use super::driver::Model;
use super::fault::Fault;
use super::mounts::{recover_mounts, try_binding};
use super::place::Place;

/// Makes models. Those of one root share their nodes.
#[derive(Debug, Clone, Copy, Default)]
pub struct ModelFactory {
    fault: Option<Fault>,
}

impl ModelFactory {
    /// Of models without fault.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Of models that make that mistake.
    #[must_use]
    pub fn with_fault(fault: Fault) -> Self {
        Self { fault: Some(fault) }
    }
}

impl DriverFactory for ModelFactory {
    fn name(&self) -> &'static str {
        NAME
    }

    fn summary(&self) -> &'static str {
        "trees in memory, to judge other drivers by; needs CAP_SYS_ADMIN to mount"
    }

    fn options(&self) -> &'static [OptionHelp] {
        &[]
    }

    fn probe(&self, root: &Path, options: &DriverOptions) -> Suitability {
        let existing = root.ancestors().find(|path| path.is_dir()).unwrap_or(Path::new("/"));
        match no_options(Op::Probe, options).and_then(|()| try_binding(existing)) {
            Ok(()) => Suitability::Suitable(vec![Fact::new("backing", "memory", "")]),
            Err(error) => Suitability::Unsuitable { reason: error.report(), remedy: None },
        }
    }

    fn has_data(&self, root: &Path) -> Result<bool> {
        let Some(place) = Place::existing(root)? else { return Ok(false) };
        let state = place.lock();
        let any = !state.drafts.is_empty() || !state.layers.is_empty();
        Ok(any && self.fault != Some(Fault::HasDataGuesses))
    }

    fn open(&self, root: &Path, options: &DriverOptions) -> Result<Arc<dyn GraphDriver>> {
        no_options(Op::Open, options)?;
        let place = Place::at(root)?;
        let mounts = recover_mounts(&mut place.lock())?;
        if self.fault == Some(Fault::OpenForgetsDrafts) {
            place.lock().drafts.clear();
        }
        Ok(Arc::new(Model::new(place, self.fault, mounts)))
    }

    fn care(&self) -> Option<&dyn Care> {
        Some(self)
    }
}

/// Memory isn't damaged: there are nodes, and never findings.
impl Care for ModelFactory {
    fn check(&self, root: &Path, _sink: &mut FindingSink<'_>) -> Result<Vec<NodeInfo>> {
        Ok(Place::existing(root)?.map_or_else(Vec::new, |place| place.lock().infos()))
    }

    fn repair(&self, _root: &Path, _finding: &Finding, _quarantine: &Path) -> Result<Repaired> {
        Ok(Repaired::Gone)
    }

    fn usage(&self, root: &Path, node: NodeRef<'_>) -> Result<Usage> {
        match Place::existing(root)? {
            Some(place) => Model::new(place, self.fault, 0).usage(node),
            None => Err(Error::new(ErrorKind::NotFound, Op::Usage, "").with_driver(NAME)),
        }
    }
}

fn no_options(op: Op, options: &DriverOptions) -> Result<()> {
    match options.0.first() {
        None => Ok(()),
        Some((name, _)) => {
            let why = format!("there is no option {name:?}; this driver has none");
            Err(Error::new(ErrorKind::InvalidArgument, op, why).with_driver(NAME))
        }
    }
}
