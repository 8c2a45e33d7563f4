//! What tests of the process mount: a directory without names, by the program's
//! own command line. Its size is the number of the process that serves it.
//!
//! With `-o fsname=fail` there is an error in place of a mount, and with
//! `fsname=die` the process ends; with `fsname=wait` the mount comes when a line
//! has been read from the first lower layer, which is then a FIFO.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, UNIX_EPOCH};

use fuse_overlay::options::{self, Options, Request};
use fuse_overlay::process::{self, Ready};
use fuser::{
    Config, FileAttr, FileHandle, FileType, Filesystem, INodeNo, ReplyAttr, ReplyDirectory,
    Session, SessionACL,
};

fn main() -> ExitCode {
    match options::parse(std::env::args_os().skip(1)) {
        Ok(Request::Mount(options)) => process::run(&options, mount),
        other => {
            process::say(&format!("nothing to mount: {other:?}"));
            ExitCode::from(process::USAGE)
        }
    }
}

fn mount(options: &Options, ready: Ready) -> io::Result<()> {
    match options.mount.fsname.to_str() {
        Some("fail") => return Err(io::Error::other("there is\nno mount")),
        Some("die") => std::process::abort(),
        Some("wait") => wait(options)?,
        _ => {}
    }
    let session = session(&options.mount.mountpoint)?;
    ready();
    session.run()
}

/// Mounts. Who isn't root needs fusermount3, and fuser, which knows how to call
/// it. For root fuser would do, too, but when its session ends it unmounts
/// whatever is at the mount point by then.
fn session(mountpoint: &Path) -> io::Result<Session<Empty>> {
    if rustix::process::geteuid().is_root() {
        let device = attach(mountpoint)?;
        Session::from_fd(Empty, device, SessionACL::Owner, Config::default())
    } else {
        Session::new(Empty, mountpoint, &Config::default())
    }
}

fn attach(mountpoint: &Path) -> io::Result<OwnedFd> {
    let device = OwnedFd::from(File::options().read(true).write(true).open("/dev/fuse")?);
    let data = format!("fd={},rootmode=40000,user_id=0,group_id=0", device.as_raw_fd());
    let data = std::ffi::CString::new(data)?;
    let none = rustix::mount::MountFlags::empty();
    rustix::mount::mount("empty", mountpoint, "fuse.empty", none, data.as_c_str())?;
    Ok(device)
}

fn wait(options: &Options) -> io::Result<()> {
    let fifo = options.lowers.first().ok_or(io::ErrorKind::NotFound)?;
    BufReader::new(File::open(fifo)?).read_line(&mut String::new()).map(drop)
}

struct Empty;

impl Filesystem for Empty {
    fn getattr(&self, _: &fuser::Request, _: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        reply.attr(&Duration::ZERO, &root());
    }

    fn readdir(
        &self,
        _: &fuser::Request,
        _: INodeNo,
        _: FileHandle,
        _: u64,
        reply: ReplyDirectory,
    ) {
        reply.ok();
    }
}

fn root() -> FileAttr {
    FileAttr {
        ino: INodeNo::ROOT,
        size: std::process::id().into(),
        blocks: 0,
        atime: UNIX_EPOCH,
        mtime: UNIX_EPOCH,
        ctime: UNIX_EPOCH,
        crtime: UNIX_EPOCH,
        kind: FileType::Directory,
        perm: 0o755,
        nlink: 2,
        uid: 0,
        gid: 0,
        rdev: 0,
        flags: 0,
        blksize: 4096,
    }
}
