//! The storage driver that copies.
//!
//! Every draft and every layer is a whole tree in a directory of its own; a
//! draft begins as a copy of its layer's. There is nothing between a container
//! and its files, so nothing differs from the file system beneath, and nothing
//! is shared but what that can share itself (reflinks of xfs and btrfs).
//! docs/drivers/vfs.md has what is assumed, where it ends, and how it is laid
//! out on disk.
//!
//! What is the same for every driver that keeps nodes in directories is
//! [`NodeStore`](sapwood_kit::nodes::NodeStore)'s: ids, records, locks, mounts'
//! holders, recovery, reclaiming. Here is only what copying adds:
//!
//! | File | What |
//! |---|---|
//! | `factory` | opening it |
//! | `probe` | what the kernel and the file system can do |
//! | `facts` | the same in words, and as traits |
//! | `driver` | the contract's methods |
//! | `tree` | the directory that holds a tree: making it, copying it, finding it |
//! | `mount` | showing it: a bind mount, so that the kernel knows who uses it |
//! | `difference` | differences, told by comparing two trees |
//! | `borrow` | layers whose trees lie in another root |
//! | `in_use` | mounts of a draft that outlived the one we know of |
//! | `care` | checking and mending a root |

mod borrow;
mod care;
mod difference;
mod driver;
mod factory;
mod facts;
mod in_use;
mod mount;
mod probe;
mod tree;

pub use factory::VfsFactory;

/// The driver's name: users choose it by it, and roots say whose they are.
pub(crate) const NAME: &str = "vfs";
