//! Which crate of the workspace may use which.

use crate::table::{EXCEPTIONS, Room, Row, row_of};
use crate::workspace::{Crate, Kind, Workspace};

/// A crate beside the table would be under no rule at all.
pub(super) fn every_crate_has_a_room(workspace: &Workspace) -> Vec<String> {
    let homeless = workspace.crates.iter().filter(|krate| row_of(krate).is_none());
    homeless
        .map(|krate| {
            let folder = &krate.folder;
            format!("{folder}/Cargo.toml: no room for this crate in the table: add {folder} to it")
        })
        .collect()
}

/// Libraries and programs.
pub(super) fn follow_the_table(workspace: &Workspace) -> Vec<String> {
    let refused = |edge: &Edge<'_>| {
        edge.kind != Kind::Dev && !is_end(edge.to.room) && !edge.from.uses.contains(&edge.to.room)
    };
    complain(workspace, refused, "may not depend on")
}

/// What tests need beyond that.
pub(super) fn tests_follow_the_table(workspace: &Workspace) -> Vec<String> {
    let refused = |edge: &Edge<'_>| {
        edge.kind == Kind::Dev
            && !is_end(edge.to.room)
            && !edge.from.uses.contains(&edge.to.room)
            && !edge.from.tests_use.contains(&edge.to.room)
    };
    complain(workspace, refused, "may not depend, in its tests, on")
}

/// Whoever depended on them would pull in everything.
pub(super) fn tests_and_benches_are_ends(workspace: &Workspace) -> Vec<String> {
    let refused = |edge: &Edge<'_>| is_end(edge.to.room) && !is_end(edge.from.room);
    complain(workspace, refused, "may not depend, even in its tests, on")
}

fn is_end(room: Room) -> bool {
    matches!(room, Room::Tests | Room::Bench)
}

/// A dependency inside the workspace.
struct Edge<'a> {
    from: &'static Row,
    to: &'static Row,
    user: &'a Crate,
    used: &'a Crate,
    kind: Kind,
}

fn complain(workspace: &Workspace, refused: impl Fn(&Edge<'_>) -> bool, verb: &str) -> Vec<String> {
    let refused = edges(workspace).filter(|edge| !excepted(edge) && refused(edge));
    refused
        .map(|edge| {
            let (folder, user, used) = (&edge.user.folder, &edge.user.name, &edge.used.name);
            format!("{folder}/Cargo.toml: {user} {verb} {used}: {}", edge.from.why)
        })
        .collect()
}

fn excepted(edge: &Edge<'_>) -> bool {
    EXCEPTIONS.iter().any(|(folder, room, _)| edge.user.folder == *folder && edge.to.room == *room)
}

fn edges(workspace: &Workspace) -> impl Iterator<Item = Edge<'_>> {
    workspace.crates.iter().flat_map(move |user| {
        user.dependencies.iter().filter_map(move |dependency| {
            let used = workspace.crates.iter().find(|krate| krate.name == dependency.name)?;
            let (from, to) = (row_of(user)?, row_of(used)?);
            Some(Edge { from, to, user, used, kind: dependency.kind })
        })
    })
}
