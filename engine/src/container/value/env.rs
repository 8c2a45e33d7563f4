//! Environment variables and labels, on the command line and in files.

use std::str::FromStr;

use super::{ValueError, refuse};

/// One `-e` or one line of an `--env-file`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EnvEntry {
    /// `NAME=VALUE`.
    Set(String, String),
    /// `NAME`: its value comes from the caller's own environment; where that
    /// has none, the variable is taken out of the image's environment.
    Inherit(String),
}

impl EnvEntry {
    /// The variable's name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Set(name, _) | Self::Inherit(name) => name,
        }
    }
}

impl FromStr for EnvEntry {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let entry = match text.split_once('=') {
            Some((name, value)) => Self::Set(name.to_owned(), value.to_owned()),
            None => Self::Inherit(text.to_owned()),
        };
        if entry.name().is_empty() || text.contains('\0') {
            refuse!("{text:?} isn't an environment variable: write NAME=VALUE or NAME");
        }
        Ok(entry)
    }
}

/// One `--label`: `NAME=VALUE`, or `NAME` for an empty value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// Left of the first `=`.
    pub name: String,
    /// Right of it.
    pub value: String,
}

impl FromStr for Label {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let (name, value) = text.split_once('=').unwrap_or((text, ""));
        if name.is_empty() {
            refuse!("{text:?} isn't a label: write NAME=VALUE");
        }
        Ok(Self { name: name.to_owned(), value: value.to_owned() })
    }
}

/// The entries of an `--env-file`: one a line, `#` in the first column
/// comments, blank lines and white space in front skipped, nothing unquoted.
///
/// # Errors
/// A name with white space in it, or an empty one, quoting its line number.
pub fn parse_env_file(text: &str) -> Result<Vec<EnvEntry>, ValueError> {
    lines(text)
        .map(|(number, line)| {
            let entry: EnvEntry = line.parse()?;
            if entry.name().contains(char::is_whitespace) {
                refuse!(
                    "line {number}: the variable name {:?} has white space in it",
                    entry.name()
                );
            }
            Ok(entry)
        })
        .collect()
}

/// The labels of a `--label-file`, written like an `--env-file`.
///
/// # Errors
/// A line without a name.
pub fn parse_label_file(text: &str) -> Result<Vec<Label>, ValueError> {
    lines(text).map(|(_, line)| line.parse()).collect()
}

fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    // Editors of other systems put a byte-order mark in front.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    text.lines()
        .enumerate()
        .map(|(n, line)| (n + 1, line.trim_start()))
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(name: &str, value: &str) -> EnvEntry {
        EnvEntry::Set(name.into(), value.into())
    }

    #[test]
    fn entries() {
        assert_eq!("A=b=c".parse(), Ok(set("A", "b=c")));
        assert_eq!("A=".parse(), Ok(set("A", "")));
        assert_eq!("A".parse(), Ok(EnvEntry::Inherit("A".into())));
        for bad in ["", "=x", "A=\0"] {
            assert!(bad.parse::<EnvEntry>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn files() {
        let text = "\u{feff}# note\nA=1 \n\n  B=\"q\"\nC\nD=x # kept\n";
        let expected = [
            set("A", "1 "),
            set("B", "\"q\""),
            EnvEntry::Inherit("C".into()),
            set("D", "x # kept"),
        ];
        assert_eq!(parse_env_file(text).unwrap(), expected);
        let error = parse_env_file("A=1\nB C=2").unwrap_err().to_string();
        assert!(error.contains("line 2"), "{error}");
    }

    #[test]
    fn labels() {
        assert_eq!("a=b=c".parse(), Ok(Label { name: "a".into(), value: "b=c".into() }));
        assert_eq!("a".parse(), Ok(Label { name: "a".into(), value: String::new() }));
        assert!("=b".parse::<Label>().is_err());
    }
}
