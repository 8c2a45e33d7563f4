//! The same things in fuser's types.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fuser::{Errno, FileAttr, FileType, INodeNo, TimeOrNow};
use rustix::fs::{StatxTimestamp, makedev};

use crate::ops::{Attributes, Kind, SetTime};

/// Attributes as replies have them.
pub(super) fn attr(of: &Attributes) -> FileAttr {
    let x = &of.stat.x;
    FileAttr {
        ino: INodeNo(of.id),
        size: x.stx_size,
        blocks: x.stx_blocks,
        atime: time(x.stx_atime),
        mtime: time(x.stx_mtime),
        ctime: time(x.stx_ctime),
        crtime: time(x.stx_btime),
        kind: entry_kind(of.stat.kind),
        perm: x.stx_mode & 0o7777,
        nlink: of.links,
        uid: x.stx_uid,
        gid: x.stx_gid,
        // The kernel's own form has 32 bits, the lower ones of this.
        #[allow(clippy::cast_possible_truncation, reason = "as said")]
        rdev: makedev(x.stx_rdev_major, x.stx_rdev_minor) as u32,
        blksize: x.stx_blksize,
        flags: 0,
    }
}

/// The reply for a name that nothing has.
pub(super) fn negative() -> FileAttr {
    FileAttr {
        ino: INodeNo(0),
        size: 0,
        blocks: 0,
        atime: UNIX_EPOCH,
        mtime: UNIX_EPOCH,
        ctime: UNIX_EPOCH,
        crtime: UNIX_EPOCH,
        kind: FileType::RegularFile,
        perm: 0,
        nlink: 0,
        uid: 0,
        gid: 0,
        rdev: 0,
        blksize: 0,
        flags: 0,
    }
}

fn time(t: StatxTimestamp) -> SystemTime {
    let nanos = Duration::from_nanos(t.tv_nsec.into());
    let seconds = Duration::from_secs(t.tv_sec.unsigned_abs());
    let whole = if t.tv_sec < 0 {
        UNIX_EPOCH.checked_sub(seconds)
    } else {
        UNIX_EPOCH.checked_add(seconds)
    };
    whole.and_then(|whole| whole.checked_add(nanos)).unwrap_or(UNIX_EPOCH)
}

/// A time to set.
pub(super) fn set_time(time: TimeOrNow) -> SetTime {
    let TimeOrNow::SpecificTime(time) = time else { return SetTime::Now };
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => SetTime::At(since.as_secs().cast_signed(), since.subsec_nanos()),
        // Before 1970 nanoseconds count forward too, and fuser takes them as if
        // they counted back.
        Err(before) => {
            let read = before.duration();
            SetTime::At(-read.as_secs().cast_signed(), read.subsec_nanos())
        }
    }
}

/// A type.
pub(super) fn entry_kind(kind: Kind) -> FileType {
    match kind {
        Kind::File => FileType::RegularFile,
        Kind::Directory => FileType::Directory,
        Kind::Symlink => FileType::Symlink,
        Kind::Fifo => FileType::NamedPipe,
        Kind::Socket => FileType::Socket,
        Kind::Character => FileType::CharDevice,
        Kind::Block => FileType::BlockDevice,
    }
}

/// The type that mknod(2) is to make; `None` if that is none of its.
pub(super) fn node_type(mode: u32) -> Option<Kind> {
    use rustix::fs::FileType;
    Some(match FileType::from_raw_mode(mode) {
        FileType::RegularFile => Kind::File,
        FileType::Fifo => Kind::Fifo,
        FileType::Socket => Kind::Socket,
        FileType::CharacterDevice => Kind::Character,
        FileType::BlockDevice => Kind::Block,
        _ => return None,
    })
}

/// An error.
pub(super) fn error(error: rustix::io::Errno) -> Errno {
    Errno::from_i32(error.raw_os_error())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_before_1970_are_shown_as_they_are() {
        for (sec, nsec, back) in [(0, 0, 0.0), (-1, 999_999_999, 1e-9), (-5, 1, 4.999_999_999)] {
            let mut stamp = unix_stamp();
            (stamp.tv_sec, stamp.tv_nsec) = (sec, nsec);
            let before = UNIX_EPOCH.duration_since(time(stamp)).unwrap();
            assert_eq!(before, Duration::from_secs_f64(back));
        }
    }

    #[test]
    fn times_before_1970_are_set_as_they_were_asked_for() {
        // As fuser reads -2 seconds and 999999999 nanoseconds.
        let read = UNIX_EPOCH - Duration::new(2, 999_999_999);
        assert_eq!(set_time(TimeOrNow::SpecificTime(read)), SetTime::At(-2, 999_999_999));
        let read = UNIX_EPOCH + Duration::new(2, 3);
        assert_eq!(set_time(TimeOrNow::SpecificTime(read)), SetTime::At(2, 3));
    }

    fn unix_stamp() -> StatxTimestamp {
        crate::layer::Stat::of(std::fs::File::open("/").unwrap()).unwrap().x.stx_mtime
    }
}
