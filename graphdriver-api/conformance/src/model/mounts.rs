//! Mounts: a draft's tree is laid out in a directory, which is bound to where
//! it is mounted.

use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use graphdriver_api::{
    Access, DraftId, Error, ErrorKind, MountGuard, MountHandle, MountPlan, MountRequest,
    MountTicket, NodeKind, Op, Result,
};
use rustix::fs::{AtFlags, CWD, StatxFlags, statx};
use rustix::io::Errno;
use rustix::mount::{MountFlags, UnmountFlags, mount_bind, mount_remount, unmount};

use super::NAME;
use super::driver::Model;
use super::fault::Fault;
use super::place::{Place, open_dir};
use super::state::{Content, Draft, Mount, State, Unpacking, refused};

/// A mounted draft.
#[derive(Debug)]
struct Mounted {
    place: Arc<Place>,
    draft: DraftId,
    path: PathBuf,
    root: OwnedFd,
    fault: Option<Fault>,
    /// It was unmounted, or left standing on purpose.
    done: bool,
}

impl Model {
    pub(super) fn do_plan(&self, draft: &DraftId, request: &MountRequest) -> Result<MountPlan> {
        let mut state = self.place.lock();
        self.may_mount(Op::Plan, &state, draft, request)?;
        let view = state.draft(Op::Plan, draft)?.kind == NodeKind::View;
        let source = lay_out(Op::Plan, &self.place, &mut state, draft)?;
        let access = if view { Access::ReadOnly } else { request.access };
        Ok(MountPlan::Bind { source, access })
    }

    pub(super) fn do_mount(&self, draft: &DraftId, request: &MountRequest) -> Result<MountGuard> {
        let mut state = self.place.lock();
        self.may_mount(Op::Mount, &state, draft, request)?;
        let source = lay_out(Op::Mount, &self.place, &mut state, draft)?;
        let number = state.number();
        let found = state.draft_mut(Op::Mount, draft)?;
        let read_only = match found.kind {
            NodeKind::View => !self.has(Fault::ViewWritable),
            _ => request.access == Access::ReadOnly && !self.has(Fault::ReadOnlyMountWritable),
        };
        let path = self.place.mount(number);
        let root = bind(&source, &path, read_only).map_err(|error| error.with_node(draft))?;
        found.mount = Mount::Held;
        Ok(MountGuard::new(self.mounted(draft, path, root)))
    }

    fn mounted(&self, draft: &DraftId, path: PathBuf, root: OwnedFd) -> Mounted {
        let (place, draft) = (Arc::clone(&self.place), draft.clone());
        Mounted { place, draft, path, root, fault: self.fault(), done: false }
    }

    fn may_mount(&self, op: Op, state: &State, id: &DraftId, request: &MountRequest) -> Result<()> {
        let draft = state.draft(op, id)?;
        if request.id_map.is_some() && !self.has(Fault::MountIgnoresIdMap) {
            let why = "a tree in memory has its ids as they are";
            return Err(refused(ErrorKind::Unsupported, op, id, why));
        }
        if draft.is_mounted() && !self.has(Fault::MountTwice) {
            return Err(refused(ErrorKind::Busy, op, id, "it is mounted already"));
        }
        match draft {
            Draft { content: Content::Deferred(..), .. } => {
                let why = "its parent is only known when it is committed";
                Err(refused(ErrorKind::WrongState, op, id, why))
            }
            Draft { unpacking: Unpacking::No, .. } => Ok(()),
            _ => {
                let why = "its archive isn't wholly unpacked; remove it";
                Err(refused(ErrorKind::WrongState, op, id, why))
            }
        }
    }

