//! `--network` and `--pid`: which namespaces are shared with the host.

use std::str::FromStr;

use super::{ValueError, refuse};

/// The network that a container sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Network {
    /// A namespace of its own with nothing but a loopback device.
    #[default]
    None,
    /// The host's.
    Host,
}

impl Network {
    /// As on the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Host => "host",
        }
    }
}

impl FromStr for Network {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        match text {
            "none" => Ok(Self::None),
            "host" => Ok(Self::Host),
            _ => refuse!("--network {text}: only 'none' and 'host' are there yet"),
        }
    }
}

/// The processes that a container sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PidMode {
    /// Its own; the command is process 1.
    #[default]
    Private,
    /// The host's.
    Host,
}

impl FromStr for PidMode {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        match text {
            "" | "private" => Ok(Self::Private),
            "host" => Ok(Self::Host),
            _ => refuse!("--pid {text}: only 'host' is there"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn namespaces() {
        assert_eq!("host".parse(), Ok(Network::Host));
        assert_eq!("none".parse(), Ok(Network::None));
        assert!("bridge".parse::<Network>().is_err());
        assert_eq!("host".parse(), Ok(PidMode::Host));
        assert!("container:x".parse::<PidMode>().is_err());
    }
}
