//! Telling one mount from another.

use std::fmt;
use std::fs::read_to_string;
use std::io;
use std::os::fd::AsFd;
use std::str::FromStr;

use rustix::fs::{AtFlags, Statx, StatxFlags, statx};

/// `STATX_MNT_ID_UNIQUE` (linux/stat.h), since Linux 6.8: `stx_mnt_id` is a
/// number that isn't used again until the next boot.
const UNIQUE: StatxFlags = StatxFlags::from_bits_retain(0x4000);

/// Which mount something is on: the boot of the kernel, and the mount's number
/// within it.
///
/// Before Linux 6.8 numbers are used again. The device number of the file
/// system then stands beside it, so that it takes a mount with the same number
/// and the same device, at the place where it is looked for, to be deceived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountId {
    boot: String,
    number: Number,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Number {
    Unique(u64),
    Reused { id: u64, major: u32, minor: u32 },
}

impl MountId {
    /// The mount that `fd` is open on. Cost: three system calls.
    ///
    /// # Errors
    /// As statx(2); without `/proc`, and on kernels before 5.8, there are none.
    pub fn of(fd: impl AsFd) -> io::Result<Self> {
        let mask = StatxFlags::MNT_ID | UNIQUE;
        let found = statx(fd, "", AtFlags::EMPTY_PATH, mask)?;
        let boot = read_to_string("/proc/sys/kernel/random/boot_id")?.trim_end().to_owned();
        Ok(Self { boot, number: Number::from_statx(&found)? })
    }
}

impl Number {
    fn from_statx(found: &Statx) -> io::Result<Self> {
        let mask = StatxFlags::from_bits_retain(found.stx_mask);
        if mask.contains(UNIQUE) {
            return Ok(Self::Unique(found.stx_mnt_id));
        }
        if mask.contains(StatxFlags::MNT_ID) {
            let (major, minor) = (found.stx_dev_major, found.stx_dev_minor);
            return Ok(Self::Reused { id: found.stx_mnt_id, major, minor });
        }
        Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "the kernel doesn't number its mounts for programs (that came with Linux 5.8)",
        ))
    }
}

impl fmt::Display for MountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.number {
            Number::Unique(id) => write!(f, "{}/{id}", self.boot),
            Number::Reused { id, major, minor } => {
                write!(f, "{}/{id}/{major}:{minor}", self.boot)
            }
        }
    }
}

impl FromStr for MountId {
    type Err = io::Error;

    fn from_str(text: &str) -> io::Result<Self> {
        parse(text).ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidData, "this is no mount's identity")
        })
    }
}

fn parse(text: &str) -> Option<MountId> {
    let mut parts = text.split('/');
    let boot = parts.next().filter(|boot| !boot.is_empty())?.to_owned();
    let id = parts.next()?.parse().ok()?;
    let number = match parts.next() {
        None => Number::Unique(id),
        Some(device) => {
            let (major, minor) = device.split_once(':')?;
            Number::Reused { id, major: major.parse().ok()?, minor: minor.parse().ok()? }
        }
    };
    parts.next().is_none().then_some(MountId { boot, number })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_survives_being_written_down() {
        for text in ["0c-1/4294967318", "0c-1/66/0:39"] {
            assert_eq!(text.parse::<MountId>().unwrap().to_string(), text);
        }
        for bad in ["", "/1", "a", "a/b", "a/1/2", "a/1/2:x", "a/1/2:3/4"] {
            assert!(bad.parse::<MountId>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn two_mounts_have_two_identities() {
        let (root, proc) =
            (std::fs::File::open("/").unwrap(), std::fs::File::open("/proc").unwrap());
        assert_eq!(MountId::of(&root).unwrap(), MountId::of(&root).unwrap());
        assert_ne!(MountId::of(&root).unwrap(), MountId::of(&proc).unwrap());
    }
}
