//! Who may do what, and what is taken away when somebody else writes.

use rustix::fs::{OFlags, XattrFlags};
use rustix::io::Errno;
use sapwood_union::{
    Acl, Bench, NOBODY, Outcome, Tree, as_user, capability, equal, fails_with, holds,
};

use crate::case::cases;

cases! { "rights":
    a_write_clears_setuid_and_setgid,
    a_truncation_clears_setuid_and_setgid,
    a_chown_clears_setuid_and_setgid,
    a_write_clears_capabilities,
    roots_write_keeps_setuid,
    setgid_without_execution_stays,
    only_owners_change_modes,
    chmod_by_a_stranger_to_the_group_clears_setgid,
    supplementary_groups_count,
    an_access_list_lets_in,
    an_access_list_keeps_out,
    a_default_list_is_inherited,
    a_default_list_replaces_the_umask,
    chmod_changes_the_lists_mask,
    a_list_changes_the_mode,
    search_permission_is_needed,
    only_owners_set_times,
    device_nodes_need_a_privilege,
    trusted_attributes_need_a_privilege,
}

const STRANGER: (u32, u32) = (NOBODY, NOBODY);

fn set_ids(b: &mut Bench) -> Outcome<Tree> {
    for layer in [b.lower(0)?, b.upper()] {
        let name = if layer.path("").ends_with("upper") { "up" } else { "low" };
        layer.file(name, b"program")?;
        layer.chmod(name, 0o6777)?;
    }
    b.mount()
}

fn cleared(b: &mut Bench, act: impl Fn(&Tree, &str) -> Outcome + Sync) -> Outcome {
    let t = set_ids(b)?;
    for name in ["low", "up"] {
        as_user(STRANGER, &[], || act(&t, name))?;
        equal(name, t.mode(name)?, 0o777)?;
    }
    Ok(())
}

fn a_write_clears_setuid_and_setgid(b: &mut Bench) -> Outcome {
    cleared(b, |t, name| t.write_at(name, 0, b"P"))
}

fn a_truncation_clears_setuid_and_setgid(b: &mut Bench) -> Outcome {
    cleared(b, |t, name| t.truncate(name, 3))
}

fn a_chown_clears_setuid_and_setgid(b: &mut Bench) -> Outcome {
    b.lower(0)?.file("f", b"program")?;
    b.lower(0)?.chmod("f", 0o6777)?;
    b.lower(0)?.set_xattr("f", "security.capability", &capability())?;
    let t = b.mount()?;
    t.chown("f", 5, 5)?;
    equal("mode", t.mode("f")?, 0o777)?;
    fails_with("capability", t.xattr("f", "security.capability"), Errno::NODATA)
}

fn a_write_clears_capabilities(b: &mut Bench) -> Outcome {
    for layer in [b.lower(0)?, b.upper()] {
        let name = if layer.path("").ends_with("upper") { "up" } else { "low" };
        layer.file(name, b"program")?;
        layer.chmod(name, 0o777)?;
        layer.set_xattr(name, "security.capability", &capability())?;
    }
    let t = b.mount()?;
    for name in ["low", "up"] {
        as_user(STRANGER, &[], || t.write_at(name, 0, b"P"))?;
        fails_with(name, t.xattr(name, "security.capability"), Errno::NODATA)?;
    }
    Ok(())
}

fn roots_write_keeps_setuid(b: &mut Bench) -> Outcome {
    let t = set_ids(b)?;
    for name in ["low", "up"] {
        t.write_at(name, 0, b"P")?;
        equal(name, t.mode(name)?, 0o6777)?;
    }
    Ok(())
}

/// Setgid on what the group can't execute once meant mandatory locks.
fn setgid_without_execution_stays(b: &mut Bench) -> Outcome {
    b.lower(0)?.file("f", b"data")?;
    b.lower(0)?.chown("f", 0, NOBODY)?;
    b.lower(0)?.chmod("f", 0o2666)?;
    let t = b.mount()?;
    as_user(STRANGER, &[], || t.write_at("f", 0, b"D"))?;
    equal("mode", t.mode("f")?, 0o2666)
}

