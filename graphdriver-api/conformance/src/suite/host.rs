//! Where the suite runs: a mount namespace of its own, a directory on the
//! file system under test, and what the kernel is.

use std::env;
use std::fmt;
use std::fs;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::thread::{self, JoinHandle};

use nix::sched::{CloneFlags, unshare};
use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_change, unmount,
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::stop::{Verdict, When};

/// Names the directory under which drivers get their roots; its file system
/// is the one under test. Without it, a fresh tmpfs.
pub const BACKING_ENV: &str = "SAPWOOD_TEST_BACKING";

/// The host that a run of the suite has to itself.
#[derive(Debug)]
pub struct Host {
    /// Dropped, and so removed, after the unmount in `Drop`.
    home: tempfile::TempDir,
    on_tmpfs: bool,
    kernel: Kernel,
}

impl Host {
    /// Takes the calling thread into a mount namespace of its own, from which
    /// nothing gets out to the host, and finds room for roots.
    ///
    /// Threads that are started afterwards share it.
    ///
    /// # Errors
    /// What is missing here, in words.
    pub fn set_up() -> Verdict<Self> {
        unshare(CloneFlags::CLONE_NEWNS)
            .map_err(std::io::Error::from)
            .when("unshare the mount namespace (needs CAP_SYS_ADMIN)")?;
        let all = MountPropagationFlags::REC | MountPropagationFlags::PRIVATE;
        mount_change("/", all).when("make all mounts private")?;
        raise_open_files()?;
        Self::in_this_namespace()
    }

    fn in_this_namespace() -> Verdict<Self> {
        let under = env::var_os(BACKING_ENV).map(PathBuf::from);
        let on_tmpfs = under.is_none();
        let under = under.unwrap_or_else(env::temp_dir);
        let home = tempfile::Builder::new().prefix("sapwood-conformance.").tempdir_in(&under);
        let home = home.when(format_args!("make a directory in {under:?}"))?;
        if on_tmpfs {
            let options = Some(c"mode=0755");
            mount("tmpfs", home.path(), "tmpfs", MountFlags::empty(), options)
                .when("mount a tmpfs")?;
        }
        Ok(Self { home, on_tmpfs, kernel: Kernel::running()? })
    }

    /// The running kernel.
    #[must_use]
    pub fn kernel(&self) -> Kernel {
        self.kernel
    }

    /// A new directory for one case.
    ///
    /// # Errors
    /// If it can't be made.
    pub fn room(&self) -> Verdict<tempfile::TempDir> {
        let room = tempfile::Builder::new().prefix("case.").tempdir_in(self.home.path());
        room.when("make the case's directory")
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if self.on_tmpfs {
            // If this fails, all that is left over is an empty directory of
            // the host's with a mount that ends with the process's namespace.
            drop(unmount(self.home.path(), UnmountFlags::DETACH).map_err(std::io::Error::from));
        }
    }
}

/// Runs `what` in a mount namespace of its own, which is gone when this
/// returns: the thread goes back before it ends, because a namespace outlives
/// its last thread by a moment, with copies of all mounts in it.
pub(super) fn in_own_namespace<T: Send + 'static>(
    what: impl FnOnce() -> Verdict<T> + Send + 'static,
) -> JoinHandle<Verdict<T>> {
    thread::spawn(move || {
        let home = fs::File::open("/proc/thread-self/ns/mnt").when("open the mount namespace")?;
        unshare(CloneFlags::CLONE_NEWNS).map_err(std::io::Error::from).when("unshare")?;
        let result = what();
        move_into_link_name_space(home.as_fd(), Some(LinkNameSpaceType::Mount))
            .when("go back to the mount namespace")?;
        result
    })
}

/// The mount points at or below a directory, innermost first.
pub(super) fn mounts_below(dir: &Path) -> Verdict<Vec<PathBuf>> {
    // Of this thread: the first one's name space may be another.
    let table = fs::read_to_string("/proc/thread-self/mountinfo").when("read mountinfo")?;
    let points = table.lines().filter_map(|line| line.split(' ').nth(4)).map(unescape);
    let mut below: Vec<_> = points.filter(|p| p.starts_with(dir)).collect();
    below.reverse();
    Ok(below)
}

/// Takes away whatever is mounted below a directory.
pub(super) fn detach_below(dir: &Path) -> Verdict {
    for point in mounts_below(dir)? {
        unmount(&point, UnmountFlags::DETACH).when(format_args!("detach {point:?}"))?;
    }
    Ok(())
}

/// Undoes proc(5)'s octal escapes of blanks in mount points.
fn unescape(field: &str) -> PathBuf {
    let plain = field.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n");
    PathBuf::from(plain.replace("\\134", "\\"))
}

/// Walks keep one descriptor a level, and the suite makes trees of hundreds.
fn raise_open_files() -> Verdict {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    setrlimit(Resource::Nofile, raised).when("raise the limit of open files")
}

/// A kernel's version, as far as rules depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kernel {
    major: u32,
    minor: u32,
}

impl Kernel {
    fn running() -> Verdict<Self> {
        let name = rustix::system::uname();
        let release = name.release().to_string_lossy();
        let mut numbers = release.split(|c: char| !c.is_ascii_digit());
        let mut next = || numbers.next().and_then(|n| n.parse().ok()).unwrap_or(0);
        Ok(Self { major: next(), minor: next() })
    }
}

impl FromStr for Kernel {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('.');
        let parsed = parts.and_then(|(major, minor)| {
            Some(Self { major: major.parse().ok()?, minor: minor.parse().ok()? })
        });
        parsed.ok_or_else(|| format!("{text:?} isn't a kernel version such as 6.5"))
    }
}

impl fmt::Display for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_are_ordered_as_numbers() {
        let kernel = |text: &str| text.parse::<Kernel>().unwrap();
        assert!(kernel("6.5") < kernel("6.18"));
        assert!(kernel("5.19") < kernel("6.1"));
        assert!("six".parse::<Kernel>().is_err());
    }

    #[test]
    fn mount_points_with_blanks_are_read() {
        assert_eq!(unescape("/a\\040b\\134c"), Path::new("/a b\\c"));
    }
}
