//! Names of nodes. A draft and a layer are different types, so that the law
//! "a draft is never a parent" is checked by the compiler.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The longest id in bytes.
///
/// A file name holds 255 bytes (`NAME_MAX`, limits.h(0p)). Drivers put a
/// suffix behind an id for temporary and trashed nodes (a dot, a process id, a
/// counter, a random part: at most 64 bytes), so 128 + 64 = 192 ≤ 255 leaves
/// room without any driver having to check again.
pub const MAX_ID_LEN: usize = 128;

/// Why a string can't be an id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdError {
    /// The string is empty.
    Empty,
    /// The string is longer than [`MAX_ID_LEN`] bytes; holds its length.
    TooLong(usize),
    /// The first character isn't an ASCII letter or digit: it could be hidden
    /// (`.x`), walk upwards (`..`) or be read as an option (`-x`).
    BadStart(char),
    /// A character is not an ASCII letter, digit, `_`, `.` or `-`.
    BadChar(char),
}

impl fmt::Display for IdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("an id can't be empty"),
            Self::TooLong(n) => write!(f, "an id has at most {MAX_ID_LEN} bytes, this one has {n}"),
            Self::BadStart(c) => write!(f, "an id starts with a letter or digit, not {c:?}"),
            Self::BadChar(c) => write!(f, "an id has letters, digits, '_', '.' and '-', not {c:?}"),
        }
    }
}

impl std::error::Error for IdError {}

fn validate(s: &str) -> Result<(), IdError> {
    let first = s.chars().next().ok_or(IdError::Empty)?;
    if s.len() > MAX_ID_LEN {
        return Err(IdError::TooLong(s.len()));
    }
    if !first.is_ascii_alphanumeric() {
        return Err(IdError::BadStart(first));
    }
    match s.chars().find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'))) {
        Some(c) => Err(IdError::BadChar(c)),
        None => Ok(()),
    }
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        ///
        /// Validated when it is made: 1 to [`MAX_ID_LEN`] ASCII letters,
        /// digits, `_`, `.` and `-`, beginning with a letter or digit. It is
        /// therefore always a safe file name.
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks `s` and makes an id of it.
            ///
            /// # Errors
            /// [`IdError`] says which rule `s` breaks.
            pub fn new(s: impl AsRef<str>) -> Result<Self, IdError> {
                validate(s.as_ref())?;
                Ok(Self(s.as_ref().into()))
            }

            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(s: &str) -> Result<Self, IdError> {
                Self::new(s)
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(s: String) -> Result<Self, IdError> {
                Self::new(s)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0.as_ref().to_owned()
            }
        }
    };
}

id! {
    /// Names a tree that can still change: a container's writable layer, an
    /// image layer that is being unpacked, or a read-only view.
    DraftId
}

id! {
    /// Names a committed layer: a tree that never changes again.
    LayerId
}

/// Either kind of id, owned. Drafts and layers have separate name spaces: the
/// draft `a` and the layer `a` are two nodes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NodeId {
    /// A draft or a view.
    Draft(DraftId),
    /// A committed layer.
    Layer(LayerId),
}

impl NodeId {
    /// Borrows this id as the methods of the contract take it.
    #[must_use]
    pub fn as_ref(&self) -> NodeRef<'_> {
        match self {
            Self::Draft(id) => NodeRef::Draft(id),
            Self::Layer(id) => NodeRef::Layer(id),
        }
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_ref().fmt(f)
    }
}

/// Either kind of id, borrowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NodeRef<'a> {
    /// A draft or a view.
    Draft(&'a DraftId),
    /// A committed layer.
    Layer(&'a LayerId),
}

impl NodeRef<'_> {
    /// The same id, owned.
    #[must_use]
    pub fn to_owned(self) -> NodeId {
        match self {
            Self::Draft(id) => NodeId::Draft(id.clone()),
            Self::Layer(id) => NodeId::Layer(id.clone()),
        }
    }

    /// The id's text, without the word draft or layer.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Draft(id) => id.as_str(),
            Self::Layer(id) => id.as_str(),
        }
    }
}

impl fmt::Display for NodeRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Draft(id) => write!(f, "draft {id}"),
            Self::Layer(id) => write!(f, "layer {id}"),
        }
    }
}

impl<'a> From<&'a DraftId> for NodeRef<'a> {
    fn from(id: &'a DraftId) -> Self {
        Self::Draft(id)
    }
}

impl<'a> From<&'a LayerId> for NodeRef<'a> {
    fn from(id: &'a LayerId) -> Self {
        Self::Layer(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_safe_file_names() {
        for good in ["a", "0", "sha256-0a", "a.b_c-d", &"x".repeat(MAX_ID_LEN)] {
            assert_eq!(LayerId::new(good).unwrap().as_str(), good);
        }
        let long = "x".repeat(MAX_ID_LEN + 1);
        let cases = [
            ("", IdError::Empty),
            (long.as_str(), IdError::TooLong(MAX_ID_LEN + 1)),
            (".", IdError::BadStart('.')),
            ("..", IdError::BadStart('.')),
            (".hidden", IdError::BadStart('.')),
            ("-rf", IdError::BadStart('-')),
            ("a/b", IdError::BadChar('/')),
            ("a\0", IdError::BadChar('\0')),
            ("a b", IdError::BadChar(' ')),
            ("aé", IdError::BadChar('é')),
        ];
        for (bad, why) in cases {
            assert_eq!(DraftId::new(bad), Err(why), "{bad:?}");
        }
    }

    #[test]
    fn reading_an_id_from_data_validates_it() {
        assert!(DraftId::try_from("../x".to_owned()).is_err());
        assert!("ok".parse::<LayerId>().is_ok());
    }
}
