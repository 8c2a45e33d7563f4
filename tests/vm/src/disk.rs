//! A disk of the machine: its size, what it is formatted with, where it is mounted.

use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::size::Size;

/// A block device of the guest: kept in a sparse file that is gone afterwards, or
/// an image that stays.
///
/// The guest sees the disks in the order in which they were added, as
/// /dev/ubda, /dev/ubdb and so on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    pub(crate) medium: Medium,
    pub(crate) format: Option<FileSystem>,
    pub(crate) mount: Option<PathBuf>,
    pub(crate) options: String,
}

/// What a disk is kept in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Medium {
    /// A new file of this size.
    New(Size),
    /// A file of the host's that is written to in place.
    Image(PathBuf),
}

/// What a [`Disk`] can be formatted with. All three are built into the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum FileSystem {
    /// With project quotas possible (`prjquota` among the mount options).
    Ext4,
    /// At least 300 MiB, as mkfs.xfs demands. With reflinks.
    Xfs,
    /// At least 110 MiB.
    Btrfs,
}

impl FileSystem {
    /// The name that `mount -t` takes.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ext4 => "ext4",
            Self::Xfs => "xfs",
            Self::Btrfs => "btrfs",
        }
    }

    /// The command that makes it, with its options, and the Debian package that has it.
    pub(crate) const fn maker(self) -> (&'static str, &'static [&'static str], &'static str) {
        match self {
            // Lazy initialisation would go on inside the guest, for minutes of its time.
            Self::Ext4 => (
                "mkfs.ext4",
                &["-q", "-F", "-O", "quota,project", "-E", "lazy_itable_init=0"],
                "e2fsprogs",
            ),
            Self::Xfs => ("mkfs.xfs", &["-q", "-f"], "xfsprogs"),
            Self::Btrfs => ("mkfs.btrfs", &["-q", "-f"], "btrfs-progs"),
        }
    }
}

impl Disk {
    /// An empty disk, neither formatted nor mounted.
    #[must_use]
    pub fn new(size: Size) -> Self {
        Self::of(Medium::New(size))
    }

    /// The file `path` of the host, which has a file system already. What the guest
    /// writes is in the file as soon as its kernel has handed it over, however the
    /// machine ends: as on a disk whose power fails.
    #[must_use]
    pub fn image(path: impl Into<PathBuf>) -> Self {
        Self::of(Medium::Image(path.into()))
    }

    fn of(medium: Medium) -> Self {
        Self { medium, format: None, mount: None, options: String::new() }
    }

    /// Formats the disk, on the host, before the machine starts. An image isn't
    /// formatted: this says what it has been formatted with.
    #[must_use]
    pub fn format(mut self, format: FileSystem) -> Self {
        self.format = Some(format);
        self
    }

    /// Mounts the disk at `path`, which must exist already or lie beneath /mnt, /run or /tmp
    /// (the rest of the guest's tree is read-only).
    #[must_use]
    pub fn mount(mut self, path: impl Into<PathBuf>) -> Self {
        self.mount = Some(path.into());
        self
    }

    /// Passes `options` to the file system when it is mounted, as `mount -o` does for options
    /// that aren't flags: `prjquota`.
    #[must_use]
    pub fn options(mut self, options: impl Into<String>) -> Self {
        self.options = options.into();
        self
    }
}

impl FromStr for Disk {
    type Err = String;

    /// Reads `SIZE[:FILESYSTEM[:MOUNTPOINT[:OPTIONS]]]`, as in `512M:ext4:/mnt/data:prjquota`;
    /// in place of a size, the absolute path of an image.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut words = text.splitn(4, ':');
        let medium = words.next().unwrap_or_default();
        let mut disk = match medium.starts_with('/') {
            true => Self::image(medium),
            false => Self::new(medium.parse()?),
        };
        if let Some(name) = words.next() {
            disk.format = Some(name.parse()?);
        }
        if let Some(path) = words.next() {
            if !path.starts_with('/') {
                return Err(format!("mount point `{path}` is not an absolute path"));
            }
            disk.mount = Some(path.into());
        }
        disk.options = words.next().unwrap_or_default().to_owned();
        Ok(disk)
    }
}

impl FromStr for FileSystem {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Ext4, Self::Xfs, Self::Btrfs]
            .into_iter()
            .find(|known| known.name() == text)
            .ok_or_else(|| format!("file system `{text}` is unknown: choose ext4, xfs or btrfs"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_part() {
        let disk: Disk = "512M:ext4:/mnt/data:prjquota".parse().unwrap();
        let same = Disk::new(Size::mib(512))
            .format(FileSystem::Ext4)
            .mount("/mnt/data")
            .options("prjquota");
        assert_eq!(disk, same);
        assert_eq!("64M".parse::<Disk>().unwrap(), Disk::new(Size::mib(64)));
        let image: Disk = "/a/b.img:xfs:/mnt/data".parse().unwrap();
        assert_eq!(image, Disk::image("/a/b.img").format(FileSystem::Xfs).mount("/mnt/data"));
    }

    #[test]
    fn refuses_by_name() {
        for (text, word) in [("x", "size"), ("1M:ntfs", "ntfs"), ("1M:ext4:data", "absolute")] {
            let error = text.parse::<Disk>().unwrap_err();
            assert!(error.contains(word), "{error}");
        }
    }
}
