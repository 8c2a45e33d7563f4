//! `--mount type=bind,source=…,target=…`: the long form of `-v` and `--tmpfs`.

use std::str::FromStr;

use super::volume::Propagation;
use super::{Bytes, ValueError, container_path, refuse};

/// One `--mount`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MountArg {
    /// A path of the host, which must exist.
    Bind {
        /// The absolute path on the host.
        source: String,
        /// The absolute path inside.
        target: String,
        /// Whether the container may not write to it.
        read_only: bool,
        /// Whether mounts beneath the source stay behind.
        non_recursive: bool,
        /// Mounts that appear later.
        propagation: Option<Propagation>,
    },
    /// A file system in memory.
    Tmpfs {
        /// The absolute path inside.
        target: String,
        /// Its bound in bytes; half the memory of the machine without one.
        size: Option<Bytes>,
        /// The permission bits of its root; 1777 without them.
        mode: Option<u32>,
        /// Whether it is empty for ever.
        read_only: bool,
    },
    /// A named or anonymous volume.
    Volume,
}

/// What the keys say, before it is known whether they fit the type.
#[derive(Default)]
struct Keys {
    kind: Option<String>,
    source: Option<String>,
    target: Option<String>,
    read_only: bool,
    non_recursive: bool,
    propagation: Option<Propagation>,
    size: Option<Bytes>,
    mode: Option<u32>,
}

impl FromStr for MountArg {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let mut keys = Keys::default();
        for part in text.split(',') {
            let (key, value) = part.split_once('=').map_or((part, None), |(k, v)| (k, Some(v)));
            keys.set(text, key, value)?;
        }
        keys.finish(text)
    }
}

impl Keys {
    fn set(&mut self, text: &str, key: &str, value: Option<&str>) -> Result<(), ValueError> {
        match key {
            "readonly" | "ro" => self.read_only = flag(text, key, value)?,
            "bind-nonrecursive" => self.non_recursive = flag(text, key, value)?,
            _ => {
                let Some(value) = value.filter(|v| !v.is_empty()) else {
                    refuse!("--mount {text}: {key:?} wants a value");
                };
                self.set_valued(text, key, value)?;
            }
        }
        Ok(())
    }

    fn set_valued(&mut self, text: &str, key: &str, value: &str) -> Result<(), ValueError> {
        match key {
            "type" => self.kind = Some(value.to_owned()),
            "source" | "src" => self.source = Some(value.to_owned()),
            "target" | "destination" | "dst" => {
                self.target = Some(container_path("--mount", value)?);
            }
            "bind-propagation" => match Propagation::from_option(value) {
                Some(propagation) => self.propagation = Some(propagation),
                None => refuse!("--mount {text}: unknown propagation {value:?}"),
            },
            "tmpfs-size" => self.size = Some(value.parse()?),
            "tmpfs-mode" => match u32::from_str_radix(value, 8) {
                Ok(mode) if mode <= 0o7777 => self.mode = Some(mode),
                _ => refuse!("--mount {text}: {value:?} isn't a mode in octal"),
            },
            // A hint to virtual machines of other systems.
            "consistency" => {}
            other => refuse!("--mount {text}: unknown key {other:?}"),
        }
        Ok(())
    }

    fn finish(self, text: &str) -> Result<MountArg, ValueError> {
        match self.kind.as_deref() {
            Some("bind") => self.bind(text),
            Some("tmpfs") => self.tmpfs(text),
            Some("volume") | None => Ok(MountArg::Volume),
            Some(other) => refuse!("--mount {text}: unknown type {other:?}: write bind or tmpfs"),
        }
    }

    fn bind(self, text: &str) -> Result<MountArg, ValueError> {
        if self.size.is_some() || self.mode.is_some() {
            refuse!("--mount {text}: tmpfs options don't go with type=bind");
        }
        match (self.source, self.target) {
            (Some(source), Some(target)) if source.starts_with('/') => Ok(MountArg::Bind {
                source,
                target,
                read_only: self.read_only,
                non_recursive: self.non_recursive,
                propagation: self.propagation,
            }),
            (Some(_), Some(_)) => refuse!("--mount {text}: the source must be an absolute path"),
            _ => refuse!("--mount {text}: type=bind wants source and target"),
        }
    }

    fn tmpfs(self, text: &str) -> Result<MountArg, ValueError> {
        if self.source.is_some() || self.non_recursive || self.propagation.is_some() {
            refuse!("--mount {text}: type=tmpfs has no source and no bind options");
        }
        let Some(target) = self.target else {
            refuse!("--mount {text}: type=tmpfs wants a target");
        };
        let Self { size, mode, read_only, .. } = self;
        Ok(MountArg::Tmpfs { target, size, mode, read_only })
    }
}

fn flag(text: &str, key: &str, value: Option<&str>) -> Result<bool, ValueError> {
    match value {
        None | Some("true" | "1") => Ok(true),
        Some("false" | "0") => Ok(false),
        Some(other) => refuse!("--mount {text}: {key} is true or false, not {other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binds() {
        let arg: MountArg = "type=bind,src=/a,dst=/b,readonly".parse().unwrap();
        let expected = MountArg::Bind {
            source: "/a".into(),
            target: "/b".into(),
            read_only: true,
            non_recursive: false,
            propagation: None,
        };
        assert_eq!(arg, expected);
        for bad in [
            "type=bind,src=/a",
            "type=bind,src=a,dst=/b",
            "type=bind,src=/a,dst=b",
            "type=bind,src=/a,dst=/b,tmpfs-size=1m",
            "type=bind,src=/a,dst=/b,ro=maybe",
            "type=bind,src=/a,dst=/b,bind-propagation=odd",
            "type=bind,src=/a,dst=",
            "type=nfs,src=/a,dst=/b",
            "type=bind,src=/a,dst=/b,volume-driver=x",
        ] {
            assert!(bad.parse::<MountArg>().is_err(), "{bad}");
        }
    }

    #[test]
    fn memory() {
        let arg: MountArg = "type=tmpfs,target=/t,tmpfs-size=1m,tmpfs-mode=1770".parse().unwrap();
        let expected = MountArg::Tmpfs {
            target: "/t".into(),
            size: Some(Bytes(1 << 20)),
            mode: Some(0o1770),
            read_only: false,
        };
        assert_eq!(arg, expected);
        for bad in ["type=tmpfs", "type=tmpfs,dst=/t,src=/a", "type=tmpfs,dst=/t,tmpfs-mode=9"] {
            assert!(bad.parse::<MountArg>().is_err(), "{bad}");
        }
    }

    #[test]
    fn volumes_are_told_apart() {
        assert_eq!("src=data,dst=/d".parse(), Ok(MountArg::Volume));
        assert_eq!("type=volume,dst=/d".parse(), Ok(MountArg::Volume));
    }
}
