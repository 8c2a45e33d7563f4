//! The overlay's own features, each used once.

use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use graphdriver_api::{IdMap, IdRange, Op};
use rustix::fs::{AtFlags, Mode, OFlags, chmodat, openat, renameat, statat};
use rustix::io::Errno;
use sapwood_kit::at::xattr::{self, Target};
use sapwood_kit::idmap::{IdMaps, Mapped};
use sapwood_kit::mount::{Detached, MountError, Way};

use super::ground::{Here, MountOptions, Stage};
use super::{Finding, Misfit};
use crate::in_use::{self, Trial};

/// Finds the best way in which an overlay can be mounted for writing.
pub(super) fn way(here: &Here<'_>, backing: &str) -> Result<(Way, String), Misfit> {
    let mut refused = Vec::new();
    for way in Way::ALL {
        match here.stage()?.mount(way, &[]) {
            Ok(_) => return Ok((way, refused.join("; "))),
            Err(e) => refused.push(format!("{}: {}", name(way), e.reason())),
        }
    }
    Err(no_way(here, backing)?)
}

fn no_way(here: &Here<'_>, backing: &str) -> io::Result<Misfit> {
    let Err(e) = here.stage()?.mount(Way::Page, &[]) else {
        return Err(io::Error::other("mounting an overlay fails now and then"));
    };
    Ok(match e.errno() {
        Errno::NODEV => Misfit::new(
            "the kernel has no overlay file system",
            "load its module (modprobe overlay), or use a kernel that has it",
        ),
        Errno::PERM => Misfit::new(
            "mounting an overlay isn't allowed here",
            "run it as root of the host, or choose a driver that works without",
        ),
        _ => Misfit::new(
            format!("the kernel mounts no overlay on {backing} ({e})"),
            "put the store on ext4, xfs, btrfs or tmpfs; dmesg may say more",
        ),
    })
}

/// As people call it.
pub(crate) fn name(way: Way) -> &'static str {
    match way {
        Way::Descriptors => "layers as descriptors",
        Way::Names => "repeated lowerdir+",
        Way::Page => "mount(2), lowerdir=",
    }
}

/// Whether an option is taken.
pub(super) fn accepted(
    here: &Here<'_>,
    way: Way,
    option: (&'static str, Option<&'static str>),
) -> io::Result<Finding> {
    try_out(here, way, &[option], |_, _| Ok(Finding::yes("a mount with it works")))
}

