//! The work directory: where things are made before they get their place in the
//! upper layer, and where what is taken from there is emptied.

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{self, AtFlags, Dir, FileType, FlockOperation, Mode, OFlags, RenameFlags, openat};
use rustix::io::Errno;
use rustix::thread::{Timespec, nanosleep};

use super::OpenError;
use crate::Result;
use crate::layer::{Stat, absent_is_none};

/// The directory in the work directory in which all happens, as with the
/// kernel.
const SHOP: &str = "work";

/// How often it is tried to lock the work directory, every other millisecond.
const ATTEMPTS: u32 = 1000;

/// Copies of files with several names: overlayfs's own.
const INDEX: &str = "index";

/// A directory that says that nothing was flushed: overlayfs's own.
const TORN_IF_THERE: &str = "incompat";

/// The whiteout that all others are links to: a thousand removals take one
/// inode.
const WHITEOUT: &str = "#whiteout";

/// The work directory of an open union.
#[derive(Debug)]
pub(crate) struct Work {
    shop: Arc<OwnedFd>,
    index: Arc<OwnedFd>,
    /// Locked for as long as the union is there.
    _locked: OwnedFd,
}

impl Work {
    /// Opens it and empties it: nothing in it is anybody's after a crash.
    pub(super) fn open(
        root: OwnedFd,
        upper: impl AsFd,
        (upper_path, path): (&Path, &Path),
    ) -> std::result::Result<Self, OpenError> {
        let failed = |doing: &'static str| move |e| OpenError::new(doing, path, e);
        let root =
            open_to_read(root, OsStr::new(".")).map_err(failed("can't open the work directory"))?;
        let stat = |fd: &dyn AsFd| Stat::of(fd.as_fd()).map_err(failed("can't examine"));
        let (one, other) = (stat(&root)?, stat(&upper.as_fd())?);
        if one.dev() != other.dev() {
            return Err(OpenError::words(format!(
                "the work directory {} must be on the same file system as the upper directory {}",
                path.display(),
                upper_path.display()
            )));
        }
        if one.x.stx_ino == other.x.stx_ino {
            return Err(OpenError::words(format!(
                "{} can't be both the upper and the work directory",
                path.display()
            )));
        }
        lock_in_time(&root).map_err(|e| match e {
            Errno::WOULDBLOCK => OpenError::words(format!(
                "the work directory {} is in use by another union",
                path.display()
            )),
            e => OpenError::new("can't lock the work directory", path, e),
        })?;
        let shop = open_own(&root, SHOP).map_err(failed("can't make use of the work directory"))?;
        if absent_is_none(Stat::at(&shop, OsStr::new(TORN_IF_THERE)))
            .map_err(failed("can't examine"))?
            .is_some()
        {
            return Err(OpenError::words(format!(
                "the upper directory {} was mounted volatile, and may be torn: discard it, or \
                 remove {}/{SHOP}/{TORN_IF_THERE} to use it as it is",
                upper_path.display(),
                path.display()
            )));
        }
        clear(&shop).map_err(failed("can't empty the work directory"))?;
        let index =
            open_own(&root, INDEX).map_err(failed("can't make use of the work directory"))?;
        Ok(Self { shop: Arc::new(shop), index: Arc::new(index), _locked: root })
    }

    /// Has everybody who opens it later know that the upper directory isn't to
    /// be trusted.
    pub(super) fn mark_volatile(&self) -> Result<()> {
        fs::mkdirat(&self.shop, TORN_IF_THERE, Mode::RWXU)?;
        let dir = open_to_read(&self.shop, OsStr::new(TORN_IF_THERE))?;
        fs::mkdirat(dir, "volatile", Mode::RWXU)
    }

    /// The directory to make things in.
    pub(crate) fn dir(&self) -> &OwnedFd {
        &self.shop
    }

    /// The directory of copies that several names lead to.
    pub(crate) fn index(&self) -> &Arc<OwnedFd> {
        &self.index
    }

    /// Takes a copy out of the index, to which no name leads any more.
    pub(crate) fn unindex(&self, name: &OsStr) -> Result<()> {
        fs::unlinkat(&self.index, name, AtFlags::empty())
    }

    /// The same, to keep.
    pub(crate) fn shared(&self) -> Arc<OwnedFd> {
        self.shop.clone()
    }

    /// Makes a whiteout where nothing is.
    pub(crate) fn whiteout(&self, dir: impl AsFd, name: &OsStr) -> Result<()> {
        let link = || fs::linkat(&self.shop, WHITEOUT, &dir, name, AtFlags::empty());
        match link() {
            Err(Errno::NOENT) => {}
            // It has as many links as it can have: the next begins a new one.
            Err(Errno::MLINK) => {
                absent_is_none(fs::unlinkat(&self.shop, WHITEOUT, AtFlags::empty()))?;
            }
            done => return done,
        }
        match make_whiteout(&self.shop, OsStr::new(WHITEOUT)) {
            Ok(()) | Err(Errno::EXIST) => link(),
            Err(e) => Err(e),
        }
    }

    /// Deletes a directory that was moved here, with all that is in it.
    pub(crate) fn discard(&self, name: &OsStr) -> Result<()> {
        remove(&self.shop, name)
    }
}