fn only_owners_change_modes(b: &mut Bench) -> Outcome {
    b.lower(0)?.file("f", b"")?;
    b.lower(0)?.chmod("f", 0o666)?;
    let t = b.mount()?;
    let mode = rustix::fs::Mode::from_raw_mode(0o777);
    as_user(STRANGER, &[], || {
        fails_with("chmod", rustix::fs::chmod(t.path("f"), mode), Errno::PERM)?;
        let uid = Some(rustix::fs::Uid::from_raw(NOBODY));
        fails_with("chown", rustix::fs::chown(t.path("f"), uid, None), Errno::PERM)
    })?;
    holds(b.upper().stat("f").is_err(), "nothing was copied up")
}

fn chmod_by_a_stranger_to_the_group_clears_setgid(b: &mut Bench) -> Outcome {
    b.lower(0)?.file("f", b"")?;
    b.lower(0)?.chown("f", NOBODY, 777)?;
    let t = b.mount()?;
    as_user(STRANGER, &[], || t.chmod("f", 0o2755))?;
    equal("of a stranger", t.mode("f")?, 0o755)?;
    as_user(STRANGER, &[777], || t.chmod("f", 0o2755))?;
    equal("of a member", t.mode("f")?, 0o2755)
}

fn supplementary_groups_count(b: &mut Bench) -> Outcome {
    b.lower(0)?.file("f", b"secret")?;
    b.lower(0)?.chown("f", 0, 777)?;
    b.lower(0)?.chmod("f", 0o660)?;
    let t = b.mount()?;
    let open = || t.open("f", OFlags::RDWR);
    as_user(STRANGER, &[], || fails_with("a stranger", open(), Errno::ACCESS))?;
    as_user(STRANGER, &[5, 777, 9], || {
        rustix::io::write(open()?, b"S")?;
        Ok(())
    })?;
    equal("content", t.read("f")?, b"Secret")
}

fn an_access_list_lets_in(b: &mut Bench) -> Outcome {
    let list = Acl::new(6, (NOBODY, 6), 0, 6, 0);
    b.lower(0)?.file("f", b"secret")?;
    b.lower(0)?.set_xattr("f", "system.posix_acl_access", list.bytes())?;
    let t = b.mount()?;
    as_user(STRANGER, &[], || t.append("f", b"!"))?;
    as_user((4711, 4711), &[], || fails_with("another", t.open("f", OFlags::RDONLY), Errno::ACCESS))
}

fn an_access_list_keeps_out(b: &mut Bench) -> Outcome {
    let list = Acl::new(6, (NOBODY, 0), 6, 6, 6);
    b.lower(0)?.file("f", b"")?;
    let t = b.mount()?;
    t.set_xattr("f", "system.posix_acl_access", list.bytes())?;
    as_user(STRANGER, &[], || fails_with("named", t.open("f", OFlags::RDONLY), Errno::ACCESS))?;
    as_user((4711, 4711), &[], || {
        t.open("f", OFlags::RDWR)?;
        Ok(())
    })
}

fn a_default_list_is_inherited(b: &mut Bench) -> Outcome {
    let list = Acl::new(7, (1234, 7), 5, 7, 0);
    b.lower(0)?.dir("d")?;
    b.lower(0)?.set_xattr("d", "system.posix_acl_default", list.bytes())?;
    let t = b.mount()?;
    t.file("d/f", b"")?;
    t.dir("d/e")?;
    let t = b.remount()?;
    let of = |name: &str, kind: &str| t.xattr(name, &format!("system.posix_acl_{kind}"));
    equal("file", of("d/f", "access")?, Acl::new(6, (1234, 7), 5, 6, 0).bytes())?;
    equal("directory's default", of("d/e", "default")?, list.bytes())?;
    holds(of("d/f", "default").is_err(), "a file has no default")
}

