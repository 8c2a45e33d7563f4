//! A driver in memory: the contract in the shortest words, against which the
//! suite and the histories are checked before they check anybody.
//!
//! It is a driver in every respect but one: its nodes end with the process.
//! While a draft is mounted its tree lies in a directory, bound to where it is
//! mounted, so that what the kernel does to it is what the kernel does to any
//! tree; everything else (life cycle, archives, differences) works on trees in
//! memory that share no code with other drivers.
//!
//! [`Fault`] makes it wrong on purpose.

mod archive;
mod borrow;
mod driver;
mod factory;
mod fault;
mod life;
mod mounts;
mod place;
mod state;
mod transfer;

pub use factory::ModelFactory;
pub use fault::Fault;

/// The longest chain of layers: low enough for a test to reach.
const MAX_DEPTH: u32 = 64;

/// The driver's name, and its factory's.
const NAME: &str = "model";
