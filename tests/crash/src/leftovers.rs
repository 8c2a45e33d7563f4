//! What no command may leave behind, however it ended, once another command
//! has looked at the store.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Where something is that shouldn't be.
pub type Leftovers = Vec<PathBuf>;

/// What is left in a driver's root beside whole nodes, in the folders of
/// running containers, in the table of mounts and among control groups.
///
/// `containers` are the ids of those that the test has started.
///
/// # Errors
/// Something can't be read.
pub fn leftovers(
    driver_root: &Path,
    run_root: &Path,
    containers: &[String],
) -> io::Result<Leftovers> {
    let mut found = Leftovers::new();
    for shelf in ["making", "trash", "tickets", "mounts"] {
        list(&driver_root.join(shelf), &mut found)?;
    }
    for store in folders(run_root)? {
        // Filters of system calls are kept for all containers.
        if !store.ends_with("filters") {
            found.extend(folders(&store)?);
        }
    }
    found.extend(mounts(driver_root)?);
    for id in containers {
        found.extend(control_groups(id)?);
    }
    Ok(found)
}

fn list(folder: &Path, found: &mut Leftovers) -> io::Result<()> {
    match fs::read_dir(folder) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        entries => {
            for entry in entries? {
                found.push(entry?.path());
            }
            Ok(())
        }
    }
}

fn folders(folder: &Path) -> io::Result<Leftovers> {
    let mut all = Leftovers::new();
    list(folder, &mut all)?;
    all.retain(|path| path.is_dir());
    Ok(all)
}

fn mounts(beneath: &Path) -> io::Result<Leftovers> {
    let table = fs::read_to_string("/proc/self/mountinfo")?;
    let points = table.lines().filter_map(|line| line.split(' ').nth(4));
    Ok(points.map(PathBuf::from).filter(|point| point.starts_with(beneath)).collect())
}

fn control_groups(id: &str) -> io::Result<Leftovers> {
    let table = fs::read_to_string("/proc/self/mountinfo")?;
    let mounts = table
        .lines()
        .filter(|line| line.contains(" - cgroup"))
        .filter_map(|line| line.split(' ').nth(4));
    let groups = mounts.map(|mount| Path::new(mount).join("sapwood").join(id));
    Ok(groups.filter(|group| group.is_dir()).collect())
}
