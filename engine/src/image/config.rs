//! What an image says of itself (image-spec, config.md): kept byte for byte,
//! because its digest is the image's id, and read leniently, because every
//! builder adds fields of its own.

use std::time::SystemTime;

use jiff::Timestamp;
use serde::de::{Deserialize, Deserializer};
use serde::{Deserialize as Read, Serialize};

use super::digest::Digest;

/// An image's configuration: its bytes, their digest, and what is read of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    raw: Vec<u8>,
    id: Digest,
    fields: Fields,
}

/// What the engine reads of a configuration. Whatever is missing or null is
/// empty.
#[derive(Debug, Clone, Default, PartialEq, Read)]
pub struct Fields {
    /// The processor, in Go's words ("amd64").
    #[serde(default, deserialize_with = "lenient")]
    pub architecture: String,
    /// The processor's variant ("v8").
    #[serde(default, deserialize_with = "lenient")]
    pub variant: String,
    /// The operating system ("linux").
    #[serde(default, deserialize_with = "lenient")]
    pub os: String,
    /// When it was built: RFC 3339, unchecked.
    #[serde(default, deserialize_with = "lenient")]
    pub created: String,
    /// Who built it.
    #[serde(default, deserialize_with = "lenient")]
    pub author: String,
    /// What was said of it when it was imported or committed.
    #[serde(default, deserialize_with = "lenient")]
    pub comment: String,
    /// The builder's version.
    #[serde(default, deserialize_with = "lenient")]
    pub docker_version: String,
    /// How to run it, as it is written: see
    /// [`ImageConfig`](crate::container::request::ImageConfig).
    #[serde(default)]
    pub config: Option<serde_json::Value>,
    /// Its layers.
    #[serde(default, deserialize_with = "lenient")]
    pub rootfs: RootFs,
    /// How each layer was made, and the steps that made none.
    #[serde(default, deserialize_with = "lenient")]
    pub history: Vec<HistoryEntry>,
}

/// An image's layers, from the lowest up.
#[derive(Debug, Clone, Default, PartialEq, Eq, Read, Serialize)]
pub struct RootFs {
    /// "layers"; there is no other.
    #[serde(rename = "type", default, deserialize_with = "lenient")]
    pub kind: String,
    /// The digest of each layer's archive without compression.
    #[serde(default, deserialize_with = "lenient")]
    pub diff_ids: Vec<Digest>,
}

/// One step of an image's making.
#[derive(Debug, Clone, Default, PartialEq, Eq, Read)]
pub struct HistoryEntry {
    /// When: RFC 3339, unchecked.
    #[serde(default, deserialize_with = "lenient")]
    pub created: String,
    /// The command.
    #[serde(default, deserialize_with = "lenient")]
    pub created_by: String,
    /// A remark.
    #[serde(default, deserialize_with = "lenient")]
    pub comment: String,
    /// It only changed the configuration.
    #[serde(default, deserialize_with = "lenient")]
    pub empty_layer: bool,
}

impl HistoryEntry {
    /// When, as far as that can be read.
    #[must_use]
    pub fn created(&self) -> Option<SystemTime> {
        time(&self.created)
    }
}

/// A time of RFC 3339.
fn time(text: &str) -> Option<SystemTime> {
    text.parse::<Timestamp>().ok().map(SystemTime::from)
}

/// A member that is null counts as absent: Go writes empty lists that way.
fn lenient<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

impl Config {
    /// Reads a configuration.
    ///
    /// # Errors
    /// It isn't JSON, or a field that is read has another type.
    pub fn parse(raw: Vec<u8>) -> Result<Self, serde_json::Error> {
        // By way of an object: a struct would be read from a list as well.
        let object: serde_json::Map<_, _> = serde_json::from_slice(&raw)?;
        let fields = Fields::deserialize(serde_json::Value::Object(object))?;
        let id = Digest::of(&raw);
        Ok(Self { raw, id, fields })
    }

    /// Its bytes as they came.
    #[must_use]
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// Their digest: the image's id.
    #[must_use]
    pub fn id(&self) -> &Digest {
        &self.id
    }

    /// What is read of it.
    #[must_use]
    pub fn fields(&self) -> &Fields {
        &self.fields
    }

    /// When it was built, as far as that can be read.
    #[must_use]
    pub fn created(&self) -> Option<SystemTime> {
        time(&self.fields.created)
    }

    /// The diff IDs of its layers, from the lowest up.
    #[must_use]
    pub fn diff_ids(&self) -> &[Digest] {
        &self.fields.rootfs.diff_ids
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anything_may_be_missing_or_null() {
        assert_eq!(*Config::parse(b"{}".to_vec()).unwrap().fields(), Fields::default());
        let raw = br#"{"architecture":null,"config":null,"history":null,
            "rootfs":{"type":"layers","diff_ids":null},"unknown":[1]}"#;
        let config = Config::parse(raw.to_vec()).unwrap();
        assert_eq!(config.raw(), raw);
        assert_eq!(config.fields().rootfs.kind, "layers");
        assert!(config.diff_ids().is_empty());
    }

    #[test]
    fn times_may_have_any_offset_and_may_be_nonsense() {
        let created = |text: &str| {
            HistoryEntry { created: text.to_owned(), ..HistoryEntry::default() }.created()
        };
        let at = |s: u64| Some(std::time::UNIX_EPOCH + std::time::Duration::from_secs(s));
        assert_eq!(created("1970-01-01T00:01:00Z"), at(60));
        assert_eq!(created("1970-01-01T02:00:05.000000000+02:00"), at(5));
        assert_eq!(created("yesterday"), None);
    }

    #[test]
    fn the_wrong_type_is_an_error() {
        for raw in ["", "[]", r#"{"os":1}"#, r#"{"rootfs":{"diff_ids":["sha256:12"]}}"#] {
            assert!(Config::parse(raw.into()).is_err(), "{raw}");
        }
    }
}
