//! Layers whose trees lie in another root: a record here, and nothing else.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use graphdriver_api::{Error, ErrorKind, LayerId, Op, Result};
use rustix::fs;
use serde::Serialize;

use super::call::Call;
use super::query::Node;
use super::record::{Kind, Record};
use super::{Lender, NodeStore, children, disk, format, lock, reclaim};
use crate::fault;

/// How the name of a directory begins in which a borrowed layer is made. No
/// draft's id begins with a dot.
const PREFIX: &str = ".borrow-";

impl NodeStore {
    /// Borrows a layer, as [`Borrow::borrow`](graphdriver_api::Borrow::borrow) says.
    ///
    /// `adopt` sees what the lender has and the layer's parent here, refuses what
    /// can't be used from where it lies, and gives the driver's part of the record.
    ///
    /// # Errors
    /// As there, and those of `adopt`.
    pub fn borrow<P: Serialize>(
        &self,
        layer: &LayerId,
        lender: &Path,
        tree: &str,
        adopt: impl FnOnce(&Lent<'_>) -> Result<P>,
    ) -> Result<()> {
        let call = self.call(Op::Borrow, layer);
        self.check_unused(call, layer)?;
        check_path(call, lender)?;
        let from = Lender::open(Op::Borrow, &self.layout, lender, layer)?;
        self.check_apart(call, &from)?;
        let theirs = from.record(layer).map_err(|e| absent(&from, layer, e))?;
        if theirs.lender.is_some() {
            let why = "where it is only borrowed: name the store that has it as well";
            return Err(from.lies(layer, ErrorKind::Unsupported, why));
        }
        let opened = from.tree(layer, tree)?;
        let parent = theirs.parent.as_ref().map(|id| self.get(call.op, id.into())).transpose()?;
        let beneath = parent.as_ref().map_or(0, |parent| parent.record().depth);
        self.check_depth(call, beneath.saturating_add(1))?;
        let lent = Lent { tree: opened, record: &theirs, parent: parent.as_ref() };
        let private = serde_json::to_value(adopt(&lent)?).map_err(io::Error::from);
        let record = Record {
            kind: Kind::Layer,
            parent: theirs.parent.clone(),
            deferred: false,
            depth: beneath.saturating_add(1),
            lender: Some(lender.to_owned()),
            created: Record::now(),
            private: private.map_err(call.io("describe the layer"))?,
        };
        self.put(call, layer, &record, parent.as_ref())
    }

    /// Neither this root, nor one of the two in the other.
    fn check_apart(&self, call: Call<'_>, from: &Lender) -> Result<()> {
        let path = from.path().canonicalize().map_err(call.io("resolve the lender's root"))?;
        let same = disk::same_file(from.root(), &self.root);
        if same.map_err(call.io("look at the lender's root"))?
            || path.starts_with(&self.path)
            || self.path.starts_with(&path)
        {
            let why = "a root can't lend to itself, nor to one within it";
            return Err(call.fail(ErrorKind::InvalidArgument, why).with_path(from.path()));
        }
        Ok(())
    }

    /// Makes the layer of that record.
    fn put(
        &self,
        call: Call<'_>,
        layer: &LayerId,
        record: &Record,
        parent: Option<&Node>,
    ) -> Result<()> {
        let aside = {
            let _held = self.lock.hold().map_err(call.io("lock the root"))?;
            format::raise(&self.root, &self.layout).map_err(call.io("write the root's format"))?;
            Aside::new(self).map_err(call.io("make the layer's directory"))?
        };
        aside.fill(layer, record).map_err(call.io("write the layer's record"))?;
        {
            let _held = self.lock.hold().map_err(call.io("lock the root"))?;
            self.check_unused(call, layer)?;
            if let Some(parent) = parent {
                self.check_parent_stands(call, parent)?;
            }
            let parent = parent.map(Node::dir);
            aside.appear(layer, parent).map_err(call.io("put the layer in its place"))?;
        }
        aside.keep();
        Ok(())
    }
}

/// What is lent.
#[derive(Debug)]
pub struct Lent<'a> {
    tree: OwnedFd,
    record: &'a Record,
    parent: Option<&'a Node>,
}

impl Lent<'_> {
    /// The layer's directory in the lender that was asked for.
    #[must_use]
    pub fn tree(&self) -> BorrowedFd<'_> {
        self.tree.as_fd()
    }

    /// What the lender has recorded of it.
    #[must_use]
    pub fn record(&self) -> &Record {
        self.record
    }

    /// The layer that it will stand on here.
    #[must_use]
    pub fn parent(&self) -> Option<&Node> {
        self.parent
    }
}

