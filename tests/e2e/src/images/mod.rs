//! Images made here, without a network: docker-archives and OCI layouts with any layers.
//!
//! Everything is deterministic: times are fixed, entries come in the order in
//! which they are added, so that the same recipe has the same digests on
//! every machine (as long as the compressor's version is the same).
//!
//! ```
//! use sapwood_e2e::images::{Compression, Entry, Format, Image};
//!
//! # fn main() -> Result<(), sapwood_e2e::images::Error> {
//! let image = Image::new("example:1")
//!     .command(&["cat", "/etc/motd"])
//!     .layer(|layer| {
//!         layer.add(&Entry::dir("etc"))?;
//!         layer.add(&Entry::file("etc/motd", "hello\n").owner(7, 8))
//!     })
//!     .layer(|layer| layer.add(&Entry::whiteout("etc/motd")));
//! let folder = tempfile::tempdir().unwrap();
//! image.write(&folder.path().join("example.tar"), Format::Docker, Compression::Gzip)?;
//! # Ok(())
//! # }
//! ```

mod archive;
mod busybox;
mod compression;
mod entry;
mod error;
mod image;
mod layer;
mod many;
mod realistic;
mod store;
mod theirs;

pub use archive::Format;
pub use busybox::busybox;
pub use compression::Compression;
pub use entry::Entry;
pub use error::Error;
pub use image::Image;
pub use layer::LayerWriter;
pub use many::{REMOVED_EVERY, many_layers};
pub use realistic::realistic;
pub use theirs::{Owner, TheirStore};

/// Midnight of 1 January 2026, UTC: every time that nobody chose.
pub const EPOCH: u64 = 1_767_225_600;
