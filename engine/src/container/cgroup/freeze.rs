//! Letting a container's processes stand still, and go on.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::retry_on_intr;

use super::Layout;
use super::layout::existing;
use crate::container::error::{Error, Result};

/// How long processes may take to stand still. One that the kernel can't stop
/// waits for a device.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long to wait before looking again; version 1 announces nothing.
const PAUSE: Timespec = Timespec { tv_sec: 0, tv_nsec: 1_000_000 };

/// The switch of a group, by version (kernel documents cgroup-v2.rst and
/// cgroup-v1/freezer-subsystem.rst).
#[derive(Debug)]
enum Switch {
    V1(PathBuf),
    V2(PathBuf),
}

/// Stops every process in the group, and returns when they stand still. `false` if
/// there is nothing to stop: the group is gone, or somebody else has stopped it.
///
/// # Errors
/// Nothing here can stop it: then nothing was. Or a process doesn't stop: then all
/// go on.
pub fn freeze(layout: &Layout, group: &Path) -> Result<bool> {
    let Some(switch) = Switch::of(layout, group)? else { return Ok(false) };
    if switch.is_set()? {
        return Ok(false);
    }
    switch.set(true)?;
    match switch.wait() {
        Ok(()) => Ok(true),
        Err(e) => switch.set(false).and(Err(e)),
    }
}

/// Lets every process in the group go on, if the group is there.
///
/// # Errors
/// The switch can't be written to.
pub fn thaw(layout: &Layout, group: &Path) -> Result<()> {
    match Switch::of(layout, group)? {
        Some(switch) => switch.set(false),
        None => Ok(()),
    }
}

impl Switch {
    /// `None` if the group is gone.
    fn of(layout: &Layout, group: &Path) -> Result<Option<Self>> {
        let (mount, make): (_, fn(PathBuf) -> Self) = match layout {
            Layout::Unified { mount, .. } => (Some(mount.as_path()), Self::V2),
            Layout::Legacy { .. } => (layout.hierarchy(Some("freezer")), Self::V1),
        };
        let Some(mount) = mount else {
            return Err(Error::invalid(
                "a container can't be paused: this machine has no control groups that freeze",
            ));
        };
        Ok(existing(mount, group)?.map(make))
    }

    /// Whether it was switched on, whoever did.
    fn is_set(&self) -> Result<bool> {
        let (path, words) = match self {
            Self::V1(dir) => (dir.join("freezer.state"), ["FROZEN", "FREEZING"]),
            Self::V2(dir) => (dir.join("cgroup.freeze"), ["1", "1"]),
        };
        match fs::read_to_string(&path) {
            Err(e) if is_gone(&e) => Ok(false),
            text => {
                let text = text.map_err(|e| Error::io_at("read", &path, e))?;
                Ok(words.contains(&text.trim_end()))
            }
        }
    }

    fn set(&self, frozen: bool) -> Result<()> {
        let (path, word) = match (self, frozen) {
            (Self::V1(dir), true) => (dir.join("freezer.state"), "FROZEN"),
            (Self::V1(dir), false) => (dir.join("freezer.state"), "THAWED"),
            (Self::V2(dir), true) => (dir.join("cgroup.freeze"), "1"),
            (Self::V2(dir), false) => (dir.join("cgroup.freeze"), "0"),
        };
        match fs::write(&path, word) {
            // With its last process the group went.
            Err(e) if is_gone(&e) => Ok(()),
            written => written.map_err(|e| Error::io_at("write", &path, e)),
        }
    }

    fn wait(&self) -> Result<()> {
        let until = Instant::now() + PATIENCE;
        while !self.stands_still()? {
            if Instant::now() >= until {
                return Err(Error::invalid(
                    "the container can't be paused: a process doesn't stop",
                ));
            }
        }
        Ok(())
    }

