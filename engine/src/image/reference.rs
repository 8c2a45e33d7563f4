//! Names of images, after the grammar that Docker and registries share
//! (distribution, "reference"): `[HOST[:PORT]/]PATH[:TAG][@DIGEST]`.
//!
//! A name is kept in full (`docker.io/library/busybox`) and shown in the form
//! that people write (`busybox`).

use std::fmt;
use std::str::FromStr;

use super::digest::{Digest, DigestError, is_hex};

const DEFAULT_HOST: &str = "docker.io";
const OFFICIAL: &str = "library";
const DEFAULT_TAG: &str = "latest";

/// Bytes of a repository in full; the limit of every registry.
const MAX_NAME: usize = 255;

/// Bytes of a tag.
const MAX_TAG: usize = 128;

/// The rule of the grammar that a name breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// Nothing at all.
    #[error("the name is empty")]
    Empty,
    /// An upper-case letter in the path.
    #[error("a repository's name is in lower case")]
    UpperCase,
    /// A component of the path breaks the grammar.
    #[error(
        "each part of the name between slashes is lower-case letters and digits, with single '.', \
         '_', '__' or '-' between them"
    )]
    Path,
    /// The part before the first slash is no host.
    #[error("the part before the first slash is not a host name with an optional port")]
    Host,
    /// The tag breaks the grammar.
    #[error(
        "a tag is up to 128 letters, digits, '_', '.' and '-', and doesn't begin with '.' or '-'"
    )]
    Tag,
    /// Longer than any registry takes.
    #[error("a repository's name has at most 255 characters")]
    TooLong,
    /// 64 hex digits: always read as an id.
    #[error("64 hexadecimal digits are an image's id and can't be its name")]
    LooksLikeId,
    /// What follows the `@` is no digest.
    #[error("{0}")]
    Digest(DigestError),
}

/// Where images of one name live, in full: host and path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Repository(String);

impl Repository {
    /// The name in full: `docker.io/library/busybox`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name as people write it: without the host `docker.io` and without
    /// `library/`; in full where it would be read as another host's then.
    #[must_use]
    pub fn familiar(&self) -> &str {
        let Some(path) = self.0.strip_prefix("docker.io/") else { return &self.0 };
        match path.strip_prefix("library/") {
            Some(official) if !official.contains('/') => official,
            _ if split_host(path) == (DEFAULT_HOST, path) => path,
            _ => &self.0,
        }
    }

    /// A name that was validated before it was stored.
    pub(crate) fn from_store(full: String) -> Self {
        Self(full)
    }
}

impl FromStr for Repository {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        if text.is_empty() {
            return Err(ReferenceError::Empty);
        }
        if text.len() == 64 && is_hex(text) {
            return Err(ReferenceError::LooksLikeId);
        }
        let (host, path) = split_host(text);
        check_host(host)?;
        check_path(path)?;
        let official = host == DEFAULT_HOST && !path.contains('/');
        let full = match official {
            true => format!("{host}/{OFFICIAL}/{path}"),
            false => format!("{host}/{path}"),
        };
        if full.len() > MAX_NAME {
            return Err(ReferenceError::TooLong);
        }
        Ok(Self(full))
    }
}

/// The first component is a host if it has a dot, a colon or an upper-case
/// letter, or is `localhost`; else the name belongs to Docker Hub.
fn split_host(text: &str) -> (&str, &str) {
    match text.split_once('/') {
        Some(("index.docker.io", path)) => (DEFAULT_HOST, path),
        Some((host, path))
            if host == "localhost"
                || host.contains(['.', ':'])
                || host.contains(|c: char| c.is_ascii_uppercase()) =>
        {
            (host, path)
        }
        _ => (DEFAULT_HOST, text),
    }
}

fn check_host(host: &str) -> Result<(), ReferenceError> {
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, Some(port)),
        _ => (host, None),
    };
    let port_ok = port.is_none_or(|p| !p.is_empty() && p.bytes().all(|b| b.is_ascii_digit()));
    if port_ok && (is_ipv6(name) || name.split('.').all(is_label)) {
        Ok(())
    } else {
        Err(ReferenceError::Host)
    }
}

fn is_ipv6(name: &str) -> bool {
    name.strip_prefix('[')
        .and_then(|n| n.strip_suffix(']'))
        .is_some_and(|n| n.parse::<std::net::Ipv6Addr>().is_ok())
}

fn is_label(label: &str) -> bool {
    !label.is_empty()
        && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

fn check_path(path: &str) -> Result<(), ReferenceError> {
    if path.bytes().any(|b| b.is_ascii_uppercase()) {
        return Err(ReferenceError::UpperCase);
    }
    if path.split('/').all(is_component) { Ok(()) } else { Err(ReferenceError::Path) }
}

/// Runs of lower-case letters and digits, with one separator between two.
fn is_component(component: &str) -> bool {
    let is_word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = component.as_bytes();
    let ends =
        bytes.first().copied().is_some_and(is_word) && bytes.last().copied().is_some_and(is_word);
    ends && component
        .split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        .all(|s| matches!(s, "" | "." | "_" | "__") || s.bytes().all(|b| b == b'-'))
}

fn check_tag(tag: &str) -> Result<(), ReferenceError> {
    let is_word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let good = tag.len() <= MAX_TAG
        && tag.bytes().next().is_some_and(is_word)
        && tag.bytes().all(|b| is_word(b) || matches!(b, b'.' | b'-'));
    if good { Ok(()) } else { Err(ReferenceError::Tag) }
}

/// A repository with what tells one of its images from another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    repository: Repository,
    tag: Option<String>,
    digest: Option<Digest>,
}

impl Reference {
    /// Where the image lives.
    #[must_use]
    pub fn repository(&self) -> &Repository {
        &self.repository
    }

