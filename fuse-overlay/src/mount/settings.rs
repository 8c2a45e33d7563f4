//! What a command line asks of the union, in the union's own terms. What it
//! can't do is refused.

use rustix::process::{Resource, getrlimit};

use super::MountError;
use crate::format::Names;
use crate::options::{Durability, Options, RedirectDir, UnionOptions, XattrPermissions, Xino};
use crate::union::{Owners, Settings, has_privileges};

/// Descriptors for other things than layers' files.
const SPARE: u64 = 64;

/// The most that are kept open, however many there could be.
const MOST: u64 = 8192;

/// The settings that the options make.
pub(super) fn of(options: &Options) -> Result<Settings, MountError> {
    let union = &options.union;
    refuse(union)?;
    Ok(Settings {
        names: if union.userxattr || !has_privileges() { Names::User } else { Names::Trusted },
        timeout: union.timeout,
        sync: union.sync == Durability::Fsync,
        volatile: union.sync == Durability::Volatile,
        open_files: open_files(),
        redirect: !matches!(union.redirect_dir, Some(RedirectDir::Off | RedirectDir::Follow)),
        writeback: union.writeback,
        index: union.index != Some(false),
        xattrs: union.xattrs,
        acl: union.acl && union.xattrs,
        owners: Owners {
            users: union.uid_map.clone(),
            groups: union.gid_map.clone(),
            squash: union.squash,
        },
        static_links: union.static_nlink,
        copy_up_on_open: union.copy_up_on_open,
        ..Settings::default()
    })
}

fn refuse(union: &UnionOptions) -> Result<(), MountError> {
    let refused = [
        (union.metacopy == Some(true), "metacopy=on", "copies have their content; leave it out"),
        (union.xino == Xino::On, "xino=on", "numbers may differ after a mount; leave it out"),
        (
            union.redirect_dir == Some(RedirectDir::NoFollow),
            "redirect_dir=nofollow",
            "moved directories are always found; leave it out",
        ),
        (
            union.xattr_permissions != XattrPermissions::Off,
            "xattr_permissions",
            "owners are kept in the files themselves; leave it out",
        ),
    ];
    match refused.into_iter().find(|(asked, ..)| *asked) {
        Some((_, option, reason)) => Err(MountError::Unsupported { option, reason }),
        None => Ok(()),
    }
}

fn open_files() -> usize {
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(MOST);
    let room = limit.saturating_sub(SPARE).min(MOST) / 2;
    usize::try_from(room).unwrap_or(1024).max(32)
}
