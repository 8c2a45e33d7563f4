//! `--ulimit NAME=SOFT[:HARD]`: a resource limit of the container's processes.

use std::str::FromStr;

use oci_spec::runtime::PosixRlimitType;
use rustix::process::Resource;

use super::{ValueError, refuse};

/// One `--ulimit`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ulimit {
    /// The limit's name as on the command line.
    pub name: &'static str,
    /// The limit in the runtime specification's terms.
    pub kind: PosixRlimitType,
    /// The limit in the kernel's terms.
    pub resource: Resource,
    /// What counts; `u64::MAX` is no limit.
    pub soft: u64,
    /// How far the soft limit may be raised; `u64::MAX` is no limit.
    pub hard: u64,
}

/// Names as docker-run(1) has them: those of setrlimit(2) without `RLIMIT_`.
const LIMITS: [(&str, PosixRlimitType, Resource); 15] = [
    ("core", PosixRlimitType::RlimitCore, Resource::Core),
    ("cpu", PosixRlimitType::RlimitCpu, Resource::Cpu),
    ("data", PosixRlimitType::RlimitData, Resource::Data),
    ("fsize", PosixRlimitType::RlimitFsize, Resource::Fsize),
    ("locks", PosixRlimitType::RlimitLocks, Resource::Locks),
    ("memlock", PosixRlimitType::RlimitMemlock, Resource::Memlock),
    ("msgqueue", PosixRlimitType::RlimitMsgqueue, Resource::Msgqueue),
    ("nice", PosixRlimitType::RlimitNice, Resource::Nice),
    ("nofile", PosixRlimitType::RlimitNofile, Resource::Nofile),
    ("nproc", PosixRlimitType::RlimitNproc, Resource::Nproc),
    ("rss", PosixRlimitType::RlimitRss, Resource::Rss),
    ("rtprio", PosixRlimitType::RlimitRtprio, Resource::Rtprio),
    ("rttime", PosixRlimitType::RlimitRttime, Resource::Rttime),
    ("sigpending", PosixRlimitType::RlimitSigpending, Resource::Sigpending),
    ("stack", PosixRlimitType::RlimitStack, Resource::Stack),
];

impl FromStr for Ulimit {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let Some((given, values)) = text.split_once('=') else {
            refuse!("--ulimit {text}: write NAME=SOFT or NAME=SOFT:HARD");
        };
        let Some((name, kind, resource)) = LIMITS.into_iter().find(|(n, ..)| *n == given) else {
            let names = LIMITS.map(|(name, ..)| name).join(", ");
            refuse!("--ulimit {text}: there is no limit {given:?}; there are {names}");
        };
        let (soft, hard) = values.split_once(':').unwrap_or((values, values));
        let (soft, hard) = (value(text, soft)?, value(text, hard)?);
        if soft > hard {
            refuse!("--ulimit {text}: the soft limit is above the hard one");
        }
        Ok(Self { name, kind, resource, soft, hard })
    }
}

fn value(text: &str, number: &str) -> Result<u64, ValueError> {
    match number {
        "-1" | "unlimited" => Ok(u64::MAX),
        _ => match number.parse() {
            Ok(value) => Ok(value),
            Err(_) => refuse!("--ulimit {text}: {number:?} isn't a number"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits() {
        for (text, name, soft, hard) in [
            ("nofile=1024", "nofile", 1024, 1024),
            ("nofile=1024:4096", "nofile", 1024, 4096),
            ("core=0:-1", "core", 0, u64::MAX),
        ] {
            let limit: Ulimit = text.parse().unwrap();
            assert_eq!((limit.name, limit.soft, limit.hard), (name, soft, hard), "{text}");
        }
        for bad in ["", "nofile", "nofile=", "files=1", "nofile=2:1", "nofile=-1:5", "nofile=a"] {
            assert!(bad.parse::<Ulimit>().is_err(), "{bad}");
        }
    }
}
