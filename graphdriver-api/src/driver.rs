//! The trait that every storage driver implements.

use std::fmt;
use std::io::Write;
use std::path::PathBuf;
use std::time::SystemTime;

use serde::Serialize;

use crate::borrow::Borrow;
use crate::diff::{Applied, ChangeSink, DiffSummary, Limits, NativeDiff, TarSource};
use crate::error::Result;
use crate::id::{DraftId, LayerId, NodeId, NodeRef};
use crate::mount::{MountGuard, MountPlan, MountRequest, MountTicket};
use crate::quota::{Quota, QuotaControl};
use crate::status::{Reclaimed, Status, Usage};
use crate::traits::Traits;

/// What a new draft stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Base<'a> {
    /// Nothing: an empty tree whose root is a directory 0755, 0:0, last
    /// modified at time 0 (1970), so that what comes of it depends on nothing
    /// else.
    Scratch,
    /// A committed layer.
    Layer(&'a LayerId),
    /// A layer that will be named at commit: only where
    /// [`Traits::rebase`], and only [`apply`](GraphDriver::apply), `commit`,
    /// `stat`, `usage` and `remove` are possible until then.
    Deferred,
}

/// What else a new draft should be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DraftSpec {
    /// A limit to enforce from the start; `Unsupported` unless the driver has
    /// [`quota`](GraphDriver::quota).
    pub quota: Option<Quota>,
    /// Nobody will miss it after a power cut: the tree of a container that is
    /// removed when it ends, or of a layer before its commit. It is made and
    /// removed without flushing, and gone with the next `open` after a restart
    /// of the host. Until then it is like any other; a layer made of it is as
    /// durable as every layer. Advice: a driver that can't is durable instead.
    pub volatile: bool,
}

/// What kind of node a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum NodeKind {
    /// Can be mounted, written to, and committed.
    Draft,
    /// A read-only draft: can be mounted, never committed.
    View,
    /// Never changes.
    Layer,
}

/// Whether a draft is mounted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum MountState {
    /// It isn't.
    Unmounted,
    /// A living process holds a guard.
    Held,
    /// The mount stands by itself; [`adopt`](GraphDriver::adopt) it with the
    /// ticket.
    Persisted(MountTicket),
}

/// What is known of a node without looking into its tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NodeInfo {
    /// Its id.
    pub id: NodeId,
    /// Draft, view or layer.
    pub kind: NodeKind,
    /// The layer beneath it.
    pub parent: Option<LayerId>,
    /// Layers in its chain: those beneath it, and itself if it is a layer.
    pub depth: u32,
    /// When it was made or committed, by the host's clock.
    pub created: SystemTime,
    /// Whether it is mounted; always `Unmounted` for a layer.
    pub mount: MountState,
    /// An [`apply`](GraphDriver::apply) began and hasn't succeeded: running, or
    /// failed, or cut short by a crash. Such a draft can only be removed.
    pub unpacking: bool,
    /// The root in which the tree of a [borrowed](crate::Borrow) layer lies;
    /// `None` for all that have their own.
    pub lender: Option<PathBuf>,
}

/// A storage driver, opened on its own root directory.
///
/// The crate's documentation has the vocabulary, the laws and three scenarios;
/// read it first. What holds for every method:
///
/// * **Errors** carry a kind that says what to do ([`ErrorKind`]). Kinds
///   listed with a method are the ones a caller should expect; beside them
///   every method can fail with `Io`, `NoSpace` (if it writes) and `Corrupt`.
///   Unless a method says otherwise, a failed call has changed nothing.
/// * **Durability.** What a method that changes nodes has done survives a
///   power cut once it has returned `Ok`, unless it says otherwise. If it is
///   cut off before, the next `open` shows the state before the call or after
///   it, never one in between.
/// * **Concurrency.** Every method may be called from any number of threads
///   and processes at once. Calls on different nodes don't wait for one
///   another longer than a directory update takes. Of two calls on one node
///   that exclude each other, one wins and the other gets the error that it
///   would have got coming later, or `Busy`.
/// * **Cost** is said per method; a *record* is the constant, small amount of
///   metadata that a driver keeps for a node.
///
/// [`ErrorKind`]: crate::ErrorKind
pub trait GraphDriver: Send + Sync + fmt::Debug {
    /// The name by which users choose it (`overlay2`). Constant.
    fn name(&self) -> &'static str;

    /// What it can and can't do as opened here. Constant while it is open.
    fn traits(&self) -> &Traits;

    /// What a person would want to know: kernel features found and why they
    /// are used or not, the backing file system, what recovery did.
    ///
    /// Cost: no more than a few system calls; probing was done by `open`.
    ///
    /// # Errors
    /// Only the general ones.
    fn status(&self) -> Result<Status>;

