//! Telling how far a long operation has come.

use super::digest::Digest;

/// Watches a load or an import. Called from several threads, some thousand
/// times a second at most; must not block.
pub trait Progress: Sync {
    /// Something has happened.
    fn event(&self, event: Event<'_>);
}

/// What has happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event<'a> {
    /// So many bytes of a stream or a compressed archive have been unpacked
    /// into a temporary file.
    Spooled(u64),
    /// A layer has come to this stage.
    Layer {
        /// Its diff ID, or the archive's name where that isn't known yet.
        name: &'a str,
        /// The stage.
        stage: Stage,
    },
}

/// How far a layer has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// It is here already.
    Present,
    /// Unpacking begins; its archive has so many bytes, 0 if that isn't known.
    Begun(u64),
    /// So many bytes of its archive have been read, in all.
    Read(u64),
    /// It is unpacked and verified.
    Unpacked,
    /// It is a layer.
    Committed,
}

/// Watches nothing.
#[derive(Debug, Clone, Copy)]
pub struct Silent;

impl Progress for Silent {
    fn event(&self, _: Event<'_>) {}
}

impl Event<'_> {
    pub(crate) fn layer(diff_id: &Digest, stage: Stage, to: &dyn Progress) {
        to.event(Event::Layer { name: diff_id.hex(), stage });
    }
}
