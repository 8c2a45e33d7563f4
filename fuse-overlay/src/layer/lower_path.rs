//! Where a directory is in the layers below.

use std::ffi::{OsStr, OsString};
use std::sync::Arc;

/// A directory beneath a layer's root, by the names on the way. Lower layers
/// don't change, so it is right for ever; the one object serves all layers in
/// which the directory has that path.
#[derive(Debug)]
pub(crate) struct LowerPath {
    above: Option<Arc<LowerPath>>,
    name: Arc<OsStr>,
}

impl LowerPath {
    /// What is called `name` in `above` (`None`: in the root).
    pub(crate) fn new(above: Option<Arc<Self>>, name: Arc<OsStr>) -> Arc<Self> {
        Arc::new(Self { above, name })
    }

    pub(crate) fn above(&self) -> Option<&Arc<Self>> {
        self.above.as_ref()
    }

    pub(crate) fn name(&self) -> &Arc<OsStr> {
        &self.name
    }

    /// The names from the root.
    pub(crate) fn names(&self) -> Vec<OsString> {
        let mut names = Vec::new();
        let mut at = Some(self);
        while let Some(path) = at {
            names.push(path.name.to_os_string());
            at = path.above.as_deref();
        }
        names.reverse();
        names
    }
}

impl Drop for LowerPath {
    /// Not by recursion: a path can be deeper than a stack.
    fn drop(&mut self) {
        let mut next = self.above.take();
        while let Some(path) = next {
            next = Arc::into_inner(path).and_then(|mut path| path.above.take());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_deeper_than_a_stack_is_dropped_in_peace() {
        let name: Arc<OsStr> = Arc::from(OsStr::new("d"));
        let mut path = None;
        for _ in 0..1_000_000 {
            path = Some(LowerPath::new(path, name.clone()));
        }
        assert_eq!(path.as_ref().unwrap().names().len(), 1_000_000);
    }
}
