//! Drafts that were mounted without flushing.
//!
//! Such a draft is whole as long as the host runs; after a power cut, files in
//! it may be empty or old while others are new. So before the first such mount
//! the boot is noted, on the medium, and in another boot the draft is refused.
//! Committing flushes it, whatever it was mounted with. The kernel leaves a mark
//! of its own in the work directory, which bars every later mount; it is taken
//! away by whoever may mount again.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::fd::BorrowedFd;

use rustix::fs::{AtFlags, Mode, OFlags, fsync, openat, syncfs, unlinkat};
use rustix::io::Errno;
use sapwood_kit::at;
use sapwood_kit::fault;

/// In a draft's directory: the boot in which it was mounted without flushing.
pub(crate) const NOTE: &str = "volatile";

/// What the note says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// Every byte is where file systems have them.
    Durable,
    /// It was mounted without flushing, in this boot.
    Unflushed,
    /// The same, in an earlier boot; or flushing it has failed.
    Lost,
}

/// Reads the note in a draft's directory.
pub(crate) fn state(dir: BorrowedFd<'_>) -> io::Result<State> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let note = match openat(dir, NOTE, flags, Mode::empty()) {
        Ok(note) => fs::File::from(note),
        Err(Errno::NOENT) => return Ok(State::Durable),
        Err(e) => return Err(e.into()),
    };
    match io::read_to_string(note)? == boot()? {
        true => Ok(State::Unflushed),
        false => Ok(State::Lost),
    }
}

fn boot() -> io::Result<String> {
    fs::read_to_string("/proc/sys/kernel/random/boot_id")
}

/// Notes, durably, that the draft is mounted without flushing from now on.
pub(crate) fn begin(dir: BorrowedFd<'_>) -> io::Result<()> {
    note(dir, &boot()?)
}

fn note(dir: BorrowedFd<'_>, boot: &str) -> io::Result<()> {
    let flags =
        OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    fault::point("overlay2.volatile.note")?;
    let mut note = fs::File::from(openat(dir, NOTE, flags, Mode::RUSR | Mode::WUSR)?);
    io::Write::write_all(&mut note, boot.as_bytes())?;
    fault::point("overlay2.volatile.flush")?;
    note.sync_all()?;
    // Its name too.
    Ok(fsync(dir)?)
}

/// Makes a draft durable again before it is mounted with flushing. One that
/// can't be flushed is lost: the kernel has dropped what it couldn't write, and
/// another flush wouldn't tell.
pub(crate) fn end(dir: BorrowedFd<'_>) -> io::Result<()> {
    match syncfs(dir) {
        Ok(()) => forget(dir),
        Err(e) => note(dir, "lost").and(Err(e.into())),
    }
}

/// Takes the note away, when everything is on the medium.
pub(crate) fn forget(dir: BorrowedFd<'_>) -> io::Result<()> {
    fault::point("overlay2.volatile.forget")?;
    match unlinkat(dir, NOTE, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(e) => Err(e.into()),
    }
}

/// Takes the kernel's mark away, in the draft's work directory.
pub(crate) fn unbar(work: BorrowedFd<'_>) -> io::Result<()> {
    let inner = match at::open_dir(work, OsStr::new("work")) {
        Ok(inner) => inner,
        Err(Errno::NOENT) => return Ok(()),
        Err(e) => return Err(e.into()),
    };
    at::remove_tree(&inner, OsStr::new("incompat"))?;
    Ok(())
}
