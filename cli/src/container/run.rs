//! `sapwood run`: an image's command in a container, in the foreground.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{ArgAction, Args};
use sapwood_engine::Engine;
use sapwood_engine::container::Monitor;
use sapwood_engine::container::request::{Limits, RunRequest};
use sapwood_engine::container::value::{
    Bytes, CapName, CpuSet, Cpus, DeviceMapping, DeviceRate, DnsServer, EnvEntry, HostEntry, Label,
    MountArg, Network, PidMode, SecurityOpt, StopSignal, SwapLimit, Tmpfs, Ulimit, UserSpec,
    UsernsRemap, ValueError, Volume, parse_env_file, parse_label_file,
};

use crate::failure::{ENGINE_FAILED, Failure};

/// Options of `run`, in Docker's words.
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
pub struct RunArgs {
    // Before the groups of options: these would be put under the heading of
    // the last group.
    /// Image: a name, an id, or the beginning of an id
    image: String,

    /// Command and its arguments, instead of the image's
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<String>,

    /// Print help
    #[arg(long, action = ArgAction::HelpLong)]
    help: Option<bool>,

    #[command(flatten)]
    process: ProcessArgs,
    #[command(flatten)]
    files: FileArgs,
    #[command(flatten)]
    limits: LimitArgs,
    #[command(flatten)]
    fences: FenceArgs,
}

/// What runs, as whom, and for whom.
#[derive(Debug, Args)]
#[command(next_help_heading = "Process")]
struct ProcessArgs {
    /// Name of the container
    #[arg(long)]
    name: Option<String>,
    /// Remove the container when it ends
    #[arg(long)]
    rm: bool,
    /// Keep standard input open
    #[arg(long, short)]
    interactive: bool,
    /// Give it a terminal
    #[arg(long, short)]
    tty: bool,
    /// Environment variable, repeatable; without a value, the caller's own
    #[arg(long, short, value_name = "NAME[=VALUE]")]
    env: Vec<EnvEntry>,
    /// File with environment variables, one a line
    #[arg(long, value_name = "FILE")]
    env_file: Vec<PathBuf>,
    /// Label, repeatable
    #[arg(long, short, value_name = "NAME[=VALUE]")]
    label: Vec<Label>,
    /// File with labels, one a line
    #[arg(long, value_name = "FILE")]
    label_file: Vec<PathBuf>,
    /// Program to run instead of the image's entry point; empty for none
    #[arg(long, value_name = "PROGRAM")]
    entrypoint: Option<String>,
    /// Working directory
    #[arg(long, short, value_name = "DIR")]
    workdir: Option<String>,
    /// User, and group
    #[arg(long, short, value_name = "NAME|UID[:GROUP|GID]")]
    user: Option<UserSpec>,
    /// Run a small init that reaps orphans and forwards signals
    #[arg(long)]
    init: bool,
    /// Signal that asks the container to end
    #[arg(long, value_name = "SIGNAL")]
    stop_signal: Option<StopSignal>,
    /// Seconds that it may take to
    #[arg(long, value_name = "SECONDS")]
    stop_timeout: Option<u32>,
    /// Runtime: a program such as runc or crun [default: the one built in]
    #[arg(long, value_name = "NAME|PATH")]
    runtime: Option<String>,
}

/// What it sees of files and of the network.
#[derive(Debug, Args)]
#[command(next_help_heading = "Files and network")]
struct FileArgs {
    /// Make the root file system read-only
    #[arg(long)]
    read_only: bool,
    /// Directory or file of the host, seen inside, repeatable
    #[arg(long, short, value_name = "SOURCE:PATH[:OPTIONS]")]
    volume: Vec<Volume>,
    /// Mount in the long form, repeatable: type=bind,src=…,dst=…
    #[arg(long, value_name = "KEY=VALUE,…")]
    mount: Vec<MountArg>,
    /// File system in memory, repeatable
    #[arg(long, value_name = "PATH[:OPTIONS]")]
    tmpfs: Vec<Tmpfs>,
    /// Size of /dev/shm [default: 64m]
    #[arg(long, value_name = "BYTES")]
    shm_size: Option<Bytes>,
    /// Device of the host, repeatable
    #[arg(long, value_name = "HOST[:PATH][:rwm]")]
    device: Vec<DeviceMapping>,
    /// Name of the machine inside [default: the container's short id]
    #[arg(long, short = 'h', value_name = "NAME")]
    hostname: Option<String>,
    /// Line for /etc/hosts, repeatable
    #[arg(long, value_name = "NAME:ADDRESS")]
    add_host: Vec<HostEntry>,
    /// Name server, repeatable [default: the host's]
    #[arg(long, value_name = "ADDRESS")]
    dns: Vec<DnsServer>,
    /// Network: none or host
    #[arg(long, visible_alias = "net", value_name = "MODE", default_value = "none")]
    network: Network,
}

