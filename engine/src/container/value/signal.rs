//! `--stop-signal`, and an image's `StopSignal`.

use std::fmt;
use std::str::FromStr;

use nix::sys::signal::Signal;

use super::{ValueError, refuse};

/// A signal by number. Real-time signals are numbers too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StopSignal(pub i32);

/// The kernel's first and last real-time signal that programs may use: glibc
/// keeps 32 and 33.
const RTMIN: i32 = 34;
const RTMAX: i32 = 64;

impl FromStr for StopSignal {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let upper = text.to_ascii_uppercase();
        let name = upper.strip_prefix("SIG").unwrap_or(&upper);
        let number = match name.parse::<i32>() {
            Ok(number) => Some(number),
            Err(_) => real_time(name).or_else(|| standard(name)),
        };
        match number {
            Some(number @ 1..=RTMAX) => Ok(Self(number)),
            _ => refuse!("{text:?} isn't a signal: write TERM, SIGTERM or 15"),
        }
    }
}

fn standard(name: &str) -> Option<i32> {
    Signal::from_str(&format!("SIG{name}")).ok().map(|s| s as i32)
}

/// `RTMIN`, `RTMIN+n`, `RTMAX`, `RTMAX-n`.
fn real_time(name: &str) -> Option<i32> {
    let distance = |rest: &str, sign: char| match rest {
        "" => Some(0),
        _ => rest.strip_prefix(sign)?.parse::<i32>().ok().filter(|n| *n >= 0),
    };
    match name.strip_prefix("RTMIN") {
        Some(rest) => distance(rest, '+').map(|n| RTMIN.saturating_add(n)),
        None => distance(name.strip_prefix("RTMAX")?, '-').map(|n| RTMAX.saturating_sub(n)),
    }
    .filter(|n| (RTMIN..=RTMAX).contains(n))
}

impl fmt::Display for StopSignal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Signal::try_from(self.0) {
            Ok(signal) => f.write_str(signal.as_str()),
            Err(_) => write!(f, "{}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals() {
        for (text, number) in [
            ("TERM", 15),
            ("SIGTERM", 15),
            ("sigquit", 3),
            ("9", 9),
            ("RTMIN", 34),
            ("SIGRTMIN+3", 37),
            ("RTMAX-2", 62),
            ("64", 64),
        ] {
            assert_eq!(text.parse(), Ok(StopSignal(number)), "{text}");
        }
        for bad in [
            "", "SIG", "0", "65", "-1", "RTMIN+99", "RTMAX-x", "RTMINx", "RTMIN-1", "RTMIN+-1",
            "HELLO",
        ] {
            assert!(bad.parse::<StopSignal>().is_err(), "{bad}");
        }
        assert_eq!(StopSignal(15).to_string(), "SIGTERM");
        assert_eq!(StopSignal(40).to_string(), "40");
    }
}
