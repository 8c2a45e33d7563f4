//! `-u NAME|UID[:GROUP|GID]`, and an image's `User`.

use std::fmt;
use std::str::FromStr;

use super::{ValueError, refuse};

/// A group by name or number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupSpec {
    /// To be looked up in the container's `/etc/group`.
    Name(String),
    /// As it is, whether `/etc/group` knows it or not.
    Id(u32),
}

/// A user, and perhaps a group, by name or number. Empty text is the user 0.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UserSpec {
    /// Left of the colon; `None` where that is empty.
    pub user: Option<String>,
    /// Right of it.
    pub group: Option<GroupSpec>,
}

/// The largest id that a user can have: 2^32 - 1 means "leave it" to chown(2).
pub(super) const MAX_ID: u32 = u32::MAX - 1;

impl fmt::Display for UserSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.user.as_deref().unwrap_or_default())?;
        match &self.group {
            None => Ok(()),
            Some(GroupSpec::Name(name)) => write!(f, ":{name}"),
            Some(GroupSpec::Id(id)) => write!(f, ":{id}"),
        }
    }
}

impl UserSpec {
    /// The user as a number, where it is written as one.
    #[must_use]
    pub fn numeric_user(&self) -> Option<u32> {
        self.user.as_deref().and_then(|u| u.parse().ok())
    }
}

impl FromStr for UserSpec {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let (user, group) = text.split_once(':').map_or((text, None), |(u, g)| (u, Some(g)));
        let names = std::iter::once(user).chain(group);
        if names.clone().any(|n| n.contains([':', '\n', '\0'])) {
            refuse!("{text:?} isn't a user: write NAME|UID[:GROUP|GID]");
        }
        if names.filter_map(|n| n.parse::<u64>().ok()).any(|id| id > u64::from(MAX_ID)) {
            refuse!("{text:?}: ids go up to {MAX_ID}");
        }
        let group = group.filter(|g| !g.is_empty()).map(|g| match g.parse() {
            Ok(id) => GroupSpec::Id(id),
            Err(_) => GroupSpec::Name(g.to_owned()),
        });
        Ok(Self { user: (!user.is_empty()).then(|| user.to_owned()), group })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(user: Option<&str>, group: Option<GroupSpec>) -> UserSpec {
        UserSpec { user: user.map(str::to_owned), group }
    }

    #[test]
    fn users() {
        assert_eq!("".parse(), Ok(UserSpec::default()));
        assert_eq!("www".parse(), Ok(spec(Some("www"), None)));
        assert_eq!("7:8".parse(), Ok(spec(Some("7"), Some(GroupSpec::Id(8)))));
        assert_eq!("www:".parse(), Ok(spec(Some("www"), None)));
        assert_eq!(":adm".parse(), Ok(spec(None, Some(GroupSpec::Name("adm".into())))));
        assert_eq!("7".parse::<UserSpec>().unwrap().numeric_user(), Some(7));
        for bad in ["a:b:c", "4294967295", "1:4294967295", "99999999999", "a\nb"] {
            assert!(bad.parse::<UserSpec>().is_err(), "{bad:?}");
        }
    }
}
