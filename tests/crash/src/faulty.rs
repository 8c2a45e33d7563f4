//! The program that goes wrong, and what it tells of it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What happens at a mutation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing: only the points are noted.
    None,
    /// The process kills itself just before it.
    Kill,
    /// The process kills its children, a container's monitor among them, and
    /// itself.
    KillAll,
    /// It fails, once.
    Io,
    /// It fails for want of room, once.
    NoSpace,
    /// From it on, everything fails that takes room.
    Full,
}

impl Fault {
    fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Kill => "kill",
            Self::KillAll => "kill-all",
            Self::Io => "eio",
            Self::NoSpace => "enospc",
            Self::Full => "full",
        }
    }
}

/// The mutations that a command has come to, by name and in order. The last
/// one of a command that was killed there hasn't happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Points(Vec<String>);

impl Points {
    /// Reads what the program has noted; none if it came to none.
    ///
    /// # Errors
    /// The file can't be read.
    pub fn read(trace: &Path) -> io::Result<Self> {
        match fs::read_to_string(trace) {
            Ok(text) => Ok(Self(text.lines().map(str::to_owned).collect())),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Self(Vec::new())),
            Err(e) => Err(e),
        }
    }

    /// Their names.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.0
    }

    /// The last one's name.
    #[must_use]
    pub fn last(&self) -> &str {
        self.0.last().map_or("", String::as_str)
    }

    /// The first and the last point of each name, from 1: a few that stand for
    /// all.
    #[must_use]
    pub fn distinct(&self) -> Vec<usize> {
        let is_end = |n: usize, name: &String| {
            !self.0.iter().take(n).any(|other| other == name)
                || !self.0.iter().skip(n + 1).any(|other| other == name)
        };
        let ends = self.0.iter().enumerate().filter(|(n, name)| is_end(*n, name));
        ends.map(|(n, _)| n + 1).collect()
    }
}

/// `command` with another program: the one that has `fault` at its `nth`
/// mutation, from 1, and notes all it comes to in the file `trace`, anew.
///
/// # Errors
/// An earlier trace can't be removed, or the program isn't there.
pub fn faulty(command: &Command, nth: usize, fault: Fault, trace: &Path) -> io::Result<Command> {
    match fs::remove_file(trace) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let mut faulty = Command::new(program()?);
    faulty.args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => faulty.env(name, value),
            None => faulty.env_remove(name),
        };
    }
    faulty.env("SAPWOOD_FAULT", format!("{nth}:{}", fault.word()));
    faulty.env("SAPWOOD_FAULT_TRACE", trace);
    Ok(faulty)
}

/// Built with the tests, in the folder beside theirs.
fn program() -> io::Result<PathBuf> {
    let test = std::env::current_exe()?;
    let profile = test.parent().and_then(Path::parent).ok_or(io::ErrorKind::NotFound)?;
    let program = profile.join("examples/sapwood-faulty");
    match program.is_file() {
        true => Ok(program),
        false => Err(io::Error::other(format!(
            "{} isn't there: run `cargo build -p sapwood-crash --examples`",
            program.display()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_of_each_name_stand_for_all() {
        let points = Points("a b b a b c".split(' ').map(str::to_owned).collect());
        assert_eq!(points.distinct(), [1, 2, 4, 5, 6]);
        assert_eq!(points.last(), "c");
    }
}
