//! Whiteouts: how a layer says that what lies beneath isn't there any more, in
//! archives (the names of the OCI image specification) and in directories that
//! overlay file systems merge (the kernel's overlayfs and its FUSE relatives).

use std::ffi::OsStr;
use std::fmt;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;

use rustix::io::{Errno, Result};

use crate::at::xattr::{self, Target};
use crate::at::{self, Device, Kind, Meta};

/// What the name of a whiteout in an archive begins with.
pub const PREFIX: &str = ".wh.";
/// The name that hides everything beneath its directory.
pub const OPAQUE: &str = ".wh..wh..opq";
/// What the names of AUFS's own books begin with.
const META_PREFIX: &[u8] = b".wh..wh.";

/// What the last component of an entry's path says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark<'a> {
    /// It is the name of a file.
    Ordinary,
    /// This name isn't there any more.
    Whiteout(&'a OsStr),
    /// Nothing that lies beneath the entry's directory is there any more.
    Opaque,
    /// AUFS keeps its books there (`.wh..wh.plnk`, `.wh..wh.aufs`,
    /// `.wh..wh.orph`). Says nothing about the tree.
    Aufs,
}

/// A name that begins like a whiteout and names nothing that could be hidden
/// (`.wh.`, `.wh..`, `.wh...`). Taken by its words, the last would remove the
/// directory *above*.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotAWhiteout;

impl fmt::Display for NotAWhiteout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whiteout that names nothing")
    }
}

impl std::error::Error for NotAWhiteout {}

impl<'a> Mark<'a> {
    /// Reads a single component.
    ///
    /// # Errors
    /// [`NotAWhiteout`].
    pub fn parse(name: &'a OsStr) -> std::result::Result<Self, NotAWhiteout> {
        let Some(hidden) = name.as_bytes().strip_prefix(PREFIX.as_bytes()) else {
            return Ok(Self::Ordinary);
        };
        match hidden {
            _ if name == OPAQUE => Ok(Self::Opaque),
            _ if name.as_bytes().starts_with(META_PREFIX) => Ok(Self::Aufs),
            b"" | b"." | b".." => Err(NotAWhiteout),
            _ => Ok(Self::Whiteout(OsStr::from_bytes(hidden))),
        }
    }
}

/// Whether an archive can't hold a file of this name, because there it would
/// mean something else.
#[must_use]
pub fn is_reserved(name: &OsStr) -> bool {
    name.as_bytes().starts_with(PREFIX.as_bytes())
}

/// Where an overlay file system keeps its own attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Namespace {
    /// `trusted.overlay.*`: invisible without CAP_SYS_ADMIN.
    Trusted,
    /// `user.overlay.*`: the mount option `userxattr`.
    User,
}

/// What stands for a name that isn't there any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WhiteoutForm {
    /// A character device 0:0. Since Linux 5.8 it needs no privilege.
    Device,
    /// An empty file with the attribute `whiteout`, in a directory whose
    /// attribute `opaque` is `x`. Linux 6.7; for file systems on which device
    /// nodes can't be made at all.
    Attribute,
}

/// How an overlay file system marks what is hidden.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct OverlayFormat {
    /// Where its attributes are.
    pub namespace: Namespace,
    /// What a whiteout is.
    pub whiteouts: WhiteoutForm,
}

impl OverlayFormat {
    /// What the kernel writes by itself when mounted without `userxattr`.
    pub const KERNEL: Self =
        Self { namespace: Namespace::Trusted, whiteouts: WhiteoutForm::Device };

    /// The full name of the attribute that marks a directory.
    #[must_use]
    pub fn opaque_name(self) -> &'static OsStr {
        OsStr::new(match self.namespace {
            Namespace::Trusted => "trusted.overlay.opaque",
            Namespace::User => "user.overlay.opaque",
        })
    }

    fn origin_name(self) -> &'static OsStr {
        OsStr::new(match self.namespace {
            Namespace::Trusted => "trusted.overlay.origin",
            Namespace::User => "user.overlay.origin",
        })
    }

    fn whiteout_name(self) -> &'static OsStr {
        OsStr::new(match self.namespace {
            Namespace::Trusted => "trusted.overlay.whiteout",
            Namespace::User => "user.overlay.whiteout",
        })
    }

    /// Makes a whiteout of `name` in `dir`, where nothing of that name is.
    ///
    /// The directory is marked as one that was copied up from somewhere
    /// (`origin`, empty). Without that mark the kernel lists whiteouts as files
    /// where the directory turns out to be in no other layer.
    ///
    /// # Errors
    /// `EXIST`; else as mknodat(2) or setxattr(2).
    pub fn make_whiteout(self, dir: impl AsFd, name: &OsStr) -> Result<()> {
        let dir = dir.as_fd();
        if !xattr::has(Target::Open(dir), self.origin_name())? {
            xattr::set(Target::Open(dir), self.origin_name(), b"")?;
        }
        if self.whiteouts == WhiteoutForm::Device {
            return at::mknod(dir, name, Kind::CharDevice, 0, Device::ZERO);
        }
        // The mark on the directory first: without it the kernel doesn't look
        // for whiteouts of this form, and the empty file would be seen.
        if self.opaque(dir)?.is_none() {
            xattr::set(Target::Open(dir), self.opaque_name(), b"x")?;
        }
        let file = at::create_file(dir, name, 0)?;
        xattr::set(Target::open(&file), self.whiteout_name(), b"")
    }

    /// Whether `name` in `dir`, which has these attributes, is a whiteout of
    /// either form. A system call only for empty files.
    ///
    /// # Errors
    /// As getxattr(2).
    pub fn is_whiteout(self, dir: impl AsFd, name: &OsStr, meta: &Meta) -> Result<bool> {
        match meta.kind {
            Kind::CharDevice => Ok(meta.device == Device::ZERO),
            Kind::File if meta.size == 0 => {
                xattr::has(Target::Entry(dir.as_fd(), name), self.whiteout_name())
            }
            _ => Ok(false),
        }
    }

    /// Hides everything beneath the directory.
    ///
    /// # Errors
    /// As fsetxattr(2).
    pub fn make_opaque(self, dir: impl AsFd) -> Result<()> {
        xattr::set(Target::Open(dir.as_fd()), self.opaque_name(), b"y")
    }

    /// Whether everything beneath the directory is hidden.
    ///
    /// # Errors
    /// As fgetxattr(2); `INVAL` for a value that the kernel doesn't know
    /// either.
    pub fn is_opaque(self, dir: impl AsFd) -> Result<bool> {
        match self.opaque(dir.as_fd())?.as_deref() {
            Some(b"y") => Ok(true),
            None | Some(b"x") => Ok(false),
            Some(_) => Err(Errno::INVAL),
        }
    }

    fn opaque(self, dir: BorrowedFd<'_>) -> Result<Option<Vec<u8>>> {
        xattr::get(Target::Open(dir), self.opaque_name())
    }
}

