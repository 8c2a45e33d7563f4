//! The files that every container gets its own of: `/etc/hosts`,
//! `/etc/hostname`, `/etc/resolv.conf`.
//!
//! They are mounted over empty files that lie in a layer between the image and
//! the container, so that no difference of the container ever shows them.

use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::Path;

use crate::container::error::{Error, Result};
use crate::container::request::RunRequest;
use crate::container::spec::mounts::Supplied;
use crate::container::value::Network;
use crate::fault;

/// The contents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EtcFiles {
    hosts: String,
    hostname: String,
    resolv_conf: String,
}

impl EtcFiles {
    /// What they hold for one container. A container on the host's network has
    /// the host's own hosts and name servers.
    ///
    /// # Errors
    /// The host's files can't be read; that they aren't there is no error.
    pub fn new(request: &RunRequest, hostname: &str) -> Result<Self> {
        let on_host = request.network == Network::Host;
        let hosts = if on_host { read("/etc/hosts")? } else { LOOPBACK_HOSTS.to_owned() };
        Ok(Self {
            hosts: with_hosts(hosts, request),
            hostname: format!("{hostname}\n"),
            resolv_conf: resolv_conf(request, &read("/etc/resolv.conf")?),
        })
    }

    /// Writes them into a folder, and says where they are to appear.
    ///
    /// # Errors
    /// They can't be written, or given to `owner`.
    pub fn write(
        &self,
        dir: &Path,
        owner: Option<(u32, u32)>,
        read_only: bool,
    ) -> Result<Vec<Supplied>> {
        let files = [
            ("hosts", "/etc/hosts", &self.hosts),
            ("hostname", "/etc/hostname", &self.hostname),
            ("resolv.conf", "/etc/resolv.conf", &self.resolv_conf),
        ];
        let one = |(name, target, content): (&str, &'static str, &String)| {
            let source = dir.join(name);
            fault::point("run.etc.write")
                .and_then(|()| fs::write(&source, content))
                .map_err(|e| Error::io_at("write", &source, e))?;
            if let Some((uid, gid)) = owner {
                std::os::unix::fs::chown(&source, Some(uid), Some(gid))
                    .map_err(|e| Error::io_at("change the owner of", &source, e))?;
            }
            Ok(Supplied { source, target, read_only })
        };
        files.into_iter().map(one).collect()
    }
}

/// One thing that the layer between image and container makes sure of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InitEntry {
    /// A directory.
    Dir(&'static str),
    /// An empty file.
    File(&'static str),
    /// A symbolic link and where it leads.
    Link(&'static str, &'static str),
}

/// What that layer holds where the image doesn't: the places over which
/// something will be mounted.
#[must_use]
pub fn init_layer_entries() -> [InitEntry; 11] {
    use InitEntry::{Dir, File, Link};
    [
        Dir("/dev/pts"),
        Dir("/dev/shm"),
        Dir("/dev/mqueue"),
        File("/dev/console"),
        Dir("/etc"),
        File("/etc/hosts"),
        File("/etc/hostname"),
        File("/etc/resolv.conf"),
        Link("/etc/mtab", "/proc/mounts"),
        Dir("/proc"),
        Dir("/sys"),
    ]
}

const LOOPBACK_HOSTS: &str = "\
127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::\tip6-localnet
ff00::\tip6-mcastprefix
ff02::1\tip6-allnodes
ff02::2\tip6-allrouters
";

fn read(path: &str) -> Result<String> {
    match fs::read(path) {
        Ok(text) => Ok(String::from_utf8_lossy(&text).into_owned()),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(e) => Err(Error::io_at("read", Path::new(path), e)),
    }
}

fn with_hosts(mut hosts: String, request: &RunRequest) -> String {
    if !hosts.is_empty() && !hosts.ends_with('\n') {
        hosts.push('\n');
    }
    for entry in &request.add_hosts {
        hosts.push_str(&format!("{}\t{}\n", entry.address, entry.name));
    }
    hosts
}

/// The host's name servers, unless the user names others. One that listens on
/// the host's loopback can't be reached from another network.
fn resolv_conf(request: &RunRequest, host: &str) -> String {
    let kept = host.lines().filter(|line| match name_server(line) {
        Some(address) => {
            request.dns.is_empty() && (request.network == Network::Host || !is_loopback(address))
        }
        None => true,
    });
    let named = request.dns.iter().map(|server| format!("nameserver {}", server.0));
    kept.map(str::to_owned).chain(named).map(|line| line + "\n").collect()
}

fn name_server(line: &str) -> Option<&str> {
    let mut words = line.split_whitespace();
    (words.next()? == "nameserver").then(|| words.next())?
}

fn is_loopback(address: &str) -> bool {
    address.parse::<IpAddr>().is_ok_and(|a| a.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(network: Network, dns: &[&str]) -> RunRequest {
        RunRequest {
            network,
            dns: dns.iter().map(|d| d.parse().unwrap()).collect(),
            add_hosts: vec!["db:10.0.0.1".parse().unwrap()],
            ..RunRequest::default()
        }
    }

    #[test]
    fn name_servers() {
        let host = "search example.org\nnameserver 127.0.0.53\nnameserver 9.9.9.9\noptions edns0\n";
        let of = |network, dns: &[&str]| resolv_conf(&request(network, dns), host);
        assert_eq!(
            of(Network::None, &[]),
            "search example.org\nnameserver 9.9.9.9\noptions edns0\n"
        );
        assert_eq!(of(Network::Host, &[]), host);
        assert_eq!(
            of(Network::None, &["1.1.1.1"]),
            "search example.org\noptions edns0\nnameserver 1.1.1.1\n"
        );
    }

    #[test]
    fn hosts() {
        let files = EtcFiles::new(&request(Network::None, &[]), "box").unwrap();
        assert!(files.hosts.starts_with("127.0.0.1\tlocalhost\n"));
        assert!(files.hosts.ends_with("\n10.0.0.1\tdb\n"));
        assert_eq!(files.hostname, "box\n");
        assert_eq!(with_hosts("a".into(), &request(Network::Host, &[])), "a\n10.0.0.1\tdb\n");
    }

    #[test]
    fn they_are_written_where_they_are_mounted_from() {
        let dir = tempfile::tempdir().unwrap();
        let files = EtcFiles::new(&request(Network::None, &[]), "box").unwrap();
        let supplied = files.write(dir.path(), None, true).unwrap();
        assert_eq!(supplied.len(), 3);
        for file in supplied {
            assert!(file.source.starts_with(dir.path()) && file.target.starts_with("/etc/"));
            assert!(file.read_only && file.source.is_file());
        }
    }
}
