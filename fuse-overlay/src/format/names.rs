//! Names of extended attributes: those that are overlayfs's own, and how a
//! union on top of a union keeps its own apart.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// In which namespace the marks are: `trusted` is for those with
/// CAP_SYS_ADMIN, `user` for all others (the kernel's option `userxattr`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Names {
    /// `trusted.overlay.*`
    Trusted,
    /// `user.overlay.*`
    User,
}

/// The full names of the marks in one namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Marks {
    /// `y`: nothing of the layers below is seen in this directory. `x`: files
    /// in it may be whiteouts by attribute.
    pub opaque: &'static str,
    /// Where a moved directory was, or where a file's data is.
    pub redirect: &'static str,
    /// The file's data is in a layer below.
    pub metacopy: &'static str,
    /// The file handle of the lower file that this was copied from.
    pub origin: &'static str,
    /// The directory has entries that were copied or moved there.
    pub impure: &'static str,
    /// How many links more or less than the lower or upper file has.
    pub nlink: &'static str,
    /// An empty file with this is a whiteout, in a directory that says so.
    pub whiteout: &'static str,
}

const TRUSTED: Marks = Marks {
    opaque: "trusted.overlay.opaque",
    redirect: "trusted.overlay.redirect",
    metacopy: "trusted.overlay.metacopy",
    origin: "trusted.overlay.origin",
    impure: "trusted.overlay.impure",
    nlink: "trusted.overlay.nlink",
    whiteout: "trusted.overlay.whiteout",
};

const USER: Marks = Marks {
    opaque: "user.overlay.opaque",
    redirect: "user.overlay.redirect",
    metacopy: "user.overlay.metacopy",
    origin: "user.overlay.origin",
    impure: "user.overlay.impure",
    nlink: "user.overlay.nlink",
    whiteout: "user.overlay.whiteout",
};

/// What stands between the prefix and the name of an attribute that belongs to
/// an overlay mounted on this one.
const NESTED: &str = "overlay.";

impl Names {
    /// The marks' names.
    #[must_use]
    pub const fn marks(self) -> &'static Marks {
        match self {
            Self::Trusted => &TRUSTED,
            Self::User => &USER,
        }
    }

    const fn prefix(self) -> &'static str {
        match self {
            Self::Trusted => "trusted.overlay.",
            Self::User => "user.overlay.",
        }
    }

    /// The name in the layer of what users of the union call `name`: the same,
    /// but for names that would be marks, which are escaped by one level.
    #[must_use]
    pub fn inward(self, name: &OsStr) -> OsString {
        match name.as_bytes().strip_prefix(self.prefix().as_bytes()) {
            Some(rest) => {
                let mut inner = OsString::from(self.prefix());
                inner.push(NESTED);
                inner.push(OsStr::from_bytes(rest));
                inner
            }
            None => name.to_owned(),
        }
    }

    /// What users of the union call the layer's attribute `name`; `None` for
    /// marks, which they don't see.
    #[must_use]
    pub fn outward(self, name: &OsStr) -> Option<OsString> {
        let Some(rest) = name.as_bytes().strip_prefix(self.prefix().as_bytes()) else {
            return Some(name.to_owned());
        };
        let rest = rest.strip_prefix(NESTED.as_bytes())?;
        let mut outer = self.prefix().as_bytes().to_vec();
        outer.extend_from_slice(rest);
        Some(OsString::from_vec(outer))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn marks_are_hidden_and_nested_ones_are_unescaped_by_one_level() {
        let outward = |name: &str| Names::Trusted.outward(OsStr::new(name));
        assert_eq!(outward("trusted.overlay.opaque"), None);
        assert_eq!(outward("trusted.overlay.anything"), None);
        let shown = |name: &str| outward(name).map(|name| name.into_string().unwrap());
        assert_eq!(shown("user.overlay.opaque").as_deref(), Some("user.overlay.opaque"));
        let nested = "trusted.overlay.overlay.opaque";
        assert_eq!(shown(nested).as_deref(), Some("trusted.overlay.opaque"));
        let twice = "trusted.overlay.overlay.overlay.opaque";
        assert_eq!(shown(twice).as_deref(), Some(nested));
    }

    proptest! {
        #[test]
        fn what_is_set_is_found_again(user: bool, mark: bool, rest in "[a-z.]{1,20}") {
            let names = if user { Names::User } else { Names::Trusted };
            let name = if mark { format!("{}{rest}", names.prefix()) } else { rest };
            let name = OsStr::new(&name);
            let found = names.outward(&names.inward(name));
            prop_assert_eq!(found.as_deref(), Some(name));
        }
    }
}
