//! A directory to try things in, on the file system that a root is on or would
//! be on.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::mkdirat;
use rustix::rand::{GetRandomFlags, getrandom};

use super::{disk, lock};
use crate::at;

/// What the names of such directories begin with. One may lie in a directory
/// that is about to become a root: a probe that runs at the same time, or one
/// that was killed.
pub(super) const PREFIX: &str = ".sapwood-probe-";

/// How often another process may take a new directory for a dead one's.
const ATTEMPTS: usize = 16;

/// A new, empty directory. It is removed by [`clear`](Self::clear), or else
/// when it is dropped; or, if its process is killed, by the next that makes one
/// beside it or reclaims. Its lock says that it is alive.
#[derive(Debug)]
pub struct Ground {
    base: OwnedFd,
    name: String,
    dir: OwnedFd,
    path: PathBuf,
}

impl Ground {
    /// Makes one in `root`, or if that isn't there, in the nearest directory
    /// above that is, and removes those that dead processes have left there.
    ///
    /// # Errors
    /// Of the file system; which directory it was to be in is in the words.
    pub fn near(root: &Path) -> io::Result<Self> {
        let base = nearest(root)?;
        Self::within(&base)
            .map_err(|e| io::Error::new(e.kind(), format!("nothing can be made in {base:?}: {e}")))
    }

    fn within(base: &Path) -> io::Result<Self> {
        let path = base.canonicalize()?;
        let base = disk::open_root(base)?;
        // What can't be removed is in nobody's way.
        drop(sweep(base.as_fd()));
        for _ in 0..ATTEMPTS {
            let name = unique_name()?;
            if let Some(dir) = make(base.as_fd(), &name)? {
                return Ok(Self { path: path.join(&name), base, name, dir });
            }
        }
        Err(io::ErrorKind::ResourceBusy.into())
    }

    /// Whether that is the name of one. Such a directory may come and go in any
    /// directory above a root.
    #[must_use]
    pub fn is_named(name: &OsStr) -> bool {
        name.to_str().is_some_and(is_ground)
    }

    /// The directory.
    #[must_use]
    pub fn dir(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }

    /// Its path, absolute and without symbolic links.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Removes it with all that is in it.
    ///
    /// # Errors
    /// Of the file system.
    pub fn clear(self) -> io::Result<()> {
        Ok(at::remove_tree(&self.base, OsStr::new(&self.name)).map(drop)?)
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        // After `clear` there is nothing to remove; and what can't be removed
        // is known by its name for what it is.
        drop(at::remove_tree(&self.base, OsStr::new(&self.name)).map_err(io::Error::from));
    }
}

fn unique_name() -> io::Result<String> {
    let mut random = [0; 8];
    getrandom(&mut random[..], GetRandomFlags::empty())?;
    Ok(format!("{PREFIX}{:016x}", u64::from_ne_bytes(random)))
}

/// `None` if another process has swept it away before it was locked.
fn make(base: BorrowedFd<'_>, name: &str) -> io::Result<Option<OwnedFd>> {
    mkdirat(base, name, disk::PRIVATE_DIR)?;
    let Some(dir) = disk::find_dir(base, name)? else { return Ok(None) };
    let ours = lock::try_dir(&dir)? && disk::is_there(base, name)?;
    Ok(ours.then_some(dir))
}

/// Removes the directories of processes that were killed.
pub(super) fn sweep(base: BorrowedFd<'_>) -> io::Result<()> {
    for name in disk::names(base)? {
        let Some(name) = name.to_str().filter(|name| is_ground(name)) else { continue };
        let Some(dir) = disk::find_dir(base, name)? else { continue };
        if lock::try_dir(&dir)? {
            at::remove_tree(base, OsStr::new(name))?;
        }
    }
    Ok(())
}

/// Whether that is a name that [`unique_name`] gives.
fn is_ground(name: &str) -> bool {
    let digits = name.strip_prefix(PREFIX).unwrap_or_default();
    digits.len() == 16 && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

fn nearest(root: &Path) -> io::Result<PathBuf> {
    for above in std::path::absolute(root)?.ancestors() {
        if above.try_exists()? {
            return Ok(above.to_owned());
        }
    }
    Err(io::ErrorKind::NotFound.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_made_where_the_root_would_be_and_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        for root in [dir.path().to_owned(), dir.path().join("a/b")] {
            let ground = Ground::near(&root).unwrap();
            assert_eq!(ground.path().parent(), Some(&*dir.path().canonicalize().unwrap()));
            std::fs::create_dir(ground.path().join("sub")).unwrap();
            ground.clear().unwrap();
            drop(Ground::near(&root).unwrap());
            assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        }
        let error = Ground::near(Path::new("/proc/self")).unwrap_err();
        assert!(error.to_string().contains("/proc/self"), "{error}");
    }

    #[test]
    fn what_a_killed_process_left_goes_and_what_a_living_one_has_stays() {
        let dir = tempfile::tempdir().unwrap();
        let names = || {
            let names = std::fs::read_dir(dir.path()).unwrap();
            let mut names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
            names.sort();
            names
        };
        let dead = format!("{PREFIX}0123456789abcdef");
        std::fs::create_dir_all(dir.path().join(dead).join("sub")).unwrap();
        let foreign = format!("{PREFIX}of-mine");
        std::fs::create_dir(dir.path().join(&foreign)).unwrap();
        let alive = Ground::near(dir.path()).unwrap();
        drop(Ground::near(dir.path()).unwrap());
        let mut expected = [std::ffi::OsString::from(&alive.name), foreign.into()];
        expected.sort();
        assert_eq!(names(), expected);
    }

    #[test]
    fn many_at_once_get_in_nobodys_way() {
        let dir = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        let ground = Ground::near(dir.path()).unwrap();
                        std::fs::create_dir(ground.path().join("sub")).unwrap();
                        ground.clear().unwrap();
                    }
                });
            }
        });
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
