//! Who a container's command runs as: `-u` or the image's `User`, looked up in
//! the container's own `/etc/passwd` and `/etc/group`.

use std::path::Path;

use super::Tree;
use crate::container::error::{Error, Result};
use crate::container::value::{GroupSpec, UserSpec};

/// A user with everything that a process needs to be it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedUser {
    /// The user.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// Supplementary groups. The group itself is among them: a process could
    /// otherwise drop it, and gain what is denied to it (CVE-2022-2989).
    pub groups: Vec<u32>,
    /// The home directory; `/` if `/etc/passwd` has no such user.
    pub home: String,
}

impl ResolvedUser {
    /// Looks `spec` up in the container's tree.
    ///
    /// # Errors
    /// A name that isn't there. Numbers need not be.
    pub fn look_up(spec: &UserSpec, tree: Tree<'_>) -> Result<Self> {
        let passwd = tree.read(Path::new("/etc/passwd"))?.unwrap_or_default();
        let group = tree.read(Path::new("/etc/group"))?.unwrap_or_default();
        resolve(spec, &passwd, &group)
    }
}

/// A line of passwd(5).
struct Account<'a> {
    name: &'a [u8],
    uid: u32,
    gid: u32,
    home: &'a [u8],
}

/// The fields of each line; lines of other files (NIS, comments) just don't
/// have the numbers that are looked for.
fn records(text: &[u8]) -> impl Iterator<Item = Vec<&[u8]>> {
    text.split(|b| *b == b'\n').map(|line| line.split(|b| *b == b':').collect())
}

fn number(field: Option<&&[u8]>) -> Option<u32> {
    std::str::from_utf8(field?).ok()?.parse().ok()
}

fn account<'a>(fields: &[&'a [u8]]) -> Option<Account<'a>> {
    let (uid, gid) = (number(fields.get(2))?, number(fields.get(3))?);
    Some(Account { name: fields.first()?, uid, gid, home: fields.get(5).copied().unwrap_or(b"") })
}

fn resolve(spec: &UserSpec, passwd: &[u8], group: &[u8]) -> Result<ResolvedUser> {
    let wanted = spec.user.as_deref().unwrap_or("0");
    let by_number = spec.numeric_user().or(spec.user.is_none().then_some(0));
    let account = records(passwd)
        .filter_map(|fields| account(&fields))
        // A name wins over a number that happens to look like it.
        .find(|a| a.name == wanted.as_bytes() || by_number == Some(a.uid));
    let (uid, gid) = match (&account, by_number) {
        (Some(account), _) => (account.uid, account.gid),
        (None, Some(uid)) => (uid, 0),
        (None, None) => {
            let why = format!("the container's /etc/passwd has no user {wanted:?}");
            return Err(Error::refused("--user", why));
        }
    };
    let gid = match &spec.group {
        None => gid,
        Some(GroupSpec::Id(id)) => *id,
        Some(GroupSpec::Name(name)) => group_id(group, name)?,
    };
    let mut groups = vec![gid];
    if let (None, Some(account)) = (&spec.group, &account) {
        groups.extend(memberships(group, account.name).filter(|g| *g != gid));
    }
    let home = account.and_then(|a| std::str::from_utf8(a.home).ok()).filter(|h| !h.is_empty());
    Ok(ResolvedUser { uid, gid, groups, home: home.unwrap_or("/").to_owned() })
}

fn group_id(group: &[u8], name: &str) -> Result<u32> {
    records(group)
        .find(|fields| fields.first() == Some(&name.as_bytes()))
        .and_then(|fields| number(fields.get(2)))
        .ok_or_else(|| {
            Error::refused("--user", format!("the container's /etc/group has no group {name:?}"))
        })
}

fn memberships(group: &[u8], user: &[u8]) -> impl Iterator<Item = u32> {
    records(group).filter_map(move |fields| {
        let members = fields.get(3)?;
        members.split(|b| *b == b',').any(|m| m == user).then(|| number(fields.get(2)))?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &[u8] = b"root:x:0:0:root:/root:/bin/sh\n+nis\nwww:x:33:34:w:/var/www:/x\n\
        77:x:5:5::/odd:/x\nnohome:x:9:9\n";
    const GROUP: &[u8] = b"root:x:0:\nadm:x:4:root,www\nwww:x:34:\nvideo:x:44:www\nbad:x:y:www\n";

    fn of(spec: &str) -> Result<(u32, u32, Vec<u32>, String)> {
        let user = resolve(&spec.parse().unwrap(), PASSWD, GROUP)?;
        Ok((user.uid, user.gid, user.groups, user.home))
    }

    #[test]
    fn names_and_numbers() {
        for (spec, uid, gid, groups, home) in [
            ("", 0, 0, vec![0, 4], "/root"),
            ("root", 0, 0, vec![0, 4], "/root"),
            ("www", 33, 34, vec![34, 4, 44], "/var/www"),
            ("33", 33, 34, vec![34, 4, 44], "/var/www"),
            ("www:adm", 33, 4, vec![4], "/var/www"),
            ("www:99", 33, 99, vec![99], "/var/www"),
            ("1000", 1000, 0, vec![0], "/"),
            ("1000:1001", 1000, 1001, vec![1001], "/"),
            (":adm", 0, 4, vec![4], "/root"),
            ("77", 5, 5, vec![5], "/odd"),
            ("nohome", 9, 9, vec![9], "/"),
        ] {
            assert_eq!(of(spec).unwrap(), (uid, gid, groups, home.to_owned()), "{spec}");
        }
    }

    #[test]
    fn unknown_names() {
        for spec in ["bob", "www:nogroup", "bob:adm", "www:bad"] {
            assert!(of(spec).unwrap_err().to_string().contains("/etc/"), "{spec}");
        }
    }

    #[test]
    fn an_image_without_these_files_has_numbers() {
        let user = resolve(&"5:6".parse().unwrap(), b"", b"").unwrap();
        assert_eq!((user.uid, user.gid, user.home.as_str()), (5, 6, "/"));
        assert_eq!(resolve(&UserSpec::default(), b"", b"").unwrap().groups, [0]);
    }
}
