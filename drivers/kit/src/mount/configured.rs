//! The new way: a file system context that is configured option by option.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_fd, fsconfig_set_flag,
    fsconfig_set_string, fsmount, fsopen,
};

use super::detached::{Detached, injected};
use super::error::MountError;
use super::overlay::Overlay;
use crate::fault;

/// How a layer's directory is given.
#[derive(Debug, Clone, Copy)]
pub(super) enum Value {
    /// As a descriptor.
    Descriptor,
    /// As the name that `/proc` has for a descriptor. Resolved during the call.
    Name,
}

/// Each layer is open only while it is told to the kernel, so that a chain may
/// be longer than the limit of open files.
pub(super) fn mount(
    overlay: &Overlay<'_>,
    roots: &[BorrowedFd<'_>],
    value: Value,
) -> Result<Detached, MountError> {
    fault::point("mount.overlay").map_err(injected("mount an overlay"))?;
    let context = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)
        .map_err(MountError::at("ask for the overlay file system"))?;
    let mounted = configure(&context, overlay, roots, value)
        .and_then(|()| fsconfig_create(&context).map_err(MountError::at("create the overlay")))
        .and_then(|()| {
            fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty())
                .map_err(MountError::at("mount the overlay"))
        });
    mounted.map(Detached::new).map_err(|e| e.with_log(context.as_fd()))
}

fn configure(
    context: &OwnedFd,
    overlay: &Overlay<'_>,
    roots: &[BorrowedFd<'_>],
    value: Value,
) -> Result<(), MountError> {
    let give = |key: &str, dir: OwnedFd| {
        match value {
            Value::Descriptor => fsconfig_set_fd(context, key, &dir),
            Value::Name => {
                fsconfig_set_string(context, key, format!("/proc/self/fd/{}", dir.as_raw_fd()))
            }
        }
        .map_err(MountError::at("add a layer to the overlay"))
    };
    for lower in overlay.lowers {
        give("lowerdir+", Overlay::open_lower(roots, lower)?)?;
    }
    if let Some(upper) = overlay.upper {
        let open = |dir: &Path| match upper.root {
            Some(root) => Overlay::open(root, dir),
            None => Overlay::open_lower(roots, &dir.into()),
        };
        give("upperdir", open(upper.dir)?)?;
        give("workdir", open(upper.work)?)?;
    }
    for (key, value) in overlay.options {
        match value {
            Some(value) => fsconfig_set_string(context, *key, *value),
            None => fsconfig_set_flag(context, *key),
        }
        .map_err(|e| {
            MountError::new("set an option of the overlay", e).with_words((*key).to_owned())
        })?;
    }
    Ok(())
}
