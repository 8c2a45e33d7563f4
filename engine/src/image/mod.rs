//! Images: what they are called, what they say of themselves, and how they
//! come into the store and leave it.

mod digest;
mod reference;

pub use digest::{Algorithm, ChainId, Digest, DigestError, Hasher};
pub use reference::{Name, Reference, ReferenceError, Repository};
