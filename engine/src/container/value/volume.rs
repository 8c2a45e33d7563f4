//! `-v SOURCE:PATH[:OPTIONS]`: a directory or file of the host, seen inside.

use std::str::FromStr;

use super::{ValueError, container_path, refuse};

/// How mounts made later on one side show on the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // The names are those of mount(8).
pub enum Propagation {
    Private,
    RPrivate,
    Shared,
    RShared,
    Slave,
    RSlave,
}

impl Propagation {
    /// The option as mount(8) and the runtime specification write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Private => "private",
            Self::RPrivate => "rprivate",
            Self::Shared => "shared",
            Self::RShared => "rshared",
            Self::Slave => "slave",
            Self::RSlave => "rslave",
        }
    }

    pub(super) fn from_option(option: &str) -> Option<Self> {
        [Self::Private, Self::RPrivate, Self::Shared, Self::RShared, Self::Slave, Self::RSlave]
            .into_iter()
            .find(|p| p.as_str() == option)
    }
}

/// A bind mount that `-v` asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// The absolute path on the host, or the name of a volume.
    pub source: String,
    /// The absolute path inside.
    pub target: String,
    /// Whether the container may not write to it.
    pub read_only: bool,
    /// Whether SELinux labels are to be changed (`z`, `Z`).
    pub relabel: bool,
    /// Mounts that appear later; none crosses unless this says so.
    pub propagation: Option<Propagation>,
}

impl FromStr for Volume {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let parts: Vec<&str> = text.split(':').collect();
        let (source, target, options) = match parts[..] {
            [source, target] => (source, target, ""),
            [source, target, options] => (source, target, options),
            [_] => refuse!("-v {text}: anonymous volumes aren't supported yet: write SOURCE:PATH"),
            _ => refuse!("-v {text}: write SOURCE:PATH or SOURCE:PATH:OPTIONS"),
        };
        if source.is_empty() {
            refuse!("-v {text}: the source is empty");
        }
        let mut volume = Self {
            source: source.to_owned(),
            target: container_path("-v", target)?,
            read_only: false,
            relabel: false,
            propagation: None,
        };
        options.split(',').filter(|o| !o.is_empty()).try_for_each(|o| volume.option(text, o))?;
        Ok(volume)
    }
}

impl Volume {
    fn option(&mut self, text: &str, option: &str) -> Result<(), ValueError> {
        match option {
            "ro" => self.read_only = true,
            "rw" => self.read_only = false,
            "z" | "Z" => self.relabel = true,
            // A hint to virtual machines of other systems; it means nothing on Linux.
            "consistent" | "cached" | "delegated" => {}
            "nocopy" => refuse!("-v {text}: 'nocopy' is for named volumes"),
            other => match Propagation::from_option(other) {
                Some(propagation) => self.propagation = Some(propagation),
                None => refuse!("-v {text}: unknown option {other:?}"),
            },
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn volumes() {
        let plain: Volume = "/a:/b".parse().unwrap();
        assert_eq!((plain.source.as_str(), plain.target.as_str()), ("/a", "/b"));
        assert!(!plain.read_only && !plain.relabel && plain.propagation.is_none());
        let full: Volume = "/a:/b/:ro,Z,rslave".parse().unwrap();
        assert!(full.read_only && full.relabel);
        assert_eq!((full.target.as_str(), full.propagation), ("/b", Some(Propagation::RSlave)));
        assert_eq!("data:/b".parse::<Volume>().unwrap().source, "data");
        for bad in ["", "/a", ":/b", "/a:b", "/a:/", "/a:/b:xx", "/a:/b:ro:rw", "v:/b:nocopy"] {
            assert!(bad.parse::<Volume>().is_err(), "{bad}");
        }
    }
}
