//! Choosing images for a listing.

use std::str::FromStr;

use glob::{MatchOptions, Pattern};

use super::Image;
use super::reference::Name;

/// One condition on an image.
#[derive(Debug, Clone, PartialEq)]
pub enum Filter {
    /// A name matches: `busybox`, `busybox:1.*`, `*/app`. A part without a tag
    /// matches every tag; `*` and `?` don't match a slash.
    Reference(NamePattern),
    /// It has no name (`true`), or has one.
    Dangling(bool),
    /// It has this label, with this value if one is given.
    Label(String, Option<String>),
}

/// A pattern for names as people write them.
#[derive(Debug, Clone, PartialEq)]
pub struct NamePattern {
    repository: Pattern,
    tag: Option<Pattern>,
}

/// Why a text is no filter, in words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct FilterError(String);

impl FromStr for Filter {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Self, FilterError> {
        let bad = |why: &str| FilterError(format!("{text:?}: {why}"));
        match text.split_once('=') {
            Some(("reference", pattern)) => Ok(Self::Reference(pattern.parse()?)),
            Some(("dangling", value)) => match value {
                "true" | "1" => Ok(Self::Dangling(true)),
                "false" | "0" => Ok(Self::Dangling(false)),
                _ => Err(bad("dangling is true or false")),
            },
            Some(("label", label)) => Ok(match label.split_once('=') {
                Some((key, value)) => Self::Label(key.to_owned(), Some(value.to_owned())),
                None => Self::Label(label.to_owned(), None),
            }),
            _ => Err(bad("write reference=PATTERN, dangling=BOOL or label=KEY[=VALUE]")),
        }
    }
}

impl FromStr for NamePattern {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Self, FilterError> {
        let pattern = |part: &str| {
            Pattern::new(part).map_err(|e| FilterError(format!("{text:?} is no pattern: {e}")))
        };
        let (repository, tag) = match text.rsplit_once(':') {
            Some((repository, tag)) if !tag.contains('/') => (repository, Some(tag)),
            _ => (text, None),
        };
        Ok(Self { repository: pattern(repository)?, tag: tag.map(pattern).transpose()? })
    }
}

impl NamePattern {
    /// Whether `name` fits, in its short or its full form.
    #[must_use]
    pub fn matches(&self, name: &Name) -> bool {
        let options = MatchOptions { require_literal_separator: true, ..MatchOptions::default() };
        let fits = |p: &Pattern, text: &str| p.matches_with(text, options);
        let repository = fits(&self.repository, name.repository.familiar())
            || fits(&self.repository, name.repository.as_str());
        repository && self.tag.as_ref().is_none_or(|tag| fits(tag, &name.tag))
    }
}

impl Filter {
    /// Whether `image` fulfils it.
    #[must_use]
    pub fn accepts(&self, image: &Image) -> bool {
        match self {
            Self::Reference(pattern) => image.names.iter().any(|n| pattern.matches(n)),
            Self::Dangling(dangling) => image.names.is_empty() == *dangling,
            Self::Label(key, value) => {
                let run = image.config.run_config();
                let found = run.get("Labels").and_then(|l| l.get(key)).and_then(|v| v.as_str());
                found.is_some_and(|found| value.as_ref().is_none_or(|v| v == found))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_names_as_people_write_them() {
        let matches = |pattern: &str, name: &str| {
            pattern.parse::<NamePattern>().unwrap().matches(&Name::parse(name).unwrap())
        };
        for (pattern, name, expected) in [
            ("busybox", "busybox:1", true),
            ("busybox", "me/busybox", false),
            ("busy*", "busybox", true),
            ("*", "me/busybox", false),
            ("*/*", "me/busybox", true),
            ("busybox:1.*", "busybox:1.36", true),
            ("busybox:1.*", "busybox:2", false),
            ("docker.io/library/busybox", "busybox", true),
            ("localhost:5000/a", "localhost:5000/a:x", true),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn what_is_no_filter_says_what_is() {
        for text in ["before=x", "dangling=perhaps", "reference", "reference=[", "x"] {
            assert!(text.parse::<Filter>().is_err(), "{text}");
        }
    }
}
