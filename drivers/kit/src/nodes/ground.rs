//! A directory to try things in, on the file system that a root is on or would
//! be on.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::mkdirat;
use rustix::rand::{GetRandomFlags, getrandom};

use super::disk;
use crate::at;

/// What the names of such directories begin with. One may lie in a directory
/// that is about to become a root: a probe that runs at the same time, or one
/// that was killed.
pub(super) const PREFIX: &str = ".sapwood-probe-";

/// A new, empty directory. It is removed by [`clear`](Self::clear), or else
/// when it is dropped.
#[derive(Debug)]
pub struct Ground {
    base: OwnedFd,
    name: String,
    dir: OwnedFd,
    path: PathBuf,
}

impl Ground {
    /// Makes one in `root`, or if that isn't there, in the nearest directory
    /// above that is.
    ///
    /// # Errors
    /// Of the file system; which directory it was to be in is in the words.
    pub fn near(root: &Path) -> io::Result<Self> {
        let base = nearest(root)?;
        Self::within(&base)
            .map_err(|e| io::Error::new(e.kind(), format!("nothing can be made in {base:?}: {e}")))
    }

    fn within(base: &Path) -> io::Result<Self> {
        let mut random = [0; 8];
        getrandom(&mut random[..], GetRandomFlags::empty())?;
        let name = format!("{PREFIX}{:016x}", u64::from_ne_bytes(random));
        let path = base.canonicalize()?.join(&name);
        let base = disk::open_root(base)?;
        mkdirat(&base, &name, disk::PRIVATE_DIR)?;
        let dir = disk::open_dir(&base, &name)?;
        Ok(Self { base, name, dir, path })
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
}
