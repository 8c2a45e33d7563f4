//! The arguments themselves: letters, `-o` and paths.

use std::ffi::OsString;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use super::UsageError;

/// A command line, what stands behind `-o` not looked at yet.
#[derive(Debug)]
pub(super) struct Arguments {
    pub(super) foreground: bool,
    pub(super) debug: bool,
    pub(super) single: bool,
    pub(super) help: bool,
    pub(super) version: bool,
    /// What stands behind each `-o`.
    pub(super) options: Vec<OsString>,
    /// What stands alone.
    pub(super) paths: Vec<OsString>,
}

/// Splits a command line, without the program's name, into its parts.
pub(super) fn read(args: impl Iterator<Item = OsString>) -> Result<Arguments, UsageError> {
    let mut matches =
        command().try_get_matches_from(args).map_err(|e| UsageError::Arguments(line(&e)))?;
    Ok(Arguments {
        foreground: matches.get_flag("foreground"),
        debug: matches.get_flag("debug"),
        single: matches.get_flag("single"),
        help: matches.get_flag("help"),
        version: matches.get_flag("version"),
        options: all(&mut matches, "options"),
        paths: all(&mut matches, "paths"),
    })
}

/// The letters of libfuse's programs, and what mount(8) gives to its helpers.
/// Help is our own: clap knows nothing of what `-o` takes.
fn command() -> Command {
    Command::new("fuse-overlay")
        .no_binary_name(true)
        .disable_help_flag(true)
        .disable_version_flag(true)
        .args_override_self(true)
        .args([
            flag("foreground", 'f'),
            flag("debug", 'd').long("debug"),
            flag("single", 's'),
            flag("help", 'h').long("help"),
            flag("version", 'V').long("version"),
            // mount(8) gives these to its helpers. There is no /etc/mtab to
            // leave alone, and nothing to tell.
            flag("no-mtab", 'n'),
            flag("verbose", 'v'),
            Arg::new("type").short('t').value_parser(value_parser!(OsString)),
        ])
        .arg(many("options").short('o').allow_hyphen_values(true))
        .arg(many("paths"))
}

fn flag(id: &'static str, letter: char) -> Arg {
    Arg::new(id).short(letter).action(ArgAction::SetTrue)
}

fn many(id: &'static str) -> Arg {
    Arg::new(id).action(ArgAction::Append).value_parser(value_parser!(OsString))
}

fn all(matches: &mut ArgMatches, id: &str) -> Vec<OsString> {
    matches.remove_many(id).map(Iterator::collect).unwrap_or_default()
}

/// The first line of what clap has to say; the others are a usage and tips that
/// don't know `-o`'s options.
fn line(error: &clap::Error) -> String {
    let text = error.to_string();
    let line = text.lines().next().unwrap_or_default();
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}
