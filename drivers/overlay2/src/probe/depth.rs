//! How many layers the kernel stacks.

use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, mkdirat, openat};
use rustix::mount::{MountFlags, mount};
use sapwood_kit::mount::{Lower, Overlay, Way};

use super::ground::Here;

/// `OVL_MAX_STACK` of every kernel so far (fs/overlayfs/super.c, params.h).
const MOST: usize = 500;
/// The fewest that an overlay can have.
const FEWEST: usize = 2;

/// The most lower layers with which a mount works, up to [`MOST`].
///
/// The limit is the kernel's, not the file system's, so the directories are
/// made on a tmpfs, where that is cheap.
pub(super) fn max_lowers(here: &Here<'_>, way: Way) -> io::Result<u32> {
    let path = here.path.join("depth");
    mkdirat(&here.root, "depth", Mode::RWXU)?;
    mount("tmpfs", &path, "tmpfs", MountFlags::empty(), c"size=1m,nr_inodes=1024")?;
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = openat(CWD, &path, flags, Mode::empty())?;
    let names: Vec<_> = (0..MOST).map(|n| PathBuf::from(n.to_string())).collect();
    for name in &names {
        mkdirat(&root, name, Mode::RWXU)?;
    }
    let names: Vec<_> = names.iter().map(|name| Lower::from(name.as_path())).collect();
    let works = |count: usize| {
        let lowers = names.get(..count).unwrap_or(&names);
        overlay(&path, root.as_fd(), lowers).mount(way).is_ok()
    };
    Ok(u32::try_from(most(works)).unwrap_or(u32::MAX))
}

fn overlay<'a>(
    path: &'a Path,
    root: std::os::fd::BorrowedFd<'a>,
    lowers: &'a [Lower<'a>],
) -> Overlay<'a> {
    Overlay {
        path,
        root,
        lenders: &[],
        lowers,
        upper: None,
        options: &[],
        ids: None,
        detached_layers: true,
    }
}

/// The greatest number that works, if all smaller ones do.
fn most(works: impl Fn(usize) -> bool) -> usize {
    if works(MOST) {
        return MOST;
    }
    let (mut good, mut bad) = (FEWEST, MOST);
    while bad - good > 1 {
        let middle = good.midpoint(bad);
        match works(middle) {
            true => good = middle,
            false => bad = middle,
        }
    }
    good
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_found_wherever_it_is() {
        for limit in [2, 3, 64, 127, 499, 500] {
            assert_eq!(most(|count| count <= limit), limit);
        }
    }
}
