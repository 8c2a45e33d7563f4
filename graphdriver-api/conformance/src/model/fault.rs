//! Mistakes that drivers make, each of which the model can be told to make.
//!
//! They are there to judge the judges: a suite that doesn't notice one of
//! these would not notice it in a driver either.

/// One mistake. The model without any passes every case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Fault {
    /// `commit` takes a draft that is still mounted.
    CommitWhileMounted,
    /// The draft's id stays in use after `commit`.
    CommitKeepsDraft,
    /// `commit` replaces a layer of that id.
    CommitReplacesLayer,
    /// `commit` makes a layer of a view.
    CommitTakesViews,
    /// `commit` of a deferred draft forgets what it is put onto.
    CommitIgnoresOnto,
    /// `prepare` replaces a draft of that id.
    PrepareReplacesDraft,
    /// `prepare` makes a limit's refusal of an acceptance that limits nothing.
    PrepareIgnoresQuota,
    /// Chains may be as deep as you like, whatever the traits say.
    DepthNotEnforced,
    /// `remove` takes a layer that has children.
    RemoveIgnoresChildren,
    /// `remove` takes a draft that is mounted.
    RemoveWhileMounted,
    /// `remove` of what isn't there is an error.
    RemoveNotIdempotent,
    /// `reclaim` also deletes the first layer without children.
    ReclaimLosesNodes,
    /// A root that can't be read looks like a node that isn't there.
    StatReadsErrorAsAbsence,
    /// `stat` never says that a draft is mounted.
    StatForgetsMounts,
    /// `list` has the order of the last use.
    ListUnsorted,
    /// Everything takes no space.
    UsageZero,
    /// Opening again forgets the drafts.
    OpenForgetsDrafts,
    /// `has_data` says that there is none.
    HasDataGuesses,
    /// What is written to a draft is written to its base, too.
    LayerSharesStorage,
    /// A draft can be mounted twice at a time.
    MountTwice,
    /// A read-only mount of a draft can be written to.
    ReadOnlyMountWritable,
    /// A mount of a view can be written to.
    ViewWritable,
    /// An id map is accepted and changes nothing.
    MountIgnoresIdMap,
    /// Unmounting detaches, so that whoever is in the tree can go on writing.
    UnmountLazily,
    /// A draft whose mount was persisted counts as unmounted.
    PersistForgetsBusy,
    /// `adopt` takes any ticket for any draft that is mounted.
    AdoptAcceptsAnyTicket,
    /// `Busy` is reported as `Io`.
    BusyAsIo,
    /// A draft whose unpacking failed can be committed.
    ApplyFailureForgotten,
    /// Opaque markers hide nothing.
    ApplyIgnoresOpaque,
    /// Opaque markers also hide what came before them in the archive.
    ApplyOpaqueByOrder,
    /// Whiteouts delete entries of their own archive.
    ApplyWhiteoutsOwnEntries,
    /// Directories that were only entered get a new modification time.
    ApplyTouchesDirectories,
    /// Directories that an archive lacks are made 0700.
    ApplyHidesImpliedParents,
    /// A symbolic link on the way is replaced by a directory.
    ApplyReplacesLinksOnTheWay,
    /// A directory's entry deletes what was in the directory.
    ApplyEmptiesDirectories,
    /// Hard links become copies.
    ApplyCopiesHardLinks,
    /// Device nodes and FIFOs are skipped.
    ApplySkipsSpecialFiles,
    /// What an archive itself undid is never told.
    ApplyForgetsReplaced,
    /// Limits are not looked at.
    ApplyIgnoresLimits,
    /// The archive isn't read behind its end marker.
    ApplyStopsAtMarker,
    /// `changes` names paths as a set does, in the order of their bytes.
    ChangesByBytes,
    /// `changes` trusts size and modification time.
    ChangesTrustTimes,
    /// `changes` names what lay beneath a deleted directory.
    ChangesNameTheBuried,
    /// `changes` goes on when the sink wants to stop.
    ChangesDontStop,
    /// `changes` swallows the sink's error.
    ChangesSwallowErrors,
    /// `diff` leaves deletions out.
    DiffDropsWhiteouts,
    /// `diff` leaves extended attributes out.
    DiffDropsXattrs,
    /// `diff` cuts times to seconds.
    DiffCutsTimes,
    /// `diff` leaves setuid, setgid and sticky out.
    DiffDropsSetuid,
    /// `diff` writes a hard-linked file as often as it has names.
    DiffSplitsHardLinks,
    /// `diff` makes names of valid UTF-8.
    DiffMendsNames,
    /// `diff` says who wrote it when.
    DiffIsDated,
    /// `diff` swallows write errors.
    DiffSwallowsErrors,
    /// `borrow` replaces a layer of that id.
    BorrowReplacesLayer,
    /// `borrow` doesn't ask for the layer beneath.
    BorrowWithoutParent,
    /// `borrow` copies, so that it doesn't matter what becomes of the lender.
    BorrowKeepsCopies,
}

impl Fault {
    /// Every mistake, in the order of this list.
    pub const ALL: &'static [Self] = &[
        Self::CommitWhileMounted,
        Self::CommitKeepsDraft,
        Self::CommitReplacesLayer,
        Self::CommitTakesViews,
        Self::CommitIgnoresOnto,
        Self::PrepareReplacesDraft,
        Self::PrepareIgnoresQuota,
        Self::DepthNotEnforced,
        Self::RemoveIgnoresChildren,
        Self::RemoveWhileMounted,
        Self::RemoveNotIdempotent,
        Self::ReclaimLosesNodes,
        Self::StatReadsErrorAsAbsence,
        Self::StatForgetsMounts,
        Self::ListUnsorted,
        Self::UsageZero,
        Self::OpenForgetsDrafts,
        Self::HasDataGuesses,
        Self::LayerSharesStorage,
        Self::MountTwice,
        Self::ReadOnlyMountWritable,
        Self::ViewWritable,
        Self::MountIgnoresIdMap,
        Self::UnmountLazily,
        Self::PersistForgetsBusy,
        Self::AdoptAcceptsAnyTicket,
        Self::BusyAsIo,
        Self::ApplyFailureForgotten,
        Self::ApplyIgnoresOpaque,
        Self::ApplyOpaqueByOrder,
        Self::ApplyWhiteoutsOwnEntries,
        Self::ApplyTouchesDirectories,
        Self::ApplyHidesImpliedParents,
        Self::ApplyReplacesLinksOnTheWay,
        Self::ApplyEmptiesDirectories,
        Self::ApplyCopiesHardLinks,
        Self::ApplySkipsSpecialFiles,
        Self::ApplyForgetsReplaced,
        Self::ApplyIgnoresLimits,
        Self::ApplyStopsAtMarker,
        Self::ChangesByBytes,
        Self::ChangesTrustTimes,
        Self::ChangesNameTheBuried,
        Self::ChangesDontStop,
        Self::ChangesSwallowErrors,
        Self::DiffDropsWhiteouts,
        Self::DiffDropsXattrs,
        Self::DiffCutsTimes,
        Self::DiffDropsSetuid,
        Self::DiffSplitsHardLinks,
        Self::DiffMendsNames,
        Self::DiffIsDated,
        Self::DiffSwallowsErrors,
        Self::BorrowReplacesLayer,
        Self::BorrowWithoutParent,
        Self::BorrowKeepsCopies,
    ];
}
