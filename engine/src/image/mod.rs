//! Images: what they are called, what they say of themselves, and how they
//! come into the store and leave it.

mod change;
mod commit;
mod config;
mod digest;
mod filter;
mod find;
mod history;
mod import;
mod import_from;
mod inspect;
mod layer;
mod lease;
mod limits;
mod load;
pub mod outline;
mod progress;
mod reference;
mod remove;
pub mod save;
mod tag;

pub use change::{Change, ChangeError, RunConfig};
pub(crate) use commit::Commit;
pub use config::{Config, Fields, HistoryEntry, RootFs};
pub(crate) use digest::is_hex;
pub use digest::{Algorithm, ChainId, Digest, DigestError, Hasher};
pub use filter::{Filter, FilterError, NamePattern};
pub use find::Image;
pub(crate) use find::{find, load as load_row};
pub use history::Step;
pub use import::Import;
pub use import_from::{Imported, Offer};
pub use inspect::inspect;
pub(crate) use layer::{UNTIL_COMMIT, prepare_on};
pub(crate) use lease::{
    Lease, PREFIX as DRAFT_PREFIX, clean_up, clean_up_after, clean_up_if_needed, is_ours, make_room,
};
pub(crate) use limits::Documents;
pub use limits::{LIMIT_NAMES, Limits};
pub use load::Loaded;
pub(crate) use load::{make::layer_id, now};
pub(crate) use outline::file::Outlines;
pub use progress::{Event, Progress, Silent, Stage};
pub use reference::{Name, Reference, ReferenceError, Repository};
pub use remove::Removed;