fn make_whiteout(dir: impl AsFd, name: &OsStr) -> Result<()> {
    fs::mknodat(dir, name, FileType::CharacterDevice, Mode::empty(), 0)
}

/// Has two names change places.
pub(crate) fn exchange(
    one: impl AsFd,
    one_name: &OsStr,
    other: impl AsFd,
    other_name: &OsStr,
) -> Result<()> {
    fs::renameat_with(one, one_name, other, other_name, RenameFlags::EXCHANGE)
}

/// Locks the work directory. Unmounting doesn't wait for the program behind the
/// mount, so who mounts again at once may be earlier than the end of the last.
fn lock_in_time(root: &OwnedFd) -> Result<()> {
    let pause = Timespec { tv_sec: 0, tv_nsec: 2_000_000 };
    for _ in 0..ATTEMPTS {
        match fs::flock(root, FlockOperation::NonBlockingLockExclusive) {
            // Nothing tells when it is free, and waiting in flock(2) has no end.
            Err(Errno::WOULDBLOCK) => drop(nanosleep(&pause)),
            done => return done,
        }
    }
    Err(Errno::WOULDBLOCK)
}

fn open_own(root: &OwnedFd, name: &str) -> Result<OwnedFd> {
    match fs::mkdirat(root, name, Mode::empty()) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(e) => return Err(e),
    }
    let own = open_to_read(root, OsStr::new(name))?;
    for acl in ["system.posix_acl_default", "system.posix_acl_access"] {
        // What is made here must have no other ACL than it is given.
        match fs::fremovexattr(&own, acl) {
            Ok(()) | Err(Errno::NODATA | Errno::OPNOTSUPP) => {}
            Err(e) => return Err(e),
        }
    }
    Ok(own)
}

fn open_to_read(dir: impl AsFd, name: &OsStr) -> Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(dir, name, flags, Mode::empty())
}

fn remove(dir: impl AsFd, name: &OsStr) -> Result<()> {
    match fs::unlinkat(&dir, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        Err(Errno::ISDIR | Errno::PERM) => {}
        Err(e) => return Err(e),
    }
    clear(open_to_read(&dir, name)?)?;
    fs::unlinkat(dir, name, AtFlags::REMOVEDIR)
}

/// Deletes all that is in a directory. What the kernel or we leave here is two
/// levels deep at most, and what others have put here is theirs to bound.
pub(crate) fn clear(dir: impl AsFd) -> Result<()> {
    for name in names(&dir)? {
        remove(&dir, &name)?;
    }
    Ok(())
}

fn names(dir: impl AsFd) -> Result<Vec<OsString>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(dir)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            names.push(OsStr::from_bytes(name).to_owned());
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use rustix::fs::CWD;
    use std::os::unix::fs::{FileTypeExt, MetadataExt};

    use super::*;
    use crate::layer::open_dir;

    struct Place {
        dir: tempfile::TempDir,
        upper: OwnedFd,
    }

    impl Place {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            std::fs::create_dir(dir.path().join("upper")).unwrap();
            std::fs::create_dir(dir.path().join("work")).unwrap();
            let upper = open_dir(CWD, dir.path().join("upper").as_os_str()).unwrap();
            Self { dir, upper }
        }

        fn open(&self) -> std::result::Result<Work, OpenError> {
            self.open_in(&self.dir.path().join("work"))
        }

        fn open_in(&self, work: &Path) -> std::result::Result<Work, OpenError> {
            let root = open_dir(CWD, work.as_os_str()).unwrap();
            Work::open(root, &self.upper, (&self.dir.path().join("upper"), work))
        }
    }

    #[test]
    fn what_a_crash_left_is_gone() {
        let place = Place::new();
        let left = place.dir.path().join("work/work/#3/sub/dir");
        std::fs::create_dir_all(&left).unwrap();
        std::fs::write(left.join("file"), "").unwrap();
        place.open().unwrap();
        let shop = place.dir.path().join("work/work");
        assert_eq!(std::fs::read_dir(shop).unwrap().count(), 0);
    }

    #[test]
    fn one_union_at_a_time() {
        let place = Place::new();
        let first = place.open().unwrap();
        let second = place.open().unwrap_err().to_string();
        assert!(second.contains("in use by another union"), "{second}");
        drop(first);
        place.open().unwrap();
    }

    #[test]
    fn whiteouts_are_links_to_one() {
        let place = Place::new();
        let work = place.open().unwrap();
        for name in ["a", "b", "c"] {
            work.whiteout(&place.upper, OsStr::new(name)).unwrap();
        }
        let meta = std::fs::symlink_metadata(place.dir.path().join("upper/b")).unwrap();
        assert!(meta.file_type().is_char_device());
        assert_eq!((meta.rdev(), meta.nlink()), (0, 4));
        let again = work.whiteout(&place.upper, OsStr::new("a"));
        assert_eq!(again, Err(Errno::EXIST));
    }

    #[test]
    fn the_upper_directory_itself_and_another_file_system_are_refused() {
        let place = Place::new();
        let upper = place.dir.path().join("upper");
        let same = place.open_in(&upper).unwrap_err().to_string();
        assert!(same.contains("both"), "{same}");
        let elsewhere = place.open_in(Path::new("/proc")).unwrap_err();
        assert!(elsewhere.to_string().contains("same file system"), "{elsewhere}");
    }
}