    /// The tag, if one was given.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The manifest's digest, if one was given.
    #[must_use]
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// This name as one that a tag can be stored under: with `latest` where no
    /// tag was given; `None` for a name with a digest.
    #[must_use]
    pub fn named(&self) -> Option<Name> {
        if self.digest.is_some() {
            return None;
        }
        let tag = self.tag.clone().unwrap_or_else(|| DEFAULT_TAG.to_owned());
        Some(Name { repository: self.repository.clone(), tag })
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest.parse().map_err(ReferenceError::Digest)?)),
            None => (text, None),
        };
        // A colon before the last slash is a port's.
        let (name, tag) = match rest.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
            _ => (rest, None),
        };
        let repository = name.parse()?;
        if let Some(tag) = tag {
            check_tag(tag)?;
        }
        Ok(Self { repository, tag: tag.map(str::to_owned), digest })
    }
}

impl fmt::Display for Reference {
    /// As people write it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.repository.familiar())?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        match &self.digest {
            Some(digest) => write!(f, "@{digest}"),
            None => Ok(()),
        }
    }
}

/// A repository and a tag: a name that belongs to one image at a time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    /// Where the image lives.
    pub repository: Repository,
    /// Which one of those there.
    pub tag: String,
}

impl fmt::Display for Name {
    /// As people write it, with the tag.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.repository.familiar(), self.tag)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_completed_and_shown_short() {
        let hex = "a".repeat(64);
        let digest = format!("busybox@sha256:{hex}");
        let rows = [
            ("busybox", "docker.io/library/busybox", "busybox"),
            ("busybox:1.36", "docker.io/library/busybox", "busybox:1.36"),
            ("docker.io/busybox", "docker.io/library/busybox", "busybox"),
            ("index.docker.io/library/busybox", "docker.io/library/busybox", "busybox"),
            ("me/app", "docker.io/me/app", "me/app"),
            ("docker.io/a/b/c:x", "docker.io/a/b/c", "a/b/c:x"),
            ("localhost/app", "localhost/app", "localhost/app"),
            ("localhost:5000/app:v1", "localhost:5000/app", "localhost:5000/app:v1"),
            ("quay.io/a/b", "quay.io/a/b", "quay.io/a/b"),
            ("Host/app", "Host/app", "Host/app"),
            ("[::1]:5000/a", "[::1]:5000/a", "[::1]:5000/a"),
            ("[fe80::2]/a", "[fe80::2]/a", "[fe80::2]/a"),
            ("a__b/c-d---e.f_g", "docker.io/a__b/c-d---e.f_g", "a__b/c-d---e.f_g"),
            (&digest, "docker.io/library/busybox", &digest),
            ("library/a/b", "docker.io/library/a/b", "library/a/b"),
            ("docker.io/quay.io/a", "docker.io/quay.io/a", "docker.io/quay.io/a"),
            ("docker.io/localhost/a", "docker.io/localhost/a", "docker.io/localhost/a"),
        ];
        for (text, full, shown) in rows {
            let reference: Reference = text.parse().unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!(reference.repository().as_str(), full, "{text}");
            assert_eq!(reference.to_string(), shown, "{text}");
        }
    }

    #[test]
    fn each_rule_refuses() {
        let rows = [
            ("", ReferenceError::Empty),
            (":tag", ReferenceError::Empty),
            ("Busybox", ReferenceError::UpperCase),
            ("a/B", ReferenceError::UpperCase),
            ("a..b", ReferenceError::Path),
            ("a___b", ReferenceError::Path),
            ("-a", ReferenceError::Path),
            ("a-", ReferenceError::Path),
            ("a//b", ReferenceError::Path),
            ("/a", ReferenceError::Path),
            ("a/", ReferenceError::Path),
            ("a b", ReferenceError::Path),
            ("é", ReferenceError::Path),
            ("-x.io/a", ReferenceError::Host),
            ("x.io:port/a", ReferenceError::Host),
            ("x..io/a", ReferenceError::Host),
            ("[zz]:1/a", ReferenceError::Host),
            ("a:", ReferenceError::Tag),
            ("a:.x", ReferenceError::Tag),
            ("a:b@c", ReferenceError::Digest(DigestError::Algorithm)),
            (&format!("a:{}", "t".repeat(129)), ReferenceError::Tag),
            (&"f".repeat(64), ReferenceError::LooksLikeId),
            (&"g".repeat(256), ReferenceError::TooLong),
        ];
        for (text, why) in rows {
            assert_eq!(text.parse::<Reference>(), Err(why), "{text:?}");
        }
    }

    #[test]
    fn a_name_without_a_tag_means_latest() {
        let name = |text: &str| text.parse::<Reference>().unwrap().named();
        assert_eq!(name("a").unwrap().to_string(), "a:latest");
        assert_eq!(name("a:b").unwrap().to_string(), "a:b");
        assert_eq!(name(&format!("a@sha256:{}", "0".repeat(64))), None);
    }

    proptest! {
        #[test]
        fn what_is_shown_means_the_same(text in "([a-z0-9.:-]{1,12}/)?[a-z0-9._-]{1,8}(/[a-z0-9._-]{1,8})?(:[A-Za-z0-9._-]{1,8})?") {
            if let Ok(reference) = text.parse::<Reference>() {
                prop_assert_eq!(reference.to_string().parse::<Reference>(), Ok(reference.clone()));
                let full = reference.repository().as_str().parse::<Repository>();
                prop_assert_eq!(full.as_ref(), Ok(reference.repository()));
            }
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,40}") {
            if let Ok(reference) = text.parse::<Reference>() {
                prop_assert!(reference.repository().as_str().is_ascii());
            }
        }
    }
}
