//! What a history has made so far, as far as generating its next operation
//! needs to know it.

use super::op::Op;
use super::oracle;
use crate::tree::{Rules, Tree};

/// How many operations a draft sees at most before it is committed, so that a
/// history of 50 operations has three layers at least.
const DRAFT_OPS: u32 = 14;

/// The state of a history that is being generated.
#[derive(Debug, Clone)]
pub(super) struct Guide {
    rules: Rules,
    pub(super) layers: Vec<Tree>,
    pub(super) draft: Option<Tree>,
    /// How many operations the draft has seen.
    pub(super) age: u32,
}

impl Guide {
    /// Nothing has been made.
    pub(super) fn new(rules: Rules) -> Self {
        Self { rules, layers: Vec::new(), draft: None, age: 0 }
    }

    /// Whether the draft has to be committed now.
    pub(super) fn is_ripe(&self) -> bool {
        self.age >= DRAFT_OPS
    }

    /// Whether there is what the operation is about.
    pub(super) fn allows(&self, op: &Op) -> bool {
        match op {
            Op::File(..) | Op::Remount | Op::Persist | Op::Reopen | Op::Commit | Op::Discard => {
                self.draft.is_some()
            }
            Op::Child(base) => {
                self.draft.is_none() && base.is_none_or(|base| base < self.layers.len())
            }
            Op::RoundTrip { layer, .. } => *layer < self.layers.len(),
        }
    }

    /// Does the operation.
    pub(super) fn apply(mut self, op: &Op) -> Self {
        self.age += 1;
        match op {
            Op::File(path, action) => {
                // One that is refused changes nothing.
                self.draft.as_mut().map(|tree| oracle::perform(tree, path, action));
            }
            Op::Commit => self.layers.extend(self.draft.take()),
            Op::Discard => self.draft = None,
            Op::Child(base) => {
                self.age = 0;
                let below = base.and_then(|base| self.layers.get(base)).map(Tree::child);
                self.draft = Some(below.unwrap_or_default().with_rules(self.rules));
            }
            Op::Remount | Op::Persist | Op::Reopen | Op::RoundTrip { .. } => {}
        }
        self
    }
}
