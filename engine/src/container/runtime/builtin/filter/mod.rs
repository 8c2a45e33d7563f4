//! The filter of system calls, as a program that the container's first process
//! loads by itself, just before its command.
//!
//! The library would have libseccomp put the program together in that process,
//! each time anew: a quarter of all that a container takes to start. It depends
//! on the profile alone, so it is [kept](program).
//!
//! To load a filter without `no_new_privs` takes `CAP_SYS_ADMIN`, which the
//! command must not have. The first process keeps it [for that
//! purpose](keep_admin); it isn't in the bounding set, so that executing the
//! command takes it away (capabilities(7), on execve(2)).

mod cache;
mod compile;

use std::collections::HashSet;

use oci_spec::runtime::{Capability, Process};

pub(super) use cache::program;

/// Lets a container's first process keep `CAP_SYS_ADMIN` until it executes the
/// command, if it takes that to load a filter.
pub(super) fn keep_admin(process: &mut Process) {
    if process.no_new_privileges() == Some(true) {
        return;
    }
    let mut caps = process.capabilities().clone().unwrap_or_default();
    let with_admin = |set: &Option<HashSet<Capability>>| {
        Some(set.iter().flatten().copied().chain([Capability::SysAdmin]).collect())
    };
    caps.set_permitted(with_admin(caps.permitted()));
    caps.set_effective(with_admin(caps.effective()));
    process.set_capabilities(Some(caps));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::spec::caps::{CapSet, sets};

    #[test]
    fn what_loading_takes_ends_with_the_execution() {
        let mut process = Process::default();
        process.set_no_new_privileges(None);
        process.set_capabilities(Some(sets(&CapSet::from([Capability::Chown])).unwrap()));
        let before = process.capabilities().clone().unwrap();
        keep_admin(&mut process);
        let caps = process.capabilities().clone().unwrap();
        let both = Some(CapSet::from([Capability::Chown, Capability::SysAdmin]));
        assert_eq!((caps.permitted(), caps.effective()), (&both, &both));
        assert_eq!(caps.bounding(), before.bounding());
        assert_eq!(caps.inheritable(), before.inheritable());
        assert_eq!(caps.ambient(), before.ambient());
    }

    #[test]
    fn nothing_is_kept_that_is_not_needed() {
        let mut process = Process::default();
        process.set_no_new_privileges(Some(true));
        let before = process.clone();
        keep_admin(&mut process);
        assert_eq!(process, before);
    }
}