/// Whether an attribute is a note of an overlay file system to itself. In an
/// upper directory such an attribute has an effect: `redirect` makes any other
/// directory appear, `metacopy` any other file's content.
#[must_use]
pub fn is_overlay_private(attribute: &OsStr) -> bool {
    let name = attribute.as_bytes();
    name.starts_with(b"trusted.overlay.") || name.starts_with(b"user.overlay.")
}

/// Whether an attribute belongs to the host and not to the tree: labels that
/// its policy gives (`security.selinux`, Smack's), hashes that are bound to
/// its keys and inode numbers (`security.evm`), and settings of its file
/// system (`btrfs.*`). Another host gives its own, so layers don't carry them.
#[must_use]
pub fn belongs_to_host(attribute: &OsStr) -> bool {
    let name = attribute.as_bytes();
    name == b"security.selinux"
        || name == b"security.evm"
        || name.starts_with(b"security.SMACK64")
        || name.starts_with(b"btrfs.")
}

/// Whether an attribute is part of a tree: neither the host's nor an overlay's.
#[must_use]
pub fn is_content(attribute: &[u8]) -> bool {
    let name = OsStr::from_bytes(attribute);
    !belongs_to_host(name) && !is_overlay_private(name)
}

#[cfg(test)]
mod tests {
    use rustix::fs::{Mode, OFlags};

    use super::*;

    #[test]
    fn names_in_archives() {
        let parse = |name| Mark::parse(OsStr::new(name));
        assert_eq!(parse("file"), Ok(Mark::Ordinary));
        assert_eq!(parse(".wh"), Ok(Mark::Ordinary));
        assert_eq!(parse(".wh.a"), Ok(Mark::Whiteout(OsStr::new("a"))));
        assert_eq!(parse(".wh..a"), Ok(Mark::Whiteout(OsStr::new(".a"))));
        assert_eq!(parse(".wh..wh.a"), Ok(Mark::Aufs));
        assert_eq!(parse(".wh..wh..opq"), Ok(Mark::Opaque));
        assert_eq!(parse(".wh..wh..opq2"), Ok(Mark::Aufs));
        assert_eq!(parse(".wh...x"), Ok(Mark::Whiteout(OsStr::new("..x"))));
        for name in [".wh.", ".wh..", ".wh..."] {
            assert_eq!(parse(name), Err(NotAWhiteout), "{name}");
        }
    }

    #[test]
    fn both_forms_on_disk() {
        let tmp = tempfile::tempdir().unwrap();
        let dir = rustix::fs::open(tmp.path(), OFlags::RDONLY, Mode::empty()).unwrap();
        for namespace in [Namespace::Trusted, Namespace::User] {
            for whiteouts in [WhiteoutForm::Device, WhiteoutForm::Attribute] {
                let format = OverlayFormat { namespace, whiteouts };
                let name = format!("{format:?}");
                let name = OsStr::new(&name);
                format.make_whiteout(&dir, name).unwrap();
                let meta = Meta::at(&dir, name).unwrap();
                assert!(format.is_whiteout(&dir, name, &meta).unwrap());
                assert_eq!(format.make_whiteout(&dir, name), Err(Errno::EXIST));
                assert!(!format.is_opaque(&dir).unwrap());
            }
        }
        std::fs::write(tmp.path().join("empty"), b"").unwrap();
        let name = OsStr::new("empty");
        let meta = Meta::at(&dir, name).unwrap();
        assert!(!OverlayFormat::KERNEL.is_whiteout(&dir, name, &meta).unwrap());
        OverlayFormat::KERNEL.make_opaque(&dir).unwrap();
        assert!(OverlayFormat::KERNEL.is_opaque(&dir).unwrap());
        xattr::set(Target::open(&dir), OsStr::new("trusted.overlay.opaque"), b"z").unwrap();
        assert_eq!(OverlayFormat::KERNEL.is_opaque(&dir), Err(Errno::INVAL));
    }
}