/// What it may use up.
#[derive(Debug, Args)]
#[command(next_help_heading = "Limits")]
struct LimitArgs {
    /// Memory
    #[arg(long, short, value_name = "BYTES")]
    memory: Option<Bytes>,
    /// Memory and swap together; -1 for as much swap as there is
    #[arg(long, value_name = "BYTES", allow_hyphen_values = true)]
    memory_swap: Option<SwapLimit>,
    /// Processors, such as 1.5
    #[arg(long, value_name = "NUMBER")]
    cpus: Option<Cpus>,
    /// Share of processor time beside others [default: 1024]
    #[arg(long, short = 'c', value_name = "SHARES")]
    cpu_shares: Option<u64>,
    /// Scheduling period in microseconds
    #[arg(long, value_name = "MICROSECONDS")]
    cpu_period: Option<u64>,
    /// Processor time in a period in microseconds
    #[arg(long, value_name = "MICROSECONDS", allow_hyphen_values = true)]
    cpu_quota: Option<i64>,
    /// Processors by number, such as 0-2,4
    #[arg(long, value_name = "SET")]
    cpuset_cpus: Option<CpuSet>,
    /// Processes and threads; -1 for no limit
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    pids_limit: Option<i64>,
    /// Bytes a second read from a block device, repeatable
    #[arg(long, value_name = "DEVICE:RATE")]
    device_read_bps: Vec<DeviceRate>,
    /// Bytes a second written to a block device, repeatable
    #[arg(long, value_name = "DEVICE:RATE")]
    device_write_bps: Vec<DeviceRate>,
    /// Resource limit of each process, repeatable
    #[arg(long, value_name = "NAME=SOFT[:HARD]")]
    ulimit: Vec<Ulimit>,
}

/// What keeps it apart.
#[derive(Debug, Args)]
#[command(next_help_heading = "Isolation")]
struct FenceArgs {
    /// Give it every capability and device, and no filter
    #[arg(long)]
    privileged: bool,
    /// Capability to add, repeatable
    #[arg(long, value_name = "NAME")]
    cap_add: Vec<CapName>,
    /// Capability to take away, repeatable
    #[arg(long, value_name = "NAME")]
    cap_drop: Vec<CapName>,
    /// seccomp=, apparmor=, label=, no-new-privileges, systempaths=unconfined
    #[arg(long, value_name = "OPTION")]
    security_opt: Vec<SecurityOpt>,
    /// Processes to see: host [default: its own]
    #[arg(long, value_name = "MODE")]
    pid: Option<PidMode>,
    /// Ids of the host behind the container's: by name in /etc/subuid, or ranges
    #[arg(long, value_name = "USER[:GROUP]|UID:GID[:SIZE]")]
    userns_remap: Option<UsernsRemap>,
}

/// Runs the container to its end; the exit status is its command's.
///
/// # Errors
/// It couldn't be started: 125, or 126 and 127 if it is the command's fault.
pub fn run(
    engine: &Engine,
    runroot: &Path,
    args: RunArgs,
    monitor: Monitor,
) -> Result<ExitCode, Failure> {
    let request = args.request().map_err(|f| f.with_status(ENGINE_FAILED))?;
    let containers = super::open(engine, runroot).map_err(|f| f.with_status(ENGINE_FAILED))?;
    match containers.run(&request, monitor) {
        Ok(status) => Ok(ExitCode::from(status)),
        Err(e) => Err(super::failure(&e).with_status(e.exit_status())),
    }
}

impl RunArgs {
    fn request(self) -> Result<RunRequest, Failure> {
        let Self { process, files, limits, fences, image, command, help: _ } = self;
        let mut env = Vec::new();
        for file in &process.env_file {
            env.extend(read(file, "--env-file", parse_env_file)?);
        }
        env.extend(process.env);
        let mut labels = Vec::new();
        for file in &process.label_file {
            labels.extend(read(file, "--label-file", parse_label_file)?);
        }
        labels.extend(process.label);
        Ok(RunRequest {
            image,
            command,
            env,
            labels,
            entrypoint: process.entrypoint,
            name: process.name,
            hostname: files.hostname,
            workdir: process.workdir,
            user: process.user,
            interactive: process.interactive,
            tty: process.tty,
            read_only: files.read_only,
            remove: process.rm,
            init: process.init,
            privileged: fences.privileged,
            stop_signal: process.stop_signal,
            stop_timeout: process.stop_timeout,
            tmpfs: files.tmpfs,
            volumes: files.volume,
            mounts: files.mount,
            devices: files.device,
            ulimits: limits.ulimit.clone(),
            cap_add: fences.cap_add,
            cap_drop: fences.cap_drop,
            security: fences.security_opt,
            add_hosts: files.add_host,
            dns: files.dns,
            network: files.network,
            pid: fences.pid.unwrap_or_default(),
            userns: fences.userns_remap,
            shm_size: files.shm_size,
            limits: limits.limits(),
            runtime: process.runtime,
        })
    }
}

