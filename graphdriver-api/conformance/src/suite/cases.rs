//! Every case, one theme a file.

mod apply;
mod changes;
mod concurrency;
mod copying;
mod deferred;
mod depth;
mod diff;
mod factory;
mod formats;
mod hostile;
mod idmaps;
mod isolation;
mod kinds;
mod lifecycle;
mod limits;
mod links;
mod matrix;
mod mounts;
mod names;
mod native;
mod persistence;
mod plans;
mod recovery;
mod space;
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
    idmaps::CASES,
    kinds::CASES,
    copying::CASES,
    isolation::CASES,
    changes::CASES,
    diff::CASES,
    native::CASES,
    apply::CASES,
    whiteouts::CASES,
    links::CASES,
    formats::CASES,
    hostile::CASES,
    limits::CASES,
    deferred::CASES,
    depth::CASES,
    space::CASES,
    recovery::CASES,
    concurrency::CASES,
    factory::CASES,
];

/// Parts that cases let other processes play.
pub(super) const PARTS: &[&[Part]] = &[persistence::PARTS, recovery::PARTS];

/// Every case, theme by theme.
#[must_use]
pub fn all() -> Vec<Case> {
    THEMES.iter().copied().flatten().copied().collect()
}
