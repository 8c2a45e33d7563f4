//! An image in another engine's store, before anything of it is read.

use crate::image::{Digest, Name, Reference, Repository, is_hex};

/// An image as a store lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignImage {
    /// Its id, which is the same here.
    pub id: Digest,
    /// Its names, in order, those that can be an image's here.
    pub names: Vec<Name>,
    /// Where it is known by a manifest's digest, in order.
    pub digests: Vec<(Repository, Digest)>,
}

impl ForeignImage {
    /// One without names; `None` if `hex` is no id.
    pub(super) fn new(hex: &str) -> Option<Self> {
        let id = format!("sha256:{hex}").parse().ok()?;
        Some(Self { id, names: Vec::new(), digests: Vec::new() })
    }

    /// Adds a name, or a repository with a digest. One that breaks the grammar
    /// is told and left out: the image is none the worse.
    pub(super) fn add_name(&mut self, text: &str) {
        match text.parse::<Reference>() {
            Ok(reference) => self.add(&reference),
            Err(why) => {
                let id = self.id.short();
                tracing::warn!("the name {text:?} of the image {id} isn't carried over: {why}");
            }
        }
    }

    fn add(&mut self, reference: &Reference) {
        match (reference.digest(), reference.named()) {
            (Some(digest), _) => {
                insert(&mut self.digests, (reference.repository().clone(), digest.clone()));
            }
            (None, Some(name)) => insert(&mut self.names, name),
            (None, None) => {}
        }
    }

    /// Whether `hex`, the whole or the beginning of an id, can mean it.
    pub(super) fn begins_with(&self, hex: &str) -> bool {
        !hex.is_empty() && is_hex(hex) && self.id.hex().starts_with(hex)
    }

    /// Whether `reference` is one of its names. With `short`, the beginning of
    /// a repository may be left out, as Podman's users do:
    /// `x:1` for `localhost/x:1`.
    pub(super) fn is_called(&self, reference: &Reference, short: bool) -> bool {
        let wanted = reference.repository();
        let same = |have: &Repository| {
            have == wanted
                || short
                    && have
                        .as_str()
                        .strip_suffix(wanted.familiar())
                        .is_some_and(|before| before.ends_with('/'))
        };
        match (reference.digest(), reference.named()) {
            (Some(digest), _) => self.digests.iter().any(|(r, d)| d == digest && same(r)),
            (None, Some(name)) => {
                self.names.iter().any(|n| n.tag == name.tag && same(&n.repository))
            }
            (None, None) => false,
        }
    }
}

fn insert<T: Ord>(list: &mut Vec<T>, new: T) {
    if let Err(at) = list.binary_search_by(|old| old.cmp(&new)) {
        list.insert(at, new);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(names: &[&str]) -> ForeignImage {
        let mut image = ForeignImage::new(&"ab".repeat(32)).unwrap();
        names.iter().for_each(|name| image.add_name(name));
        image
    }

    #[test]
    fn names_are_sorted_each_once_and_bad_ones_left_out() {
        let digest = format!("x@sha256:{}", "1".repeat(64));
        let image = image(&["y:2", "x:1", "docker.io/library/x:1", "No:Such", &digest, "z"]);
        let names: Vec<_> = image.names.iter().map(ToString::to_string).collect();
        assert_eq!(names, ["x:1", "y:2", "z:latest"]);
        assert_eq!(image.digests.len(), 1);
        assert!(image.is_called(&digest.parse().unwrap(), false));
        assert!(ForeignImage::new("xy").is_none());
        assert!(ForeignImage::new("../../x").is_none());
    }

    #[test]
    fn the_host_may_be_left_out_where_that_is_usual() {
        let image = image(&["localhost/x:1"]);
        let called = |name: &str, short| image.is_called(&name.parse().unwrap(), short);
        assert!(called("localhost/x:1", false) && called("x:1", true));
        assert!(!called("x:1", false) && !called("x", true) && !called("y/x:1", true));
        assert!(image.begins_with("abab") && !image.begins_with("b") && !image.begins_with(""));
    }
}
