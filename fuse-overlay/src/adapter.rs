//! The FUSE protocol, which is fuser's: requests become calls of a
//! [`Union`](crate::union::Union), and what they return becomes replies.

mod convert;

use std::cell::RefCell;
use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use fuser::{
    BsdFileFlags, CopyFileRangeFlags, Errno, FileHandle, Filesystem, FopenFlags, Generation,
    INodeNo, InitFlags, IoctlFlags, KernelConfig, LockOwner, OpenAccMode, OpenFlags, RenameFlags,
    ReplyAttr, ReplyCreate, ReplyData, ReplyDirectory, ReplyDirectoryPlus, ReplyEmpty, ReplyEntry,
    ReplyIoctl, ReplyLseek, ReplyOpen, ReplyStatfs, ReplyWrite, ReplyXattr, Request, TimeOrNow,
    WriteFlags,
};
use rustix::io::Errno as OsError;

use crate::ops::{Caller, Change, RenameMode, What};
use crate::union::Union;

use convert::{attr, entry_kind, error, negative, node_type, set_time};

/// The most that is read or written at a time, in bytes.
const CHUNK: u32 = 1 << 20;

thread_local! {
    /// What a thread reads into: one page fault, not one for each request.
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// A union, as fuser wants it.
#[derive(Debug)]
pub(crate) struct Adapter {
    pub(crate) union: Arc<Union>,
}

impl Adapter {
    fn ttl(&self) -> Duration {
        self.union.settings.timeout
    }

    fn caller(&self, request: &Request, umask: u32) -> Caller {
        Caller { uid: request.uid(), gid: request.gid(), umask }
    }
}

/// What is asked of the kernel, if it can.
const WANTED: &[InitFlags] = &[
    InitFlags::FUSE_PARALLEL_DIROPS,
    InitFlags::FUSE_CACHE_SYMLINKS,
    InitFlags::FUSE_DO_READDIRPLUS,
    InitFlags::FUSE_READDIRPLUS_AUTO,
    InitFlags::FUSE_EXPLICIT_INVAL_DATA,
    InitFlags::FUSE_NO_OPEN_SUPPORT,
    InitFlags::FUSE_ASYNC_DIO,
    InitFlags::FUSE_DONT_MASK,
];

/// Generations tell apart files that had the same number one after the other;
/// a number of ours isn't used again while the kernel knows it.
const GENERATION: Generation = Generation(0);

impl Filesystem for Adapter {
    fn init(&mut self, _request: &Request, config: &mut KernelConfig) -> io::Result<()> {
        let settings = &self.union.settings;
        let more = [
            (settings.acl, InitFlags::FUSE_POSIX_ACL),
            (settings.writeback, InitFlags::FUSE_WRITEBACK_CACHE),
        ];
        let more = more.iter().filter(|(wanted, _)| *wanted).map(|(_, flag)| flag);
        for flag in WANTED.iter().chain(more) {
            if config.add_capabilities(*flag).is_err() {
                tracing::debug!(?flag, "the kernel can't");
            }
        }
        let most = config.set_max_write(CHUNK).err();
        let most = most.map(|most| config.set_max_write(most));
        tracing::debug!(?most, "how much is written at a time");
        Ok(())
    }

    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        match self.union.look_up(parent.0, name) {
            Ok(Some(found)) => reply.entry(&self.ttl(), &attr(&found), GENERATION),
            // Node 0: there is none, and that may be kept too.
            Ok(None) => reply.entry(&self.ttl(), &negative(), GENERATION),
            Err(e) => reply.error(error(e)),
        }
    }

    fn forget(&self, _: &Request, ino: INodeNo, nlookup: u64) {
        self.union.forget(ino.0, nlookup);
    }

    fn getattr(&self, _: &Request, ino: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        match self.union.attributes(ino.0) {
            Ok(found) => reply.attr(&self.ttl(), &attr(&found)),
            Err(e) => reply.error(error(e)),
        }
    }

    fn setattr(
        &self,
        _: &Request,
        ino: INodeNo,
        mode: Option<u32>,
        uid: Option<u32>,
        gid: Option<u32>,
        size: Option<u64>,
        atime: Option<TimeOrNow>,
        mtime: Option<TimeOrNow>,
        _: Option<SystemTime>,
        _: Option<FileHandle>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let (accessed, modified) = (atime.map(set_time), mtime.map(set_time));
        let change = Change { mode, uid, gid, size, accessed, modified };
        match self.union.change(ino.0, &change) {
            Ok(found) => reply.attr(&self.ttl(), &attr(&found)),
            Err(e) => reply.error(error(e)),
        }
    }

    fn readlink(&self, _: &Request, ino: INodeNo, reply: ReplyData) {
        match self.union.read_link(ino.0) {
            Ok(target) => reply.data(target.as_encoded_bytes()),
            Err(e) => reply.error(error(e)),
        }
    }

    fn mknod(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        rdev: u32,
        reply: ReplyEntry,
    ) {
        let Some(kind) = node_type(mode) else { return reply.error(Errno::EINVAL) };
        let what = What::Node { kind, mode, device: rdev.into() };
        self.make(request, parent, name, &what, umask, reply);
    }

    fn mkdir(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        reply: ReplyEntry,
    ) {
        let kind = crate::ops::Kind::Directory;
        let what = What::Node { kind, mode, device: 0 };
        self.make(request, parent, name, &what, umask, reply);
    }

    fn symlink(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        target: &Path,
        reply: ReplyEntry,
    ) {
        let what = What::Link(target.as_os_str().to_owned());
        self.make(request, parent, name, &what, 0, reply);
    }

    fn create(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        _: i32,
        reply: ReplyCreate,
    ) {
        let kind = crate::ops::Kind::File;
        let what = What::Node { kind, mode, device: 0 };
        match self.union.make(parent.0, name, &what, self.caller(request, umask)) {
            Ok(made) => {
                let flags = FopenFlags::FOPEN_KEEP_CACHE;
                reply.created(&self.ttl(), &attr(&made), GENERATION, FileHandle(0), flags);
            }
            Err(e) => reply.error(error(e)),
        }
    }

    fn unlink(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        done(self.union.unlink(parent.0, name), reply);
    }

    fn rmdir(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        done(self.union.rmdir(parent.0, name), reply);
    }

    fn rename(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        newparent: INodeNo,
        newname: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        let mode = match flags {
            flags if flags.is_empty() => RenameMode::Replace,
            RenameFlags::RENAME_NOREPLACE => RenameMode::NoReplace,
            RenameFlags::RENAME_EXCHANGE => RenameMode::Exchange,
            // As the kernel's: a whiteout of the union itself can't be seen in it.
            _ => return reply.error(Errno::EINVAL),
        };
        done(self.union.rename((parent.0, name), (newparent.0, newname), mode), reply);
    }

    fn link(
        &self,
        _: &Request,
        ino: INodeNo,
        newparent: INodeNo,
        newname: &OsStr,
        reply: ReplyEntry,
    ) {
        match self.union.link(ino.0, newparent.0, newname) {
            Ok(made) => reply.entry(&self.ttl(), &attr(&made), GENERATION),
            Err(e) => reply.error(error(e)),
        }
    }

    /// Unless it is to be asked, says for all files of the mount that opening
    /// them needs no request.
    fn open(&self, _: &Request, ino: INodeNo, flags: OpenFlags, reply: ReplyOpen) {
        if !self.union.settings.copy_up_on_open {
            return reply.error(Errno::ENOSYS);
        }
        let reads = flags.acc_mode() == OpenAccMode::O_RDONLY;
        let opened = if reads { Ok(()) } else { self.union.open_to_write(ino.0) };
        match opened {
            Ok(()) => reply.opened(FileHandle(0), FopenFlags::FOPEN_KEEP_CACHE),
            Err(e) => reply.error(error(e)),
        }
    }

    fn read(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        BUFFER.with_borrow_mut(|buffer| {
            buffer.resize(buffer.len().max(size as usize), 0);
            let into = &mut buffer[..size as usize];
            match self.union.read(ino.0, into, offset) {
                Ok(count) => reply.data(&into[..count]),
                Err(e) => reply.error(error(e)),
            }
        });
    }

    fn write(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        match (self.union.write(ino.0, data, offset), u32::try_from(data.len())) {
            (Ok(()), Ok(length)) => reply.written(length),
            (Ok(()), Err(_)) => reply.error(Errno::EINVAL),
            (Err(e), _) => reply.error(error(e)),
        }
    }

    /// Closing has nothing to do here, and needs no request.
    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        reply.error(Errno::ENOSYS);
    }

    fn fsync(&self, _: &Request, ino: INodeNo, _: FileHandle, datasync: bool, reply: ReplyEmpty) {
        done(self.union.sync(ino.0, datasync), reply);
    }

    fn fsyncdir(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        datasync: bool,
        reply: ReplyEmpty,
    ) {
        done(self.union.sync(ino.0, datasync), reply);
    }

    fn opendir(&self, _: &Request, ino: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        match self.union.open_dir(ino.0) {
            Ok(number) => {
                let flags = FopenFlags::FOPEN_CACHE_DIR | FopenFlags::FOPEN_KEEP_CACHE;
                reply.opened(FileHandle(number), flags);
            }
            Err(e) => reply.error(error(e)),
        }
    }

    fn readdir(
        &self,
        _: &Request,
        _: INodeNo,
        fh: FileHandle,
        offset: u64,
        mut reply: ReplyDirectory,
    ) {
        let listed = match self.union.list(fh.0, offset) {
            Ok(listed) => listed,
            Err(e) => return reply.error(error(e)),
        };
        for (next, entry) in listed.iter().enumerate().skip(skip(offset)) {
            let kind = entry_kind(entry.kind);
            if reply.add(INodeNo(entry.id), next as u64 + 1, kind, &*entry.name) {
                break;
            }
        }
        reply.ok();
    }

    fn readdirplus(
        &self,
        _: &Request,
        _: INodeNo,
        fh: FileHandle,
        offset: u64,
        mut reply: ReplyDirectoryPlus,
    ) {
        let listed = match self.union.list(fh.0, offset) {
            Ok(listed) => listed,
            Err(e) => return reply.error(error(e)),
        };
        for (next, entry) in listed.iter().enumerate().skip(skip(offset)) {
            // The kernel takes neither of them for a look-up.
            let dot = next < 2;
            let found = match dot {
                true => self.union.attributes(entry.id).map(Some),
                false => self.union.look_up_listed(fh.0, entry),
            };
            let found = match found {
                Ok(Some(found)) => found,
                // It is gone, or its look-up will tell what is the matter.
                Ok(None) | Err(_) => continue,
            };
            let (place, attr) = (next as u64 + 1, attr(&found));
            let ino = INodeNo(found.id());
            if reply.add(ino, place, &*entry.name, &self.ttl(), &attr, GENERATION) {
                if !dot {
                    self.union.forget(found.id(), 1);
                }
                break;
            }
        }
        reply.ok();
    }

    fn releasedir(&self, _: &Request, _: INodeNo, fh: FileHandle, _: OpenFlags, reply: ReplyEmpty) {
        self.union.close_dir(fh.0);
        reply.ok();
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        match self.union.space() {
            Ok(space) => reply.statfs(
                space.f_blocks,
                space.f_bfree,
                space.f_bavail,
                space.f_files,
                space.f_ffree,
                u32::try_from(space.f_bsize).unwrap_or(4096),
                255,
                u32::try_from(space.f_frsize).unwrap_or(4096),
            ),
            Err(e) => reply.error(error(e)),
        }
    }

    fn setxattr(
        &self,
        _: &Request,
        ino: INodeNo,
        name: &OsStr,
        value: &[u8],
        flags: i32,
        _: u32,
        reply: ReplyEmpty,
    ) {
        if !self.union.settings.xattrs {
            return reply.error(Errno::ENOSYS);
        }
        done(self.union.set_xattr(ino.0, name, value, flags.cast_unsigned()), reply);
    }

    fn getxattr(&self, _: &Request, ino: INodeNo, name: &OsStr, size: u32, reply: ReplyXattr) {
        if !self.union.settings.xattrs {
            return reply.error(Errno::ENOSYS);
        }
        match self.union.xattr(ino.0, name) {
            Ok(Some(value)) => sized(&value, size, reply),
            Ok(None) => reply.error(error(OsError::NODATA)),
            Err(e) => reply.error(error(e)),
        }
    }

    fn listxattr(&self, request: &Request, ino: INodeNo, size: u32, reply: ReplyXattr) {
        if !self.union.settings.xattrs {
            return reply.error(Errno::ENOSYS);
        }
        match self.union.xattrs(ino.0, request.uid() == 0) {
            Ok(names) => sized(&names, size, reply),
            Err(e) => reply.error(error(e)),
        }
    }

    fn removexattr(&self, _: &Request, ino: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        if !self.union.settings.xattrs {
            return reply.error(Errno::ENOSYS);
        }
        done(self.union.remove_xattr(ino.0, name), reply);
    }

    fn fallocate(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        length: u64,
        mode: i32,
        reply: ReplyEmpty,
    ) {
        done(self.union.allocate(ino.0, mode.cast_unsigned(), offset, length), reply);
    }

    fn lseek(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: i64,
        whence: i32,
        reply: ReplyLseek,
    ) {
        /// lseek(2).
        const SEEK_DATA: i32 = 3;
        const SEEK_HOLE: i32 = 4;
        let data = match whence {
            SEEK_DATA => true,
            SEEK_HOLE => false,
            _ => return reply.error(Errno::EINVAL),
        };
        let Ok(at) = u64::try_from(offset) else { return reply.error(error(OsError::NXIO)) };
        match self.union.seek(ino.0, at, data) {
            Ok(found) => reply.offset(found.cast_signed()),
            Err(e) => reply.error(error(e)),
        }
    }

    fn copy_file_range(
        &self,
        _: &Request,
        ino_in: INodeNo,
        _: FileHandle,
        offset_in: u64,
        ino_out: INodeNo,
        _: FileHandle,
        offset_out: u64,
        len: u64,
        _: CopyFileRangeFlags,
        reply: ReplyWrite,
    ) {
        // What is told is told in 32 bits.
        let length = usize::try_from(len.min(1 << 30)).unwrap_or(1 << 30);
        match self.union.copy_range((ino_in.0, offset_in), (ino_out.0, offset_out), length) {
            Ok(count) => reply.written(u32::try_from(count).unwrap_or(u32::MAX)),
            Err(e) => reply.error(error(e)),
        }
    }

    fn ioctl(
        &self,
        _: &Request,
        _: INodeNo,
        _: FileHandle,
        _: IoctlFlags,
        _: u32,
        _: &[u8],
        _: u32,
        reply: ReplyIoctl,
    ) {
        reply.error(Errno::ENOTTY);
    }
}

impl Adapter {
    fn make(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        what: &What,
        umask: u32,
        reply: ReplyEntry,
    ) {
        match self.union.make(parent.0, name, what, self.caller(request, umask)) {
            Ok(made) => reply.entry(&self.ttl(), &attr(&made), GENERATION),
            Err(e) => reply.error(error(e)),
        }
    }
}

fn done(result: crate::Result<()>, reply: ReplyEmpty) {
    match result {
        Ok(()) => reply.ok(),
        Err(e) => reply.error(error(e)),
    }
}

fn sized(value: &[u8], size: u32, reply: ReplyXattr) {
    match u32::try_from(value.len()) {
        Ok(length) if size == 0 => reply.size(length),
        Ok(length) if length <= size => reply.data(value),
        _ => reply.error(error(OsError::RANGE)),
    }
}

fn skip(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}