    /// Whether all stand still; if not, after a while in which that may have changed.
    fn stands_still(&self) -> Result<bool> {
        let (path, word) = match self {
            Self::V1(dir) => (dir.join("freezer.state"), "FROZEN"),
            Self::V2(dir) => (dir.join("cgroup.events"), "frozen 1"),
        };
        let at = |e| Error::io_at("read", &path, e);
        let file = match File::open(&path) {
            Err(e) if is_gone(&e) => return Ok(true),
            file => file.map_err(at)?,
        };
        let text = match io::read_to_string(&file) {
            Err(e) if is_gone(&e) => return Ok(true),
            text => text.map_err(at)?,
        };
        if text.lines().any(|line| line == word) {
            return Ok(true);
        }
        let mut fds = [PollFd::new(&file, PollFlags::PRI)];
        let watched = match self {
            Self::V1(_) => &mut fds[..0],
            // Readable out of band when the events have changed since the read.
            Self::V2(_) => &mut fds[..],
        };
        retry_on_intr(|| poll(watched, Some(&PAUSE))).map_err(|e| at(e.into()))?;
        Ok(false)
    }
}

fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
        || error.raw_os_error() == Some(rustix::io::Errno::NODEV.raw_os_error())
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command, Stdio};

    use super::*;
    use crate::container::cgroup::{path_of, remove};

    /// A shell that counts in a file as fast as it can, in a group of its own.
    struct Counting {
        layout: Layout,
        group: PathBuf,
        shell: Child,
        folder: tempfile::TempDir,
    }

    impl Counting {
        fn new() -> Self {
            let layout = Layout::probe().unwrap();
            let group = path_of(&format!("freeze-{}", std::process::id()));
            let mount = match &layout {
                Layout::Unified { mount, .. } => mount.clone(),
                Layout::Legacy { .. } => layout.hierarchy(Some("freezer")).unwrap().to_owned(),
            };
            let dir = mount.join(group.strip_prefix("/").unwrap());
            fs::create_dir_all(&dir).unwrap();
            let folder = tempfile::tempdir().unwrap();
            let script = "echo $$ > $GROUP/cgroup.procs || exit
                n=0; while :; do n=$((n+1)); echo $n > $FOLDER/n; done";
            let mut shell = Command::new("sh");
            shell.args(["-c", script]).env("GROUP", dir).env("FOLDER", folder.path());
            let shell = shell.stdin(Stdio::null()).spawn().unwrap();
            let counting = Self { layout, group, shell, folder };
            counting.goes_on();
            counting
        }

        fn count(&self) -> String {
            fs::read_to_string(self.folder.path().join("n")).unwrap_or_default()
        }

        /// Waits until it has counted further.
        fn goes_on(&self) {
            let (before, begun) = (self.count(), Instant::now());
            while self.count().is_empty() || self.count() == before {
                assert!(begun.elapsed() < PATIENCE, "it stands still at {before}");
                std::thread::yield_now();
            }
        }
    }

    impl Drop for Counting {
        fn drop(&mut self) {
            drop(thaw(&self.layout, &self.group));
            self.shell.kill().unwrap();
            self.shell.wait().unwrap();
            remove(&self.layout, &self.group).unwrap();
        }
    }

    #[test]
    fn a_frozen_group_stands_still_until_it_is_thawed() {
        let counting = Counting::new();
        assert!(freeze(&counting.layout, &counting.group).unwrap());
        assert!(!freeze(&counting.layout, &counting.group).unwrap(), "it is already");
        let before = counting.count();
        let until = Instant::now() + Duration::from_millis(50);
        while Instant::now() < until {
            assert_eq!(counting.count(), before);
        }
        thaw(&counting.layout, &counting.group).unwrap();
        counting.goes_on();
    }

    #[test]
    fn a_group_that_is_gone_neither_freezes_nor_thaws() {
        let (layout, group) = (Layout::probe().unwrap(), path_of("not-there"));
        assert!(!freeze(&layout, &group).unwrap());
        thaw(&layout, &group).unwrap();
    }

    #[test]
    fn without_a_freezer_nothing_is_tried() {
        let layout = Layout::Legacy { hierarchies: Vec::new(), unified: None };
        assert!(freeze(&layout, &path_of("x")).is_err());
    }
}
