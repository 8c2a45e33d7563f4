//! What is wrong with a command line, in one line; and what to do instead for
//! those who come with Docker's commands and options in their fingers.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::CommandFactory;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::app::Cli;
use crate::failure::{ENGINE_FAILED, Failure};
use crate::log;

/// The exit status of a command line that can't be understood.
const MISUSED: u8 = 2;

/// Commands of docker(1) that aren't here, and what is instead.
const COMMANDS: [(&[&str], &str); 6] = [
    (
        &["pull", "push", "login", "search"],
        "sapwood doesn't speak to registries; fetch with \
         `skopeo copy docker://NAME docker-archive:FILE:NAME`, then `sapwood load -i FILE`",
    ),
    (&["build"], "build with another tool, then `sapwood load` what it saves"),
    (
        &["create", "start", "stop", "restart", "exec", "attach", "logs", "wait", "pause"],
        "containers run in the foreground, with `sapwood run`, and end with it",
    ),
    (&["kill"], "`sapwood rm -f CONTAINER` kills and removes"),
    (&["umount"], "it is `sapwood storage unmount`"),
    (&["version"], "it is `sapwood --version`"),
];

/// Options of docker-run(1) that aren't here, and why.
const OPTIONS: [(&[&str], &str); 6] = [
    (&["-d", "--detach"], "containers run in the foreground; `&` or systemd-run(1) can have them"),
    (
        &["-p", "--publish", "-P", "--publish-all", "--expose", "--ip", "--link"],
        "containers have no network of their own; `--network host` shares the host's",
    ),
    (&["--restart"], "nothing watches over containers; a unit of systemd can"),
    (&["--volumes-from"], "name each directory with -v"),
    (&["--log-driver", "--log-opt"], "output goes where that of `sapwood run` goes"),
    (&["--pull"], "sapwood doesn't speak to registries; `sapwood load` brings images in"),
];

/// Prints what is wrong with the command line, or the help or version that was
/// asked for, and gives the exit status.
#[must_use]
pub fn answer(error: &clap::Error) -> ExitCode {
    match error.kind() {
        ErrorKind::DisplayHelp
        | ErrorKind::DisplayVersion
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            // If the stream is closed there is nobody left to tell.
            drop(error.print());
            ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(MISUSED))
        }
        _ => log::failed(&failure(error, std::env::args_os().collect())),
    }
}

/// `words` is the command line with the program's own name.
fn failure(error: &clap::Error, words: Vec<OsString>) -> Failure {
    let mentions_run = words.iter().any(|w| w == "run");
    let commands = commands(words);
    // The status of a container that didn't run must not be mistaken for its
    // command's.
    let runs = commands.first().map_or(mentions_run, |c| c == "run");
    let message = match instead(error, &commands) {
        Some((what, instead)) => format!("there is no {what}: {instead}"),
        None => {
            let help: String = commands.iter().map(|c| format!("{c} ")).collect();
            format!("{}; see `sapwood {help}--help`", said(error))
        }
    };
    Failure::new(message).with_status(if runs { ENGINE_FAILED } else { MISUSED })
}

/// The command and its subcommand, as far as they are understood.
fn commands(words: Vec<OsString>) -> Vec<String> {
    let parser = Cli::command().ignore_errors(true);
    let Ok(matches) = parser.try_get_matches_from(words) else { return Vec::new() };
    let mut names = Vec::new();
    let mut level = &matches;
    while let Some((name, below)) = level.subcommand() {
        names.push(name.to_owned());
        level = below;
    }
    names
}

/// What Docker calls it, and what there is instead.
fn instead(error: &clap::Error, commands: &[String]) -> Option<(String, &'static str)> {
    let (kind, table, what): (_, &[_], _) = match error.kind() {
        ErrorKind::InvalidSubcommand if commands.is_empty() => {
            (ContextKind::InvalidSubcommand, &COMMANDS, "command")
        }
        ErrorKind::UnknownArgument if commands == ["run"] => {
            (ContextKind::InvalidArg, &OPTIONS, "option")
        }
        _ => return None,
    };
    let Some(ContextValue::String(given)) = error.get(kind) else { return None };
    let (_, instead) = table.iter().find(|(names, _)| names.contains(&given.as_str()))?;
    Some((format!("{what} `{given}`"), instead))
}

