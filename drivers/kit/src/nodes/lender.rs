//! The root of the same driver elsewhere, in which the trees of borrowed layers lie.
//!
//! It is somebody else's: only read, never locked, and trusted no further than its
//! owner. Whoever could write to it could put a set-user-ID file where containers
//! find it, so it must be root's or the caller's own, and nobody else's to write
//! to: the root, its directory of layers, and each layer's. It is opened by its
//! path, anew for each use and so in the calling thread's mount namespace;
//! everything in it by descriptor, through no symbolic link.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use graphdriver_api::{Error, ErrorKind, LayerId, Op, Result};
use rustix::io::Errno;

use super::call::Call;
use super::record::{self, Record};
use super::{Layout, disk, format};
use crate::at::Meta;
use crate::deep;

/// Bits with which a directory can be written to by others than its owner.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// A lender, opened and found fit.
#[derive(Debug)]
pub struct Lender {
    driver: &'static str,
    op: Op,
    path: PathBuf,
    root: OwnedFd,
}

impl Lender {
    /// Opens the root at `path`.
    ///
    /// Cost: some system calls, and reading its small file `format`.
    ///
    /// # Errors
    /// `Prerequisite`: it isn't there, or can be written to by others; `Corrupt`: it
    /// isn't this driver's, or of a newer format. `layer` is the one that is looked
    /// for, and the words begin with where it lies.
    pub fn open(op: Op, layout: &Layout, path: &Path, layer: &LayerId) -> Result<Self> {
        let call = Call { driver: layout.driver, op, node: Some(layer.into()) };
        let root = disk::open_root(path).map_err(|e| unreachable_root(call, path, &e))?;
        let lender = Self { driver: layout.driver, op, path: path.to_owned(), root };
        lender.check_safe(layer, &lender.root, Path::new(""))?;
        match format::unfit(&lender.root, layout).map_err(|e| lender.failed(layer, e))? {
            None => Ok(lender),
            Some(why) => Err(lender.lies(layer, ErrorKind::Corrupt, &format!("which {why}"))),
        }
    }

    /// Its root directory.
    #[must_use]
    pub fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    /// The path that it was opened by.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A directory that the driver keeps in a layer of it.
    ///
    /// # Errors
    /// `Corrupt` if the layer isn't there, or not as a layer is.
    pub fn tree(&self, layer: &LayerId, name: &str) -> Result<OwnedFd> {
        let dir = self.layer(layer)?;
        self.beneath(layer, &dir, Path::new(name))
    }

    /// The record that it has of a layer.
    pub(super) fn record(&self, layer: &LayerId) -> Result<Record> {
        let dir = self.layer(layer)?;
        let unreadable =
            |why: String| self.lies(layer, ErrorKind::Corrupt, &format!("where {why}"));
        let file = disk::find_file(&dir, record::LAYER)
            .and_then(|file| file.map(|file| disk::read_all(&file)).transpose())
            .map_err(|e| self.failed(layer, e))?
            .ok_or_else(|| unreadable("its record is missing".to_owned()))?;
        Record::parse(layer.into(), &file)
            .map_err(|why| unreadable(format!("its record can't be read: {why}")))
    }

    fn layer(&self, layer: &LayerId) -> Result<OwnedFd> {
        let shelf = Path::new("layers");
        let layers = self.beneath(layer, &self.root, shelf)?;
        self.check_safe(layer, &layers, shelf)?;
        let dir = self.beneath(layer, &layers, Path::new(layer.as_str()))?;
        self.check_safe(layer, &dir, &shelf.join(layer.as_str()))?;
        Ok(dir)
    }

    fn beneath(&self, layer: &LayerId, above: &OwnedFd, path: &Path) -> Result<OwnedFd> {
        deep::open_dir(above, path).map_err(|e| match e {
            Errno::NOENT => {
                self.lies(layer, ErrorKind::Corrupt, "where it isn't any more: load it again")
            }
            Errno::LOOP | Errno::NOTDIR => {
                let why = format!("where {path:?} is no directory, and no links are followed");
                self.lies(layer, ErrorKind::Corrupt, &why)
            }
            e => self.failed(layer, e.into()),
        })
    }

    fn check_safe(&self, layer: &LayerId, dir: &OwnedFd, name: &Path) -> Result<()> {
        let meta = Meta::of(dir).map_err(|e| self.failed(layer, e.into()))?;
        let we = rustix::process::geteuid().as_raw();
        let named =
            if name.as_os_str().is_empty() { String::new() } else { format!("{name:?} of ") };
        if meta.uid != 0 && meta.uid != we {
            let why = format!(
                "but {named}that belongs to user {}, who could change it: only root's and the \
                 caller's own are used",
                meta.uid
            );
            return Err(self.lies(layer, ErrorKind::Prerequisite, &why));
        }
        if meta.mode & WRITABLE_BY_OTHERS != 0 {
            let why = format!(
                "but {named}that has mode {:04o}, and others could change it: take the right to \
                 write to it from them",
                meta.mode & 0o7777
            );
            return Err(self.lies(layer, ErrorKind::Prerequisite, &why));
        }
        Ok(())
    }

    /// An error that begins with where the layer lies.
    pub(super) fn lies(&self, layer: &LayerId, kind: ErrorKind, which: &str) -> Error {
        let call = Call { driver: self.driver, op: self.op, node: Some(layer.into()) };
        lies(call, &self.path, kind, which)
    }

    fn failed(&self, layer: &LayerId, e: io::Error) -> Error {
        self.lies(layer, ErrorKind::Io, "which can't be read").with_source(e)
    }
}

fn lies(call: Call<'_>, path: &Path, kind: ErrorKind, which: &str) -> Error {
    call.fail(kind, format!("it lies in {}, {which}", path.display()))
}

fn unreachable_root(call: Call<'_>, path: &Path, e: &io::Error) -> Error {
    let which = match e.kind() {
        io::ErrorKind::NotFound => "which isn't there: mount it again".to_owned(),
        _ => format!("which can't be opened: {e}"),
    };
    lies(call, path, ErrorKind::Prerequisite, &which)
}
