//! `--cap-add` and `--cap-drop`.

use std::str::FromStr;

use oci_spec::runtime::Capability;

use super::{ValueError, refuse};

/// A capability's name, or all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CapName {
    /// `ALL`.
    All,
    /// One, with or without `CAP_`, in any letter case.
    One(Capability),
}

impl FromStr for CapName {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let upper = text.to_ascii_uppercase();
        let name = upper.strip_prefix("CAP_").unwrap_or(&upper);
        if name == "ALL" {
            return Ok(Self::All);
        }
        match name.parse() {
            Ok(capability) => Ok(Self::One(capability)),
            Err(_) => refuse!("{text:?} isn't a capability: see capabilities(7)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities() {
        for text in ["NET_ADMIN", "net_admin", "CAP_NET_ADMIN", "cap_net_admin"] {
            assert_eq!(text.parse(), Ok(CapName::One(Capability::NetAdmin)), "{text}");
        }
        assert_eq!("all".parse(), Ok(CapName::All));
        for bad in ["", "CAP_", "NET", "CAP_CAP_NET_ADMIN", "NETADMIN"] {
            assert!(bad.parse::<CapName>().is_err(), "{bad}");
        }
    }
}
