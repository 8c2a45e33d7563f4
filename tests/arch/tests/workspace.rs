//! The real workspace keeps every rule.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use sapwood_arch::table::{ROWS, Room, row_of};
use sapwood_arch::{Kind, Workspace, read, rules};

fn workspace() -> Workspace {
    read(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap()
}

#[test]
fn keeps_every_rule() {
    let workspace = workspace();
    let complaints: Vec<String> =
        rules::ALL.iter().flat_map(|rule| (rule.check)(&workspace)).collect();
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

/// Rules over a description with nothing in it are all kept.
#[test]
fn the_description_has_something_in_it() {
    let workspace = workspace();
    let find = |name: &str| workspace.crates.iter().find(|krate| krate.name == name).unwrap();
    let overlay2 = find("sapwood-driver-overlay2");
    let on = |name: &str, kind| {
        overlay2.dependencies.iter().any(|found| found.name == name && found.kind == kind)
    };
    assert!(on("graphdriver-api", Kind::Normal) && on("graphdriver-conformance", Kind::Dev));
    assert_eq!(overlay2.folder, "drivers/overlay2");
    for krate in &workspace.crates {
        assert!(!krate.sources.is_empty(), "{}", krate.name);
        assert!(krate.manifest.contains(&krate.name));
    }
    let api = find("graphdriver-api");
    let nested = api.sources.iter().find(|source| source.path.contains("conformance"));
    assert!(nested.is_none(), "a crate inside another is not part of it: {nested:?}");
}

/// A row whose crate was moved would hold nothing to anything.
#[test]
fn every_row_that_is_built_has_its_crate() {
    let workspace = workspace();
    let not_yet = [Room::FuseOverlay];
    for row in ROWS.iter().filter(|row| !not_yet.contains(&row.room)) {
        let lives = workspace.crates.iter().any(|krate| row_of(krate).unwrap().room == row.room);
        assert!(lives, "no crate in {}", row.place);
    }
}
