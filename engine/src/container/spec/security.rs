//! What `--security-opt` and `--privileged` make of a container's fences.

use std::fs;
use std::path::Path;

use oci_spec::runtime::LinuxSeccomp;

use super::caps::CapSet;
use super::seccomp::{self, Subject};
use crate::container::error::{Error, Result};
use crate::container::host::HostFacts;
use crate::container::request::RunRequest;
use crate::container::value::{Seccomp, SecurityOpt};

/// The fences, decided.
#[derive(Debug, Default)]
pub struct Security {
    /// Set-user-id programs give nothing more.
    pub no_new_privileges: bool,
    /// The filter; none if unconfined.
    pub seccomp: Option<LinuxSeccomp>,
    /// The AppArmor profile; none without AppArmor.
    pub apparmor: Option<String>,
    /// Nothing of /proc and /sys is masked or read-only.
    pub system_paths_open: bool,
}

/// Decides them.
///
/// # Errors
/// An option that can't be honoured here; a profile that can't be read.
pub fn resolve(request: &RunRequest, caps: &CapSet, host: &HostFacts) -> Result<Security> {
    let mut security = Security { system_paths_open: request.privileged, ..Security::default() };
    let mut filter = if request.privileged { Seccomp::Unconfined } else { Seccomp::Default };
    for option in &request.security {
        match option {
            SecurityOpt::NoNewPrivileges(on) => security.no_new_privileges = *on,
            SecurityOpt::Seccomp(which) => filter = which.clone(),
            SecurityOpt::AppArmor(profile) => security.apparmor = apparmor(profile, host)?,
            SecurityOpt::LabelDisable => {}
            SecurityOpt::Label(label) => {
                let flag = format!("--security-opt label={label}");
                return Err(Error::refused(&flag, "SELinux labels aren't supported"));
            }
            SecurityOpt::SystemPathsUnconfined => security.system_paths_open = true,
        }
    }
    security.seccomp = filter_of(&filter, caps, host)?;
    Ok(security)
}

fn apparmor(profile: &str, host: &HostFacts) -> Result<Option<String>> {
    match (profile, host.apparmor) {
        ("unconfined", false) => Ok(None),
        (_, true) => Ok(Some(profile.to_owned())),
        (_, false) => Err(Error::refused(
            &format!("--security-opt apparmor={profile}"),
            "AppArmor isn't in this kernel, or is switched off",
        )),
    }
}

fn filter_of(which: &Seccomp, caps: &CapSet, host: &HostFacts) -> Result<Option<LinuxSeccomp>> {
    let subject = Subject { caps, kernel: host.kernel, architecture: std::env::consts::ARCH };
    match which {
        Seccomp::Unconfined => Ok(None),
        Seccomp::Default => seccomp::default_profile(&subject).map(Some),
        Seccomp::File(path) => {
            let path = Path::new(path);
            let text =
                fs::read(path).map_err(|e| Error::io_at("read the seccomp profile", path, e))?;
            seccomp::from_docker_json(&text, &subject).map(Some).map_err(|e| {
                Error::invalid(format!("--security-opt seccomp={}", path.display())).with_source(e)
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(options: &[&str], privileged: bool, apparmor: bool) -> Result<Security> {
        let host = HostFacts { apparmor, ..HostFacts::probe().unwrap() };
        let security = options.iter().map(|o| o.parse().unwrap()).collect();
        let request = RunRequest { security, privileged, ..RunRequest::default() };
        resolve(&request, &CapSet::new(), &host)
    }

    #[test]
    fn fences_stand_unless_taken_down_by_name() {
        let plain = with(&[], false, false).unwrap();
        assert!(plain.seccomp.is_some() && !plain.system_paths_open && !plain.no_new_privileges);
        let privileged = with(&[], true, false).unwrap();
        assert!(privileged.seccomp.is_none() && privileged.system_paths_open);
        assert!(with(&["seccomp=builtin"], true, false).unwrap().seccomp.is_some());
        assert!(with(&["seccomp=unconfined"], false, false).unwrap().seccomp.is_none());
    }

    #[test]
    fn what_this_machine_lacks_is_refused_by_name() {
        for (option, privileged, apparmor) in [
            ("apparmor=docker-default", false, false),
            ("label=type:x_t", false, false),
            ("seccomp=/nowhere.json", false, false),
        ] {
            let error = with(&[option], privileged, apparmor).unwrap_err().to_string();
            assert!(error.contains(option.split_once('=').unwrap().1), "{error}");
        }
        assert!(with(&["apparmor=unconfined"], false, false).unwrap().apparmor.is_none());
        assert!(with(&["apparmor=x"], false, true).unwrap().apparmor.is_some());
        assert!(with(&["label=disable"], false, false).is_ok());
    }
}
