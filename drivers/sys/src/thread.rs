//! What a thread can change of itself without its process noticing.
//!
//! Each of these lasts until the thread ends, and none can be undone: run them
//! in a thread that was started for the purpose and that nobody else uses.

use rustix::io::Errno;
use rustix::thread::UnshareFlags;

/// Gives the calling thread a mount namespace of its own, with a working
/// directory of its own. The namespace ends with the thread; what is mounted in
/// it lives on only where a descriptor holds it.
///
/// The copies of shared mounts are still shared: make them private before
/// anything is mounted.
///
/// # Errors
/// `PERM` without CAP_SYS_ADMIN; `NOSPC` when the limit of mounts or namespaces
/// is reached; `NOMEM`.
pub fn unshare_mounts() -> Result<(), Errno> {
    // SAFETY: unshare(2) is unsound only with CLONE_FILES, where another
    // thread's descriptors would cease to be valid here. These flags don't
    // touch the table of descriptors.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNS | UnshareFlags::FS) }
}

/// Makes the calling thread act on file systems as this user and group, with
/// all capabilities that it is permitted.
///
/// For a mount that will create files through an id map: the kernel keeps the
/// mounting thread's credentials, and these ids must have a place in the map.
///
/// # Errors
/// `PERM` when the thread may not take these ids. The thread's ids are then
/// unspecified, and it should end.
pub fn become_on_file_systems(uid: u32, gid: u32) -> Result<(), Errno> {
    // The group first: without the user id 0 it couldn't be changed any more.
    set_fs_gid(gid)?;
    set_fs_uid(uid)?;
    // Leaving user id 0 has dropped the effective file system capabilities
    // (capabilities(7)); the permitted set still has them.
    let mut sets = rustix::thread::capabilities(None)?;
    sets.effective = sets.permitted;
    rustix::thread::set_capabilities(None, sets)
}

/// Not an id: asking for it changes nothing and tells the present one.
const ASK: u32 = u32::MAX;

fn set_fs_uid(uid: u32) -> Result<(), Errno> {
    // SAFETY: setfsuid(2) takes any number, touches no memory and affects the
    // calling thread alone.
    unsafe { libc::setfsuid(uid) };
    // SAFETY: as above. The call reports no error: only asking shows it.
    let now = unsafe { libc::setfsuid(ASK) };
    if now.cast_unsigned() == uid { Ok(()) } else { Err(Errno::PERM) }
}

fn set_fs_gid(gid: u32) -> Result<(), Errno> {
    // SAFETY: setfsgid(2) takes any number, touches no memory and affects the
    // calling thread alone.
    unsafe { libc::setfsgid(gid) };
    // SAFETY: as above. The call reports no error: only asking shows it.
    let now = unsafe { libc::setfsgid(ASK) };
    if now.cast_unsigned() == gid { Ok(()) } else { Err(Errno::PERM) }
}

/// The error of the system call that failed last in this thread.
pub(crate) fn last_errno() -> Errno {
    Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)
}

#[cfg(test)]
mod tests {
    //! These need root, to have capabilities that could be lost.

    use super::*;
    use std::thread;

    fn fs_uid() -> u32 {
        // SAFETY: as in `set_fs_uid`.
        unsafe { libc::setfsuid(ASK) }.cast_unsigned()
    }

    #[test]
    fn only_the_calling_thread_changes_and_it_keeps_its_capabilities() {
        let before = fs_uid();
        thread::spawn(|| {
            let permitted = rustix::thread::capabilities(None).unwrap().permitted;
            become_on_file_systems(4711, 4712).unwrap();
            assert_eq!(fs_uid(), 4711);
            assert_eq!(rustix::thread::capabilities(None).unwrap().effective, permitted);
        })
        .join()
        .unwrap();
        assert_eq!(fs_uid(), before);
    }
}
