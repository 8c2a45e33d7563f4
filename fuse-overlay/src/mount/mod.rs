//! A union where people can see it.

mod attach;
mod error;
mod settings;

use std::sync::Arc;

use fuser::{Config, Session, SessionACL};
use rustix::process::geteuid;

pub use error::MountError;

use crate::adapter::Adapter;
use crate::options::{Access, Options};
use crate::union::{Paths, Union};

/// Threads that answer requests, if nobody said how many: enough that a few
/// that wait for the disk don't keep the others waiting.
const THREADS: usize = 8;

/// Mounts the union, calls `ready` when it is there, and serves it until it is
/// unmounted.
///
/// # Errors
/// Options that can't be honoured, directories that can't make a union,
/// /dev/fuse that can't be used: then nothing is mounted. And of the connection
/// to the kernel, later.
pub fn mount(options: &Options, ready: impl FnOnce()) -> Result<(), MountError> {
    let upper = options.upper.as_ref();
    let paths = Paths {
        lowers: options.lowers.clone(),
        upper: upper.map(|upper| (upper.upper.clone(), upper.work.clone())),
    };
    let settings = settings::of(options)?;
    let union = Union::open(&paths, settings)?;
    let access = options.mount.access_for(geteuid().is_root());
    let mut config = Config::default();
    config.acl = acl(access);
    config.n_threads = Some(options.union.threads.unwrap_or(THREADS));
    config.clone_fd = true;
    let adapter = Adapter { union: Arc::new(union) };
    let session = match attach::attach(&options.mount, access)? {
        Some(device) => Session::from_fd(adapter, device, config.acl, config)?,
        None => {
            config.mount_options = attach::for_fusermount(&options.mount);
            let place = &options.mount.mountpoint;
            let refused = |e: std::io::Error| MountError::Refused {
                place: place.clone(),
                reason: e.to_string(),
            };
            Session::new(adapter, place, &config).map_err(refused)?
        }
    };
    ready();
    Ok(session.run()?)
}

fn acl(access: Access) -> SessionACL {
    match access {
        Access::Owner => SessionACL::Owner,
        Access::OwnerAndRoot => SessionACL::RootAndOwner,
        Access::All => SessionACL::All,
    }
}
