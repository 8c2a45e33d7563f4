//! An image in an archive: everything small read and verified, its layers
//! located.

use std::fmt;
use std::sync::Arc;

use super::compression::Compression;
use super::content::Content;
use super::problem::{Problem, Result};
use super::source::Source;
use crate::image::{Algorithm, Config, Digest, Hasher, Name, Repository};

/// An image as an archive holds it.
#[derive(Debug)]
pub(crate) struct FoundImage {
    pub(crate) config: Config,
    pub(crate) manifest: Option<Manifest>,
    pub(crate) names: Vec<Name>,
    /// Where it is known by the digest of a manifest that may not be here.
    pub(crate) digests: Vec<(Repository, Digest)>,
    /// As many as the configuration has diff IDs, in the same order.
    pub(crate) layers: Vec<LayerFile>,
}

/// A manifest, byte for byte.
#[derive(Debug, Clone)]
pub(crate) struct Manifest {
    pub(crate) digest: Digest,
    pub(crate) media_type: String,
    pub(crate) content: Vec<u8>,
}

/// A layer's archive: where it is, and what it must turn out to be.
#[derive(Debug, Clone)]
pub(crate) struct LayerFile {
    /// Its name in the archive, for messages.
    pub(crate) name: String,
    pub(crate) bytes: Arc<dyn Content>,
    /// The digest without compression.
    pub(crate) diff_id: Digest,
    /// The digest as it lies in the archive, where that is known.
    pub(crate) blob: Option<Digest>,
    /// As it was declared; `None` leaves it to the bytes.
    pub(crate) compression: Option<Compression>,
}

impl LayerFile {
    /// Checks the declared length.
    pub(crate) fn expect_len(&self, len: u64) -> Result<()> {
        if self.bytes.len() == len {
            return Ok(());
        }
        Err(Problem::new(format!(
            "{} has {} bytes, and its descriptor says {len}",
            self.name,
            self.bytes.len()
        )))
    }
}

/// Reads a configuration, and checks what the engine relies on.
pub(crate) fn read_config(raw: Vec<u8>) -> Result<Config> {
    let config = Config::parse(raw)
        .map_err(|e| Problem::because("its configuration can't be understood", e))?;
    let fields = config.fields();
    if !matches!(fields.rootfs.kind.as_str(), "layers" | "") {
        let kind = &fields.rootfs.kind;
        return Err(Problem::new(format!("its configuration has a rootfs of type {kind:?}")));
    }
    if !matches!(fields.os.as_str(), "linux" | "") {
        let os = &fields.os;
        return Err(Problem::new(format!("it is for {os}, and only images for linux run here")));
    }
    Ok(config)
}

/// Joins a configuration's diff IDs with `count` layers.
pub(crate) fn check_count(config: &Config, count: usize) -> Result<()> {
    let expected = config.diff_ids().len();
    if expected == count {
        return Ok(());
    }
    Err(Problem::new(format!("its configuration names {expected} layers, and it has {count}")))
}

/// Reads a small file that is named by its digest.
pub(crate) fn read_verified(source: &Source, name: &str, digest: &Digest) -> Result<Vec<u8>> {
    let bytes = source.document(name)?;
    check_digest(&name, &bytes, digest)?;
    Ok(bytes)
}

/// Checks that `bytes` are what `digest` names.
pub(crate) fn check_digest(what: &dyn fmt::Display, bytes: &[u8], digest: &Digest) -> Result<()> {
    let mut hasher = Hasher::new(digest.algorithm());
    hasher.update(bytes);
    let found = hasher.finish();
    if found == *digest { Ok(()) } else { Err(wrong_digest(what, digest, &found)) }
}

/// The one sentence for content that isn't what it was named.
pub(crate) fn wrong_digest(what: &dyn fmt::Display, expected: &Digest, found: &Digest) -> Problem {
    Problem::new(format!("{what} is damaged: its digest is {found}, and it should be {expected}"))
}

/// Where a layout keeps the content of this digest.
pub(crate) fn blob_name(digest: &Digest) -> String {
    format!("blobs/{}/{}", digest.algorithm().name(), digest.hex())
}

/// The digest that a file's name promises: `blobs/sha256/HEX`.
pub(crate) fn digest_in_name(name: &str) -> Option<Digest> {
    let rest = name.strip_prefix("blobs/")?;
    [Algorithm::Sha256, Algorithm::Sha512].into_iter().find_map(|algorithm| {
        let hex = rest.strip_prefix(algorithm.name())?.strip_prefix('/')?;
        format!("{}:{hex}", algorithm.name()).parse().ok()
    })
}
