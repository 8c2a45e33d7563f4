//! Every case, one theme a file.

mod apply;
mod archives;
mod attributes;
mod borrowing;
mod care;
mod changes;
mod concurrency;
mod copying;
mod crashes;
mod damage;
mod deferred;
mod depth;
mod diff;
mod factory;
mod formats;
mod guards;
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
mod posix;
mod recovery;
mod space;
mod streams;
mod whiteouts;

use super::case::Case;
use super::child::Part;

/// Every theme.
const THEMES: &[&[Case]] = &[
    lifecycle::CASES,
    care::CASES,
    matrix::CASES,
    mounts::CASES,
    guards::CASES,
    plans::CASES,
    persistence::CASES,
    idmaps::CASES,
    kinds::CASES,
    attributes::CASES,
    posix::CASES,
    copying::CASES,
    isolation::CASES,
    changes::CASES,
    diff::CASES,
    archives::CASES,
    native::CASES,
    apply::CASES,
    streams::CASES,
    whiteouts::CASES,
    links::CASES,
    formats::CASES,
    hostile::CASES,
    damage::CASES,
    limits::CASES,
    deferred::CASES,
    depth::CASES,
    space::CASES,
    recovery::CASES,
    crashes::CASES,
    concurrency::CASES,
    factory::CASES,
    borrowing::CASES,
];

/// Parts that cases let other processes play.
pub(super) const PARTS: &[&[Part]] = &[persistence::PARTS, recovery::PARTS, crashes::PARTS];

/// Every case, theme by theme.
#[must_use]
pub fn all() -> Vec<Case> {
    THEMES.iter().copied().flatten().copied().collect()
}
