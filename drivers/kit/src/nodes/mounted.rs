//! Drafts that are mounted: attaching, unmounting, leaving standing, adopting.
//!
//! The driver makes a *detached* mount (open_tree(2), fsmount(2)); the store
//! attaches it at `mounts/<draft>` and answers for it from then on. Mounts are
//! a matter of the calling thread's mount namespace, which may be another than
//! the one that the store was opened in: so the root is found by its path each
//! time, and compared with the one that is open.

use rustix::event::{Timespec, poll};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::call::Call;
use super::lease::{Lease, Use};
use super::namespace::{Identity, Whereabouts, whereabouts};
use super::{NodeStore, disk, query, reclaim, ticket};
use crate::mount::{Detached, is_mounted, mounted_root, unmount};
use crate::{deep, fault};
use graphdriver_api::{
    DraftId, Error, ErrorKind, MountGuard, MountHandle, MountTicket, NodeId, NodeRef, Op, Result,
};

impl NodeStore {
    /// The root directory as the calling thread's mount namespace has it: what
    /// is mounted from here must be opened beneath this one.
    ///
    /// # Errors
    /// `Prerequisite` if something else is at the root's path here.
    pub fn root_here(&self, op: Op) -> Result<OwnedFd> {
        let call = self.bare_call(op);
        let found = self.try_root_here().map_err(call.io("find the root"))?;
        found.ok_or_else(|| {
            let message = "the root can't be reached at its path in this mount namespace";
            call.fail(ErrorKind::Prerequisite, message).with_path(&self.path)
        })
    }

    fn try_root_here(&self) -> io::Result<Option<OwnedFd>> {
        let Some(root) = disk::absent_is_none(disk::open_root(&self.path))? else {
            return Ok(None);
        };
        Ok(disk::same_file(&root, &self.root)?.then_some(root))
    }

    /// A directory of a node, opened beneath [`root_here`](Self::root_here), or in
    /// the lender.
    ///
    /// # Errors
    /// As there; `Corrupt` if it is missing; those of [`Lender`](super::Lender).
    pub fn open_here(&self, op: Op, node: NodeRef<'_>, name: &str) -> Result<OwnedFd> {
        let call = self.call(op, node);
        if let NodeRef::Layer(_) = node {
            let found = self.get(op, node)?;
            if found.lender().is_some() {
                return found.open_dir(self.layout.driver, op, name);
            }
        }
        let path = query::beneath(node).join(name);
        let root = self.root_here(op).map_err(|e| e.with_node(node))?;
        match disk::absent_is_none(deep::open_dir(root, &path).map_err(Into::into)) {
            Ok(Some(dir)) => Ok(dir),
            Ok(None) => {
                Err(call.fail(ErrorKind::Corrupt, format!("its directory {name:?} is missing")))
            }
            Err(e) => Err(call.io("open the node's tree")(e)),
        }
    }

    /// Attaches a detached mount to a draft's mount point, in the calling
    /// thread's mount namespace. If that fails, the mount ends with its
    /// descriptor, and the draft is free.
    ///
    /// # Errors
    /// `Prerequisite` as [`root_here`](Self::root_here).
    pub fn attach(self: &Arc<Self>, lease: Lease, detached: Detached) -> Result<MountGuard> {
        let NodeId::Draft(id) = lease.node().id().to_owned() else {
            let call = self.call(Op::Mount, lease.node().id());
            return Err(call.fail(ErrorKind::WrongState, "only drafts and views are mounted"));
        };
        let call = self.call(Op::Mount, &id);
        let root = self.root_here(Op::Mount).map_err(|e| e.with_node(&id))?;
        match attach_at(&root, &id, detached) {
            Ok((mounted, token)) => Ok(self.guard(lease, id, token, mounted)),
            Err(e) => {
                // If it stands and can't be undone, it keeps the draft busy
                // until recovery has ended it.
                drop(detach(&root, &id));
                Err(call.io("attach the mount")(e))
            }
        }
    }

    fn guard(
        self: &Arc<Self>,
        lease: Lease,
        id: DraftId,
        token: String,
        root: OwnedFd,
    ) -> MountGuard {
        MountGuard::new(Held {
            path: self.path.join("mounts").join(id.as_str()),
            store: Arc::clone(self),
            lease: Some(lease),
            id,
            token,
            root: Some(root),
            state: State::Standing,
        })
    }

