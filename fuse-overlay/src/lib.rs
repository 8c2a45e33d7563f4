//! A union file system in user space: several directories shown as one, changes
//! kept in the uppermost.
//!
//! What lies on the disk is overlayfs's own format (the kernel's document
//! filesystems/overlayfs), so that either can go on where the other stopped.
//!
//! | Module | What it is for |
//! |---|---|
//! | [`options`] | the command line, and what it asks for |
//! | `format` | what overlayfs writes: names of attributes, redirects, whiteouts. No system call |
//! | `layer` | files of one layer, by descriptor |
//! | `node` | what the kernel knows by a number: where its data is, what it is called |
//! | `union` | the layers put together: which of them shows what |
//! | `copy_up` | bringing what is to be changed into the upper layer |
//! | `ops` | the file system's operations, a family a file |
//! | `adapter` | the FUSE protocol, which is fuser's |
//! | `mount` | a union where people can see it |
//! | [`process`] | what a program does around a mount |
//!
//! # Laws
//!
//! 1. A lower layer is never written to: its files are opened for reading only,
//!    and there is no call in `ops` that changes one but by way of `copy_up`.
//! 2. Nothing is resolved by a path of several components: each directory is
//!    opened in the one above, and never through a symbolic link.
//! 3. A node's number belongs to one file for as long as the kernel remembers it.
//! 4. What a crash leaves in the upper layer is the state before a change or
//!    after it: names appear with one rename or one link, with all that they name.

mod adapter;
mod copy_up;
mod fds;
pub mod format;
mod layer;
mod mount;
mod node;
pub mod ops;
pub mod options;
pub mod process;
pub mod union;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// The error of every operation: what the caller of a system call gets.
pub use rustix::io::Errno;

pub use mount::{MountError, mount};

/// What operations return.
pub type Result<T> = std::result::Result<T, Errno>;

/// Takes a lock. A thread that panicked with it has changed nothing by halves
/// that another could trip over: every change under a lock is one assignment.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
