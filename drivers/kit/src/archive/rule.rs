//! The rule that a damaged or hostile archive breaks, in words.

use std::borrow::Cow;
use std::fmt;

/// What is wrong with an archive, without the entry, which the caller knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule(Cow<'static, str>);

/// What the pure parsers of this module return.
pub type Parsed<T> = std::result::Result<T, Rule>;

impl Rule {
    /// A rule in words that follow "the archive has" ("a path with ..").
    pub fn new(words: impl Into<Cow<'static, str>>) -> Self {
        Self(words.into())
    }

    /// The words.
    #[must_use]
    pub fn into_message(self) -> Cow<'static, str> {
        self.0
    }
}

impl From<&'static str> for Rule {
    fn from(words: &'static str) -> Self {
        Self::new(words)
    }
}

impl From<String> for Rule {
    fn from(words: String) -> Self {
        Self::new(words)
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Rule {}
