//! How a command fails: one line for a person, and an exit status.

use std::fmt::{self, Write as _};

/// The exit status of a failed command that isn't `run`.
const FAILED: u8 = 1;

/// The exit status when `run` fails before the container's command starts
/// (docker-run(1), "EXIT STATUS").
pub const ENGINE_FAILED: u8 = 125;

/// Why a command failed: what was wrong, where, and what to do, in one line.
#[derive(Debug)]
pub struct Failure {
    /// The line, without the program's name and without a full stop.
    pub message: String,
    /// The process's exit status; never 0.
    pub status: u8,
}

impl Failure {
    /// A failure with the ordinary status.
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), status: FAILED }
    }

    /// The same with another exit status.
    #[must_use]
    pub fn with_status(mut self, status: u8) -> Self {
        self.status = status;
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Whatever a message quotes, it stays on one line, and the terminal as
        // it was.
        for c in self.message.trim_end().chars() {
            if c.is_control() { write!(f, "{}", c.escape_debug())? } else { f.write_char(c)? }
        }
        Ok(())
    }
}

impl From<graphdriver_api::Error> for Failure {
    fn from(error: graphdriver_api::Error) -> Self {
        Self::new(error.report())
    }
}

impl From<sapwood_engine::Error> for Failure {
    fn from(error: sapwood_engine::Error) -> Self {
        Self::new(error.report())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_quoted_stays_on_one_line_and_off_the_terminal() {
        let failure = Failure::new("no /a\nb, nor \u{1b}[2J; é\n");
        assert_eq!(failure.to_string(), "no /a\\nb, nor \\u{1b}[2J; é");
    }
}
