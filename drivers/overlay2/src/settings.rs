//! What the driver does as opened here: what was asked for, as far as the host
//! can.

use graphdriver_api::{CopyUnit, Error, ErrorKind, Op, Result, Traits};
use std::num::NonZeroU32;

use crate::NAME;
use crate::options::{Options, Switch};
use crate::probe::{Finding, Probe};

/// Which features are in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) redirect_dir: bool,
    pub(crate) metacopy: bool,
    pub(crate) volatile: bool,
    pub(crate) options: Options,
}

impl Settings {
    /// # Errors
    /// `Prerequisite`: something was demanded that doesn't work here.
    pub(crate) fn new(options: Options, probe: &Probe) -> Result<Self> {
        let redirect_dir = decide("redirect_dir", options.redirect_dir, &probe.redirect_dir)?;
        let metacopy = decide("metacopy", options.metacopy, &probe.metacopy)?;
        Ok(Self {
            redirect_dir,
            // A file that was renamed finds its content by its redirect.
            metacopy: metacopy && redirect_dir,
            volatile: decide("volatile", options.volatile, &probe.volatile)?,
            options,
        })
    }
}

fn decide(name: &str, switch: Switch, found: &Finding) -> Result<bool> {
    match switch {
        Switch::Off => Ok(false),
        Switch::On if !found.works => {
            let message =
                format!("overlay2.{name}=on can't be had here: {}; leave it out", found.reason);
            Err(Error::new(ErrorKind::Prerequisite, Op::Open, message).with_driver(NAME))
        }
        Switch::On | Switch::Auto => Ok(found.works),
    }
}

/// How deep a chain may be: one layer less than the kernel stacks, so that
/// there is a place for the draft itself where it is shown without an upper.
pub(crate) fn max_depth(probe: &Probe) -> Option<NonZeroU32> {
    NonZeroU32::new(probe.max_lowers.saturating_sub(1))
}

/// Bytes of the path in `trusted.overlay.redirect`, with the slash before it:
/// `OVL_REDIRECT_MAX` in fs/overlayfs/overlayfs.h.
const LONGEST_REDIRECT: u32 = 256;

/// What differs from other drivers.
pub(crate) fn traits(settings: &Settings, probe: &Probe) -> Traits {
    Traits {
        max_depth: max_depth(probe),
        rebase: true,
        exact_diff: true,
        directory_rename: settings.redirect_dir,
        longest_moved_path: NonZeroU32::new(LONGEST_REDIRECT - 1),
        // A copy-up copies one name; only an index would keep the others with
        // it, and that can't become part of a layer.
        hard_links_survive_write: false,
        readers_see_writes: probe.readers_see_writes,
        inodes_are_stable: probe.stable_inodes,
        zero_device: false,
        id_maps: probe.id_maps.works,
        rootless: false,
        copy_unit: CopyUnit::File,
    }
}
