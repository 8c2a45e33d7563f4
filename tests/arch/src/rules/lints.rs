//! Lints: the workspace's for everyone, except where `unsafe` is fenced in.

use toml::{Table, Value};

use crate::table::{Room, row_of};
use crate::workspace::{Crate, Workspace};

/// A crate that doesn't inherit the workspace's lints has none.
pub(super) fn are_inherited(workspace: &Workspace) -> Vec<String> {
    workspace.crates.iter().filter_map(complaint).collect()
}

fn complaint(krate: &Crate) -> Option<String> {
    let folder = &krate.folder;
    let manifest: Table = match krate.manifest.parse() {
        Ok(manifest) => manifest,
        Err(error) => return Some(format!("{folder}/Cargo.toml: {}", error.message())),
    };
    let lint = |path: &[&str]| look_up(&manifest, path);
    if row_of(krate).is_some_and(|row| row.room == Room::Sys) {
        // It can't inherit, because one lint differs: the ones that make `unsafe` bearable do not.
        let kept = lint(&["lints", "clippy", "undocumented_unsafe_blocks"]);
        let kept = kept.and_then(Value::as_str) == Some("deny");
        return (!kept).then(|| {
            format!(
                "{folder}/Cargo.toml: undocumented_unsafe_blocks must be \"deny\" in [lints.clippy]"
            )
        });
    }
    let inherited = lint(&["lints", "workspace"]).and_then(Value::as_bool) == Some(true);
    (!inherited).then(|| format!("{folder}/Cargo.toml: add `workspace = true` under [lints]"))
}

/// What makes the compiler refuse `unsafe` outside the fence.
pub(super) fn unsafe_is_forbidden(workspace: &Workspace) -> Vec<String> {
    let manifest: Table = match workspace.manifest.parse() {
        Ok(manifest) => manifest,
        Err(error) => return vec![format!("Cargo.toml: {}", error.message())],
    };
    let level = look_up(&manifest, &["workspace", "lints", "rust", "unsafe_code"]);
    if level.and_then(Value::as_str) == Some("forbid") {
        return Vec::new();
    }
    vec!["Cargo.toml: unsafe_code must be \"forbid\" in [workspace.lints.rust]".to_owned()]
}

fn look_up<'a>(manifest: &'a Table, path: &[&str]) -> Option<&'a Value> {
    let (first, rest) = path.split_first()?;
    rest.iter().try_fold(manifest.get(*first)?, |value, key| value.get(*key))
}
