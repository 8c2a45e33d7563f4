//! Images: what they are called, what they say of themselves, and how they
//! come into the store and leave it.

mod config;
mod digest;
mod find;
mod reference;

pub use config::{Config, Fields, HistoryEntry, RootFs};
pub(crate) use digest::is_hex;
pub use digest::{Algorithm, ChainId, Digest, DigestError, Hasher};
pub use find::Image;
pub use reference::{Name, Reference, ReferenceError, Repository};