fn a_default_list_replaces_the_umask(b: &mut Bench) -> Outcome {
    let list = Acl::new(7, (1234, 7), 7, 7, 7);
    b.lower(0)?.dir("d")?;
    b.lower(0)?.set_xattr("d", "system.posix_acl_default", list.bytes())?;
    let t = b.mount()?;
    sapwood_union::with_umask(0o077, || t.file("d/f", b""))?;
    equal("mode", t.mode("d/f")?, 0o666)
}

fn chmod_changes_the_lists_mask(b: &mut Bench) -> Outcome {
    let list = Acl::new(7, (1234, 7), 5, 7, 4);
    b.lower(0)?.file("f", b"")?;
    b.lower(0)?.set_xattr("f", "system.posix_acl_access", list.bytes())?;
    let t = b.mount()?;
    t.chmod("f", 0o640)?;
    let found = t.xattr("f", "system.posix_acl_access")?;
    equal("list", found, Acl::new(6, (1234, 7), 5, 4, 0).bytes())
}

fn a_list_changes_the_mode(b: &mut Bench) -> Outcome {
    b.lower(0)?.file("f", b"")?;
    b.lower(0)?.chmod("f", 0o600)?;
    let t = b.mount()?;
    let list = Acl::new(7, (1234, 7), 5, 6, 4);
    t.set_xattr("f", "system.posix_acl_access", list.bytes())?;
    equal("mode", t.mode("f")?, 0o764)?;
    t.remove_xattr("f", "system.posix_acl_access")?;
    fails_with("list", t.xattr("f", "system.posix_acl_access"), Errno::NODATA)
}

fn search_permission_is_needed(b: &mut Bench) -> Outcome {
    b.lower(0)?.dirs("d/e")?;
    b.lower(0)?.chmod("d", 0o644)?;
    let t = b.mount()?;
    as_user(STRANGER, &[], || {
        fails_with("below", t.stat("d/e"), Errno::ACCESS)?;
        equal("but it is listed", t.names("d")?, ["e"])
    })
}

fn only_owners_set_times(b: &mut Bench) -> Outcome {
    b.lower(0)?.file("f", b"")?;
    b.lower(0)?.chmod("f", 0o666)?;
    let t = b.mount()?;
    let times = |nsec| {
        let time = rustix::fs::Timespec { tv_sec: 5, tv_nsec: nsec };
        let times = rustix::fs::Timestamps { last_access: time, last_modification: time };
        rustix::fs::utimensat(rustix::fs::CWD, t.path("f"), &times, rustix::fs::AtFlags::empty())
    };
    as_user(STRANGER, &[], || {
        fails_with("a time", times(0), Errno::PERM)?;
        // Who may write may say: now.
        Ok(times(rustix::fs::UTIME_NOW)?)
    })
}

fn device_nodes_need_a_privilege(b: &mut Bench) -> Outcome {
    b.lower(0)?.dir("d")?;
    b.lower(0)?.chmod("d", 0o777)?;
    let t = b.mount()?;
    as_user(STRANGER, &[], || {
        let device = rustix::fs::FileType::CharacterDevice;
        fails_with("mknod", t.node("d/null", device, 0o666, (1, 3)), Errno::PERM)
    })
}

fn trusted_attributes_need_a_privilege(b: &mut Bench) -> Outcome {
    b.lower(0)?.file("f", b"")?;
    b.lower(0)?.chown("f", NOBODY, NOBODY)?;
    b.lower(0)?.set_xattr("f", "trusted.t", b"1")?;
    let t = b.mount()?;
    as_user(STRANGER, &[], || {
        fails_with("read", t.xattr("f", "trusted.t"), Errno::NODATA)?;
        let set = t.try_set_xattr("f", "trusted.t", b"2", XattrFlags::empty());
        fails_with("set", set, Errno::PERM)?;
        holds(t.xattr_names("f")?.is_empty(), "it isn't listed")
    })
}
