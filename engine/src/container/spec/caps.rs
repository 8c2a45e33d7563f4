//! The capabilities that a container's processes get.

use std::collections::HashSet;

use oci_spec::runtime::{Capability, LinuxCapabilities, LinuxCapabilitiesBuilder};

use crate::container::error::{Error, Result};
use crate::container::value::CapName;

/// What a container has unless told otherwise: Docker's fourteen.
const DEFAULT: [Capability; 14] = [
    Capability::AuditWrite,
    Capability::Chown,
    Capability::DacOverride,
    Capability::Fowner,
    Capability::Fsetid,
    Capability::Kill,
    Capability::Mknod,
    Capability::NetBindService,
    Capability::NetRaw,
    Capability::Setfcap,
    Capability::Setgid,
    Capability::Setpcap,
    Capability::Setuid,
    Capability::SysChroot,
];

/// Every capability by its number in `linux/capability.h`: bit N of a mask is
/// the Nth of this list.
const BY_NUMBER: [Capability; 41] = [
    Capability::Chown,
    Capability::DacOverride,
    Capability::DacReadSearch,
    Capability::Fowner,
    Capability::Fsetid,
    Capability::Kill,
    Capability::Setgid,
    Capability::Setuid,
    Capability::Setpcap,
    Capability::LinuxImmutable,
    Capability::NetBindService,
    Capability::NetBroadcast,
    Capability::NetAdmin,
    Capability::NetRaw,
    Capability::IpcLock,
    Capability::IpcOwner,
    Capability::SysModule,
    Capability::SysRawio,
    Capability::SysChroot,
    Capability::SysPtrace,
    Capability::SysPacct,
    Capability::SysAdmin,
    Capability::SysBoot,
    Capability::SysNice,
    Capability::SysResource,
    Capability::SysTime,
    Capability::SysTtyConfig,
    Capability::Mknod,
    Capability::Lease,
    Capability::AuditWrite,
    Capability::AuditControl,
    Capability::Setfcap,
    Capability::MacOverride,
    Capability::MacAdmin,
    Capability::Syslog,
    Capability::WakeAlarm,
    Capability::BlockSuspend,
    Capability::AuditRead,
    Capability::Perfmon,
    Capability::Bpf,
    Capability::CheckpointRestore,
];

/// A set of capabilities.
pub type CapSet = HashSet<Capability>;

/// The capabilities whose bits are set. Bits of capabilities that this build
/// doesn't know are ignored.
#[must_use]
pub fn from_mask(mask: u64) -> CapSet {
    BY_NUMBER.iter().enumerate().filter(|(n, _)| mask & (1 << n) != 0).map(|(_, c)| *c).collect()
}

/// The set after `--privileged`, `--cap-add` and `--cap-drop`, out of those
/// that this process can hand on.
///
/// # Errors
/// A capability is asked for by its name that can't be handed on. `ALL` and
/// the default set mean "as far as there are any".
pub fn resolve(
    privileged: bool,
    add: &[CapName],
    drop: &[CapName],
    available: &CapSet,
) -> Result<CapSet> {
    for name in add {
        if let CapName::One(cap) = name
            && !available.contains(cap)
        {
            return Err(Error::refused(
                &format!("--cap-add {cap}"),
                "this process doesn't have that capability itself",
            ));
        }
    }
    if privileged {
        return Ok(available.clone());
    }
    let mut set = base(add, drop, available);
    for name in drop {
        if let CapName::One(cap) = name {
            set.remove(cap);
        }
    }
    set.extend(add.iter().filter_map(|name| match name {
        CapName::One(cap) => Some(*cap),
        CapName::All => None,
    }));
    Ok(set)
}

fn base(add: &[CapName], drop: &[CapName], available: &CapSet) -> CapSet {
    if add.contains(&CapName::All) {
        available.clone()
    } else if drop.contains(&CapName::All) {
        CapSet::new()
    } else {
        DEFAULT.into_iter().filter(|cap| available.contains(cap)).collect()
    }
}

/// The sets of the runtime specification. Nothing is inheritable or ambient:
/// a program started by a user other than 0 gets none, as with Docker.
///
/// # Errors
/// None that can happen; the builder's type has one.
pub fn sets(caps: &CapSet) -> Result<LinuxCapabilities> {
    LinuxCapabilitiesBuilder::default()
        .bounding(caps.clone())
        .effective(caps.clone())
        .permitted(caps.clone())
        .inheritable(CapSet::new())
        .ambient(CapSet::new())
        .build()
        .map_err(|e| Error::invalid("can't describe the capabilities").with_source(e))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> CapSet {
        from_mask(u64::MAX)
    }

    fn mask(set: &CapSet) -> u64 {
        BY_NUMBER.iter().enumerate().filter(|(_, c)| set.contains(c)).map(|(n, _)| 1 << n).sum()
    }

    #[test]
    fn the_default_set_is_dockers() {
        let set = resolve(false, &[], &[], &all()).unwrap();
        assert_eq!(mask(&set), 0xa804_25fb);
    }

    #[test]
    fn adding_and_dropping() {
        use CapName::{All, One};
        use Capability::{Chown, NetAdmin, SysAdmin};
        let resolve =
            |add: &[CapName], drop: &[CapName]| resolve(false, add, drop, &all()).unwrap();
        assert!(resolve(&[One(NetAdmin)], &[]).contains(&NetAdmin));
        assert!(!resolve(&[], &[One(Chown)]).contains(&Chown));
        assert!(resolve(&[], &[All]).is_empty());
        assert_eq!(resolve(&[One(Chown)], &[All]), CapSet::from([Chown]));
        let most = resolve(&[All], &[One(SysAdmin)]);
        assert!(!most.contains(&SysAdmin) && most.contains(&NetAdmin));
    }

    #[test]
    fn what_cannot_be_handed_on_is_refused_by_name() {
        let mut available = all();
        available.remove(&Capability::SysResource);
        let add = [CapName::One(Capability::SysResource)];
        let error = resolve(false, &add, &[], &available).unwrap_err().to_string();
        assert!(error.contains("SYS_RESOURCE"), "{error}");
        assert_eq!(resolve(true, &[], &[], &available).unwrap(), available);
        assert!(resolve(false, &[CapName::All], &[], &available).is_ok());
    }
}
