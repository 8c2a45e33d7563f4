//! What the tests share: archives byte by byte, trees as text.

pub(crate) mod edits;
pub(crate) mod layout;
pub(crate) mod tar;
pub(crate) mod tree;

use std::fs::OpenOptions;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use graphdriver_api::{ErrorKind, Limits, Op, Result};
use rustix::fs::{Mode, OFlags};
use sapwood_kit::archive::{self, Form, Outcome};
use sapwood_kit::compare::Compare;
use sapwood_kit::diff::Trees;

pub(crate) use tar::{Item, archive};
pub(crate) use tree::{Tree, snapshot};

pub(crate) fn open(path: &Path) -> OwnedFd {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty()).unwrap()
}

/// Applies to a whole tree.
pub(crate) fn apply(root: &Path, tar: &[u8]) -> Result<Outcome> {
    apply_as(Form::Merged, root, tar)
}

pub(crate) fn apply_as(form: Form, root: &Path, mut tar: &[u8]) -> Result<Outcome> {
    archive::apply(open(root), &mut tar, form, &Limits::default())
}

/// In what one tree isn't the other, as the kit tells it to people.
pub(crate) fn compared(expected: &Path, found: &Path) -> Vec<String> {
    let (expected, found) = (open(expected), open(found));
    let trees = Compare { expected: expected.as_fd(), found: found.as_fd(), known: &|_| false };
    let mut all = Vec::new();
    trees.whole(&mut |difference| all.push(difference.to_string())).unwrap();
    all
}

/// The difference of two trees as a layer archive.
pub(crate) fn diff(old: Option<&Path>, new: &Path) -> Vec<u8> {
    let (old, new) = (old.map(open), open(new));
    let trees = Trees { old: old.as_ref().map(AsFd::as_fd), new: new.as_fd(), baseline: None };
    let mut tar = Vec::new();
    let summary = archive::write(Op::Diff, &trees, &mut tar).unwrap();
    assert_eq!(summary.bytes, tar.len() as u64);
    tar
}

/// A directory with a root 0755, 0:0, time 0.
pub(crate) struct Room(tempfile::TempDir);

impl Room {
    pub(crate) fn new() -> Self {
        let room = Self(tempfile::tempdir().unwrap());
        room.dir("root");
        room
    }

    pub(crate) fn root(&self) -> std::path::PathBuf {
        self.0.path().join("root")
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Another such directory beside the root.
    pub(crate) fn dir(&self, name: &str) -> std::path::PathBuf {
        let path = self.0.path().join(name);
        std::fs::create_dir(&path).unwrap();
        tree::touch(&path, 0, 0);
        path
    }
}

/// Fails unless it is this kind of error; gives its words.
pub(crate) fn refused(result: Result<Outcome>, kind: ErrorKind) -> String {
    match result {
        Ok(outcome) => panic!("{outcome:?}, expected {kind:?}"),
        Err(error) if error.kind() == kind => error.report(),
        Err(error) => panic!("{error:?}, expected {kind:?}"),
    }
}

/// Reports the calling test as not run (docs/testing.md): what is missing, and
/// how to get it. Return right after.
pub(crate) fn not_run(reason: &str) {
    let name = |variable| std::env::var(variable).unwrap_or_else(|_| "kit".to_owned());
    let test = format!("{}::{}", name("NEXTEST_BINARY_ID"), name("NEXTEST_TEST_NAME"));
    let line = format!("NOT RUN: {test}: {reason}\n");
    match std::env::var_os("SAPWOOD_NOT_RUN") {
        Some(path) => {
            let mut file = OpenOptions::new().append(true).create(true).open(path).unwrap();
            file.write_all(line.as_bytes()).unwrap();
        }
        None => std::io::stderr().write_all(line.as_bytes()).unwrap(),
    }
}
