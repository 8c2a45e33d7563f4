//! A folder on the host whose files are an image's: an OCI image layout that
//! isn't packed.

use std::fs::File;
use std::sync::Arc;

use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
use rustix::io::Errno;

use super::member::Member;
use super::problem::{Problem, Result};

/// An open folder.
#[derive(Debug)]
pub(crate) struct Folder(File);

impl Folder {
    pub(crate) fn new(folder: File) -> Self {
        Self(folder)
    }

    /// The regular file called `name`; `None` if there is none. Links within
    /// the folder are followed (layouts share blobs by them), links out of it
    /// aren't: the layout may have come from a stranger.
    pub(crate) fn open(&self, name: &str) -> Result<Option<Member>> {
        // NONBLOCK: opening a FIFO must not wait for a writer.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let within = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        let opened = openat2(&self.0, name, flags, Mode::empty(), within);
        let file = match opened {
            Ok(fd) => File::from(fd),
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
            Err(Errno::XDEV) => {
                return Err(Problem::new(format!("{name:?} leads out of the folder")));
            }
            Err(e) => return Err(Problem::because(format!("can't open {name:?}"), e)),
        };
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(Problem::new(format!("{name:?} isn't a regular file")));
        }
        Ok(Some(Member::new(Arc::new(file), 0, metadata.len())))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn only_regular_files_within_the_folder_are_opened() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::create_dir(at("blobs")).unwrap();
        std::fs::write(at("blobs/x"), "abc").unwrap();
        symlink("blobs/x", at("link")).unwrap();
        symlink("/etc/passwd", at("out")).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, at("fifo"), rustix::fs::FileType::Fifo, Mode::RWXU, 0)
            .unwrap();
        let folder = Folder::new(File::open(dir.path()).unwrap());
        assert_eq!(folder.open("link").unwrap().unwrap().len(), 3);
        assert!(folder.open("nothing").unwrap().is_none());
        assert!(folder.open("blobs/x/y").unwrap().is_none());
        for (name, why) in
            [("out", "leads out"), ("../x", "leads out"), ("fifo", "regular"), ("blobs", "regular")]
        {
            let error = folder.open(name).unwrap_err().to_string();
            assert!(error.contains(why), "{name}: {error}");
        }
    }
}
