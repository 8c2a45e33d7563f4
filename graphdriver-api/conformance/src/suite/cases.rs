//! Every case, one theme a file.

mod apply;
mod changes;
mod diff;
mod formats;
mod hostile;
mod kinds;
mod lifecycle;
mod limits;
mod links;
mod matrix;
mod mounts;
mod names;
mod persistence;
mod plans;
mod whiteouts;

use super::case::Case;
use super::child::Part;

/// Every theme.
const THEMES: &[&[Case]] = &[
    lifecycle::CASES,
    matrix::CASES,
    mounts::CASES,
    plans::CASES,
    persistence::CASES,
    kinds::CASES,
    changes::CASES,
    diff::CASES,
    apply::CASES,
    whiteouts::CASES,
    links::CASES,
    formats::CASES,
    hostile::CASES,
    limits::CASES,
];

/// Parts that cases let other processes play.
pub(super) const PARTS: &[&[Part]] = &[persistence::PARTS];

/// Every case, theme by theme.
#[must_use]
pub fn all() -> Vec<Case> {
    THEMES.iter().copied().flatten().copied().collect()
}
