//! The old way: mount(2), all options in one page of memory.
//!
//! The page would hold some fifty paths of layers. So layers are given as
//! relative names of two or three digits: the numbers of descriptors, with
//! `/proc/self/fd` for the working directory. That takes a thread with a working
//! directory of its own, and a place to mount on, so it runs in a private mount
//! namespace (the caller's business), over a directory that is certainly there:
//! /proc, without which there would be no names for descriptors.

use std::ffi::CString;
use std::fmt::Write as _;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;
use rustix::mount::{MountFlags, mount as mount2};

use super::detached::{Detached, injected};
use super::error::MountError;
use super::overlay::{Lower, Overlay};
use crate::fault;

/// A page on every architecture, less the zero byte at its end. mount(2) cuts
/// off what is longer, without a word.
const PAGE: usize = 4096 - 1;

const PLACE: &str = "/proc";

/// Runs in a private mount namespace; `roots` were opened in it, the own one first.
pub(super) fn mount(
    overlay: &Overlay<'_>,
    roots: &[BorrowedFd<'_>],
) -> Result<Detached, MountError> {
    let mut open = Vec::with_capacity(overlay.lowers.len() + 2);
    let options = describe(overlay, roots, &mut open)?;
    fault::point("mount.overlay").map_err(injected("mount an overlay"))?;
    rustix::process::chdir("/proc/self/fd")
        .map_err(MountError::at("enter /proc/self/fd, which names the layers"))?;
    mount2("overlay", PLACE, "overlay", MountFlags::empty(), options.as_c_str())
        .map_err(MountError::at("create the overlay"))?;
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mounted = openat(CWD, PLACE, flags, Mode::empty())
        .map_err(MountError::at("open the mounted overlay"))?;
    // A mount that is part of no namespace, so that it can be attached in
    // another one than this.
    Detached::copy_of(mounted)
}

fn describe(
    overlay: &Overlay<'_>,
    roots: &[BorrowedFd<'_>],
    open: &mut Vec<OwnedFd>,
) -> Result<CString, MountError> {
    const DOING: &str = "put the overlay's options into one page";
    let mut name = |dir: OwnedFd| {
        let number = dir.as_raw_fd();
        open.push(dir);
        number.to_string()
    };
    let mut lowers = Vec::with_capacity(overlay.lowers.len());
    for lower in overlay.lowers {
        lowers.push(name(Overlay::open_lower(roots, lower)?));
    }
    let mut text = format!("lowerdir={}", lowers.join(":"));
    if let Some(upper) = overlay.upper {
        let own = Lower::from;
        let upper_dir = name(Overlay::open_lower(roots, &own(upper.dir))?);
        let work = name(Overlay::open_lower(roots, &own(upper.work))?);
        write!(text, ",upperdir={upper_dir},workdir={work}").map_err(|_| too_long(DOING))?;
    }
    for (key, value) in overlay.options {
        text.push(',');
        text.push_str(key);
        if let Some(value) = value {
            text.push('=');
            text.push_str(value);
        }
    }
    match text.len() > PAGE {
        true => Err(too_long(DOING)),
        false => CString::new(text).map_err(|_| MountError::new(DOING, Errno::INVAL)),
    }
}

fn too_long(doing: &'static str) -> MountError {
    MountError::new(doing, Errno::TOOBIG).with_words("too many layers for this kernel")
}