    /// As [`GraphDriver::adopt`](graphdriver_api::GraphDriver::adopt).
    ///
    /// # Errors
    /// As there; `Busy` also for a mount in another mount namespace than the
    /// calling thread's.
    pub fn adopt(self: &Arc<Self>, ticket: &MountTicket) -> Result<MountGuard> {
        let id = &ticket.draft;
        let call = self.call(Op::Adopt, id);
        if ticket.driver != self.layout.driver {
            let message = format!("this ticket is of the driver {}", ticket.driver);
            return Err(call.fail(ErrorKind::InvalidArgument, message));
        }
        self.get(Op::Adopt, id.into())?;
        // A ticket of before says nothing of who has the draft now; and whoever
        // has it may be the one who ends this very mount.
        self.check_ticket(call, ticket)?;
        let lease = self.lease_node(Op::Adopt, id.into(), Use::Mount)?;
        self.check_ticket(call, ticket)?;
        match self.standing(ticket).map_err(call.io("look for the mount"))? {
            Standing::Here(root) => Ok(self.guard(lease, id.clone(), ticket.token.clone(), root)),
            Standing::Elsewhere => {
                Err(call.fail(ErrorKind::Busy, "it is mounted in another mount namespace"))
            }
            Standing::Gone => {
                ticket::delete(self, id).map_err(call.io("delete the ticket"))?;
                Err(call.fail(ErrorKind::NotFound, "that mount isn't there any more"))
            }
        }
    }

    fn check_ticket(&self, call: Call<'_>, ticket: &MountTicket) -> Result<()> {
        match ticket::read(self, call, &ticket.draft)?.as_ref() == Some(ticket) {
            true => Ok(()),
            false => Err(call.fail(ErrorKind::NotFound, "that mount isn't there any more")),
        }
    }

    /// Whether a draft was ever mounted. Its mount point stays until the draft
    /// goes, for two reasons: deleting a directory takes away, lazily, what is
    /// mounted on it in *other* mount namespaces; and its being there tells
    /// the driver to look for those.
    ///
    /// # Errors
    /// `Io`.
    pub fn was_mounted(&self, op: Op, draft: &DraftId) -> Result<bool> {
        disk::is_there(&self.mounts, draft.as_str())
            .map_err(self.call(op, draft).io("look for its mount point"))
    }

    /// Whether the mount of a ticket still stands.
    pub(super) fn standing(&self, ticket: &MountTicket) -> io::Result<Standing> {
        let Ok(identity) = ticket.token.parse::<Identity>() else { return Ok(Standing::Gone) };
        match whereabouts(&identity, &format!("/mounts/{}", ticket.draft))? {
            Whereabouts::Gone => return Ok(Standing::Gone),
            Whereabouts::Elsewhere => return Ok(Standing::Elsewhere),
            Whereabouts::Here => {}
        }
        let point = point(&ticket.draft);
        match mounted_root(self.root_in_sight()?, point)? {
            Some((root, mount)) if mount == identity.mount => Ok(Standing::Here(root)),
            _ => Ok(Standing::Gone),
        }
    }

    /// The root here, or else the one that was opened: where its path is
    /// hidden, nothing of ours is mounted.
    pub(super) fn root_in_sight(&self) -> io::Result<OwnedFd> {
        match self.try_root_here()? {
            Some(root) => Ok(root),
            None => self.root.try_clone(),
        }
    }
}

/// What became of a mount.
#[derive(Debug)]
pub(super) enum Standing {
    /// It stands; its root.
    Here(OwnedFd),
    /// It stands, or may, in another mount namespace.
    Elsewhere,
    /// It doesn't.
    Gone,
}

/// Where a draft is mounted, beneath the root.
fn point(id: &DraftId) -> PathBuf {
    Path::new("mounts").join(id.as_str())
}

/// Whether something is mounted on the draft's mount point, as this thread sees
/// it.
pub(super) fn stands(store: &NodeStore, id: &DraftId) -> io::Result<bool> {
    is_mounted(store.root_in_sight()?, point(id))
}

