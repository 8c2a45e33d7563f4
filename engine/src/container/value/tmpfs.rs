//! `--tmpfs PATH[:OPTIONS]`: a file system in memory.

use std::str::FromStr;

use super::{ValueError, container_path, refuse};

/// One `--tmpfs`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tmpfs {
    /// The absolute path inside.
    pub target: String,
    /// The mount options: Docker's own `noexec,nosuid,nodev`, with what the
    /// user wrote behind them, so that the user's word is the last.
    pub options: Vec<String>,
}

const FLAGS: [&str; 16] = [
    "ro",
    "rw",
    "exec",
    "noexec",
    "suid",
    "nosuid",
    "dev",
    "nodev",
    "sync",
    "async",
    "dirsync",
    "atime",
    "noatime",
    "diratime",
    "nodiratime",
    "relatime",
];
const VALUED: [&str; 6] = ["size", "mode", "uid", "gid", "nr_inodes", "nr_blocks"];

impl FromStr for Tmpfs {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let (target, given) = text.split_once(':').unwrap_or((text, ""));
        let mut options = ["noexec", "nosuid", "nodev"].map(str::to_owned).to_vec();
        for option in given.split(',').filter(|o| !o.is_empty()) {
            let known = match option.split_once('=') {
                Some((key, value)) => VALUED.contains(&key) && !value.is_empty(),
                None => FLAGS.contains(&option),
            };
            if !known {
                refuse!("--tmpfs {text}: unknown option {option:?}");
            }
            options.push(option.to_owned());
        }
        Ok(Self { target: container_path("--tmpfs", target)?, options })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_systems_in_memory() {
        let plain: Tmpfs = "/t".parse().unwrap();
        assert_eq!(plain.options, ["noexec", "nosuid", "nodev"]);
        let full: Tmpfs = "/t:exec,size=64m,mode=700".parse().unwrap();
        assert_eq!(full.options.last().map(String::as_str), Some("mode=700"));
        for bad in ["", "t", "/", "/t:huge=always", "/t:size", "/t:size=", "/t:bind"] {
            assert!(bad.parse::<Tmpfs>().is_err(), "{bad}");
        }
    }
}
