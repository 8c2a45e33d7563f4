//! Which crates from outside may be used where.

use crate::table::{EXTERNALS, ONLY_EXTERNALS, row_of};
use crate::workspace::{Crate, Dependency, Kind, Workspace};

/// Those that some rooms have to themselves.
pub(super) fn keep_to_their_rooms(workspace: &Workspace) -> Vec<String> {
    let refused = |krate: &Crate, dependency: &Dependency| {
        let (_, rooms, why) = EXTERNALS.iter().find(|(name, ..)| *name == dependency.name)?;
        let allowed = row_of(krate).is_some_and(|row| rooms.contains(&row.room));
        (!allowed).then_some(*why)
    };
    complain(workspace, refused)
}

/// Rooms whose whole list of crates from outside is short.
pub(super) fn some_rooms_use_little(workspace: &Workspace) -> Vec<String> {
    let refused = |krate: &Crate, dependency: &Dependency| {
        let room = row_of(krate)?.room;
        let (_, allowed, why) = ONLY_EXTERNALS.iter().find(|(limited, ..)| *limited == room)?;
        let member = workspace.crates.iter().any(|krate| krate.name == dependency.name);
        let free = dependency.kind == Kind::Dev || member;
        (!free && !allowed.contains(&dependency.name.as_str())).then_some(*why)
    };
    complain(workspace, refused)
}

fn complain(
    workspace: &Workspace,
    refused: impl Fn(&Crate, &Dependency) -> Option<&'static str>,
) -> Vec<String> {
    let mut complaints = Vec::new();
    for krate in &workspace.crates {
        for dependency in &krate.dependencies {
            if let Some(why) = refused(krate, dependency) {
                let (folder, user, used) = (&krate.folder, &krate.name, &dependency.name);
                complaints.push(format!("{folder}/Cargo.toml: {user} may not use {used}: {why}"));
            }
        }
    }
    complaints
}
