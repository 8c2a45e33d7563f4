//! What an image says of itself (image-spec, config.md): kept byte for byte,
//! because its digest is the image's id, and read leniently, because every
//! builder adds fields of its own.

use std::fmt;
use std::marker::PhantomData;
use std::time::SystemTime;

use jiff::Timestamp;
use serde::de::{Deserialize, Deserializer, Error as _, SeqAccess, Visitor};
use serde::{Deserialize as Read, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use super::digest::Digest;

/// Steps of an image's making at most.
const MAX_STEPS: usize = 10_000;

/// An image's configuration: its bytes, their digest, and what is read of it.
#[derive(Debug, Clone)]
pub struct Config {
    raw: Vec<u8>,
    id: Digest,
    fields: Fields,
}

/// What the engine reads of a configuration. Whatever is missing or null is
/// empty.
#[derive(Debug, Clone, Default, Read)]
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
    /// How to run it: JSON as it is written.
    #[serde(default)]
    pub config: Option<Box<RawValue>>,
    /// Its layers.
    #[serde(default, deserialize_with = "lenient")]
    pub rootfs: RootFs,
    /// How each layer was made, and the steps that made none.
    #[serde(default, deserialize_with = "bounded")]
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

/// A list of at most [`MAX_STEPS`] members: `{}` in an archive becomes some
/// thirty times as much in memory.
fn bounded<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    struct List<T>(PhantomData<T>);
    impl<'de, T: Deserialize<'de>> Visitor<'de> for List<T> {
        type Value = Vec<T>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a list of at most {MAX_STEPS} members")
        }
        fn visit_unit<E>(self) -> Result<Vec<T>, E> {
            Ok(Vec::new())
        }
        fn visit_seq<A: SeqAccess<'de>>(self, mut members: A) -> Result<Vec<T>, A::Error> {
            let mut list = Vec::new();
            while let Some(member) = members.next_element()? {
                if list.len() == MAX_STEPS {
                    return Err(A::Error::invalid_length(MAX_STEPS + 1, &self));
                }
                list.push(member);
            }
            Ok(list)
        }
    }
    deserializer.deserialize_any(List(PhantomData))
}

impl PartialEq for Config {
    fn eq(&self, other: &Self) -> bool {
        self.raw == other.raw
    }
}

impl Config {
    /// Reads a configuration.
    ///
    /// # Errors
    /// It isn't JSON, or a field that is read has another type.
    pub fn parse(raw: Vec<u8>) -> Result<Self, serde_json::Error> {
        // A struct would be read from a list as well.
        if !raw.trim_ascii_start().starts_with(b"{") {
            return Err(serde_json::Error::custom("it isn't a JSON object"));
        }
        let fields = serde_json::from_slice(&raw)?;
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

    /// How to run it, with fields that this version doesn't know; null if it
    /// doesn't say.
    #[must_use]
    pub fn run_config(&self) -> Value {
        let raw = self.fields.config.as_ref();
        raw.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default()
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
        let empty = Config::parse(b" {}".to_vec()).unwrap();
        assert!(empty.fields().history.is_empty() && empty.run_config().is_null());
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
    fn a_history_without_end_is_refused() {
        let raw = format!(r#"{{"history":[{}{{}}]}}"#, "{},".repeat(MAX_STEPS));
        let error = Config::parse(raw.into_bytes()).unwrap_err().to_string();
        assert!(error.contains("at most 10000 members"), "{error}");
    }

    #[test]
    fn the_wrong_type_is_an_error() {
        for raw in ["", "[]", r#"{"os":1}"#, r#"{"rootfs":{"diff_ids":["sha256:12"]}}"#] {
            assert!(Config::parse(raw.into()).is_err(), "{raw}");
        }
    }
}
