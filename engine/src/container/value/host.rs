//! `--add-host` and `--dns`.

use std::net::IpAddr;
use std::str::FromStr;

use super::{ValueError, refuse};

/// A line for the container's `/etc/hosts`: `NAME:ADDRESS` or `NAME=ADDRESS`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostEntry {
    /// The host's name.
    pub name: String,
    /// Its address.
    pub address: IpAddr,
}

impl FromStr for HostEntry {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let Some((name, address)) = text.split_once(['=', ':']) else {
            refuse!("--add-host {text}: write NAME:ADDRESS");
        };
        let bare = address.strip_prefix('[').and_then(|a| a.strip_suffix(']')).unwrap_or(address);
        let bad_name = name.is_empty() || name.contains(|c: char| c.is_whitespace() || c == '#');
        match bare.parse() {
            Ok(address) if !bad_name => Ok(Self { name: name.to_owned(), address }),
            Err(_) if address == "host-gateway" => {
                refuse!(
                    "--add-host {text}: 'host-gateway' needs a bridge network, which isn't there yet"
                )
            }
            Err(_) => refuse!("--add-host {text}: {address:?} isn't an IP address"),
            Ok(_) => refuse!("--add-host {text}: {name:?} isn't a host name"),
        }
    }
}

/// A name server for the container's `/etc/resolv.conf`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DnsServer(pub IpAddr);

impl FromStr for DnsServer {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        match text.parse() {
            Ok(address) => Ok(Self(address)),
            Err(_) => refuse!("--dns {text}: not an IP address"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts() {
        for (text, name, address) in [
            ("db:10.0.0.1", "db", "10.0.0.1"),
            ("db=10.0.0.1", "db", "10.0.0.1"),
            ("db:::1", "db", "::1"),
            ("db:[::1]", "db", "::1"),
        ] {
            let entry: HostEntry = text.parse().unwrap();
            assert_eq!((entry.name.as_str(), entry.address), (name, address.parse().unwrap()));
        }
        for bad in ["", "db", "db:", ":10.0.0.1", "d b:10.0.0.1", "db:x", "db:host-gateway"] {
            assert!(bad.parse::<HostEntry>().is_err(), "{bad}");
        }
    }

    #[test]
    fn name_servers() {
        assert!("10.0.0.1".parse::<DnsServer>().is_ok());
        assert!("example.org".parse::<DnsServer>().is_err());
    }
}
