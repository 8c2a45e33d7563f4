//! What a case is.

use sapwood_union::{Bench, Outcome};

/// A sentence about unions: makes layers, mounts, acts, looks.
#[derive(Debug)]
pub(crate) struct Case {
    /// `file::what_holds`.
    pub(crate) name: &'static str,
    /// The case itself.
    pub(crate) run: fn(&mut Bench) -> Outcome,
}

/// `CASES` of a file. A function that isn't named here is dead code, which the
/// compiler complains of.
macro_rules! cases {
    ($file:literal: $($name:ident),* $(,)?) => {
        pub(crate) const CASES: &[$crate::case::Case] = &[$(
            $crate::case::Case { name: concat!($file, "::", stringify!($name)), run: $name }
        ),*];
    };
}
pub(crate) use cases;
