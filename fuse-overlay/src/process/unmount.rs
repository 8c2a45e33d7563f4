//! Taking the mount away, and no other.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, Statx, StatxFlags};
use rustix::io::Errno;
use rustix::mount::UnmountFlags;

use super::ProcessError;

/// Where the mount is, and which it is.
#[derive(Debug)]
pub(super) struct Target {
    path: PathBuf,
    /// The mount's number and its device's; none before it is there, or where
    /// they can't be told.
    identity: Option<(u64, u32, u32)>,
}

impl Target {
    /// The mount point, as a path that holds wherever the process goes.
    pub(super) fn find(mountpoint: &Path) -> Result<Self, ProcessError> {
        let path = fs::canonicalize(mountpoint)
            .map_err(|e| ProcessError::Mountpoint(mountpoint.to_owned(), e))?;
        Ok(Self { path, identity: None })
    }

    /// The same, now that the mount is there: remembers which one it is.
    pub(super) fn mounted(self) -> Self {
        let identity = identity(&self.path);
        if let Err(errno) = &identity {
            tracing::warn!(%errno, "the mount can't be told from others at its place");
        }
        Self { identity: identity.ok(), ..self }
    }

    /// Takes the mount from its place. Files in it that are open stay so, and
    /// are served until they are closed. If it isn't there any more, or another
    /// mount is in front of it, nothing is done.
    pub(super) fn unmount(&self) -> Result<(), ProcessError> {
        if self.identity.is_some() && identity(&self.path).ok() != self.identity {
            return Ok(());
        }
        // Not lazily, one with open files couldn't be taken away, and who sent
        // the signal wants an end of it.
        let flags = UnmountFlags::DETACH | UnmountFlags::NOFOLLOW;
        match rustix::mount::unmount(&self.path, flags) {
            Err(Errno::PERM) => self.unmount_without_root(),
            Err(errno) => Err(self.error(errno.to_string())),
            Ok(()) => Ok(()),
        }
    }

    /// By the program that has made the mount, too.
    fn unmount_without_root(&self) -> Result<(), ProcessError> {
        let output = run("fusermount3", &self.path)
            .or_else(|_| run("fusermount", &self.path))
            .map_err(|e| self.error(format!("fusermount3 can't be run: {e}")))?;
        if output.status.success() {
            return Ok(());
        }
        Err(self.error(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
    }

    fn error(&self, reason: String) -> ProcessError {
        ProcessError::Unmount { path: self.path.clone(), reason }
    }
}

fn run(program: &str, path: &Path) -> std::io::Result<Output> {
    Command::new(program).args(["-u", "-z", "--"]).arg(path).stdin(Stdio::null()).output()
}

/// What tells one mount from another at the same place.
///
/// Asked without a request to the file system, which is this very process: the
/// root is opened as a place only, and what the kernel knows of it is enough.
fn identity(path: &Path) -> Result<(u64, u32, u32), Errno> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let root = rustix::fs::openat(CWD, path, flags, Mode::empty())?;
    let flags = AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC;
    let Statx { stx_mnt_id, stx_dev_major, stx_dev_minor, .. } =
        rustix::fs::statx(&root, "", flags, StatxFlags::MNT_ID)?;
    Ok((stx_mnt_id, stx_dev_major, stx_dev_minor))
}
