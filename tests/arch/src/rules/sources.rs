//! What sources may say.

use crate::table::{DRIVER_NAMES, NO_NAMES, Room, row_of};
use crate::tokens::{Found, Tokens};
use crate::workspace::{Crate, Source, Workspace};

/// The keyword, wherever it stands: `forbid(unsafe_code)` doesn't reach a crate that drops it.
pub(super) fn only_sys_is_unsafe(workspace: &Workspace) -> Vec<String> {
    complain(
        workspace,
        |room| room != Some(Room::Sys),
        |tokens| {
            let blocks = tokens.words.iter().filter(|word| word.text == "unsafe");
            blocks
                .map(|word| (word.line, "`unsafe` belongs in drivers/sys alone".to_owned()))
                .collect()
        },
    )
}

/// A suite that branches on a name proves less to the driver that has it.
pub(super) fn the_suite_names_no_driver(workspace: &Workspace) -> Vec<String> {
    complain(
        workspace,
        |room| room == Some(Room::Conformance),
        |tokens| {
            let named = tokens.literals.iter().filter_map(|literal| {
                let text =
                    NO_NAMES.iter().fold(literal.text.clone(), |text, no| text.replace(no, ""));
                let name = DRIVER_NAMES.iter().find(|name| has_word(&text, name))?;
                Some((literal, format!("the suite may not name a driver ({name}): ask its Traits")))
            });
            named.map(at_line).collect()
        },
    )
}

/// Who else knows the names would have to be changed for the next driver. Tests may need one.
pub(super) fn only_the_registry_names_drivers(workspace: &Workspace) -> Vec<String> {
    // Not the union: to it "fuse" is a type of file system of the kernel's.
    let ignorant = [Room::Api, Room::Kit, Room::Sys, Room::Engine];
    complain(
        workspace,
        |room| room.is_some_and(|room| ignorant.contains(&room)),
        |tokens| {
            let named = tokens.literals.iter().filter(|literal| !literal.in_tests);
            let named =
                named.filter(|literal| DRIVER_NAMES.contains(&inside_quotes(&literal.text)));
            named
                .map(|literal| {
                    let what = format!("only drivers/registry names drivers ({})", literal.text);
                    (literal.line, what)
                })
                .collect()
        },
    )
}

fn at_line((literal, what): (&Found, String)) -> (usize, String) {
    (literal.line, what)
}

fn inside_quotes(literal: &str) -> &str {
    literal.trim_start_matches(['b', 'c', 'r', '#']).trim_matches(['"', '#'])
}

fn has_word(literal: &str, wanted: &str) -> bool {
    literal.split(|letter: char| !letter.is_alphanumeric()).any(|word| word == wanted)
}

/// `find` looks at one file and returns lines with what is wrong in them.
fn complain(
    workspace: &Workspace,
    concerned: impl Fn(Option<Room>) -> bool,
    find: impl Fn(&Tokens) -> Vec<(usize, String)>,
) -> Vec<String> {
    let room = |krate: &&Crate| concerned(row_of(krate).map(|row| row.room));
    let sources = workspace.crates.iter().filter(room).flat_map(|krate| &krate.sources);
    sources.flat_map(|source| complain_of(source, &find)).collect()
}

fn complain_of(source: &Source, find: impl Fn(&Tokens) -> Vec<(usize, String)>) -> Vec<String> {
    let path = &source.path;
    match Tokens::of(&source.text) {
        Ok(tokens) => {
            let lines = find(&tokens).into_iter();
            lines.map(|(line, what)| format!("{path}:{line}: {what}")).collect()
        }
        Err(error) => vec![format!("{path}: can't be read as Rust: {error}")],
    }
}
