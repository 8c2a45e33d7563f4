//! Everything that can be known about a file, through a commit, in a view, and
//! in a draft on top.

use super::kinds::kept;
use crate::snapshot::{Entry, Snapshot};
use crate::suite::case::cases;
use crate::suite::context::Context;
use crate::suite::files::Files;
use crate::suite::stop::{Verdict, ensure, same};
use crate::suite::store::same_tree;

cases! { attributes:
    Law permission_bits, Contract("the layer has the draft's tree");
    Law owners_up_to_the_largest, Contract("the layer has the draft's tree");
    Law times_to_the_nanosecond, Contract("the layer has the draft's tree");
    Law times_before_1970_and_far_away, Contract("the layer has the draft's tree");
    Law attributes_of_each_name_space, Contract("the layer has the draft's tree");
    Law attributes_large_and_many, Contract("the layer has the draft's tree");
    Law access_control_lists, Contract("the layer has the draft's tree");
    Law file_capabilities, Contract("the layer has the draft's tree");
}

fn permission_bits(cx: &Context<'_>) -> Verdict {
    let modes = [0o000, 0o400, 0o111, 0o777, 0o4755, 0o2755, 0o6711, 0o1777, 0o7777, 0o4000];
    let mut expected = Snapshot::new();
    for mode in modes {
        expected = expected
            .with(format!("f{mode:o}"), Entry::file(b"x").mode(mode).owner(1, 2))
            .with(format!("d{mode:o}"), Entry::directory().mode(mode).owner(1, 2));
    }
    let write = |files: &Files| -> Verdict {
        for mode in modes {
            files.write(format!("f{mode:o}"), b"x")?;
            files.dir(format!("d{mode:o}"))?;
            for path in [format!("f{mode:o}"), format!("d{mode:o}")] {
                // In this order: a change of the owner clears setuid.
                files.chown(&path, 1, 2)?;
                files.chmod(&path, mode)?;
            }
        }
        Ok(())
    };
    kept(cx, write, Some(&expected))
}

fn owners_up_to_the_largest(cx: &Context<'_>) -> Verdict {
    let ids = [0, 1, 65_533, 65_534, 65_535, 65_536, 2_097_152, 1 << 31, u32::MAX - 1];
    let mut expected = Snapshot::new();
    for id in ids {
        expected = expected.with(format!("f{id}"), Entry::file(b"").owner(id, ids[8] - id));
    }
    let write = |files: &Files| -> Verdict {
        for id in ids {
            files.write(format!("f{id}"), b"")?;
            files.chown(format!("f{id}"), id, ids[8] - id)?;
        }
        Ok(())
    };
    kept(cx, write, Some(&expected))
}

fn times_to_the_nanosecond(cx: &Context<'_>) -> Verdict {
    let times = [(0, 0), (0, 1), (1, 999_999_999), (1_700_000_000, 123_456_789), (-1, 0)];
    write_times(cx, &times)
}

/// What ext4 with large inodes can keep: 34 bits of seconds from -2^31.
fn times_before_1970_and_far_away(cx: &Context<'_>) -> Verdict {
    let times =
        [(-1, 999_999_999), (-2_147_483_648, 0), (2_147_483_648, 5), (15_032_385_534, 999_999_999)];
    cx.medium_can("keep times before 1970 and after 2446", |files| {
        files.write("f", b"")?;
        times.iter().try_for_each(|(sec, nsec)| {
            files.touch("f", *sec, *nsec)?;
            let stat = files.stat("f")?;
            same(
                "time",
                (stat.st_mtime, i64::try_from(stat.st_mtime_nsec).unwrap_or(-1)),
                (*sec, *nsec),
            )
        })
    })?;
    write_times(cx, &times)
}

fn write_times(cx: &Context<'_>, times: &[(i64, i64)]) -> Verdict {
    let mut expected = Snapshot::new();
    for (i, (sec, nsec)) in times.iter().enumerate() {
        let nsec = u32::try_from(*nsec).unwrap_or(0);
        expected = expected
            .with(format!("f{i}"), Entry::file(b"").mtime(*sec, nsec))
            .with(format!("d{i}"), Entry::directory().mtime(*sec, nsec))
            .with(format!("l{i}"), Entry::symlink("x").mtime(*sec, nsec));
    }
    let write = |files: &Files| -> Verdict {
        for (i, (sec, nsec)) in times.iter().enumerate() {
            files.write(format!("f{i}"), b"")?;
            files.dir(format!("d{i}"))?;
            files.symlink("x", format!("l{i}"))?;
            for letter in ["f", "d", "l"] {
                files.touch(format!("{letter}{i}"), *sec, *nsec)?;
            }
        }
        Ok(())
    };
    kept(cx, write, Some(&expected))
}

