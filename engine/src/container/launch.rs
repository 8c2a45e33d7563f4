//! From a mounted tree to a process and its end.

use std::fs::{self, File};
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::unistd::{Gid, Uid, setfsgid, setfsuid};
use oci_spec::runtime::Spec;

use super::attach::{Console, Foreground, Signals, pipes};
use super::cgroup;
use super::error::{Error, Result};
use super::host::HostFacts;
use super::monitor::{Ending, Job, pair, send};
use super::recover::end_leftovers;
use super::request::{ImageConfig, RunRequest};
use super::rootfs::{EtcFiles, ResolvedUser, Tree};
use super::spec::mounts::Supplied;
use super::spec::{self, Decisions, IdRanges, Inputs};
use super::state::StateDir;
use super::value::Network;
use crate::fault;

/// Everything that a launch needs, decided and prepared.
pub(super) struct Launch<'a> {
    /// The container's id.
    pub(super) id: &'a str,
    /// What the user asked for.
    pub(super) request: &'a RunRequest,
    /// What the image says.
    pub(super) image: &'a ImageConfig,
    /// What this machine has.
    pub(super) host: &'a HostFacts,
    /// What could have been refused and wasn't.
    pub(super) decisions: Decisions,
    /// The ids behind the container's.
    pub(super) ids: Option<IdRanges>,
    /// The program instead of the library.
    pub(super) runtime: Option<PathBuf>,
    /// The program for `--init`.
    pub(super) init: Option<PathBuf>,
    /// Where the container's tree is mounted, reachable for its own root.
    pub(super) rootfs: &'a Path,
    /// The same, by descriptor.
    pub(super) tree: Tree<'a>,
    /// The container's folder.
    pub(super) state: &'a StateDir,
    /// Where filters are kept.
    pub(super) filters: &'a Path,
    /// Who will make the container and wait for it.
    pub(super) monitor: Monitor,
    /// The mount namespace in which the tree is mounted.
    pub(super) mounts: &'a File,
    /// The signals since the beginning.
    pub(super) signals: &'a Signals,
}

impl Launch<'_> {
    /// Runs the container to its end.
    ///
    /// # Errors
    /// It couldn't be started, and nothing of it is left but its tree and its
    /// folder.
    pub(super) fn run(self) -> Result<Ending> {
        let user = self.user()?;
        let owner = self.ids.map_or(user.uid, |ids| ids.users.start.saturating_add(user.uid));
        let (state, id, request) = (self.state, self.id, self.request);
        let (signals, runtime, mounts) = (self.signals, self.runtime.clone(), self.mounts.as_fd());
        let filters = self.filters.to_owned();
        let (specification, monitor) = self.specification(user)?;
        write_bundle(state.path(), &specification)?;

        let console = request.tty.then(|| Console::listen(state.path(), owner)).transpose()?;
        let job = Job {
            id: id.to_owned(),
            bundle: state.path().to_owned(),
            state: make_runtime_dir(state.path())?,
            filters,
            cgroup: cgroup::path_of(id),
            runtime,
            console: console.as_ref().map(|c| c.path().to_owned()),
        };
        let Monitor { process, socket } = monitor;
        let given = (|| {
            let cut = |e| Error::io("can't give the monitor its job", e);
            fault::point("run.job.send").map_err(cut)?;
            let foreground = match console {
                Some(console) => {
                    send(socket.as_fd(), &job, &[state.lock(), mounts])?;
                    Foreground::with_console(socket, signals, console, request.interactive)
                }
                None => {
                    let made = pipes(request.interactive, owner)?;
                    let [stdin, stdout, stderr] = &made.container;
                    let fds = [state.lock(), mounts, stdin.as_fd(), stdout.as_fd(), stderr.as_fd()];
                    send(socket.as_fd(), &job, &fds)?;
                    drop(made.container);
                    Foreground::with_pipes(socket, signals, made.ends)?
                }
            };
            fault::point("run.job.sent").map_err(cut)?;
            Ok(foreground)
        })();
        // Without its job, or without anybody who listens, the monitor ends. That
        // is waited for whatever has happened: it may have begun to make things
        // in the container's tree, which is about to be unmounted.
        let ended =
            given.and_then(|foreground| foreground.serve(&mut |process| state.note(process)));
        if !wait(process)? {
            end_leftovers(id, Some(state))?;
        }
        ended
    }

    /// Who the command runs as.
    fn user(&self) -> Result<ResolvedUser> {
        let wanted = match &self.request.user {
            Some(user) => user.clone(),
            None => self.image.user.as_deref().unwrap_or("").parse()?,
        };
        ResolvedUser::look_up(&wanted, self.tree)
    }

    fn hostname(&self) -> String {
        let given = self.request.hostname.clone();
        given.unwrap_or_else(|| match self.request.network {
            Network::Host => self.host.hostname.clone(),
            Network::None => super::short(self.id).to_owned(),
        })
    }

    /// Prepares what the specification refers to, and puts it together.
    fn specification(self, user: ResolvedUser) -> Result<(Spec, Monitor)> {
        let root = self.ids.map(|ids| (ids.users.start, ids.groups.start));
        let workdir = spec::working_directory(self.request, self.image)?;
        as_owner(root, || self.tree.make_dirs(&workdir))?;
        let hostname = self.hostname();
        let etc = EtcFiles::new(self.request, &hostname)?;
        let mut supplied = etc.write(self.state.path(), root, self.request.read_only)?;
        supplied.extend(self.init.map(|source| Supplied {
            source,
            target: spec::INIT_PATH,
            read_only: true,
        }));
        let group = cgroup::path_of(self.id);
        let inputs = Inputs {
            request: self.request,
            image: self.image,
            host: self.host,
            rootfs: self.rootfs,
            user,
            hostname: &hostname,
            supplied: &supplied,
            cgroup: &group,
            ids: self.ids,
            inherit: |name| std::env::var(name).ok(),
        };
        Ok((spec::build(self.decisions, &inputs)?, self.monitor))
    }
}

