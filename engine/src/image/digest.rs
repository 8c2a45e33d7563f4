//! Digests as the OCI image specification writes them, and taking them.

use std::fmt;
use std::str::FromStr;

use graphdriver_api::LayerId;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256, Sha512};

/// A hash function that content may be named by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// What nearly everything uses.
    Sha256,
    /// What the specification allows beside it.
    Sha512,
}

impl Algorithm {
    /// As written before the colon.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    fn hex_len(self) -> usize {
        match self {
            Self::Sha256 => 64,
            Self::Sha512 => 128,
        }
    }
}

/// The name of content by its hash: `sha256:` and lower-case hex digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest {
    algorithm: Algorithm,
    hex: String,
}

/// Why a text is no digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DigestError {
    /// Neither `sha256:` nor `sha512:`.
    #[error("a digest begins with sha256: or sha512:")]
    Algorithm,
    /// Too few or too many digits.
    #[error("a sha256 digest has 64 hexadecimal digits, a sha512 digest 128")]
    Length,
    /// Something else than 0-9 and a-f.
    #[error("a digest has lower-case hexadecimal digits only")]
    Digits,
}

impl Digest {
    /// The SHA-256 of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self { algorithm: Algorithm::Sha256, hex: hex(&Sha256::digest(bytes)) }
    }

    /// The hash function.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The digits.
    #[must_use]
    pub fn hex(&self) -> &str {
        &self.hex
    }

    /// The first twelve digits: what tables show.
    #[must_use]
    pub fn short(&self) -> &str {
        self.hex.get(..12).unwrap_or(&self.hex)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm.name(), self.hex)
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        let (algorithm, hex) = [Algorithm::Sha256, Algorithm::Sha512]
            .into_iter()
            .find_map(|a| Some((a, text.strip_prefix(a.name())?.strip_prefix(':')?)))
            .ok_or(DigestError::Algorithm)?;
        if hex.len() != algorithm.hex_len() {
            return Err(DigestError::Length);
        }
        if !is_hex(hex) {
            return Err(DigestError::Digits);
        }
        Ok(Self { algorithm, hex: hex.to_owned() })
    }
}

impl TryFrom<String> for Digest {
    type Error = DigestError;
    fn try_from(text: String) -> Result<Self, DigestError> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

/// Takes a digest of bytes as they pass.
#[derive(Debug, Clone)]
pub enum Hasher {
    /// Of [`Algorithm::Sha256`].
    Sha256(Sha256),
    /// Of [`Algorithm::Sha512`].
    Sha512(Sha512),
}

impl Hasher {
    /// Begins a digest.
    #[must_use]
    pub fn new(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Sha256 => Self::Sha256(Sha256::new()),
            Algorithm::Sha512 => Self::Sha512(Sha512::new()),
        }
    }

    /// Adds the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(h) => h.update(bytes),
            Self::Sha512(h) => h.update(bytes),
        }
    }

    /// The digest of all bytes that were added.
    #[must_use]
    pub fn finish(self) -> Digest {
        match self {
            Self::Sha256(h) => Digest { algorithm: Algorithm::Sha256, hex: hex(&h.finalize()) },
            Self::Sha512(h) => Digest { algorithm: Algorithm::Sha512, hex: hex(&h.finalize()) },
        }
    }
}

/// The name of a stack of layers (image-spec, config.md, "Layer ChainID"): the
/// lowest layer's diff ID, and from there on the SHA-256 of the name of what is
/// below, a space, and the layer's diff ID.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChainId(Digest);

impl ChainId {
    /// The stack that has `diff` on top of `below`.
    #[must_use]
    pub fn on(below: Option<&Self>, diff: &Digest) -> Self {
        Self(match below {
            None => diff.clone(),
            Some(below) => Digest::of(format!("{} {diff}", below.0).as_bytes()),
        })
    }

    /// The names of every stack of `diffs`, from the lowest layer up.
    pub fn all(diffs: &[Digest]) -> Vec<Self> {
        let mut chain: Vec<Self> = Vec::with_capacity(diffs.len());
        for diff in diffs {
            chain.push(Self::on(chain.last(), diff));
        }
        chain
    }

    /// The digits: the layer's id in the driver and in the store.
    #[must_use]
    pub fn hex(&self) -> &str {
        self.0.hex()
    }

    /// The name in full.
    #[must_use]
    pub fn digest(&self) -> &Digest {
        &self.0
    }

    /// The driver's name for the layer on top of the stack: the digits alone.
    ///
    /// # Errors
    /// None that can happen: hex digits are a valid id, and this says so
    /// instead of panicking if that ever changes.
    pub fn layer(&self) -> Result<LayerId, graphdriver_api::IdError> {
        LayerId::new(self.hex())
    }
}

impl fmt::Display for ChainId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Whether `text` is hex digits as digests have them, and nothing else.
pub(crate) fn is_hex(text: &str) -> bool {
    text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    bytes
        .iter()
        .flat_map(|b| [b >> 4, b & 15])
        .filter_map(|nibble| DIGITS.get(usize::from(nibble)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_digests() {
        let empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Digest::of(b"").to_string(), empty);
        let mut hasher = Hasher::new(Algorithm::Sha512);
        hasher.update(b"a");
        hasher.update(b"bc");
        let abc = hasher.finish();
        assert!(
            abc.to_string().starts_with("sha512:ddaf35a193617abacc417349ae20413112e6fa4e89a97ea2")
        );
        assert_eq!(abc.to_string().parse::<Digest>(), Ok(abc));
    }

    #[test]
    fn what_is_no_digest() {
        let rows = [
            ("", DigestError::Algorithm),
            ("md5:00", DigestError::Algorithm),
            ("sha256", DigestError::Algorithm),
            ("sha256:00", DigestError::Length),
            (&format!("sha256:{}", "A".repeat(64)), DigestError::Digits),
            (&format!("sha512:{}", "a".repeat(64)), DigestError::Length),
        ];
        for (text, why) in rows {
            assert_eq!(text.parse::<Digest>(), Err(why), "{text}");
        }
    }

    /// The expected digits come from sha256sum(1).
    #[test]
    fn chain_ids_follow_the_specification() {
        let diffs: Vec<Digest> = [b"a", b"b"].map(|b| Digest::of(b)).into();
        let chain = ChainId::all(&diffs);
        assert_eq!(chain[0].hex(), diffs[0].hex());
        assert_eq!(
            chain[1].hex(),
            "51c0c8ace48498d6f5fee6b0592cc06f2da0f3cbe09c5a34a97dce85c3889676"
        );
        assert_eq!(chain[1].layer().unwrap().as_str(), chain[1].hex());
    }
}