    /// Makes a draft.
    ///
    /// * Before: `draft` is not in use; the base layer is committed.
    /// * After: the draft is there, unmounted, and its tree equals its base's
    ///   tree, content and attributes of the root included. The base can't be
    ///   removed while the draft is there.
    /// * Cost: a record and a directory; a full copy where
    ///   [`CopyUnit::Tree`](crate::CopyUnit::Tree).
    /// * Durability: the draft survives, unless it is to be
    ///   [volatile](DraftSpec::volatile); with drivers that copy, its content
    ///   is only as durable as any written file.
    ///
    /// # Errors
    /// `AlreadyExists` (draft or view of that id), `NotFound` (the base),
    /// `Unsupported` (the chain would pass `max_depth`; a quota without
    /// [`quota`](Self::quota); `Deferred` without `rebase`).
    fn prepare(&self, draft: &DraftId, base: Base<'_>, spec: &DraftSpec) -> Result<()>;

    /// Makes a read-only draft that shows `layer`'s tree.
    ///
    /// As [`prepare`](Self::prepare) of a [volatile](DraftSpec::volatile) draft,
    /// but it can only be mounted and removed, and every mount of it is
    /// read-only. Cost: a record, with every driver.
    ///
    /// # Errors
    /// As `prepare`.
    fn view(&self, draft: &DraftId, layer: &LayerId) -> Result<()>;

    /// Turns a draft into a layer, for ever.
    ///
    /// * Before: the draft is there, unmounted, its last `apply` (if any)
    ///   succeeded, and `layer` is not in use. `onto` names the parent of a
    ///   draft prepared with [`Base::Deferred`] (`None`: it has none), and is
    ///   `None` for any other draft.
    /// * After: the draft's id is free; the layer has the draft's tree and its
    ///   parent; it can be a base. A committed layer is complete by
    ///   construction: whenever it is there, all its bytes are.
    /// * Durability: everything of the layer, its files' bytes included, is on
    ///   the medium before the layer can be seen.
    /// * Cost: one flush of what the draft wrote, one rename. Nothing that
    ///   grows with the tree.
    ///
    /// # Errors
    /// `NotFound` (the draft; `onto`), `AlreadyExists` (the layer; the draft
    /// stays as it was), `Busy` (mounted), `WrongState` (a view; unpacking),
    /// `InvalidArgument` (`onto` for a draft that has its base),
    /// `Unsupported` (deeper than `max_depth`). After a flush that failed bytes
    /// of the draft may be lost: it is `WrongState` from then on.
    fn commit(&self, draft: &DraftId, layer: &LayerId, onto: Option<&LayerId>) -> Result<()>;

    /// Removes a node. Idempotent: a node that isn't there is removed.
    ///
    /// * After: the id is free at once; the space may come back later, with
    ///   [`reclaim`](Self::reclaim).
    /// * Cost: a record and a rename, however large the tree.
    ///
    /// # Errors
    /// `HasChildren` (a layer with drafts, views or layers on it), `Busy`
    /// (mounted).
    fn remove(&self, node: NodeRef<'_>) -> Result<()>;

    /// Deletes what [`remove`](Self::remove) set aside. Cut off, it is simply
    /// continued by the next call; what can't be deleted stays for it.
    ///
    /// Cost: grows with the removed trees. Runs beside everything else.
    ///
    /// # Errors
    /// Only the general ones; what could be deleted, is.
    fn reclaim(&self) -> Result<Reclaimed>;

    /// What is known of a node. Reading never waits for a writer.
    ///
    /// Cost: a record.
    ///
    /// # Errors
    /// `NotFound` only if the node is really not there: an error of the medium
    /// is `Io`, never read as absence.
    fn stat(&self, node: NodeRef<'_>) -> Result<NodeInfo>;

    /// Every node, drafts before layers, each in the order of ids.
    ///
    /// A snapshot in the sense that a node that is there during the whole call
    /// is in it; others may be. Cost: a record a node.
    ///
    /// # Errors
    /// `Corrupt` names the node whose record can't be read.
    fn list(&self) -> Result<Vec<NodeInfo>>;

    /// The space a node holds by itself. Cost: a walk of what the node itself
    /// holds, unless the driver counts as it writes.
    ///
    /// # Errors
    /// `NotFound`.
    fn usage(&self, node: NodeRef<'_>) -> Result<Usage>;

    /// How somebody in another mount namespace can mount the draft. Changes
    /// nothing. Cost: a record a layer.
    ///
    /// # Errors
    /// `NotFound`, `Busy` (mounted), `WrongState` (deferred, unpacking),
    /// `Unsupported` (an id map, which a plan can't hold; or a tree that no
    /// plan can describe, in words).
    fn mount_plan(&self, draft: &DraftId, request: &MountRequest) -> Result<MountPlan>;

    /// Mounts the draft in the mount namespace of the calling thread.
    ///
    /// * Before: the draft isn't mounted.
    /// * After: the guard's path and root show the tree; what is written there
    ///   is in the draft when the guard has been unmounted.
    /// * Durability: bytes are as durable as with any file system: fsync(2)
    ///   and syncfs(2) make them so.
    /// * A process that dies leaves nothing for good: if its mount namespace
    ///   dies with it, so does the mount; else the next `open` unmounts it.
    /// * Cost: one mount, growing with the depth of the chain.
    ///
    /// # Errors
    /// `NotFound`, `Busy` (mounted, here or elsewhere), `WrongState`
    /// (deferred, unpacking), `Unsupported` (an id map without the trait).
    fn mount(&self, draft: &DraftId, request: &MountRequest) -> Result<MountGuard>;

    /// Takes back a mount that a process left standing.
    ///
    /// # Errors
    /// `NotFound` if that mount isn't there any more (a reboot; unmounted by
    /// hand): the draft is then free again. `InvalidArgument` for another
    /// driver's ticket; `Busy` if another process has adopted it.
    fn adopt(&self, ticket: &MountTicket) -> Result<MountGuard>;

    /// Unpacks a layer archive over a draft: an *uncompressed* tar stream as
    /// the OCI image specification describes it (layer.md), with PAX and GNU
    /// extensions. Reads `tar` to its very end, padding included, so that a
    /// digest taken on the way covers every byte.
    ///
    /// * Before: the draft is a draft, and unmounted.
    /// * After `Ok`: the draft's tree is the old tree with the archive's
    ///   changes: a result that depends on the two alone, not on the driver,
    ///   the time or the order of readdir. Directories that were only entered,
    ///   or made because an entry lacked its parents (0755, 0:0, time 0), have
    ///   the times that they had.
    /// * After an error, or a crash: the draft is `unpacking` for ever and can
    ///   only be removed. So a half-unpacked layer can't be committed.
    /// * Whiteouts only hide what is below: an entry of the same archive is
    ///   never deleted by it, whatever the order.
    /// * Hostile input: no path is resolved outside the tree, whatever `..`,
    ///   absolute names and links say.
    ///
    /// # Errors
    /// `NotFound`, `Busy`, `WrongState` (a view; unpacking), `BadDiff` (names
    /// the entry and the rule), `NeedsParent` (only [`Base::Deferred`]; see
    /// there), `Unsupported` (the entry can't exist on this driver, such as a
    /// 0:0 device on a union).
    fn apply(&self, draft: &DraftId, tar: &mut TarSource<'_>, limits: &Limits) -> Result<Applied>;

    /// Tells every path at which the node differs from its parent (from the
    /// empty tree if it has none), in path order: by component, bytes compared
    /// (the order of [`std::path::Path`]'s `Ord`). A directory counts as
    /// modified when its own attributes differ, its modification time
    /// included.
    ///
    /// May run while the draft is mounted; what changes meanwhile may or may
    /// not be seen. Memory: bounded by the depth and the largest directory.
    /// Cost: the difference where [`native_diff`](Self::native_diff) is there,
    /// else both trees.
    ///
    /// # Errors
    /// `NotFound`, `WrongState` (deferred); an error from the sink ends the
    /// walk and is returned.
    fn changes(&self, node: NodeRef<'_>, sink: &mut ChangeSink<'_>) -> Result<()>;

    /// Writes the difference as an uncompressed layer archive, entries in path
    /// order (a whiteout where its target would stand).
    ///
    /// Applied to the parent's tree it gives the node's tree. The same trees
    /// give the same bytes. Whoever reads a pipe at the other end must not
    /// take its end for success: only this call's `Ok` is.
    ///
    /// # Errors
    /// As [`changes`](Self::changes); `Unsupported` for a file whose name an
    /// archive can't hold (one that begins with `.wh.`) and for sockets only
    /// if the driver can't skip them: sockets are left out as every engine
    /// does, and are not an error; what one took the place of is whited out. A failed write is `Io`.
    fn diff(&self, node: NodeRef<'_>, tar: &mut dyn Write) -> Result<DiffSummary>;

    /// The power to tell differences cheaply, where the driver has it.
    fn native_diff(&self) -> Option<&dyn NativeDiff> {
        None
    }

    /// The power to limit drafts, where the driver really enforces it.
    fn quota(&self) -> Option<&dyn QuotaControl> {
        None
    }

    /// The power to use layers that lie in another root, where the driver has it.
    fn borrowing(&self) -> Option<&dyn Borrow> {
        None
    }
}