/// Makes files as the container's root, whose id isn't 0 here when ids are
/// mapped: with another owner, an idmapped mount refuses to make them.
fn as_owner<T>(owner: Option<(u32, u32)>, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let Some((uid, gid)) = owner else {
        return work();
    };
    let before = (setfsuid(Uid::from_raw(uid)), setfsgid(Gid::from_raw(gid)));
    let done = work();
    setfsgid(before.1);
    setfsuid(before.0);
    done
}

/// Writes `config.json`. Only its owner may read it: environments have secrets.
fn write_bundle(dir: &Path, spec: &Spec) -> Result<()> {
    let path = dir.join("config.json");
    let text = serde_json::to_vec(spec)
        .map_err(|e| Error::invalid("can't write the runtime specification").with_source(e))?;
    fault::point("run.bundle.write")
        .and_then(|()| {
            File::options().write(true).create(true).truncate(true).mode(0o600).open(&path)
        })
        .and_then(|mut file| file.write_all(&text))
        .map_err(|e| Error::io_at("write", &path, e))
}

fn make_runtime_dir(dir: &Path) -> Result<PathBuf> {
    let path = dir.join("runtime");
    fault::point("run.bundle.mkdir")
        .and_then(|()| fs::DirBuilder::new().mode(0o700).create(&path))
        .map_err(|e| Error::io_at("create", &path, e))?;
    Ok(path)
}

/// A container's monitor, waiting for its job. If none comes before this is
/// dropped, it ends.
///
/// It has something to wait for that needs nothing of the container: so it is
/// started before anything else, and enters the engine's mount namespace with its
/// job.
#[derive(Debug)]
pub struct Monitor {
    process: Child,
    socket: OwnedFd,
}

impl Monitor {
    /// Starts this very program anew. In a process group of its own, it isn't
    /// reached by what is typed at the terminal; without an environment,
    /// nothing of ours leaks into the container.
    ///
    /// # Errors
    /// There is no room for another process.
    pub fn start() -> Result<Self> {
        let (socket, theirs) = pair()?;
        fault::point("run.monitor.start")
            .map_err(|e| Error::io("can't start the container's monitor", e))?;
        let process = Command::new("/proc/self/exe")
            .arg0("sapwood-monitor")
            .arg(super::MONITOR_COMMAND)
            .env_clear()
            .current_dir("/")
            .stdin(theirs)
            .stdout(Stdio::null())
            .process_group(0)
            .spawn()
            .map_err(|e| Error::io("can't start the container's monitor", e))?;
        Ok(Self { process, socket })
    }
}

/// Waits for the end of a monitor, which its closed socket has announced, and
/// tells whether it has cleaned up.
fn wait(mut monitor: Child) -> Result<bool> {
    let status =
        monitor.wait().map_err(|e| Error::io("can't wait for the container's monitor", e))?;
    if !status.success() {
        tracing::warn!("the container's monitor ended with {status}");
    }
    Ok(status.success())
}
