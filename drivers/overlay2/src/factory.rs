//! Finding out whether overlay2 works, and opening it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use graphdriver_api::{
    Care, DriverFactory, DriverOptions, Error, ErrorKind, GraphDriver, Op, OptionHelp, Result,
    Suitability,
};
use rustix::fs::{CWD, Mode, OFlags, openat};
use sapwood_kit::nodes::{Layout, NodeStore, has_nodes};

use crate::driver::Overlay2;
use crate::options::{self, Options};
use crate::probe::{self, Misfit, Probe, record};
use crate::settings::{Settings, max_depth};
use crate::{NAME, care, facts, in_use, stack};

/// The version of what is in a node's directory.
const VERSION: u32 = 1;

/// Where what was found out about the host is kept; can be deleted at any time.
pub(crate) const HOST: &str = "host";

/// overlay2, before it is opened.
#[derive(Debug, Clone, Copy)]
pub struct Overlay2Factory;

impl DriverFactory for Overlay2Factory {
    fn name(&self) -> &'static str {
        NAME
    }

    fn summary(&self) -> &'static str {
        "layers stacked by the kernel's overlay file system; needs root, and ext4, xfs, btrfs or \
         tmpfs beneath"
    }

    fn options(&self) -> &'static [OptionHelp] {
        &options::HELP
    }

    fn probe(&self, root: &Path, options: &DriverOptions) -> Suitability {
        let options = match Options::parse(options) {
            Ok(options) => options,
            Err(e) => return unsuitable(e.to_string(), None),
        };
        let probe = match known(root).map_err(Misfit::from).and_then(|probe| match probe {
            Some(probe) => Ok(probe),
            None => probe::run(&ground(root)?),
        }) {
            Ok(probe) => probe,
            Err(misfit) => return unsuitable(misfit.reason, misfit.remedy),
        };
        match Settings::new(options, &probe) {
            Ok(settings) => Suitability::Suitable(facts::facts(&settings, &probe)),
            Err(e) => unsuitable(e.to_string(), None),
        }
    }

    fn has_data(&self, root: &Path) -> Result<bool> {
        has_nodes(root, NAME)
    }

    fn open(&self, root: &Path, options: &DriverOptions) -> Result<Arc<dyn GraphDriver>> {
        let options = Options::parse(options)?;
        let found = known(root).map_err(|e| failed("look for earlier findings", e, root))?;
        let fresh = found.is_none();
        let probe = match found {
            Some(probe) => probe,
            None => probe_root(root)?,
        };
        let settings = Settings::new(options, &probe)?;
        let store = NodeStore::open(root, layout(&probe))?;
        if fresh {
            let host = open_host(store.path()).map_err(|e| failed("open the root", e, root))?;
            // Only a convenience: without it, the next opening probes again.
            drop(host.map(|host| record::write(host, &probe)));
        }
        Ok(Arc::new(Overlay2::new(store, settings, probe)))
    }

    fn care(&self) -> Option<&dyn Care> {
        Some(&care::CARE)
    }
}

fn unsuitable(reason: String, remedy: Option<&'static str>) -> Suitability {
    Suitability::Unsuitable { reason, remedy: remedy.map(str::to_owned) }
}

fn layout(probe: &Probe) -> Layout {
    Layout { max_depth: max_depth(probe), ..bare_layout() }
}

/// What doesn't depend on the host.
pub(crate) const fn bare_layout() -> Layout {
    Layout {
        driver: NAME,
        version: VERSION,
        max_depth: None,
        own: &[stack::EMPTY, in_use::PLACE, HOST],
    }
}

/// What was found earlier and still holds.
fn known(root: &Path) -> io::Result<Option<Probe>> {
    match open_host(root)? {
        Some(host) => record::read(host),
        None => Ok(None),
    }
}

fn open_host(root: &Path) -> io::Result<Option<std::os::fd::OwnedFd>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match openat(CWD, root.join(HOST), flags, Mode::empty()) {
        Ok(host) => Ok(Some(host)),
        Err(rustix::io::Errno::NOENT) => Ok(None),
        Err(e) => Err(e.into()),
    }
}

/// Where to probe: in the root's own directory for that, else in what there is
/// of the root, so that a root that can't be used isn't made.
fn ground(root: &Path) -> io::Result<PathBuf> {
    let host = root.join(HOST);
    if host.try_exists()? {
        return Ok(host);
    }
    let absolute = std::path::absolute(root)?;
    for above in absolute.ancestors() {
        if above.try_exists()? {
            return Ok(above.to_owned());
        }
    }
    Err(io::Error::from(io::ErrorKind::NotFound))
}

fn probe_root(root: &Path) -> Result<Probe> {
    let ground = ground(root).map_err(|e| failed("look for the root", e, root))?;
    probe::run(&ground).map_err(|misfit| {
        let message = match misfit.remedy {
            Some(remedy) => format!("{}: {remedy}", misfit.reason),
            None => misfit.reason,
        };
        Error::new(ErrorKind::Prerequisite, Op::Open, message).with_driver(NAME).with_path(root)
    })
}

fn failed(doing: &'static str, error: io::Error, root: &Path) -> Error {
    Error::io(Op::Open, doing, error).with_driver(NAME).with_path(root)
}
