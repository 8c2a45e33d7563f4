//! Judges the judge: each mistake that the model can be told to make is
//! noticed by the cases that are named here for it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeSet;

use graphdriver_conformance::model::{Fault, ModelFactory};
use graphdriver_conformance::suite::{Case, Host, Outcome, Runner, Subject, all};

/// Who notices what.
const CAUGHT: &[(Fault, &[&str])] = &[
    (
        Fault::CommitWhileMounted,
        &["matrix::commit", "isolation::descriptors_opened_before_the_commit"],
    ),
    (Fault::CommitKeepsDraft, &["lifecycle::commit_frees_the_drafts_id"]),
    (
        Fault::CommitReplacesLayer,
        &[
            "lifecycle::commit_onto_a_taken_layer_changes_nothing",
            "concurrency::one_commits_to_a_layer",
        ],
    ),
    (Fault::CommitTakesViews, &["matrix::commit"]),
    (
        Fault::CommitIgnoresOnto,
        &["deferred::side_by_side_as_one_after_another", "deferred::a_missing_parent_is_not_found"],
    ),
    (Fault::PrepareReplacesDraft, &["lifecycle::a_taken_id_is_refused", "matrix::prepare"]),
    (Fault::PrepareIgnoresQuota, &["factory::limits_are_enforced_or_refused"]),
    (Fault::DepthNotEnforced, &["depth::as_deep_as_promised_and_no_deeper"]),
    (Fault::RemoveIgnoresChildren, &["lifecycle::what_has_children_stays"]),
    (Fault::RemoveWhileMounted, &["matrix::remove"]),
    (Fault::RemoveNotIdempotent, &["lifecycle::removing_is_idempotent"]),
    (Fault::ReclaimLosesNodes, &["space::reclaim_touches_nothing_else"]),
    (Fault::StatReadsErrorAsAbsence, &["factory::stat_never_guesses"]),
    (Fault::StatForgetsMounts, &["guards::stat_tells_who_holds_it"]),
    (Fault::ListUnsorted, &["lifecycle::list_is_in_order"]),
    (Fault::UsageZero, &["space::what_is_written_is_counted"]),
    (Fault::OpenForgetsDrafts, &["recovery::opened_again_all_is_as_it_was"]),
    (Fault::HasDataGuesses, &["factory::has_data_knows"]),
    (
        Fault::LayerSharesStorage,
        &["isolation::every_edit_of_a_child", "lifecycle::siblings_are_independent"],
    ),
    (Fault::MountTwice, &["mounts::a_draft_has_one_mount", "concurrency::one_mounts"]),
    (Fault::ReadOnlyMountWritable, &["mounts::read_only_refuses_every_change"]),
    (Fault::ViewWritable, &["mounts::a_view_is_read_only_whatever_is_asked"]),
    (Fault::MountIgnoresIdMap, &["idmaps::refused_where_they_are_not_honoured"]),
    (
        Fault::UnmountLazily,
        &[
            "guards::unmounting_waits_for_open_files",
            "isolation::descriptors_opened_before_the_commit",
        ],
    ),
    (Fault::PersistForgetsBusy, &["matrix::commit", "persistence::opening_leaves_it_standing"]),
    (
        Fault::AdoptAcceptsAnyTicket,
        &[
            "persistence::an_old_ticket_is_not_found",
            "persistence::a_ticket_for_no_draft_is_not_found",
        ],
    ),
    (Fault::BusyAsIo, &["matrix::commit", "guards::unmounting_waits_for_open_files"]),
    (Fault::ApplyFailureForgotten, &["hostile::a_failed_unpacking_is_poison"]),
    (Fault::ApplyIgnoresOpaque, &["whiteouts::opaque_hides_all_that_is_below"]),
    (Fault::ApplyOpaqueByOrder, &["whiteouts::opaque_keeps_what_the_archive_holds"]),
    (Fault::ApplyWhiteoutsOwnEntries, &["whiteouts::never_delete_entries_of_their_archive"]),
    (Fault::ApplyTouchesDirectories, &["apply::keeps_the_times_of_entered_directories"]),
    (Fault::ApplyHidesImpliedParents, &["apply::makes_missing_parents"]),
    (Fault::ApplyReplacesLinksOnTheWay, &["links::beneath_a_symbolic_link_below"]),
    (Fault::ApplyEmptiesDirectories, &["apply::a_directory_entry_replaces_attributes_alone"]),
    (Fault::ApplyCopiesHardLinks, &["links::to_files_of_the_archive"]),
    (Fault::ApplySkipsSpecialFiles, &["apply::makes_every_kind_of_file"]),
    (Fault::ApplyForgetsReplaced, &["streams::tells_when_bytes_are_not_where_the_archive_says"]),
    (
        Fault::ApplyIgnoresLimits,
        &["limits::of_entries", "limits::of_bytes", "limits::of_depth", "limits::of_attributes"],
    ),
    (Fault::ApplyStopsAtMarker, &["streams::reads_to_the_very_end"]),
    (Fault::ChangesByBytes, &["changes::come_in_path_order"]),
    (Fault::ChangesTrustTimes, &["changes::of_content"]),
    (Fault::ChangesNameTheBuried, &["changes::of_replaced_directories"]),
    (Fault::ChangesDontStop, &["changes::stop_when_told_to"]),
    (Fault::ChangesSwallowErrors, &["changes::an_error_of_the_sink_comes_back"]),
    (
        Fault::DiffDropsWhiteouts,
        &["archives::whiteouts_are_empty_files", "diff::of_names_applied_gives_the_tree"],
    ),
    (Fault::DiffDropsXattrs, &["diff::says_whole_attributes"]),
    (Fault::DiffCutsTimes, &["diff::says_whole_attributes"]),
    (Fault::DiffDropsSetuid, &["diff::says_whole_attributes"]),
    (Fault::DiffSplitsHardLinks, &["archives::hard_links_hold_their_content_once"]),
    (Fault::DiffMendsNames, &["diff::of_everything_applied_gives_the_tree"]),
    (Fault::DiffIsDated, &["archives::is_the_same_each_time"]),
    (Fault::DiffSwallowsErrors, &["archives::a_failed_write_is_io"]),
    (Fault::BorrowReplacesLayer, &["borrowing::a_borrowed_layer_is_like_any_other"]),
    (Fault::BorrowWithoutParent, &["borrowing::its_parent_must_be_here"]),
    (Fault::BorrowKeepsCopies, &["borrowing::a_lender_that_goes_away_is_named"]),
];

