//! What the kernel and the file system under the root can do, found out by
//! doing it.
//!
//! Kernels accept options that they then ignore, fall back without a word, and
//! differ between a version's builds. So each feature is used once, on a small
//! overlay in a private mount namespace, and it works if what it is for has
//! happened. That takes some twenty milliseconds; the result is kept for as long
//! as it can't change ([`record`]).

mod backing;
mod depth;
mod features;
mod ground;
pub(crate) mod record;

use std::io;
use std::path::Path;

use sapwood_kit::mount::{Way, in_private_namespace};
use serde::{Deserialize, Serialize};

pub(crate) use features::name as way_name;

use ground::Ground;

/// Whether something works, and how that was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Finding {
    pub(crate) works: bool,
    pub(crate) reason: String,
}

impl Finding {
    fn yes(reason: impl Into<String>) -> Self {
        Self { works: true, reason: reason.into() }
    }

    fn no(reason: impl Into<String>) -> Self {
        Self { works: false, reason: reason.into() }
    }
}

/// All that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Probe {
    /// The file system under the root, by its name.
    pub(crate) backing: String,
    /// The best way of mounting that works.
    pub(crate) way: Way,
    /// Why no better one does.
    pub(crate) way_reason: String,
    /// As [`Overlay::detached_layers`](sapwood_kit::mount::Overlay).
    pub(crate) detached_layers: bool,
    /// Lower layers that one mount can have.
    pub(crate) max_lowers: u32,
    pub(crate) redirect_dir: Finding,
    pub(crate) metacopy: Finding,
    pub(crate) index: Finding,
    pub(crate) volatile: Finding,
    pub(crate) userxattr: Finding,
    pub(crate) null_uuid: Finding,
    pub(crate) id_maps: Finding,
    /// Whether an upper that is in use elsewhere is noticed.
    pub(crate) in_use: Finding,
    /// Inode numbers outlast a copy-up.
    pub(crate) stable_inodes: bool,
    /// A descriptor opened for reading sees what is written after a copy-up.
    pub(crate) readers_see_writes: bool,
}

/// Why overlay2 can't be used at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Misfit {
    pub(crate) reason: String,
    pub(crate) remedy: Option<&'static str>,
}

impl Misfit {
    fn new(reason: impl Into<String>, remedy: &'static str) -> Self {
        Self { reason: reason.into(), remedy: Some(remedy) }
    }
}

impl From<io::Error> for Misfit {
    fn from(error: io::Error) -> Self {
        Self { reason: format!("probing failed: {error}"), remedy: None }
    }
}

/// Probes in a directory of its own beneath `base`, and leaves nothing behind
/// unless it is killed.
pub(crate) fn run(base: &Path) -> Result<Probe, Misfit> {
    let ground = Ground::new(base)?;
    let probed = in_private_namespace(|| Ok(examine(&ground)));
    ground.clear()?;
    probed.map_err(no_namespace)?
}

fn no_namespace(error: io::Error) -> Misfit {
    match error.kind() {
        io::ErrorKind::PermissionDenied => Misfit::new(
            "mounting needs CAP_SYS_ADMIN, which this process hasn't got",
            "run it as root, or choose a driver that works without",
        ),
        _ => error.into(),
    }
}

/// Runs in a private mount namespace.
fn examine(ground: &Ground) -> Result<Probe, Misfit> {
    let here = ground.enter()?;
    let backing = backing::check(&here)?;
    let (way, way_reason) = features::way(&here, &backing)?;
    let (id_maps, detached_layers) = features::id_maps(&here, way)?;
    let (stable_inodes, readers_see_writes) = features::copy_up(&here, way)?;
    Ok(Probe {
        max_lowers: depth::max_lowers(&here, way)?,
        redirect_dir: features::redirect_dir(&here, way)?,
        metacopy: features::metacopy(&here, way)?,
        index: features::index(&here, way)?,
        volatile: features::volatile(&here, way)?,
        userxattr: features::accepted(&here, way, ("userxattr", None))?,
        null_uuid: features::accepted(&here, way, ("uuid", Some("null")))?,
        in_use: features::in_use(&here, way, detached_layers)?,
        backing,
        way,
        way_reason,
        detached_layers,
        id_maps,
        stable_inodes,
        readers_see_writes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probing_finds_a_way_and_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let probe = run(dir.path()).unwrap();
        eprintln!("{probe:#?}");
        assert!(probe.max_lowers >= 2);
        assert!(probe.redirect_dir.works, "{probe:?}");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_directory_that_cannot_be_written_to_is_named() {
        let misfit = run(Path::new("/proc/self")).unwrap_err();
        assert!(misfit.reason.contains("/proc/self"), "{misfit:?}");
    }

    #[test]
    fn an_overlay_is_no_ground_for_another() {
        let dir = tempfile::tempdir().unwrap();
        let ground = Ground::new(dir.path()).unwrap();
        let place = dir.path().join("place");
        std::fs::create_dir(&place).unwrap();
        in_private_namespace(|| {
            let here = ground.enter()?;
            let overlay = here.stage()?.mount(Way::Page, &[])?;
            overlay.attach(std::fs::File::open(dir.path())?, "place")?;
            let misfit = run(&place).unwrap_err();
            assert!(misfit.reason.contains("is on an overlay file system"), "{misfit:?}");
            Ok(())
        })
        .unwrap();
        ground.clear().unwrap();
    }
}
