//! Mounting a union, and answering until it is unmounted.

use std::path::Path;
use std::sync::Arc;

use fuser::{Config, MountOption, Session, SessionACL};

use crate::adapter::Adapter;
use crate::union::Union;

/// Threads that answer requests: enough that a few that wait for the disk don't
/// keep others waiting.
const THREADS: usize = 8;

/// Mounts `union` and answers until it is unmounted. `ready` is called when it
/// can be used.
///
/// # Errors
/// /dev/fuse can't be opened, or the mount is refused; and of the connection.
pub fn serve(
    union: Union,
    mountpoint: &Path,
    options: Vec<MountOption>,
    ready: impl FnOnce(),
) -> std::io::Result<()> {
    let adapter = Adapter { union: Arc::new(union) };
    let mut config = Config::default();
    config.mount_options = options;
    config.mount_options.push(MountOption::DefaultPermissions);
    config.mount_options.push(MountOption::Subtype("fuse-overlay".into()));
    config.acl = SessionACL::All;
    config.n_threads = Some(THREADS);
    config.clone_fd = true;
    let session = Session::new(adapter, mountpoint, &config)?;
    ready();
    session.run()
}
