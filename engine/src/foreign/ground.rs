//! Another engine's folder, read by descriptor and beneath its root. Nothing
//! is ever written there, and nothing locked.

use std::fs::File;
use std::io::{BufReader, Read};
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use sapwood_kit::at;
use serde::de::DeserializeOwned;

use crate::archive::Problem;

type Result<T> = std::result::Result<T, Problem>;

/// An open folder whose content isn't trusted.
#[derive(Debug)]
pub(super) struct Ground(OwnedFd);

impl Ground {
    /// Opens the folder that the user means: links on the way to it are the
    /// user's own.
    pub(super) fn open(path: &Path) -> rustix::io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        rustix::fs::openat(CWD, path, flags, Mode::empty()).map(Self)
    }

    /// The directory `path`, open for reading; `None` if there is none.
    pub(super) fn dir(&self, path: &str) -> Result<Option<OwnedFd>> {
        self.look(path, OFlags::RDONLY | OFlags::DIRECTORY)
    }

    /// The directory `path`, which something here says is there.
    pub(super) fn require_dir(&self, path: &str) -> Result<OwnedFd> {
        self.dir(path)?.ok_or_else(|| missing(path))
    }

    /// The names in the directory `path`; none if there is no such directory.
    pub(super) fn names(&self, path: &str) -> Result<at::Names> {
        match self.dir(path)? {
            None => Ok(at::Names::default()),
            Some(dir) => at::Names::read(dir).map_err(|e| unreadable(path, e)),
        }
    }

    /// The regular file `path` with its length; `None` if there is none.
    /// Nothing else is ever opened for reading: a FIFO would keep us for ever.
    pub(super) fn file(&self, path: &str) -> Result<Option<(File, u64)>> {
        let Some(handle) = self.look(path, OFlags::PATH)? else { return Ok(None) };
        let meta = at::Meta::of(&handle).map_err(|e| unreadable(path, e))?;
        if meta.kind != at::Kind::File {
            return Err(Problem::new(format!("{path:?} isn't a regular file")));
        }
        let fd = at::reopen(handle, OFlags::RDONLY).map_err(|e| unreadable(path, e))?;
        Ok(Some((File::from(fd), meta.size)))
    }

    /// The whole of a small file, unless it has more than `limit` bytes;
    /// `None` if there is none.
    pub(super) fn document(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>> {
        let Some(file) = self.bounded(path, limit)? else { return Ok(None) };
        let mut bytes = Vec::new();
        { file }.read_to_end(&mut bytes).map_err(|e| Problem::from(e).of(&path))?;
        Ok(Some(bytes))
    }

    /// What the JSON in a file says, read without keeping its text; `None` if
    /// there is no such file.
    pub(super) fn json<T: DeserializeOwned>(&self, path: &str, limit: u64) -> Result<Option<T>> {
        let Some(file) = self.bounded(path, limit)? else { return Ok(None) };
        serde_json::from_reader(BufReader::new(file))
            .map(Some)
            .map_err(|e| Problem::because(format!("{path:?} can't be understood"), e))
    }

    fn bounded(&self, path: &str, limit: u64) -> Result<Option<impl Read>> {
        let Some((file, len)) = self.file(path)? else { return Ok(None) };
        if len > limit {
            let text = format!("{path:?} has {len} bytes, and more than {limit} are not read");
            return Err(Problem::new(text));
        }
        // It may grow; one that is cut off by this can't be understood.
        Ok(Some(file.take(limit)))
    }

    fn look(&self, path: &str, flags: OFlags) -> Result<Option<OwnedFd>> {
        match at::open_beneath(&self.0, Path::new(path), flags | OFlags::CLOEXEC) {
            Ok(fd) => Ok(Some(fd)),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
            Err(Errno::LOOP) => {
                let text =
                    format!("{path:?} is, or lies behind, a symbolic link, which isn't followed");
                Err(Problem::new(text))
            }
            Err(e) => Err(unreadable(path, e)),
        }
    }
}

/// What the store itself says is there.
pub(super) fn missing(path: &str) -> Problem {
    Problem::new(format!("{path:?} isn't there"))
}

fn unreadable(path: &str, error: Errno) -> Problem {
    let advice = match error {
        Errno::ACCESS | Errno::PERM => "; run as root, or as who owns it",
        _ => "",
    };
    Problem::because(format!("can't read {path:?}{advice}"), std::io::Error::from(error))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn ground() -> (tempfile::TempDir, Ground) {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("dir")).unwrap();
        fs::write(dir.path().join("dir/file"), b"[1]").unwrap();
        symlink("dir", dir.path().join("link")).unwrap();
        symlink("/etc/passwd", dir.path().join("out")).unwrap();
        let fifo = dir.path().join("fifo");
        rustix::fs::mknodat(CWD, fifo, rustix::fs::FileType::Fifo, Mode::RWXU, 0).unwrap();
        let ground = Ground::open(dir.path()).unwrap();
        (dir, ground)
    }

    #[test]
    fn only_what_is_beneath_and_no_link_is_read() {
        let (_dir, ground) = ground();
        assert_eq!(ground.document("dir/file", 3).unwrap().unwrap(), b"[1]");
        assert_eq!(ground.json::<Vec<u8>>("dir/file", 3).unwrap().unwrap(), [1]);
        assert_eq!(ground.names("dir").unwrap().len(), 1);
        for nothing in ["none", "dir/file/x", "dir/none"] {
            assert!(ground.file(nothing).unwrap().is_none(), "{nothing}");
            assert!(ground.names(nothing).unwrap().is_empty(), "{nothing}");
        }
        for (path, why) in [
            ("link/file", "symbolic link"),
            ("out", "symbolic link"),
            ("fifo", "isn't a regular file"),
            ("dir", "isn't a regular file"),
            ("../x", "can't read"),
            ("/etc/passwd", "can't read"),
        ] {
            let error = ground.file(path).unwrap_err().to_string();
            assert!(error.contains(why), "{path}: {error}");
        }
        assert!(ground.require_dir("none").unwrap_err().to_string().contains("isn't there"));
    }

    #[test]
    fn what_is_too_long_is_not_read() {
        let (_dir, ground) = ground();
        assert!(ground.document("dir/file", 2).unwrap_err().to_string().contains("more than 2"));
        assert!(ground.json::<Vec<u8>>("dir/file", 2).is_err());
    }
}
