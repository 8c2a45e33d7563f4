//! Every case, one theme a file.

mod lifecycle;
mod matrix;
mod mounts;
mod persistence;
mod plans;

use super::case::Case;
use super::child::Part;

/// Every theme.
const THEMES: &[&[Case]] =
    &[lifecycle::CASES, matrix::CASES, mounts::CASES, plans::CASES, persistence::CASES];

/// Parts that cases let other processes play.
pub(super) const PARTS: &[&[Part]] = &[persistence::PARTS];

/// Every case, theme by theme.
#[must_use]
pub fn all() -> Vec<Case> {
    THEMES.iter().copied().flatten().copied().collect()
}
