//! The directories above what is written.

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{self, Mode, OFlags};

use crate::at::{self, Kind};
use crate::diff::Found;

/// The directory that was written last, or the one of what was written last:
/// all above it have been written too. `None` before the root was.
#[derive(Debug, Default)]
pub(super) struct Parents(Option<Vec<OsString>>);

impl Parents {
    /// Which of the directories above a change haven't been written: how far
    /// each is above the one that holds it, the topmost first. From now on they
    /// count as written, and the change too if it is a directory.
    pub(super) fn missing(&mut self, found: &Found<'_>) -> impl Iterator<Item = usize> + use<> {
        let mut names: Vec<OsString> = components(found.path).map(OsStr::to_owned).collect();
        let is_root = names.is_empty();
        let last = names.pop();
        let above = names.len() + 1 - usize::from(is_root);
        let written = match &self.0 {
            None => 0,
            Some(written) => 1 + written.iter().zip(&names).take_while(|(a, b)| a == b).count(),
        };
        if found.now.is_some_and(|now| now.meta.kind == Kind::Directory) {
            names.extend(last);
        }
        self.0 = Some(names);
        (0..above.saturating_sub(written)).rev()
    }
}

/// The path of the directory that is so many above the one that holds `path`.
pub(super) fn above(path: &Path, up: usize) -> PathBuf {
    let names: Vec<_> = components(path).collect();
    let kept = names.len().saturating_sub(1 + up);
    if kept == 0 { PathBuf::from(".") } else { names.into_iter().take(kept).collect() }
}

/// Opens the directory that is so many above `dir`.
pub(super) fn open(dir: BorrowedFd<'_>, up: usize) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut here = at::open_dir(dir, OsStr::new("."))?;
    for _ in 0..up {
        here = fs::openat(here.as_fd(), "..", flags, Mode::empty())?;
    }
    Ok(here)
}

/// The root itself has none.
fn components(path: &Path) -> impl Iterator<Item = &OsStr> {
    path.iter().filter(|name| *name != ".")
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use graphdriver_api::ChangeKind;

    use super::*;
    use crate::at::Meta;
    use crate::diff::Located;

    #[test]
    fn each_directory_is_missing_once() {
        let root = std::fs::File::open("/").unwrap();
        let meta = Meta::of(&root).unwrap();
        let mut parents = Parents::default();
        let mut missing = |path: &str, is_dir: bool| -> Vec<_> {
            let now = is_dir.then(|| Located { dir: root.as_fd(), name: OsStr::new("."), meta });
            let found = Found {
                path: Path::new(path),
                dir: root.as_fd(),
                kind: ChangeKind::Modified,
                now,
                link: None,
            };
            let missing = parents.missing(&found);
            missing
                .map(|up| above(found.path, up).into_os_string().into_string().unwrap())
                .collect()
        };
        assert_eq!(missing("a/b/c", false), [".", "a", "a/b"]);
        assert_eq!(missing("a/b/d", false), [""; 0]);
        assert_eq!(missing("a/b/e", true), [""; 0]);
        assert_eq!(missing("a/b/e/f/g", false), ["a/b/e/f"]);
        assert_eq!(missing("a/bb", false), [""; 0]);
        assert_eq!(missing("a-b/c", false), ["a-b"]);
        let mut parents = Parents::default();
        let found = Found {
            path: Path::new("."),
            dir: root.as_fd(),
            kind: ChangeKind::Modified,
            now: Some(Located { dir: root.as_fd(), name: OsStr::new("."), meta }),
            link: None,
        };
        assert_eq!(parents.missing(&found).count(), 0);
        assert_eq!(parents.missing(&Found { path: Path::new("a"), ..found }).count(), 0);
    }
}
