//! The rules: from a workspace to complaints, one line each.

mod dependencies;
mod externals;
mod lints;
mod sources;

use crate::workspace::Workspace;

/// One rule.
#[derive(Debug)]
pub struct Rule {
    /// Its name, which is also that of its folder of fixtures.
    pub name: &'static str,
    /// Finds what breaks it. A complaint says where, what, and why not.
    pub check: fn(&Workspace) -> Vec<String>,
}

/// All rules.
pub const ALL: &[Rule] = &[
    Rule { name: "every-crate-has-a-room", check: dependencies::every_crate_has_a_room },
    Rule { name: "dependencies-follow-the-table", check: dependencies::follow_the_table },
    Rule {
        name: "test-dependencies-follow-the-table",
        check: dependencies::tests_follow_the_table,
    },
    Rule { name: "tests-and-benches-are-ends", check: dependencies::tests_and_benches_are_ends },
    Rule { name: "external-crates-keep-to-their-rooms", check: externals::keep_to_their_rooms },
    Rule { name: "some-rooms-use-little", check: externals::some_rooms_use_little },
    Rule { name: "lints-are-inherited", check: lints::are_inherited },
    Rule { name: "unsafe-code-is-forbidden-by-default", check: lints::unsafe_is_forbidden },
    Rule { name: "only-sys-is-unsafe", check: sources::only_sys_is_unsafe },
    Rule { name: "the-suite-names-no-driver", check: sources::the_suite_names_no_driver },
    Rule {
        name: "only-the-registry-names-drivers",
        check: sources::only_the_registry_names_drivers,
    },
];
