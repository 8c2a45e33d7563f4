//! What a file is called by its file system, whatever its path:
//! name_to_handle_at(2), and the file system's own identity.

use std::os::fd::{AsFd, AsRawFd};

use rustix::io::Errno;

/// As many bytes as a handle can have (MAX_HANDLE_SZ).
const MAX: usize = 128;

/// A file handle: the same for a file for as long as it exists, also after a
/// restart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileHandle {
    /// What kind of handle, in the file system's terms.
    pub kind: i32,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// `struct file_handle` with room for the longest.
#[repr(C)]
struct Raw {
    bytes: libc::c_uint,
    kind: libc::c_int,
    handle: [u8; MAX],
}

/// The handle of an open file, which may be open for its path only.
///
/// # Errors
/// `OPNOTSUPP` where the file system has none; `OVERFLOW` if it is longer than
/// Linux lets it be.
pub fn of(file: impl AsFd) -> Result<FileHandle, Errno> {
    let mut raw = Raw { bytes: MAX as libc::c_uint, kind: 0, handle: [0; MAX] };
    let mut mount = 0;
    // SAFETY: the path is a valid C string, `raw` has the layout of a struct
    // file_handle with as much room behind it as it says, and `mount` is an int;
    // all outlive the call, which keeps none of them.
    let done = unsafe {
        libc::name_to_handle_at(
            file.as_fd().as_raw_fd(),
            c"".as_ptr(),
            (&raw mut raw).cast(),
            &raw mut mount,
            libc::AT_EMPTY_PATH,
        )
    };
    if done != 0 {
        return Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO));
    }
    let length = usize::try_from(raw.bytes).map_err(|_| Errno::OVERFLOW)?;
    let bytes = raw.handle.get(..length).ok_or(Errno::OVERFLOW)?.to_vec();
    Ok(FileHandle { kind: raw.kind, bytes })
}

/// FS_IOC_GETFSUUID, `_IOR(0x15, 0, struct fsuuid2)`: 17 bytes are read.
const GET_UUID: libc::c_ulong = 0x8011_1500;

/// `struct fsuuid2`.
#[repr(C)]
#[derive(Default)]
struct Uuid {
    length: u8,
    bytes: [u8; 16],
}

/// The identity of the file system that an open file is on (not one that is
/// open for its path only); `None` if it has none, or the kernel (before 6.9)
/// doesn't tell.
#[must_use]
pub fn file_system_uuid(file: impl AsFd) -> Option<[u8; 16]> {
    let mut uuid = Uuid::default();
    // SAFETY: the request writes no more than the 17 bytes that its number says
    // and `uuid` has; it outlives the call, which doesn't keep it.
    let done = unsafe { libc::ioctl(file.as_fd().as_raw_fd(), GET_UUID, &raw mut uuid) };
    (done == 0 && uuid.length == 16).then_some(uuid.bytes)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};

    use super::*;

    #[test]
    fn a_file_keeps_its_handle_and_another_has_another() {
        let dir = tempfile::tempdir().unwrap();
        let (one, other) = (dir.path().join("one"), dir.path().join("other"));
        fs::write(&one, "").unwrap();
        fs::write(&other, "").unwrap();
        let handle = of(File::open(&one).unwrap()).unwrap();
        assert_ne!(handle, of(File::open(&other).unwrap()).unwrap());
        let moved = dir.path().join("moved");
        fs::rename(&one, &moved).unwrap();
        assert_eq!(handle, of(File::open(&moved).unwrap()).unwrap());
        assert!(!handle.bytes.is_empty());
    }

    #[test]
    fn what_has_no_handles_says_so() {
        assert_eq!(of(File::open("/proc/self/status").unwrap()), Err(Errno::OPNOTSUPP));
    }

    #[test]
    fn one_file_system_has_one_identity() {
        let dir = tempfile::tempdir().unwrap();
        let uuid = |path| file_system_uuid(File::open(path).unwrap());
        assert_eq!(uuid(dir.path()), uuid(dir.path()));
        assert_ne!(uuid(dir.path()), Some([0; 16]));
    }
}