impl LimitArgs {
    fn limits(self) -> Limits {
        Limits {
            memory: self.memory,
            memory_swap: self.memory_swap,
            cpus: self.cpus,
            cpu_shares: self.cpu_shares,
            cpu_period: self.cpu_period,
            cpu_quota: self.cpu_quota,
            cpuset_cpus: self.cpuset_cpus,
            pids: self.pids_limit,
            read_bps: self.device_read_bps,
            write_bps: self.device_write_bps,
        }
    }
}

fn read<T>(
    path: &Path,
    flag: &str,
    parse: impl Fn(&str) -> Result<Vec<T>, ValueError>,
) -> Result<Vec<T>, Failure> {
    let text = fs::read_to_string(path)
        .map_err(|e| Failure::new(format!("{flag}: can't read {}: {e}", path.display())))?;
    parse(&text).map_err(|e| Failure::new(format!("{flag} {}: {e}", path.display())))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        run: RunArgs,
    }

    fn parse(words: &[&str]) -> Result<RunRequest, String> {
        let words = std::iter::once(&"run").chain(words);
        let cli = Cli::try_parse_from(words).map_err(|e| e.to_string())?;
        cli.run.request().map_err(|f| f.to_string())
    }

    #[test]
    fn what_follows_the_image_is_the_commands() {
        let request = parse(&["--rm", "-it", "-h", "box", "img", "sh", "-c", "x", "--rm"]).unwrap();
        assert_eq!(request.image, "img");
        assert_eq!(request.command, ["sh", "-c", "x", "--rm"]);
        assert!(request.remove && request.interactive && request.tty);
        assert_eq!(request.hostname.as_deref(), Some("box"));
    }

    #[test]
    fn every_option_arrives() {
        let request = parse(&[
            "-m",
            "64m",
            "--memory-swap",
            "-1",
            "--cpus",
            "0.5",
            "-c",
            "512",
            "--cpuset-cpus",
            "0",
            "--pids-limit",
            "-1",
            "--device-read-bps",
            "/dev/vda:1m",
            "--ulimit",
            "core=0",
            "--cap-add",
            "net_admin",
            "--cap-drop",
            "ALL",
            "--security-opt",
            "no-new-privileges",
            "--userns-remap",
            "1:1",
            "--pid",
            "host",
            "--network",
            "host",
            "--dns",
            "1.1.1.1",
            "--add-host",
            "a:1.1.1.1",
            "-v",
            "/a:/b:ro",
            "--mount",
            "type=tmpfs,dst=/t",
            "--tmpfs",
            "/x",
            "--device",
            "/dev/null",
            "--read-only",
            "--shm-size",
            "1m",
            "--init",
            "-u",
            "1:2",
            "-w",
            "/w",
            "-l",
            "k=v",
            "--stop-signal",
            "KILL",
            "--stop-timeout",
            "3",
            "--runtime",
            "runc",
            "--entrypoint",
            "",
            "--name",
            "n",
            "-e",
            "A=1",
            "img",
        ])
        .unwrap();
        assert_eq!(request.limits.memory, Some(Bytes(64 << 20)));
        assert_eq!(request.limits.memory_swap, Some(SwapLimit::Unlimited));
        assert_eq!(request.limits.pids, Some(-1));
        assert_eq!((request.cap_add.len(), request.cap_drop.len()), (1, 1));
        assert_eq!((request.network, request.pid), (Network::Host, PidMode::Host));
        assert!(request.volumes[0].read_only && request.init && request.read_only);
        assert_eq!(request.entrypoint.as_deref(), Some(""));
        assert_eq!(request.stop_signal, Some(StopSignal(9)));
    }

    #[test]
    fn files_come_before_options() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("env");
        fs::write(&file, "A=file\n# note\nB=2\n").unwrap();
        let file = file.to_str().unwrap();
        let request =
            parse(&["-e", "A=flag", "--env-file", file, "--label-file", file, "i"]).unwrap();
        let names: Vec<_> = request.env.iter().map(EnvEntry::name).collect();
        assert_eq!(names, ["A", "B", "A"]);
        assert_eq!(request.labels.len(), 2);
        assert!(parse(&["--env-file", "/nowhere", "i"]).unwrap_err().starts_with("--env-file: "));
    }

    #[test]
    fn bad_values_are_told_with_their_option() {
        for (words, says) in [
            (&["-m", "lots", "i"][..], "lots"),
            (&["--network", "bridge", "i"], "bridge"),
            (&["-v", "/a", "i"], "anonymous"),
            (&[], "IMAGE"),
        ] {
            let error = parse(words).unwrap_err();
            assert!(error.contains(says), "{says}: {error}");
        }
    }
}