/// The parser's own words, without the headline, the usage, and the advice that
/// nobody wants.
fn said(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let mut paragraphs = text.split("\n\n");
    let joined = |p: &str| p.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut said = joined(paragraphs.next().unwrap_or_default());
    if let Some(rest) = said.strip_prefix("error: ") {
        said = rest.to_owned();
    }
    let tips = paragraphs.flat_map(str::lines).filter_map(|l| l.trim().strip_prefix("tip: "));
    for tip in tips.filter(|tip| tip.contains("similar")) {
        said = format!("{said} ({tip})");
    }
    said
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn refused(line: &str) -> (String, u8) {
        let words = || line.split(' ').map(OsString::from);
        let failure = failure(&Cli::try_parse_from(words()).unwrap_err(), words().collect());
        (failure.to_string(), failure.status)
    }

    #[test]
    fn one_line_names_what_is_wrong_and_where_help_is() {
        for (line, says, status) in [
            (
                "sapwood histroy",
                "unrecognized subcommand 'histroy' (a similar subcommand exists: 'history'); \
                 see `sapwood --help`",
                2,
            ),
            (
                "sapwood run",
                "the following required arguments were not provided: <IMAGE>; \
                 see `sapwood run --help`",
                125,
            ),
            (
                "sapwood images --format xml",
                "invalid value 'xml' for '--format <FORMAT>' [possible values: table, json]; \
                 see `sapwood images --help`",
                2,
            ),
            (
                "sapwood storage mount",
                "the following required arguments were not provided: <NODE>; \
                 see `sapwood storage mount --help`",
                2,
            ),
            (
                "sapwood storage lss",
                "unrecognized subcommand 'lss' (a similar subcommand exists: 'ls'); \
                 see `sapwood storage --help`",
                2,
            ),
            (
                "sapwood images run -y",
                "unexpected argument '-y' found; see `sapwood images --help`",
                2,
            ),
            ("sapwood --nothing run x", "unexpected argument '--nothing' found", 125),
        ] {
            let (said, got) = refused(line);
            assert!(said.starts_with(says), "{line}: {said}");
            assert_eq!(got, status, "{line}");
        }
    }

    #[test]
    fn what_docker_has_is_refused_by_name() {
        assert_eq!(
            refused("sapwood run --rm -d box"),
            (
                "there is no option `-d`: containers run in the foreground; \
                 `&` or systemd-run(1) can have them"
                    .to_owned(),
                125
            )
        );
        assert_eq!(refused("sapwood run --restart=always box").1, 125);
        let (said, status) = refused("sapwood pull busybox");
        assert!(said.starts_with("there is no command `pull`: sapwood doesn't speak"), "{said}");
        assert_eq!(status, 2);
    }

    /// Entries for what is there would never be seen, and mislead who reads them.
    #[test]
    fn the_tables_name_nothing_that_is_there() {
        let cli = Cli::command();
        for name in COMMANDS.iter().flat_map(|(names, _)| *names) {
            assert!(cli.find_subcommand(name).is_none(), "{name}");
        }
        let run = cli.find_subcommand("run").unwrap();
        for name in OPTIONS.iter().flat_map(|(names, _)| *names) {
            let bare = name.trim_start_matches('-');
            let short = || {
                run.get_arguments().any(|a| a.get_short().is_some_and(|s| bare == s.to_string()))
            };
            let long = || run.get_arguments().any(|a| a.get_long() == Some(bare));
            assert!(!if name.starts_with("--") { long() } else { short() }, "{name}");
        }
    }
}