fn attributes_of_each_name_space(cx: &Context<'_>) -> Verdict {
    let names = ["user.u", "trusted.t", "security.s"];
    let write = |files: &Files| -> Verdict {
        files.write("f", b"")?;
        files.dir("d")?;
        for name in names {
            files.set_xattr("f", name, b"a\0b\xff")?;
            files.set_xattr("d", name, b"")?;
        }
        Ok(())
    };
    cx.medium_can("keep user, trusted and security attributes", write)?;
    let with_all = |mut entry: Entry, value: &[u8]| {
        for name in names {
            entry = entry.xattr(name, value);
        }
        entry
    };
    let expected = Snapshot::new()
        .with("f", with_all(Entry::file(b""), b"a\0b\xff"))
        .with("d", with_all(Entry::directory(), b""));
    kept(cx, write, Some(&expected))
}

fn attributes_large_and_many(cx: &Context<'_>) -> Verdict {
    let write = |files: &Files| -> Verdict {
        files.write("large", b"")?;
        files.set_xattr("large", "trusted.large", &[b'v'; 3500])?;
        files.set_xattr("large", &format!("trusted.{}", "n".repeat(240)), b"long name")?;
        files.write("many", b"")?;
        (0..60).try_for_each(|i| files.set_xattr("many", &format!("trusted.{i}"), b"value"))
    };
    cx.medium_can("keep 4 KiB of attributes", write)?;
    kept(cx, write, None)
}

/// What `setfacl -m u:1000:rw,g:2000:r` writes (`linux/posix_acl_xattr.h`):
/// version 2, then tag, permissions and id of each entry, little endian.
pub(super) fn acl() -> Vec<u8> {
    const NONE: u32 = u32::MAX;
    let entries: [(u16, u16, u32); 6] =
        [(1, 6, NONE), (2, 6, 1000), (4, 4, NONE), (8, 4, 2000), (0x10, 6, NONE), (0x20, 4, NONE)];
    let mut bytes = 2_u32.to_le_bytes().to_vec();
    for (tag, permissions, id) in entries {
        bytes.extend(tag.to_le_bytes());
        bytes.extend(permissions.to_le_bytes());
        bytes.extend(id.to_le_bytes());
    }
    bytes
}

pub(super) fn write_acls(files: &Files) -> Verdict {
    files.write("f", b"")?;
    files.set_xattr("f", "system.posix_acl_access", &acl())?;
    files.dir("d")?;
    files.set_xattr("d", "system.posix_acl_access", &acl())?;
    files.set_xattr("d", "system.posix_acl_default", &acl())
}

fn access_control_lists(cx: &Context<'_>) -> Verdict {
    cx.medium_can("keep POSIX ACLs", write_acls)?;
    let access = "system.posix_acl_access";
    let expected =
        Snapshot::new().with("f", Entry::file(b"").mode(0o664).xattr(access, acl())).with(
            "d",
            Entry::directory()
                .mode(0o664)
                .xattr(access, acl())
                .xattr("system.posix_acl_default", acl()),
        );
    kept(cx, write_acls, Some(&expected))
}

/// `cap_net_bind_service=ep`, and the same for a name space whose root is 5
/// (`linux/capability.h`, revisions 2 and 3).
pub(super) fn write_capabilities(files: &Files) -> Verdict {
    let words = |words: &[u32]| words.iter().flat_map(|w| w.to_le_bytes()).collect::<Vec<u8>>();
    files.write("two", b"")?;
    files.set_xattr("two", "security.capability", &words(&[0x0200_0001, 1 << 10, 0, 0, 0]))?;
    files.write("three", b"")?;
    files.set_xattr("three", "security.capability", &words(&[0x0300_0001, 1 << 10, 0, 0, 0, 5]))
}

fn file_capabilities(cx: &Context<'_>) -> Verdict {
    cx.medium_can("keep file capabilities", write_capabilities)?;
    let store = cx.open()?;
    let l = store.layer("l", None, write_capabilities)?;
    let found = store.tree(&l)?;
    for name in ["two", "three"] {
        let entry = found.get(name);
        let kept = entry
            .is_some_and(|e| e.xattrs.contains_key(std::ffi::OsStr::new("security.capability")));
        ensure!(kept, "{name} has lost its capabilities");
    }
    drop(store);
    let again = cx.open()?;
    let d = again.on("d", &super::super::store::layer("l")?)?;
    same_tree("a draft on it", &again.tree(&d)?, &found)
}
