//! `--userns-remap`: which ids of the host stand behind a container's.

use std::str::FromStr;

use super::user::MAX_ID;
use super::{ValueError, refuse};

/// `size` ids from `start` on, of the host; the container's begin with 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdRange {
    /// The host's id behind the container's 0.
    pub start: u32,
    /// How many follow; never 0.
    pub size: u32,
}

impl IdRange {
    fn new(start: u32, size: u32) -> Option<Self> {
        let last = u64::from(start) + u64::from(size);
        (size > 0 && last <= u64::from(MAX_ID) + 1).then_some(Self { start, size })
    }
}

/// What `--userns-remap` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UsernsRemap {
    /// `UID:GID[:SIZE]`: the ranges themselves, of 65536 ids unless it says
    /// otherwise.
    Ranges {
        /// Users.
        users: IdRange,
        /// Groups.
        groups: IdRange,
    },
    /// `USER[:GROUP]`: names in /etc/subuid and /etc/subgid.
    Names {
        /// Whose users, in /etc/subuid.
        user: String,
        /// Whose groups, in /etc/subgid.
        group: String,
    },
}

/// What one user of useradd(8) gets, and what every image can live with.
const DEFAULT_SIZE: u32 = 65536;

impl FromStr for UsernsRemap {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let parts: Vec<&str> = text.split(':').collect();
        let numbers: Option<Vec<u32>> = parts.iter().map(|p| p.parse().ok()).collect();
        if let Some([uid, gid, rest @ ..]) = numbers.as_deref() {
            let size = match rest {
                [] => DEFAULT_SIZE,
                [size] => *size,
                _ => refuse!("--userns-remap {text}: write UID:GID[:SIZE] or USER[:GROUP]"),
            };
            return match (IdRange::new(*uid, size), IdRange::new(*gid, size)) {
                (Some(users), Some(groups)) => Ok(Self::Ranges { users, groups }),
                _ => refuse!("--userns-remap {text}: the range is empty or goes beyond {MAX_ID}"),
            };
        }
        match parts[..] {
            [user] if !user.is_empty() => Ok(Self::names(user, user)),
            [user, group] if !user.is_empty() && !group.is_empty() => Ok(Self::names(user, group)),
            _ => refuse!("--userns-remap {text}: write UID:GID[:SIZE] or USER[:GROUP]"),
        }
    }
}

impl UsernsRemap {
    fn names(user: &str, group: &str) -> Self {
        Self::Names { user: user.to_owned(), group: group.to_owned() }
    }
}

/// The first range that `text`, a subuid(5) or subgid(5), gives to `name`.
#[must_use]
pub fn lookup_subordinate(text: &str, name: &str) -> Option<IdRange> {
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (owner, start, size) = (fields.next()?, fields.next()?, fields.next()?);
        (owner == name).then(|| IdRange::new(start.parse().ok()?, size.parse().ok()?)).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_and_names() {
        let range = |start, size| IdRange { start, size };
        let both = |r| UsernsRemap::Ranges { users: r, groups: r };
        assert_eq!("100000:100000".parse(), Ok(both(range(100_000, 65536))));
        assert_eq!("1:1:10".parse(), Ok(both(range(1, 10))));
        assert_eq!("bob".parse(), Ok(UsernsRemap::names("bob", "bob")));
        assert_eq!("bob:staff".parse(), Ok(UsernsRemap::names("bob", "staff")));
        for bad in ["", ":", "bob:", "1:1:0", "1:1:1:1", "4294967290:1:10", "a:b:c"] {
            assert!(bad.parse::<UsernsRemap>().is_err(), "{bad}");
        }
    }

    #[test]
    fn subordinate_ids() {
        let text = "# none\nann:1:x\nann:100000:65536\nbob:165536:65536\n";
        assert_eq!(lookup_subordinate(text, "bob"), Some(IdRange { start: 165_536, size: 65536 }));
        assert_eq!(lookup_subordinate(text, "ann"), Some(IdRange { start: 100_000, size: 65536 }));
        assert_eq!(lookup_subordinate(text, "eve"), None);
    }
}
