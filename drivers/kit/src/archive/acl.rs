//! POSIX ACLs as text (how GNU tar and star store them) into the form of the
//! `system.posix_acl_*` attributes.
//!
//! Pure. Names of users and groups are not looked up: they would mean somebody
//! else on every host.

use super::pax::decimal;
use super::rule::{Parsed, Rule};

/// The attribute's format (linux/posix_acl_xattr.h).
const VERSION: u32 = 2;
/// The id of an entry that needs none.
const NO_ID: u32 = u32::MAX;

/// What an entry is about: the numbers of the format, which are also the
/// order in which the kernel wants the entries.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Tag {
    UserObj = 0x01,
    User = 0x02,
    GroupObj = 0x04,
    Group = 0x08,
    Mask = 0x10,
    Other = 0x20,
}

type Entry = (Tag, u32, u16);

/// The attribute's value for an ACL like `user::rwx,user:1000:r--,mask::r--`.
/// Entries end at commas or newlines; star adds a fourth field with the
/// number of a named user or group.
///
/// # Errors
/// An entry that isn't one, or that has a name without a number.
pub fn from_text(text: &[u8]) -> Parsed<Vec<u8>> {
    let mut entries = text
        .split(|byte| matches!(byte, b',' | b'\n'))
        .map(|entry| entry.split(|byte| *byte == b'#').next().unwrap_or_default().trim_ascii())
        .filter(|entry| !entry.is_empty())
        .map(entry)
        .collect::<Parsed<Vec<Entry>>>()?;
    entries.sort_unstable();
    let mut value = VERSION.to_le_bytes().to_vec();
    for (tag, id, permissions) in entries {
        value.extend_from_slice(&(tag as u16).to_le_bytes());
        value.extend_from_slice(&permissions.to_le_bytes());
        value.extend_from_slice(&id.to_le_bytes());
    }
    Ok(value)
}

/// Whether the value has the attribute's format. (The kernel says `NOTSUP` of
/// one that hasn't, as it does of a file system without ACLs.)
#[must_use]
pub fn is_valid(value: &[u8]) -> bool {
    let entries = value.strip_prefix(&VERSION.to_le_bytes());
    entries.is_some_and(|entries| entries.len().is_multiple_of(8))
}

fn entry(entry: &[u8]) -> Parsed<Entry> {
    let mut fields = entry.split(|byte| *byte == b':');
    let mut next = || fields.next().map(<[u8]>::trim_ascii).unwrap_or_default();
    let (tag, name, permissions, number) = (next(), next(), next(), next());
    let permissions = permissions_of(permissions)?;
    let tag = match (tag, name.is_empty()) {
        (b"user" | b"u", true) => Tag::UserObj,
        (b"user" | b"u", false) => Tag::User,
        (b"group" | b"g", true) => Tag::GroupObj,
        (b"group" | b"g", false) => Tag::Group,
        (b"mask" | b"m", true) => Tag::Mask,
        (b"other" | b"o", true) => Tag::Other,
        _ => return Err("an ACL entry of no known type".into()),
    };
    Ok((tag, if name.is_empty() { NO_ID } else { id(name, number)? }, permissions))
}

fn id(name: &[u8], number: &[u8]) -> Parsed<u32> {
    let digits = if number.is_empty() { name } else { number };
    let id = decimal(digits).and_then(|id| u32::try_from(id).ok());
    id.filter(|id| *id != NO_ID)
        .ok_or_else(|| Rule::from("an ACL that names a user or group without its number"))
}

fn permissions_of(text: &[u8]) -> Parsed<u16> {
    text.iter().try_fold(0, |all, letter| match letter {
        b'r' => Ok(all | 4),
        b'w' => Ok(all | 2),
        b'x' => Ok(all | 1),
        b'-' => Ok(all),
        _ => Err("an ACL with permissions other than r, w and x".into()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_becomes_what_setfacl_writes() {
        // As getfattr shows it after: setfacl -m u:1000:rw,g:5:x file (0644).
        let expected = [
            &[2, 0, 0, 0][..],
            &[1, 0, 6, 0, 255, 255, 255, 255],
            &[2, 0, 6, 0, 0xe8, 3, 0, 0],
            &[4, 0, 4, 0, 255, 255, 255, 255],
            &[8, 0, 1, 0, 5, 0, 0, 0],
            &[16, 0, 7, 0, 255, 255, 255, 255],
            &[32, 0, 4, 0, 255, 255, 255, 255],
        ]
        .concat();
        for text in [
            "user::rw-,user:1000:rw-,group::r--,group:5:--x,mask::rwx,other::r--",
            "u::rw\nu:lisa:rw:1000\ng::r\ng:5:x\t#effective:--x\nm::rwx\no::r\n",
            "other::r--,mask::rwx,group:5:--x,group::r--,user:1000:rw-,user::rw-",
        ] {
            assert_eq!(from_text(text.as_bytes()).unwrap(), expected, "{text}");
            assert!(is_valid(&expected) && !is_valid(&expected[1..]));
        }
        assert_eq!(from_text(b"").unwrap(), [2, 0, 0, 0]);
    }

    #[test]
    fn what_is_no_acl_is_refused() {
        for text in ["user:lisa:rw-", "mask:5:r", "x::r", "user::rwz", "user:4294967295:r", "user"]
        {
            let refused = from_text(text.as_bytes()).is_err();
            assert_eq!(refused, text != "user", "{text}");
        }
    }
}
