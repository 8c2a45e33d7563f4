//! `--device HOST[:CONTAINER][:rwm]`: a device node of the host, seen inside.

use std::str::FromStr;

use super::{ValueError, container_path, refuse};

/// What a container may do with a device: read, write, make its node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceAccess {
    read: bool,
    write: bool,
    mknod: bool,
}

impl DeviceAccess {
    /// `rwm`.
    pub const ALL: Self = Self { read: true, write: true, mknod: true };

    fn parse(text: &str) -> Option<Self> {
        let mut access = Self { read: false, write: false, mknod: false };
        for letter in text.chars() {
            let slot = match letter {
                'r' => &mut access.read,
                'w' => &mut access.write,
                'm' => &mut access.mknod,
                _ => return None,
            };
            if std::mem::replace(slot, true) {
                return None;
            }
        }
        (!text.is_empty()).then_some(access)
    }

    /// As the device cgroup writes it.
    #[must_use]
    pub fn as_letters(self) -> String {
        [(self.read, 'r'), (self.write, 'w'), (self.mknod, 'm')]
            .iter()
            .filter_map(|(on, letter)| on.then_some(*letter))
            .collect()
    }
}

/// One `--device`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceMapping {
    /// The node's path on the host.
    pub host: String,
    /// Its path inside.
    pub container: String,
    /// What may be done with it.
    pub access: DeviceAccess,
}

impl FromStr for DeviceMapping {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let parts: Vec<&str> = text.split(':').collect();
        let (host, container, access) = match parts[..] {
            [host] => (host, host, "rwm"),
            [host, second] if DeviceAccess::parse(second).is_some() => (host, host, second),
            [host, container] => (host, container, "rwm"),
            [host, container, access] => (host, container, access),
            _ => refuse!("--device {text}: write HOST, HOST:CONTAINER or HOST:CONTAINER:rwm"),
        };
        let Some(access) = DeviceAccess::parse(access) else {
            refuse!("--device {text}: {access:?} isn't made of the letters r, w and m");
        };
        if !host.starts_with('/') {
            refuse!("--device {text}: the device must be an absolute path");
        }
        let container = container_path("--device", container)?;
        Ok(Self { host: host.to_owned(), container, access })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices() {
        for (text, container, access) in [
            ("/dev/fuse", "/dev/fuse", "rwm"),
            ("/dev/fuse:rw", "/dev/fuse", "rw"),
            ("/dev/sda:/dev/xvda", "/dev/xvda", "rwm"),
            ("/dev/sda:/dev/xvda:r", "/dev/xvda", "r"),
            ("/dev/sda:/dev/xvda:mw", "/dev/xvda", "wm"),
        ] {
            let mapping: DeviceMapping = text.parse().unwrap();
            assert_eq!(mapping.container, container, "{text}");
            assert_eq!(mapping.access.as_letters(), access, "{text}");
        }
        for bad in ["", "fuse", "/dev/fuse:x", "/dev/fuse:/dev/f:rr", "/dev/a:/b:r:w", "/a:/b:"] {
            assert!(bad.parse::<DeviceMapping>().is_err(), "{bad}");
        }
    }
}
