//! What the file system under the root must be able to do, with or without an
//! overlay on it.

use std::ffi::OsStr;
use std::io;
use std::os::fd::AsFd;

use rustix::fs::{RenameFlags, fstatfs, renameat_with};
use rustix::io::Errno;
use sapwood_kit::at::xattr::{self, Target};
use sapwood_kit::at::{Names, open_dir};
use sapwood_kit::whiteout::OverlayFormat;

use super::Misfit;
use super::ground::Here;

const ELSEWHERE: &str = "put the store on ext4, xfs, btrfs or tmpfs";

/// Checks it, and gives its name.
pub(super) fn check(here: &Here<'_>) -> Result<String, Misfit> {
    let name = name(here)?;
    if name == "overlay" {
        return Err(Misfit::new(
            "the directory is on an overlay file system, which can't hold another one's changes",
            "put the store on a volume of its own, outside the container's own tree",
        ));
    }
    let stage = here.stage()?;
    let lower = open_dir(stage.root(), stage.path("lower").as_os_str()).map_err(io::Error::from)?;
    types_in_directories(&name, &lower)?;
    trusted_attributes(&name, &lower)?;
    whiteouts(&name, &lower)?;
    Ok(name)
}

fn types_in_directories(fs: &str, lower: impl AsFd) -> Result<(), Misfit> {
    let names = Names::read(lower).map_err(io::Error::from)?;
    match names.iter().all(|entry| entry.kind.is_some()) {
        true => Ok(()),
        false => Err(Misfit::new(
            format!("{fs} doesn't tell the types of names in a directory (d_type)"),
            "put the store on another file system; an xfs must be made with ftype=1",
        )),
    }
}

fn trusted_attributes(fs: &str, lower: impl AsFd) -> Result<(), Misfit> {
    let name = OsStr::new("trusted.overlay.sapwood-probe");
    match xattr::set(Target::Open(lower.as_fd()), name, b"y") {
        Ok(()) => Ok(()),
        Err(Errno::PERM) => Err(Misfit::new(
            "trusted.* attributes can't be set: that needs CAP_SYS_ADMIN in the host's user \
             namespace",
            "run it as root of the host, or choose a driver that works without",
        )),
        Err(e) => Err(Misfit::new(
            format!("{fs} has no trusted.* attributes ({})", io::Error::from(e)),
            ELSEWHERE,
        )),
    }
}

/// Both that one can be made and that the kernel can put one in the place of a
/// file that it moves.
fn whiteouts(fs: &str, lower: impl AsFd) -> Result<(), Misfit> {
    let refused = |what: &str, e: Errno| {
        Misfit::new(format!("{fs} can't {what} ({})", io::Error::from(e)), ELSEWHERE)
    };
    OverlayFormat::KERNEL
        .make_whiteout(&lower, OsStr::new("whiteout"))
        .map_err(|e| refused("hold whiteouts, character devices 0:0", e))?;
    renameat_with(&lower, "file", &lower, "moved", RenameFlags::WHITEOUT)
        .map_err(|e| refused("leave a whiteout where a file was renamed", e))
}

fn name(here: &Here<'_>) -> io::Result<String> {
    // The type is `int` or `long` by architecture; the magic numbers are 32 bits.
    #[allow(clippy::cast_sign_loss, clippy::cast_possible_truncation)]
    let magic = fstatfs(&here.root)?.f_type as u32;
    Ok(MAGIC.iter().find(|(number, _)| *number == magic).map_or_else(
        || format!("a file system of type {magic:#x}"),
        |(_, name)| (*name).to_owned(),
    ))
}

/// linux/magic.h, and for those outside the kernel's tree their own headers.
const MAGIC: [(u32, &str); 14] = [
    (0x0000_EF53, "ext4"),
    (0x5846_5342, "xfs"),
    (0x9123_683E, "btrfs"),
    (0x0102_1994, "tmpfs"),
    (0xF2F5_2010, "f2fs"),
    (0xCA45_1A4E, "bcachefs"),
    (0x794C_7630, "overlay"),
    (0x2FC1_2FC1, "zfs"),
    (0x0000_6969, "nfs"),
    (0x6573_5546, "fuse"),
    (0x0102_1997, "9p"),
    (0x0000_4D44, "vfat"),
    (0x00C0_FFEE, "hostfs"),
    (0x8584_58F6, "ramfs"),
];
