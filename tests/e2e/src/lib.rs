//! What tests of the whole program share: images made to order, and the program
//! on a store of its own.

pub mod images;
mod sapwood;

pub use sapwood::{Sapwood, binary};