/// Mounts with the options, and if that works looks whether they do anything.
fn try_out(
    here: &Here<'_>,
    way: Way,
    options: MountOptions<'_>,
    look: impl FnOnce(&Stage<'_>, &Detached) -> io::Result<Finding>,
) -> io::Result<Finding> {
    let stage = here.stage()?;
    match stage.mount(way, options) {
        Ok(mount) => look(&stage, &mount),
        Err(e) => Ok(refused(&e)),
    }
}

fn refused(error: &MountError) -> Finding {
    Finding::no(format!("the kernel refused it: {}", error.reason()))
}

pub(super) fn redirect_dir(here: &Here<'_>, way: Way) -> io::Result<Finding> {
    try_out(here, way, &[("redirect_dir", Some("on"))], |_, mount| {
        match renameat(mount, "dir", mount, "renamed") {
            Ok(()) => Ok(Finding::yes("a directory of a layer below was renamed")),
            Err(Errno::XDEV) => {
                Ok(Finding::no("renaming a directory of a layer below gives EXDEV"))
            }
            Err(e) => Err(e.into()),
        }
    })
}

pub(super) fn metacopy(here: &Here<'_>, way: Way) -> io::Result<Finding> {
    let options = [("redirect_dir", Some("on")), ("metacopy", Some("on"))];
    try_out(here, way, &options, |stage, mount| {
        chmodat(mount, "file", Mode::RWXU, AtFlags::empty())?;
        let copied = stage.path("upper/file");
        let mark = Target::Entry(stage.root(), copied.as_os_str());
        Ok(match xattr::has(mark, "trusted.overlay.metacopy".as_ref())? {
            true => Finding::yes("a change of mode copied no content"),
            false => Finding::no("a change of mode copies the content all the same"),
        })
    })
}

pub(super) fn index(here: &Here<'_>, way: Way) -> io::Result<Finding> {
    made_by_option(here, way, ("index", Some("on")), "work/index")
}

pub(super) fn volatile(here: &Here<'_>, way: Way) -> io::Result<Finding> {
    made_by_option(here, way, ("volatile", None), "work/work/incompat/volatile")
}

/// Some options show in what the kernel makes.
fn made_by_option(
    here: &Here<'_>,
    way: Way,
    option: (&'static str, Option<&'static str>),
    made: &str,
) -> io::Result<Finding> {
    try_out(here, way, &[option], |stage, _| {
        match statat(stage.root(), stage.path(made), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(_) => Ok(Finding::yes("a mount with it works")),
            Err(Errno::NOENT) => Ok(Finding::no("the kernel takes it and does nothing")),
            Err(e) => Err(e.into()),
        }
    })
}

pub(super) fn in_use(here: &Here<'_>, way: Way, detached_layers: bool) -> io::Result<Finding> {
    rustix::fs::mkdirat(&here.root, in_use::PLACE, Mode::RWXU)?;
    let stage = here.stage()?;
    let upper = stage.path("upper");
    let trial = Trial { path: here.path, root: stage.root(), way, detached_layers };
    let mount = stage.mount(way, &[("index", Some("off"))])?;
    let while_mounted = trial.is_in_use(&upper);
    drop(mount);
    Ok(match (while_mounted, trial.is_in_use(&upper)) {
        (Ok(true), Ok(false)) => Finding::yes("a second overlay on the same directory was refused"),
        (Ok(found), Ok(_)) => Finding::no(format!(
            "a directory that an overlay writes to {} be in use",
            if found { "never ceases to" } else { "doesn't seem to" }
        )),
        (Err(e), _) | (_, Err(e)) => Finding::no(e.to_string()),
    })
}

/// Whether id maps work, and whether layers may be of a mount that stands
/// nowhere.
pub(super) fn id_maps(here: &Here<'_>, way: Way) -> io::Result<(Finding, bool)> {
    let mapped = match map() {
        Ok(mapped) => mapped,
        Err(why) => return Ok((Finding::no(why), false)),
    };
    let mut last = None;
    for detached in [true, false] {
        match here.stage()?.mount_mapped(way, &[], Some(&mapped), detached) {
            Ok(mount) => return Ok((shows_mapped(&mount)?, detached)),
            Err(e) => last = Some(refused(&e)),
        }
    }
    Ok((last.unwrap_or_else(|| Finding::no("")), false))
}

/// Any map will do; this is the usual one.
const SHOWN: u32 = 100_000;

fn map() -> Result<Mapped, String> {
    let range = vec![IdRange { on_disk: 0, shown: SHOWN, count: 65_536 }];
    let map = IdMap { uids: range.clone(), gids: range };
    IdMaps::default().get(Op::Probe, &map).map_err(|e| e.report())
}

fn shows_mapped(mount: &Detached) -> io::Result<Finding> {
    // A copy-up, because the kernel makes its files with other ids then.
    chmodat(mount, "file", Mode::RWXU, AtFlags::empty())?;
    let shown = statat(mount, "file", AtFlags::SYMLINK_NOFOLLOW)?.st_uid;
    Ok(match shown {
        SHOWN => Finding::yes("layers were mounted with mapped ids, and one was copied up"),
        _ => Finding::no("the kernel takes mapped layers and shows their ids unmapped"),
    })
}

/// Whether an inode's number stays over its copy-up, and whether descriptors
/// from before it see what is written after it.
pub(super) fn copy_up(here: &Here<'_>, way: Way) -> io::Result<(bool, bool)> {
    let stage = here.stage()?;
    let mount = stage.mount(way, &[])?;
    let number = || statat(&mount, "file", AtFlags::SYMLINK_NOFOLLOW).map(|stat| stat.st_ino);
    let before = number()?;
    let reader = open_file(&mount, OFlags::RDONLY)?;
    rustix::io::write(open_file(&mount, OFlags::WRONLY)?, b"above")?;
    let mut seen = [0; 5];
    rustix::io::read(reader, &mut seen)?;
    Ok((number()? == before, &seen == b"above"))
}

fn open_file(mount: impl AsFd, flags: OFlags) -> io::Result<std::os::fd::OwnedFd> {
    Ok(openat(mount, Path::new("file"), flags | OFlags::CLOEXEC, Mode::empty())?)
}
