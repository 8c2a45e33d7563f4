//! Which mount a token means, and whether that mount still stands.
//!
//! A mount is known by the boot, the mount namespace and its number in there.
//! One in another namespace can't be looked at; it stands as long as anybody
//! may be in that namespace.

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::str::FromStr;

use rustix::io::Errno;
use rustix::rand::{GetRandomFlags, getrandom};

use crate::mount::MountId;

/// The inode of the first process-id namespace (`PROC_PID_INIT_INO` in the
/// kernel's `include/linux/proc_ns.h`): seen from there, no process is hidden.
pub(super) const FIRST_PID_NAMESPACE: u64 = 0xEFFF_FFFC;

/// What tells one mount from all others of this host, in this boot and before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity {
    boot: String,
    namespace: u64,
    /// Kernels before 6.8 use a mount's number again, for the next one at the
    /// same place too; a ticket of before must be another's all the same.
    nonce: u64,
    pub(super) mount: MountId,
}

impl Identity {
    /// The identity of a mount of the calling thread's mount namespace.
    pub(super) fn here(mount: MountId) -> io::Result<Self> {
        let mut nonce = [0; 8];
        getrandom(&mut nonce[..], GetRandomFlags::empty())?;
        let nonce = u64::from_ne_bytes(nonce);
        Ok(Self { boot: boot()?, namespace: namespace()?, nonce, mount })
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {:016x} {}", self.boot, self.namespace, self.nonce, self.mount)
    }
}

impl FromStr for Identity {
    type Err = ();

    fn from_str(token: &str) -> Result<Self, ()> {
        let mut parts = token.splitn(4, ' ');
        let mut part = || parts.next().ok_or(());
        Ok(Self {
            boot: part()?.to_owned(),
            namespace: part()?.parse().map_err(drop)?,
            nonce: u64::from_str_radix(part()?, 16).map_err(drop)?,
            mount: part()?.parse().map_err(drop)?,
        })
    }
}

/// Where a mount is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whereabouts {
    /// If it stands, then in this thread's namespace.
    Here,
    /// In a namespace in which somebody lives, or may live.
    Elsewhere,
    /// It went with its namespace, or with the boot.
    Gone,
}

/// Where a mount of that identity would be, whose mount point ends in `place`.
pub(super) fn whereabouts(identity: &Identity, place: &str) -> io::Result<Whereabouts> {
    if identity.boot != boot()? {
        return Ok(Whereabouts::Gone);
    }
    if identity.namespace == namespace()? {
        return Ok(Whereabouts::Here);
    }
    match may_be_inhabited(identity.namespace, place)? {
        true => Ok(Whereabouts::Elsewhere),
        false => Ok(Whereabouts::Gone),
    }
}

fn boot() -> io::Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim_end().to_owned())
}

fn namespace() -> io::Result<u64> {
    Ok(fs::metadata("/proc/thread-self/ns/mnt")?.ino())
}

/// Whether a thread may be in that mount namespace, in which the mount stands
/// on a path that ends in `place`. `true` unless every thread of the host could
/// be seen and none is.
fn may_be_inhabited(namespace: u64, place: &str) -> io::Result<bool> {
    if fs::metadata("/proc/self/ns/pid")?.ino() != FIRST_PID_NAMESPACE {
        return Ok(true);
    }
    for process in fs::read_dir("/proc")? {
        let process = process?.file_name();
        if process.as_encoded_bytes().first().is_some_and(u8::is_ascii_digit)
            && one_may_be_in(namespace, place, &Path::new("/proc").join(process).join("task"))?
        {
            return Ok(true);
        }
    }
    Ok(false)
}

fn one_may_be_in(namespace: u64, place: &str, threads: &Path) -> io::Result<bool> {
    let Some(threads) = unless_ended(fs::read_dir(threads))? else { return Ok(false) };
    for thread in threads {
        if may_be_in(namespace, place, &thread?.path())? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn may_be_in(namespace: u64, place: &str, thread: &Path) -> io::Result<bool> {
    match unless_ended(fs::metadata(thread.join("ns/mnt"))) {
        Ok(found) => Ok(found.is_some_and(|found| found.ino() == namespace)),
        // A thread with more privileges than ours doesn't tell its namespace,
        // but what is mounted there is open to everybody.
        Err(e) if e.kind() == io::ErrorKind::PermissionDenied => {
            match unless_ended(fs::read(thread.join("mountinfo"))) {
                Ok(mounts) => Ok(mounts.is_some_and(|mounts| mentions(&mounts, place))),
                Err(e) if e.kind() == io::ErrorKind::PermissionDenied => Ok(true),
                Err(e) => Err(e),
            }
        }
        Err(e) => Err(e),
    }
}

/// Whether something is mounted on a path that ends in `place` (proc(5): the
/// fifth field).
fn mentions(mountinfo: &[u8], place: &str) -> bool {
    let point = |line: &[u8]| line.split(|byte| *byte == b' ').nth(4).map(<[u8]>::to_vec);
    let mut points = mountinfo.split(|byte| *byte == b'\n').filter_map(point);
    points.any(|point| point.ends_with(place.as_bytes()))
}

/// A thread that ends while it is looked at is nowhere.
fn unless_ended<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(e) => match Errno::from_io_error(&e) {
            Some(Errno::NOENT | Errno::SRCH | Errno::INVAL) => Ok(None),
            _ => Err(e),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_is_here_elsewhere_or_gone() {
        let root = std::fs::File::open("/").unwrap();
        let here = Identity::here(MountId::of(root).unwrap()).unwrap();
        assert_eq!(here.to_string().parse(), Ok(here.clone()));
        assert_eq!(whereabouts(&here, "/x").unwrap(), Whereabouts::Here);
        let other_boot = Identity { boot: "x".into(), ..here.clone() };
        assert_eq!(whereabouts(&other_boot, "/x").unwrap(), Whereabouts::Gone);
        let no_such = Identity { namespace: 1, ..here };
        let expected = match fs::metadata("/proc/self/ns/pid").unwrap().ino() {
            FIRST_PID_NAMESPACE if rustix::process::geteuid().is_root() => Whereabouts::Gone,
            _ => Whereabouts::Elsewhere,
        };
        assert_eq!(whereabouts(&no_such, "/x").unwrap(), expected);
        // Where some thread hides its namespace, its mounts are looked at.
        let info = b"66 65 0:1 / /srv/r/mounts/a rw - t t rw\n67 65 0:1 /mounts/b / rw - t t rw\n";
        assert!(mentions(info, "/mounts/a"));
        assert!(!mentions(info, "/mounts/b"));
        for bad in ["", "a 1", "a 1 2", "a b 2 c/1", "a 1 x c/1", "a 1 2 c", "a 1 2 c/1 2"] {
            assert!(bad.parse::<Identity>().is_err(), "{bad:?}");
        }
    }
}
