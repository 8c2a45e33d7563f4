//! The end of a container's control groups.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill as send};
use nix::unistd::Pid;

use super::Layout;
use super::layout::existing;
use crate::container::error::{Error, Result};
use crate::container::monitor::ProcessId;

/// Kills every process in the group and beneath it, in every hierarchy, and
/// tells whether there was any.
///
/// A process that is being forked meanwhile can escape one round: call it
/// until it says that there was none, or freeze the group first. Version 2's
/// `cgroup.kill` has no such gap and is used where the group is in version 2.
///
/// # Errors
/// A group can't be read, or a signal can't be sent.
pub fn kill(layout: &Layout, group: &Path) -> Result<bool> {
    let mut found = false;
    for mount in layout.mounts() {
        if let Some(dir) = existing(mount, group)? {
            found |= kill_beneath(&dir)?;
        }
    }
    Ok(found)
}

fn kill_beneath(dir: &Path) -> Result<bool> {
    match fs::File::options().write(true).open(dir.join("cgroup.kill")) {
        Ok(mut switch) => {
            // Asked before: afterwards they may be gone already.
            let found = populated(dir)?;
            switch.write_all(b"1").map_err(|e| Error::io_at("kill the processes in", dir, e))?;
            return Ok(found);
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        Err(e) => return Err(Error::io_at("kill the processes in", dir, e)),
    }
    let mut found = false;
    for child in children(dir)? {
        found |= kill_beneath(&child)?;
    }
    for pid in processes(dir)? {
        found = true;
        match send(Pid::from_raw(pid), Signal::SIGKILL) {
            // It ended by itself meanwhile.
            Ok(()) | Err(Errno::ESRCH) => {}
            Err(e) => return Err(Error::io(format!("can't kill process {pid}"), e)),
        }
    }
    Ok(found)
}

fn populated(dir: &Path) -> Result<bool> {
    let file = dir.join("cgroup.events");
    let text = fs::read_to_string(&file).map_err(|e| Error::io_at("read", &file, e))?;
    Ok(text.lines().any(|line| line == "populated 1"))
}

fn processes(dir: &Path) -> Result<Vec<i32>> {
    let file = dir.join("cgroup.procs");
    match fs::read_to_string(&file) {
        Ok(text) => Ok(text.lines().filter_map(|l| l.parse().ok()).filter(|p| *p > 0).collect()),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(e) if e.raw_os_error() == Some(Errno::ENODEV as i32) => Ok(Vec::new()),
        Err(e) => Err(Error::io_at("read", &file, e)),
    }
}

fn children(dir: &Path) -> Result<Vec<std::path::PathBuf>> {
    let at = |e| Error::io_at("list", dir, e);
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(at(e)),
    };
    let mut dirs = Vec::new();
    for entry in entries {
        let entry = entry.map_err(at)?;
        if entry.file_type().map_err(at)?.is_dir() {
            dirs.push(entry.path());
        }
    }
    Ok(dirs)
}

/// The processes in the group and beneath it, in every hierarchy.
///
/// # Errors
/// A group can't be read.
pub fn members(layout: &Layout, group: &Path) -> Result<Vec<ProcessId>> {
    let mut found = Vec::new();
    for mount in layout.mounts() {
        if let Some(dir) = existing(mount, group)? {
            members_beneath(&dir, &mut found)?;
        }
    }
    Ok(found)
}

fn members_beneath(dir: &Path, found: &mut Vec<ProcessId>) -> Result<()> {
    for pid in processes(dir)? {
        found.extend(ProcessId::of(pid)?);
    }
    children(dir)?.iter().try_for_each(|child| members_beneath(child, found))
}

/// Removes the group and what a privileged container made beneath it, in every
/// hierarchy. Groups that aren't there are removed.
///
/// # Errors
/// A group still has processes (`EBUSY`).
pub fn remove(layout: &Layout, group: &Path) -> Result<()> {
    for mount in layout.mounts() {
        if let Some(dir) = existing(mount, group)? {
            remove_beneath(&dir)?;
        }
    }
    Ok(())
}

fn remove_beneath(dir: &Path) -> Result<()> {
    match fs::remove_dir(dir) {
        Ok(()) => return Ok(()),
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) if e.raw_os_error() != Some(Errno::EBUSY as i32) => {
            return Err(Error::io_at("remove the control group", dir, e));
        }
        // Either processes or groups beneath: in version 1, both say EBUSY.
        Err(_) => {}
    }
    for child in children(dir)? {
        remove_beneath(&child)?;
    }
    fs::remove_dir(dir).map_err(|e| Error::io_at("remove the control group", dir, e))
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    /// Makes a group with one beneath it in every hierarchy that can be
    /// written to.
    fn make(layout: &Layout, group: &Path) -> usize {
        let inner = group.strip_prefix("/").unwrap().join("inner");
        layout.mounts().filter(|m| fs::create_dir_all(m.join(&inner)).is_ok()).count()
    }

    #[test]
    fn groups_and_their_processes_go() {
        let layout = Layout::probe().unwrap();
        let group = super::super::path_of(&format!("test-{}", std::process::id()));
        assert!(make(&layout, &group) > 0, "this test needs root and writable control groups");
        let mut child = Command::new("sleep").arg("60").stdin(Stdio::null()).spawn().unwrap();
        for mount in layout.mounts() {
            let procs = mount.join(group.strip_prefix("/").unwrap()).join("cgroup.procs");
            if fs::write(procs, child.id().to_string()).is_ok() {
                break;
            }
        }
        assert!(kill(&layout, &group).unwrap());
        assert!(!child.wait().unwrap().success());
        assert!(!kill(&layout, &group).unwrap());
        remove(&layout, &group).unwrap();
        assert!(layout.mounts().all(|m| existing(m, &group).unwrap().is_none()));
        remove(&layout, &group).unwrap();
    }
}
