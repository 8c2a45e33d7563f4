//! `--security-opt`.

use std::str::FromStr;

use super::{ValueError, refuse};

/// Which system-call filter.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Seccomp {
    /// Docker's default profile.
    #[default]
    Default,
    /// None at all.
    Unconfined,
    /// A profile in Docker's JSON format, by its path on the host.
    File(String),
}

/// One `--security-opt`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecurityOpt {
    /// Set-user-id programs and file capabilities give nothing more.
    NoNewPrivileges(bool),
    /// Which system-call filter.
    Seccomp(Seccomp),
    /// An AppArmor profile by name.
    AppArmor(String),
    /// No SELinux separation.
    LabelDisable,
    /// Another SELinux label.
    Label(String),
    /// Nothing of /proc and /sys masked or read-only.
    SystemPathsUnconfined,
}

impl FromStr for SecurityOpt {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        // Docker took a colon before it took an equals sign, and still does.
        let (key, value) = text.split_once(['=', ':']).map_or((text, None), |(k, v)| (k, Some(v)));
        Ok(match (key, value) {
            ("no-new-privileges", None | Some("true")) => Self::NoNewPrivileges(true),
            ("no-new-privileges", Some("false")) => Self::NoNewPrivileges(false),
            ("seccomp", Some("unconfined")) => Self::Seccomp(Seccomp::Unconfined),
            ("seccomp", Some("builtin")) => Self::Seccomp(Seccomp::Default),
            ("seccomp", Some(path)) if !path.is_empty() => {
                Self::Seccomp(Seccomp::File(path.to_owned()))
            }
            ("apparmor", Some(profile)) if !profile.is_empty() => {
                Self::AppArmor(profile.to_owned())
            }
            ("label", Some("disable")) => Self::LabelDisable,
            ("label", Some(label)) if !label.is_empty() => Self::Label(label.to_owned()),
            ("systempaths", Some("unconfined")) => Self::SystemPathsUnconfined,
            _ => refuse!(
                "--security-opt {text}: there are seccomp=, apparmor=, label=, no-new-privileges and systempaths=unconfined"
            ),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options() {
        for (text, expected) in [
            ("no-new-privileges", SecurityOpt::NoNewPrivileges(true)),
            ("no-new-privileges:true", SecurityOpt::NoNewPrivileges(true)),
            ("no-new-privileges=false", SecurityOpt::NoNewPrivileges(false)),
            ("seccomp=unconfined", SecurityOpt::Seccomp(Seccomp::Unconfined)),
            ("seccomp=/p.json", SecurityOpt::Seccomp(Seccomp::File("/p.json".into()))),
            ("apparmor=unconfined", SecurityOpt::AppArmor("unconfined".into())),
            ("label=disable", SecurityOpt::LabelDisable),
            ("label=type:x_t", SecurityOpt::Label("type:x_t".into())),
            ("systempaths=unconfined", SecurityOpt::SystemPathsUnconfined),
        ] {
            assert_eq!(text.parse(), Ok(expected), "{text}");
        }
        for bad in ["", "seccomp", "seccomp=", "no-new-privileges=2", "systempaths=x", "x=y"] {
            assert!(bad.parse::<SecurityOpt>().is_err(), "{bad}");
        }
    }
}