/// A lender that doesn't have the layer isn't damaged for it.
fn absent(from: &Lender, layer: &LayerId, error: Error) -> Error {
    let there = from.root();
    match crate::at::Meta::at(there, "layers".as_ref()) {
        Ok(_) if error.kind() == ErrorKind::Corrupt && !has(there, layer) => {
            error.with_kind(ErrorKind::NotFound)
        }
        _ => error,
    }
}

fn has(root: BorrowedFd<'_>, layer: &LayerId) -> bool {
    let layers = disk::open_dir(root, "layers");
    !matches!(layers.and_then(|layers| disk::is_there(layers, layer.as_str())), Ok(false))
}

fn check_path(call: Call<'_>, lender: &Path) -> Result<()> {
    // A record is JSON, which has no form for other paths.
    let why = match (lender.is_absolute(), lender.to_str()) {
        (false, _) => "a lender's path is absolute",
        (true, None) => "a lender's path is text (UTF-8)",
        (true, Some(_)) => return Ok(()),
    };
    Err(call.fail(ErrorKind::InvalidArgument, why).with_path(lender))
}

/// A directory that is to become a layer. Dropped before, it never was.
struct Aside<'s> {
    store: &'s NodeStore,
    name: String,
    dir: OwnedFd,
    kept: bool,
}

impl<'s> Aside<'s> {
    /// Under the root lock. Its own lock says that it has a maker.
    fn new(store: &'s NodeStore) -> io::Result<Self> {
        let mut random = [0; 8];
        rustix::rand::getrandom(&mut random[..], rustix::rand::GetRandomFlags::empty())?;
        let name = format!("{PREFIX}{:016x}", u64::from_ne_bytes(random));
        fault::point("nodes.borrow.reserve")?;
        if !disk::make_dir(&store.making, &name)? {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let dir = disk::open_dir(&store.making, &name)?;
        match lock::try_dir(&dir)? {
            true => Ok(Self { store, name, dir, kept: false }),
            false => Err(io::ErrorKind::ResourceBusy.into()),
        }
    }

    /// Writes the record, and the one that the layer's locks are on. Durable.
    fn fill(&self, layer: &LayerId, record: &Record) -> io::Result<()> {
        // Should the other be lost, this one tells all that was in it.
        let locked =
            Record { kind: Kind::Draft, depth: record.depth.saturating_sub(1), ..record.clone() };
        let bytes = serde_json::to_vec(&locked)?;
        disk::write_file(&self.dir, super::record::LOCKED, &bytes, true)?;
        record.write(self.dir.as_fd(), layer.into(), true)?;
        disk::sync_dir(&self.dir)
    }

    /// Under the root lock.
    fn appear(&self, layer: &LayerId, parent: Option<BorrowedFd<'_>>) -> io::Result<()> {
        let moved = self.link_and_rename(layer, parent);
        if let (Err(_), Some(parent)) = (&moved, parent) {
            // A link that stays is stale, and deleted by whoever finds it.
            drop(children::unlink(parent, layer.into()));
        }
        moved
    }

    fn link_and_rename(&self, layer: &LayerId, parent: Option<BorrowedFd<'_>>) -> io::Result<()> {
        if let Some(parent) = parent {
            children::link(parent, layer.into())?;
            children::sync(parent)?;
        }
        fault::point("nodes.borrow.rename")?;
        let (making, layers) = (&self.store.making, &self.store.layers);
        fs::renameat(making, self.name.as_str(), layers, layer.as_str())?;
        let synced = disk::sync_dir(layers);
        if synced.is_err() {
            fs::renameat(layers, layer.as_str(), making, self.name.as_str())?;
        }
        synced
    }

    fn keep(mut self) {
        self.kept = true;
    }

    fn throw_away(&self) -> io::Result<()> {
        let _held = self.store.lock.hold()?;
        reclaim::set_aside(self.store, self.store.making.as_fd(), &self.name).map(drop)
    }
}

impl Drop for Aside<'_> {
    fn drop(&mut self) {
        if !self.kept {
            // What can't be thrown away now has no maker any more, and is by
            // whoever opens the store next.
            drop(self.throw_away());
        }
        lock::release_dir(&self.dir);
    }
}
