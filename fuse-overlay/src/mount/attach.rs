//! Getting a FUSE connection mounted: by ourselves where we may, else by
//! fusermount3, which may.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use fuser::MountOption;
use rustix::fs::{CWD, Mode, OFlags, open};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, fsconfig_create, fsconfig_set_flag,
    fsconfig_set_string, fsmount, fsopen, move_mount,
};
use rustix::process::{getegid, geteuid};

use super::MountError;
use crate::options::{Access, AccessTime, MountFlags, MountOptions};

/// Mounts, and gives the connection; `None` if only fusermount3 may, or is
/// wanted because it watches over the mount.
pub(super) fn attach(
    options: &MountOptions,
    access: Access,
) -> Result<Option<OwnedFd>, MountError> {
    if options.auto_unmount {
        return Ok(None);
    }
    let device = open("/dev/fuse", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
        .map_err(MountError::Device)?;
    match mount(&device, options, access) {
        Ok(()) => Ok(Some(device)),
        // Kernels before 5.2, and filters of system calls, lack the calls.
        Err(Errno::PERM | Errno::NOSYS) => Ok(None),
        Err(e) => Err(MountError::Refused { place: options.mountpoint.clone(), reason: reason(e) }),
    }
}

fn reason(error: Errno) -> String {
    let hint = match error {
        Errno::NODEV => ": the kernel has no FUSE",
        _ => "",
    };
    format!("{}{hint}", std::io::Error::from(error))
}

/// The same for fusermount3, as far as it understands it.
pub(super) fn for_fusermount(options: &MountOptions) -> Vec<MountOption> {
    let flags = &options.flags;
    let text = |text: &std::ffi::OsStr| text.to_string_lossy().into_owned();
    let mut all = vec![
        MountOption::DefaultPermissions,
        MountOption::FSName(text(&options.fsname)),
        MountOption::Subtype(text(&options.subtype)),
        if options.read_only { MountOption::RO } else { MountOption::RW },
        if flags.dev { MountOption::Dev } else { MountOption::NoDev },
        if flags.suid { MountOption::Suid } else { MountOption::NoSuid },
        if flags.exec { MountOption::Exec } else { MountOption::NoExec },
    ];
    let more = [
        (flags.access_time == AccessTime::Never, MountOption::NoAtime),
        (flags.sync, MountOption::Sync),
        (flags.dirsync, MountOption::DirSync),
        (options.auto_unmount, MountOption::AutoUnmount),
    ];
    all.extend(more.into_iter().filter(|(on, _)| *on).map(|(_, option)| option));
    all.extend(options.max_read.map(|most| MountOption::CUSTOM(format!("max_read={most}"))));
    all
}

fn mount(device: &OwnedFd, options: &MountOptions, access: Access) -> Result<(), Errno> {
    let context = fsopen("fuse", FsOpenFlags::FSOPEN_CLOEXEC)?;
    let context = context.as_fd();
    let set = |name: &str, value: &[u8]| fsconfig_set_string(context, name, value);
    set("source", options.fsname.as_encoded_bytes())?;
    set("subtype", options.subtype.as_encoded_bytes())?;
    set("fd", device.as_raw_fd().to_string().as_bytes())?;
    // A directory; which permissions it has is asked later.
    set("rootmode", b"40000")?;
    set("user_id", geteuid().as_raw().to_string().as_bytes())?;
    set("group_id", getegid().as_raw().to_string().as_bytes())?;
    fsconfig_set_flag(context, "default_permissions")?;
    if access != Access::Owner {
        fsconfig_set_flag(context, "allow_other")?;
    }
    if let Some(most) = options.max_read {
        set("max_read", most.to_string().as_bytes())?;
    }
    for label in &options.labels {
        set(label.option, label.value.as_encoded_bytes())?;
    }
    for (wanted, name) in super_block_flags(options) {
        if wanted {
            fsconfig_set_flag(context, name)?;
        }
    }
    fsconfig_create(context)?;
    let flags = attributes(&options.flags, options.read_only);
    let mounted = fsmount(context, FsMountFlags::FSMOUNT_CLOEXEC, flags)?;
    let how = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
    move_mount(mounted.as_fd(), "", CWD, &options.mountpoint, how)
}

/// Flags that the file system has, not the mount.
fn super_block_flags(options: &MountOptions) -> [(bool, &'static str); 4] {
    [
        (options.read_only, "ro"),
        (options.flags.sync, "sync"),
        (options.flags.dirsync, "dirsync"),
        (options.flags.lazytime, "lazytime"),
    ]
}

fn attributes(flags: &MountFlags, read_only: bool) -> MountAttrFlags {
    let times = match flags.access_time {
        AccessTime::Never => MountAttrFlags::MOUNT_ATTR_NOATIME,
        AccessTime::Relative => MountAttrFlags::MOUNT_ATTR_RELATIME,
        AccessTime::Always => MountAttrFlags::MOUNT_ATTR_STRICTATIME,
    };
    let switches = [
        (read_only, MountAttrFlags::MOUNT_ATTR_RDONLY),
        (!flags.dev, MountAttrFlags::MOUNT_ATTR_NODEV),
        (!flags.suid, MountAttrFlags::MOUNT_ATTR_NOSUID),
        (!flags.exec, MountAttrFlags::MOUNT_ATTR_NOEXEC),
        (flags.nodiratime, MountAttrFlags::MOUNT_ATTR_NODIRATIME),
        (flags.nosymfollow, MountAttrFlags::MOUNT_ATTR_NOSYMFOLLOW),
    ];
    let set = switches.into_iter().filter(|(on, _)| *on).map(|(_, flag)| flag);
    set.fold(times, |all, flag| all | flag)
}
