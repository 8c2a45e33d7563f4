//! Where a directory was before it was moved, or where a file's data is.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// The value of the mark `redirect`. Layers may come from anywhere, so a value
/// is a claim: one that could lead elsewhere than down is no redirect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Redirect {
    /// Another name in the same directory.
    Name(OsString),
    /// The names on the way from the root of the layers; never empty.
    Path(Vec<OsString>),
}

impl Redirect {
    /// Understands a value; `None` if it isn't one: empty, a name with a slash
    /// in it, or a path with empty components, `.` or `..`.
    #[must_use]
    pub fn parse(value: &[u8]) -> Option<Self> {
        let value = value.strip_suffix(b"\0").unwrap_or(value);
        match value.strip_prefix(b"/") {
            Some(path) => {
                path.split(|byte| *byte == b'/').map(name).collect::<Option<_>>().map(Self::Path)
            }
            None => name(value).map(Self::Name),
        }
    }

    /// The value to write.
    #[must_use]
    pub fn value(&self) -> Vec<u8> {
        match self {
            Self::Name(name) => name.as_bytes().to_vec(),
            Self::Path(names) => {
                let parts = names.iter().flat_map(|name| [b"/", name.as_bytes()]);
                parts.flatten().copied().collect()
            }
        }
    }
}

fn name(bytes: &[u8]) -> Option<OsString> {
    let bad = bytes.is_empty()
        || bytes == b"."
        || bytes == b".."
        || bytes.contains(&b'/')
        || bytes.contains(&0);
    (!bad && bytes.len() <= 255).then(|| OsString::from_vec(bytes.to_vec()))
}

impl AsRef<OsStr> for Redirect {
    /// The last name.
    fn as_ref(&self) -> &OsStr {
        match self {
            Self::Name(name) => name,
            Self::Path(names) => names.last().map_or(OsStr::new(""), |name| name),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_could_lead_out_is_no_redirect() {
        for value in ["", "/", "..", ".", "a/b", "/..", "/a/../b", "/a//b", "/a/", "/./a", "a\0b"] {
            assert_eq!(Redirect::parse(value.as_bytes()), None, "{value:?}");
        }
        assert_eq!(Redirect::parse(&[b'a'; 256]), None);
        assert_eq!(Redirect::parse(b"name"), Some(Redirect::Name("name".into())));
        assert_eq!(Redirect::parse(b"/a/b"), Some(Redirect::Path(vec!["a".into(), "b".into()])));
        assert_eq!(Redirect::parse(b"..."), Some(Redirect::Name("...".into())));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(names in prop::collection::vec("[a-z. ]{3,9}", 1..5), path: bool) {
            let names: Vec<OsString> = names.into_iter().map(Into::into).collect();
            let redirect = if path { Redirect::Path(names) } else { Redirect::Name(names[0].clone()) };
            prop_assert_eq!(Redirect::parse(&redirect.value()), Some(redirect));
        }
    }
}