    pub(super) fn do_adopt(&self, ticket: &MountTicket) -> Result<MountGuard> {
        if ticket.driver != NAME {
            let why = "the ticket is another driver's";
            return Err(refused(ErrorKind::InvalidArgument, Op::Adopt, &ticket.draft, why));
        }
        let mut state = self.place.lock();
        let draft = state.draft_mut(Op::Adopt, &ticket.draft)?;
        let any = self.has(Fault::AdoptAcceptsAnyTicket);
        let path = match &draft.mount {
            Mount::Persisted(issued) if issued == ticket || any => issued.path.clone(),
            Mount::Held if is_mounted(ticket)? => {
                let why = "somebody else has adopted it";
                return Err(refused(ErrorKind::Busy, Op::Adopt, &ticket.draft, why));
            }
            _ => {
                let why = "that mount isn't there any more";
                return Err(refused(ErrorKind::NotFound, Op::Adopt, &ticket.draft, why));
            }
        };
        if !any && !is_mounted(ticket)? {
            draft.mount = Mount::Unmounted;
            let why = "that mount isn't there any more; the draft is free";
            return Err(refused(ErrorKind::NotFound, Op::Adopt, &ticket.draft, why));
        }
        let root = open_dir(Op::Adopt, &path)?;
        draft.mount = Mount::Held;
        Ok(MountGuard::new(self.mounted(&ticket.draft, path, root)))
    }
}

impl MountHandle for Mounted {
    fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    fn path(&self) -> &Path {
        &self.path
    }

    fn unmount(&mut self) -> Result<()> {
        // Our own descriptor would keep the mount busy. Until it is known
        // that nobody else's does, the directory of all mounts takes its place.
        let above = self.path.parent().unwrap_or(&self.path);
        self.root = open_dir(Op::Unmount, above)?;
        let lazily = self.fault == Some(Fault::UnmountLazily);
        let flags = if lazily { UnmountFlags::DETACH } else { UnmountFlags::empty() };
        if let Err(errno) = unmount(&self.path, flags | UnmountFlags::NOFOLLOW) {
            self.root = open_dir(Op::Unmount, &self.path)?;
            return Err(self.failed("unmount the draft", errno));
        }
        self.done = true;
        let mut state = self.place.lock();
        if let Some(draft) = state.drafts.get_mut(&self.draft) {
            draft.mount = Mount::Unmounted;
        }
        if self.fault == Some(Fault::LayerSharesStorage) {
            leak(&self.place, &mut state, &self.draft)?;
        }
        fs::remove_dir(&self.path).map_err(|e| self.failed("remove the mount point", e))
    }

    fn persist(&mut self) -> Result<MountTicket> {
        let ticket = self.ticket().map_err(|e| self.failed("identify the mount", e))?;
        if let Some(draft) = self.place.lock().drafts.get_mut(&self.draft) {
            let forgets = self.fault == Some(Fault::PersistForgetsBusy);
            draft.mount = if forgets { Mount::Unmounted } else { Mount::Persisted(ticket.clone()) };
        }
        self.done = true;
        Ok(ticket)
    }
}

impl Drop for Mounted {
    /// A guard that is dropped has tried to unmount: what still stands here
    /// is for recovery to find.
    fn drop(&mut self) {
        if !self.done
            && let Ok(ticket) = self.ticket()
            && let Some(draft) = self.place.lock().drafts.get_mut(&self.draft)
        {
            draft.mount = Mount::Abandoned(ticket);
        }
    }
}

impl Mounted {
    /// What tells this mount from others.
    fn ticket(&self) -> Result<MountTicket, Errno> {
        Ok(MountTicket {
            driver: NAME.to_owned(),
            draft: self.draft.clone(),
            path: self.path.clone(),
            token: mount_id(&self.path)?.to_string(),
        })
    }

    fn failed(&self, what: &'static str, error: impl Into<io::Error>) -> Error {
        let error = Error::io(Op::Unmount, what, error).with_driver(NAME).with_node(&self.draft);
        let busy = error.kind() == ErrorKind::Busy && self.fault == Some(Fault::BusyAsIo);
        let error = if busy { error.with_kind(ErrorKind::Io) } else { error };
        error.with_path(&self.path)
    }
}

/// Writes what is in the draft to its base, as if the two shared it.
fn leak(place: &Place, state: &mut State, id: &DraftId) -> Result<()> {
    let draft = state.draft(Op::Unmount, id)?;
    if let (Content::Disk(dir), Some(parent)) = (&draft.content, draft.parent.clone()) {
        let tree = super::place::read_tree(Op::Unmount, dir)?;
        if let Some(layer) = state.layers.get_mut(&parent) {
            layer.tree = tree;
        }
    }
    place.check(Op::Unmount)
}

