//! Commands that are killed, that fail, and that run out of room, at every
//! step: what they leave, and whether the next command mends it.
//!
//! The commands are run by the program in `examples/`, which is `sapwood` with
//! something that goes wrong at a chosen mutation.

mod faulty;
mod leftovers;
mod walk;

pub use faulty::{Fault, Points, faulty};
pub use leftovers::{Leftovers, leftovers};
pub use walk::{Inventory, Tree, Trees, inventory, layers};