/// Attaches, and tells the mount's root and its token.
fn attach_at(root: &OwnedFd, id: &DraftId, detached: Detached) -> io::Result<(OwnedFd, String)> {
    fault::point("nodes.mounts.mkdir")?;
    disk::make_dir(disk::open_dir(root, "mounts")?, id.as_str())?;
    detached.attach(root, point(id))?;
    // An open descriptor of a mount keeps it busy.
    drop(detached);
    fault::point("nodes.mounts.attached")?;
    match mounted_root(root, point(id))? {
        Some((mounted, mount)) => Ok((mounted, Identity::here(mount)?.to_string())),
        None => Err(io::Error::other("it was unmounted again at once")),
    }
}

/// Unmounts, and never lazily.
pub(super) fn detach(root: &OwnedFd, id: &DraftId) -> io::Result<()> {
    fault::point("nodes.mounts.detach")?;
    unmount(root, point(id))
}

/// As [`detach`], but gives up only after a while.
///
/// While any thread of this process starts another, that has all our
/// descriptors until it calls exec(2), and keeps the mount busy; nothing tells
/// when it has got so far.
fn detach_patiently(root: &OwnedFd, id: &DraftId) -> io::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match detach(root, id) {
            Err(e) if e.kind() == io::ErrorKind::ResourceBusy && Instant::now() < deadline => {
                poll(&mut [], Some(&PAUSE))?;
            }
            ended => return ended,
        }
    }
}

/// Far longer than from fork to exec, far shorter than a person's patience.
const PATIENCE: Duration = Duration::from_millis(100);
const PAUSE: Timespec = Timespec { tv_sec: 0, tv_nsec: 500_000 };

/// Deletes a mount point on which nothing is mounted. What somebody has made in
/// it since is nobody's, and goes to be reclaimed: it mustn't be in anybody's way.
pub(super) fn remove_point(store: &NodeStore, id: &DraftId) -> io::Result<()> {
    fault::point("nodes.mounts.rmdir")?;
    match disk::remove_dir(&store.mounts, id.as_str()) {
        Err(e) if e.kind() == io::ErrorKind::DirectoryNotEmpty => {
            reclaim::set_aside(store, store.mounts.as_fd(), id.as_str()).map(drop)
        }
        removed => removed.map(drop),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Mounted, and ours to unmount.
    Standing,
    /// Unmounted; its ticket may be left.
    Ended,
}

/// A mount with its holder.
#[derive(Debug)]
struct Held {
    store: Arc<NodeStore>,
    lease: Option<Lease>,
    id: DraftId,
    token: String,
    path: PathBuf,
    root: Option<OwnedFd>,
    state: State,
}

impl Held {
    fn call(&self, op: Op) -> Call<'_> {
        self.store.call(op, &self.id)
    }

    fn end(&mut self) -> Result<()> {
        let here = self.store.root_here(Op::Unmount).map_err(|e| e.with_node(&self.id))?;
        // Our own descriptor would keep it busy.
        self.root = None;
        if let Err(e) = detach_patiently(&here, &self.id) {
            let error = self.busy_or(e);
            self.root = mounted_root(&here, point(&self.id)).ok().flatten().map(|(root, _)| root);
            return Err(error);
        }
        self.state = State::Ended;
        Ok(())
    }

    fn busy_or(&self, e: io::Error) -> Error {
        let call = self.call(Op::Unmount);
        match e.kind() {
            io::ErrorKind::ResourceBusy => {
                let message = "a process has a file or its working directory in it: end it first";
                call.fail(ErrorKind::Busy, message).with_source(e)
            }
            _ => call.io("unmount the draft")(e),
        }
        .with_path(&self.path)
    }
}

impl MountHandle for Held {
    /// The mount point's directory, empty, should the root have been lost
    /// while a failed unmount was taken back.
    fn root(&self) -> BorrowedFd<'_> {
        self.root.as_ref().unwrap_or(&self.store.mounts).as_fd()
    }

    fn path(&self) -> &Path {
        &self.path
    }

    fn unmount(&mut self) -> Result<()> {
        if self.state == State::Standing {
            self.end()?;
        }
        let deleted = ticket::delete(&self.store, &self.id);
        deleted.map_err(self.call(Op::Unmount).io("delete the mount's ticket"))?;
        self.lease = None;
        Ok(())
    }

    fn persist(&mut self) -> Result<MountTicket> {
        let ticket = MountTicket {
            driver: self.store.layout.driver.to_owned(),
            draft: self.id.clone(),
            path: self.path.clone(),
            token: self.token.clone(),
        };
        ticket::write(&self.store, self.call(Op::Persist), &ticket)?;
        self.lease = None;
        Ok(ticket)
    }
}
