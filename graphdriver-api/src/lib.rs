//! The contract between a container engine and a storage driver.
//!
//! An image is a stack of layers, each a set of changes to the tree beneath
//! it. A container is a writable tree on top of one. A *graph driver* keeps
//! those trees: on overlay mounts, on snapshots of a copy-on-write file system,
//! on thinly provisioned block devices, or as plain copies. This crate says
//! what every one of them does, so that an engine need not know which it has.
//! It has types and laws only, and touches no file.
//!
//! Whoever uses a driver reads this page and [`GraphDriver`]. Whoever writes
//! one reads the same and then runs the conformance suite, whose cases check
//! these very sentences.
//!
//! # Vocabulary
//!
//! * **Node**: a file tree that the driver keeps under an id. A node is a
//!   draft, a view or a layer.
//! * **Draft**: a tree that can still change. A container's writable layer is
//!   a draft, and so is an image layer while it is unpacked.
//! * **View**: a read-only draft that shows a layer's tree. It exists so that
//!   a layer can be looked at without a writable tree on top.
//! * **Layer**: a committed tree. It never changes again.
//! * **Parent, child, base**: the layer that a node stands on is its parent;
//!   nodes that stand on a layer are its children. The base is what a draft is
//!   prepared on, and becomes the layer's parent when the draft is committed.
//! * **Chain**: a node, its parent, that one's parent, and so on to a layer
//!   without one. **Depth**: how many layers are in it.
//! * **Difference**: what turns the parent's tree into the node's. As a list
//!   it is a series of [`Change`]s, as a stream a **layer archive**: the tar
//!   format of the OCI image specification, in which a **whiteout** (an empty
//!   file `.wh.NAME`) deletes `NAME` and an **opaque** marker
//!   (`.wh..wh..opq`) deletes all that lies beneath in its directory.
//! * **Guard**: the value that holds a mount. **Ticket**: the proof that a
//!   mount was left standing on purpose.
//! * **Root**: the directory that a driver is opened on and owns alone.
//! * **Lender**: another root of the same driver, in which the tree of a
//!   *borrowed* layer lies.
//!
//! # States of a node
//!
//! ```text
//!              prepare                 commit
//!   (absent) ───────────► draft ─────────────────────► layer
//!      ▲  ▲                │  ▲                          │
//!      │  │        apply   ▼  │ Ok                       │
//!      │  │            unpacking                         │
//!      │  │                │ error, crash: for ever      │
//!      │  └────────────────┴─────────── remove ──────────┘
//!      │       view                remove
//!      └──── (absent) ──────► view ───────► (absent)
//! ```
//!
//! Beside that, a draft or view is mounted or not. Mounted, it is `Busy` for
//! everything but looking ([`stat`](GraphDriver::stat), `usage`, `changes`,
//! `diff`).
//!
//! # Laws
//!
//! The suite cites them by number; no driver can be excused from one.
//!
//! 1. **A layer never changes.** Whatever is done to drafts, views, mounts or
//!    descriptors, and whatever crashes, a committed layer's content and
//!    attributes stay what they were.
//! 2. **A layer is complete.** If `stat` finds it, all its bytes are on the
//!    medium.
//! 3. **Only layers have children.** A type error otherwise: a base is a
//!    [`LayerId`], and no draft has one.
//! 4. **What has children stays.** A layer is removed only when no draft, view
//!    or layer stands on it.
//! 5. **Absence is known, not guessed.** `NotFound` means that the node isn't
//!    there. A failure to look is another error.
//! 6. **All or nothing.** A call that fails has changed nothing, unless its
//!    documentation names what it may leave. A call that is cut off has
//!    happened or hasn't when the driver is next opened.
//! 7. **One writer.** A draft has at most one mount.
//! 8. **No quiet weakening.** What can't be done as asked is refused with
//!    `Unsupported`, `Prerequisite` or `BadDiff`.
//! 9. **Trees are what was put in.** Of two drivers given the same calls, both
//!    show the same trees and tell the same differences, but for what
//!    [`Traits`] declares.
//! 10. **A failed unpacking is poison.** Its draft can be removed, and nothing
//!     else.
//!
//! # Three scenarios
//!
//! ## Pulling an image
//!
//! The image has three layers whose chain IDs are `A`, `B` on `A`, and `C` on
//! `B`. The engine names layers by chain ID, so that images share them.
//!
//! 1. `stat(Layer(A))` answers `NotFound`: it is to be made. (`Ok` would mean
//!    that another image has brought it, complete by law 2.)
//! 2. `prepare(draft, Scratch)`, then `apply(draft, archive)` while a digest of
//!    the stream is taken. If the digest is wrong or `apply` failed,
//!    `remove(draft)`: by laws 6 and 10 nothing of it can be seen.
//! 3. `commit(draft, A, None)`. From here on `A` survives a power cut. If
//!    another process committed `A` first, the answer is `AlreadyExists`: the
//!    draft is removed, and the other's layer is as good.
//! 4. The same for `B` with base `A`, and for `C` with base `B`. Where
//!    [`Traits::rebase`] is true, all three drafts are prepared as
//!    [`Base::Deferred`] and unpack side by side; the commits then go in order
//!    and name their parents: `commit(b, B, Some(A))`. If one's `apply` answers
//!    `NeedsParent` (its archive hard-links to a file of `A`, say), it is
//!    removed and done again after `A` is committed.
//! 5. The engine records the image. A crash before that leaves layers that no
//!    image names; it finds them with [`list`](GraphDriver::list) and removes
//!    them.
//!
//! ## Running a container and committing it
//!
//! 1. `prepare(c, Layer(C))`: a writable tree. Nothing is copied, unless the
//!    driver is one that copies.
//! 2. `mount(c, request)` gives a guard; the runtime uses its path as root
//!    file system. If the container is to outlive the engine, `persist` turns
//!    the guard into a ticket, which the engine stores with the container.
//! 3. The container ends. The engine, perhaps another process by now, calls
//!    `adopt(ticket)` and `unmount`. `Busy` would mean that somebody is still
//!    in there: the tree isn't taken for quiet until it is.
//! 4. `changes(c)` lists what the container did; `diff(c)` gives it as an
//!    archive to digest, which gives a chain ID `D`; `commit(c, D, None)` makes
//!    it a layer on `C`. Or `remove(c)`, and `reclaim` when there is time.
//!
//! ## Recovering after a crash
//!
//! Power failed during a pull, while a container ran.
//!
//! 1. `open` finds nodes that were half made or half removed and sets them
//!    aside; they were never visible. It finds the mounts of dead processes
//!    gone or unmounts them. [`Status::recovered`](Status) counts both.
//! 2. `list` shows every node that was there: layers, complete by law 2; the
//!    container's draft `c`, unmounted, with what its file system had on the
//!    medium; the draft that was unpacking, marked so.
//! 3. The engine removes drafts that none of its records names, among them the
//!    one that was unpacking, and layers that no image needs; children first,
//!    as law 4 demands. `reclaim` gives the space back. The pull begins again,
//!    and finds the layers that it had committed.
//!
//! # Writing a driver
//!
//! Implement [`DriverFactory`] and [`GraphDriver`]; give power accessors only
//! for powers that are real; fill in [`Traits`] truthfully, because the suite
//! checks each in both directions. Then add an expectations file. A case that
//! can't pass because of a rule of the kernel is listed there with that rule;
//! a law can't be listed.

mod borrow;
mod care;
pub mod choice;
mod diff;
mod driver;
mod error;
mod factory;
mod id;
mod mount;
mod quota;
mod status;
mod traits;

pub use borrow::Borrow;
pub use care::{Care, Finding, FindingSink, Remedy, Repaired, Severity};
pub use diff::{
    Applied, Change, ChangeKind, ChangeSink, DiffSummary, Limits, NativeDiff, TarSource,
};
pub use driver::{Base, DraftSpec, GraphDriver, MountState, NodeInfo, NodeKind};
pub use error::{Error, ErrorKind, Op, Result};
pub use factory::{DriverFactory, DriverOptions, OptionHelp, Suitability};
pub use id::{DraftId, IdError, LayerId, MAX_ID_LEN, NodeId, NodeRef};
pub use mount::{
    Access, IdMap, IdRange, MountGuard, MountHandle, MountPlan, MountRequest, MountTicket,
};
pub use quota::{Quota, QuotaControl};
pub use status::{Fact, Reclaimed, Recovered, Status, Usage};
pub use traits::{CopyUnit, Traits};
