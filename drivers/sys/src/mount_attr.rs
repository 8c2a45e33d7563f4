//! mount_setattr(2): changes the attributes of a mount by descriptor.

use std::fmt;
use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::io::Errno;

/// How mounts and unmounts beneath a mount reach its copies in other mount
/// namespaces (mount_namespaces(7)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Propagation {
    /// Neither sent nor received.
    Private,
    /// Received from the group, never sent.
    Slave,
}

/// What to change of a mount; what isn't named stays.
#[derive(Debug, Clone, Copy, Default)]
pub struct MountAttr<'fd> {
    read_only: bool,
    propagation: Option<Propagation>,
    user_ns: Option<BorrowedFd<'fd>>,
    recursive: bool,
}

impl<'fd> MountAttr<'fd> {
    /// Changes nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Refuses writing through this mount with EROFS.
    #[must_use]
    pub fn read_only(mut self) -> Self {
        self.read_only = true;
        self
    }

    /// Sets the propagation.
    #[must_use]
    pub fn propagation(mut self, propagation: Propagation) -> Self {
        self.propagation = Some(propagation);
        self
    }

    /// Shows ownership through the id maps of a user namespace: an id on disk
    /// is looked up on the namespace's inner side and shown as the outer one.
    /// Only for a mount that has never been attached, and has no map yet.
    #[must_use]
    pub fn id_map(mut self, user_ns: BorrowedFd<'fd>) -> Self {
        self.user_ns = Some(user_ns);
        self
    }

    /// Changes all mounts beneath as well: all of them, or none.
    #[must_use]
    pub fn recursive(mut self) -> Self {
        self.recursive = true;
        self
    }

    /// Applies the changes to the mount that `mount` was opened on.
    ///
    /// # Errors
    /// See [`MountAttrError`]. Nothing has changed then.
    pub fn apply(&self, mount: BorrowedFd<'_>) -> Result<(), MountAttrError> {
        let attr = self.to_raw();
        let flags = libc::AT_EMPTY_PATH | if self.recursive { libc::AT_RECURSIVE } else { 0 };
        // SAFETY: the descriptor is open for the length of the call, the path
        // is a static C string, and `attr` is a live `mount_attr` whose size is
        // what the last argument says; the kernel only reads both.
        let outcome = unsafe {
            libc::syscall(
                libc::SYS_mount_setattr,
                mount.as_raw_fd(),
                c"".as_ptr(),
                flags,
                &raw const attr,
                size_of::<libc::mount_attr>(),
            )
        };
        if outcome == 0 { Ok(()) } else { Err(self.name(crate::thread::last_errno())) }
    }

    fn to_raw(self) -> libc::mount_attr {
        let mut set = 0;
        if self.read_only {
            set |= libc::MOUNT_ATTR_RDONLY;
        }
        if self.user_ns.is_some() {
            set |= libc::MOUNT_ATTR_IDMAP;
        }
        let propagation = match self.propagation {
            None => 0,
            Some(Propagation::Private) => libc::MS_PRIVATE,
            Some(Propagation::Slave) => libc::MS_SLAVE,
        };
        libc::mount_attr {
            attr_set: set,
            attr_clr: 0,
            propagation,
            // The kernel reads the field only with MOUNT_ATTR_IDMAP.
            userns_fd: self.user_ns.map_or(0, |fd| fd.as_raw_fd().unsigned_abs().into()),
        }
    }

    fn name(&self, errno: Errno) -> MountAttrError {
        match errno {
            Errno::NOSYS => MountAttrError::NoSystemCall,
            Errno::INVAL if self.user_ns.is_some() => MountAttrError::NoIdMap,
            Errno::BUSY if self.read_only => MountAttrError::Writers,
            Errno::PERM => MountAttrError::NotAllowed,
            other => MountAttrError::Other(other),
        }
    }
}

/// Why a mount's attributes weren't changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MountAttrError {
    /// The kernel is older than 5.12.
    NoSystemCall,
    /// The file system can't be shown with mapped ids, or the mount is
    /// attached already.
    NoIdMap,
    /// Somebody has a file open for writing through the mount.
    Writers,
    /// CAP_SYS_ADMIN is missing, the mount has a map already, or the
    /// namespace's maps aren't written.
    NotAllowed,
    /// Something else.
    Other(Errno),
}

impl fmt::Display for MountAttrError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoSystemCall => "the kernel has no mount_setattr (it came with Linux 5.12)",
            Self::NoIdMap => "the file system can't be mounted with mapped ids",
            Self::Writers => "a file is open for writing through the mount",
            Self::NotAllowed => "changing the mount's attributes isn't allowed",
            Self::Other(errno) => return errno.fmt(f),
        })
    }
}

impl std::error::Error for MountAttrError {}

impl From<MountAttrError> for std::io::Error {
    fn from(error: MountAttrError) -> Self {
        let errno = match error {
            MountAttrError::NoSystemCall | MountAttrError::NoIdMap => Errno::OPNOTSUPP,
            MountAttrError::Writers => Errno::BUSY,
            MountAttrError::NotAllowed => Errno::PERM,
            MountAttrError::Other(errno) => errno,
        };
        Self::new(Self::from(errno).kind(), error)
    }
}
