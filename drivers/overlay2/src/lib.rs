//! The storage driver on the kernel's overlay file system.
//!
//! A node keeps only what differs from its parent, in a directory as the kernel
//! wants the upper layer of an overlay: changed files whole, whiteouts for what
//! is gone, `trusted.overlay.*` attributes for directories that hide or that
//! were renamed. A draft's tree is an overlay mount of its directory on those
//! of its chain; committing moves the directory. docs/drivers/overlay2.md has
//! what is assumed, where it ends, and how it is laid out on disk.
//!
//! What is the same for every driver that keeps nodes in directories is
//! [`NodeStore`](sapwood_kit::nodes::NodeStore)'s: ids, records, locks, mounts'
//! holders, recovery, reclaiming. Here is only what is an overlay's own:
//!
//! | File | What |
//! |---|---|
//! | `factory`, `options`, `settings` | opening it, and what it does as opened here |
//! | `probe` | what the kernel and the file system can do |
//! | `facts` | the same in words |
//! | `driver` | the contract's methods |
//! | `stack` | which directories make up a tree, and mounting them |
//! | `plan` | the same as data for somebody else |
//! | `tree` | the directory that holds a difference, and its root's attributes |
//! | `unpack` | applying archives |
//! | `seal` | what a draft needs before it is a layer |
//! | `difference` | differences, from what the upper directory names |
//! | `borrow` | layers that lie in another root |
//! | `in_use`, `namespaces`, `holders` | drafts that somebody still writes to |
//! | `volatile` | drafts that a power cut may have damaged |
//! | `care` | checking and mending a root |

mod borrow;
mod care;
mod difference;
mod driver;
mod factory;
mod facts;
mod holders;
mod in_use;
mod namespaces;
mod options;
mod plan;
mod probe;
mod seal;
mod settings;
mod stack;
mod tree;
mod unpack;
mod volatile;

pub use factory::Overlay2Factory;

/// The driver's name: users choose it by it, and roots say whose they are.
pub(crate) const NAME: &str = "overlay2";