fn runner(fault: Fault, cases: &[Case]) -> Runner {
    let host = Host::set_up().unwrap_or_else(|why| panic!("this test needs to mount: {why:?}"));
    let model = Subject::new(ModelFactory::with_fault(fault)).in_memory();
    Runner::new(model, host, cases)
}

#[test]
fn each_fault_is_noticed_by_the_cases_named() {
    let mut unnoticed = Vec::new();
    println!("{:<28} noticed by", "fault");
    for (fault, names) in CAUGHT {
        let cases: Vec<_> = all().into_iter().filter(|c| names.contains(&c.name)).collect();
        assert_eq!(cases.len(), names.len(), "{fault:?} names a case that isn't there");
        let runner = runner(*fault, &cases);
        for name in *names {
            match &runner.outcome(name).unwrap().outcome {
                Outcome::Failed(why) => {
                    let why: String = why.chars().take(100).collect();
                    println!("{:<28} {name}: {why}", format!("{fault:?}"));
                }
                other => unnoticed.push(format!("{fault:?} by {name}: {other:?}")),
            }
        }
    }
    assert!(unnoticed.is_empty(), "{}", unnoticed.join("\n"));
}

#[test]
fn each_fault_has_somebody_who_notices() {
    let named: BTreeSet<_> =
        CAUGHT.iter().filter(|(_, names)| !names.is_empty()).map(|(f, _)| *f).collect();
    let all: BTreeSet<_> = Fault::ALL.iter().copied().collect();
    assert_eq!(all.difference(&named).collect::<Vec<_>>(), Vec::<&Fault>::new());
    assert!(all.len() >= 20, "only {} faults", all.len());
}