/// Lays a draft's tree out in a directory, if it isn't yet.
fn lay_out(op: Op, place: &Place, state: &mut State, id: &DraftId) -> Result<PathBuf> {
    let dir = match &state.draft(op, id)?.content {
        Content::Disk(dir) => return Ok(dir.clone()),
        Content::Memory(_) | Content::Deferred(..) => place.tree(state.number()),
    };
    let draft = state.draft_mut(op, id)?;
    if let Content::Memory(tree) = &draft.content {
        let io = |e| Error::io(op, "lay the tree out", e).with_node(id).with_path(&dir);
        fs::create_dir(&dir).map_err(io)?;
        let root = open_dir(op, &dir)?;
        tree.materialise(root.as_fd()).map_err(io)?;
        draft.content = Content::Disk(dir.clone());
    }
    Ok(dir)
}

/// Binds a directory to a new mount point, and opens it there.
fn bind(source: &Path, path: &Path, read_only: bool) -> Result<OwnedFd> {
    let io = |what, e: io::Error| Error::io(Op::Mount, what, e).with_path(path);
    fs::create_dir(path).map_err(|e| io("make a mount point", e))?;
    let bound = mount_bind(source, path).map_err(|e| privileged(e, path));
    let bound = bound.and_then(|()| {
        if read_only {
            let flags = MountFlags::BIND | MountFlags::RDONLY;
            mount_remount(path, flags, "").map_err(|e| io("make the mount read-only", e.into()))?;
        }
        open_dir(Op::Mount, path)
    });
    if bound.is_err() {
        // Whether or not it was mounted: what is left is an empty directory.
        drop(unmount(path, UnmountFlags::NOFOLLOW).map_err(io::Error::from));
        drop(fs::remove_dir(path));
    }
    bound
}

fn privileged(errno: Errno, path: &Path) -> Error {
    let error = Error::io(Op::Mount, "bind the draft's directory", errno).with_path(path);
    match errno {
        Errno::PERM => error.with_kind(ErrorKind::Prerequisite),
        _ => error,
    }
}

/// What the kernel calls the mount at `path`, never used twice before 2^64.
fn mount_id(path: &Path) -> Result<u64, Errno> {
    // STATX_MNT_ID: an id that can be used again; with the number of the
    // path, which can't, it is unique.
    let found = statx(CWD, path, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::MNT_ID)?;
    Ok(found.stx_mnt_id)
}

/// Whether a ticket's mount still stands.
fn is_mounted(ticket: &MountTicket) -> Result<bool> {
    match mount_id(&ticket.path) {
        Ok(id) => Ok(id.to_string() == ticket.token),
        Err(Errno::NOENT) => Ok(false),
        Err(e) => Err(Error::io(Op::Adopt, "look for the mount", e).with_path(&ticket.path)),
    }
}

/// Frees the drafts whose mounts aren't there any more, and unmounts those
/// that nobody holds; says how many.
pub(super) fn recover_mounts(state: &mut State) -> Result<u64> {
    let mut freed = 0;
    for draft in state.drafts.values_mut() {
        let gone = match &draft.mount {
            Mount::Persisted(ticket) => !is_mounted(ticket)?,
            Mount::Abandoned(ticket) => !is_mounted(ticket)? || take_away(ticket)?,
            Mount::Unmounted | Mount::Held => false,
        };
        if gone {
            draft.mount = Mount::Unmounted;
            freed += 1;
        }
    }
    Ok(freed)
}

/// Unmounts, unless somebody is in there.
fn take_away(ticket: &MountTicket) -> Result<bool> {
    match unmount(&ticket.path, UnmountFlags::NOFOLLOW) {
        Ok(()) => Ok(true),
        Err(Errno::BUSY) => Ok(false),
        Err(e) => Err(Error::io(Op::Open, "unmount what nobody holds", e).with_path(&ticket.path)),
    }
}

/// Whether a directory can be bound elsewhere in `dir`, tried out.
pub(super) fn try_binding(dir: &Path) -> Result<()> {
    let io = |e| Error::io(Op::Probe, "make a directory", e).with_path(dir);
    let room = tempfile::Builder::new().prefix(".model-probe.").tempdir_in(dir).map_err(io)?;
    let (source, point) = (room.path().join("tree"), room.path().join("mount"));
    fs::create_dir(&source).map_err(io)?;
    drop(bind(&source, &point, true)?);
    unmount(&point, UnmountFlags::NOFOLLOW)
        .map_err(|e| Error::io(Op::Probe, "unmount again", e).with_path(&point))?;
    room.close().map_err(io)
}
