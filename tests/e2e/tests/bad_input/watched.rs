//! A store that is looked at before and after.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use sapwood_e2e::Sapwood;
use sapwood_e2e::images::{Compression, Format, busybox};

/// The image in it.
pub(crate) const IMAGE: &str = "box:1";

/// A store with an image and a stopped container called `taken`.
pub(crate) struct Watched {
    pub(crate) sapwood: Sapwood,
    before: String,
}

impl Watched {
    pub(crate) fn on(driver: &str) -> Self {
        let sapwood = Sapwood::on(driver);
        let archive = good_archive(&sapwood);
        sapwood.ok(["load", "-q", "-i", text(&archive)]);
        sapwood.ok(["run", "--name", "taken", IMAGE, "true"]);
        let before = state(&sapwood);
        Self { sapwood, before }
    }

    /// Runs `sapwood ARGS`, which has to fail with `status` and one line that
    /// has `words` in it, and to leave everything as it was.
    #[track_caller]
    pub(crate) fn refuses<S: AsRef<OsStr>>(&self, args: &[S], status: i32, words: &str) {
        let mut command = self.sapwood.command();
        command.args(args);
        self.refuses_command(&mut command, status, words);
    }

    /// The same for any command line.
    #[track_caller]
    pub(crate) fn refuses_command(&self, command: &mut Command, status: i32, words: &str) {
        let done = command.output().unwrap();
        assert_refused(&format!("{command:?}"), &done, status, words);
        assert_eq!(state(&self.sapwood), self.before, "{command:?} changed the store");
    }
}

/// One line, the status, the words; and no panic, which would have 101.
#[track_caller]
pub(crate) fn assert_refused(what: &str, done: &Output, status: i32, words: &str) {
    let said = String::from_utf8_lossy(&done.stderr);
    assert_eq!(done.status.signal(), None, "{what}: {said}");
    assert_eq!(done.status.code(), Some(status), "{what}: {said}");
    assert_eq!(said.lines().count(), 1, "{what}: one line, not: {said}");
    assert!(said.starts_with("sapwood: "), "{what}: {said}");
    assert!(said.contains(words), "{what}: {words:?} isn't in: {said}");
}

/// A docker-archive with busybox in it.
pub(crate) fn good_archive(sapwood: &Sapwood) -> PathBuf {
    let path = sapwood.scratch().join("good.tar");
    busybox(IMAGE).unwrap().write(&path, Format::Docker, Compression::None).unwrap();
    path
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// What the database has, and every file of the store, so every node, that
/// isn't scratch: removed nodes wait in `trash`, and the database has logs.
fn state(sapwood: &Sapwood) -> String {
    let mut state = sapwood.ok(["images", "--no-trunc"]);
    state += &sapwood.ok(["ps", "-aq", "--no-trunc"]);
    let mut files = Vec::new();
    list(&sapwood.root(), &mut files);
    files.sort();
    state + &files.join("\n")
}

fn list(folder: &Path, files: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name();
        let is_folder = entry.file_type().unwrap().is_dir();
        if name == "trash" || name.to_string_lossy().starts_with("metadata.db-") {
            continue;
        }
        files.push(entry.path().to_string_lossy().into_owned());
        if is_folder {
            list(&entry.path(), files);
        }
    }
}
