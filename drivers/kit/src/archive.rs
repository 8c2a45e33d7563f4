//! Layer archives: the tar streams of the OCI image specification, read onto a
//! tree and written from one.
//!
//! The reading half has two parts. [`Reader`] turns bytes into entries and
//! touches no file; everything beneath it is pure and can be fuzzed. [`apply`]
//! puts entries onto a tree. What is read, written and refused, and why, is in
//! docs/archives.md.

pub mod acl;
mod apply;
pub mod entry;
pub mod extensions;
pub mod header;
pub mod pax;
mod read;
mod rule;
mod source;
pub mod sparse;
mod write;

pub use apply::{Beneath, Form, Outcome, apply};
pub use entry::{Attributes, Entry, EntryKind};
pub use read::Reader;
pub use rule::{Parsed, Rule};
pub use write::{Writer, write};
