//! What a user asks `run` for, parsed but not yet checked against this
//! machine; and what an image says about running it.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::value::{
    Bytes, CapName, CpuSet, Cpus, DeviceMapping, DeviceRate, DnsServer, EnvEntry, HostEntry, Label,
    MountArg, Network, PidMode, SecurityOpt, StopSignal, SwapLimit, Tmpfs, Ulimit, UserSpec,
    UsernsRemap, Volume,
};

/// Everything that `run` can be told. The defaults are Docker's.
#[derive(Debug, Clone, Default)]
pub struct RunRequest {
    /// The image's name, tag, digest or id.
    pub image: String,
    /// What stands behind the image's name: replaces the image's command.
    pub command: Vec<String>,
    /// `--entrypoint`; empty text takes the image's away.
    pub entrypoint: Option<String>,
    /// `--name`; made up where there is none.
    pub name: Option<String>,
    /// `--hostname`; the container's short id where there is none.
    pub hostname: Option<String>,
    /// `--env-file` and then `--env`, in order.
    pub env: Vec<EnvEntry>,
    /// `--label-file` and then `--label`, in order.
    pub labels: Vec<Label>,
    /// `--workdir`; made if it isn't there.
    pub workdir: Option<String>,
    /// `--user`.
    pub user: Option<UserSpec>,
    /// `--interactive`: standard input stays open.
    pub interactive: bool,
    /// `--tty`.
    pub tty: bool,
    /// `--read-only`: the root file system.
    pub read_only: bool,
    /// `--rm`.
    pub remove: bool,
    /// `--init`.
    pub init: bool,
    /// `--privileged`.
    pub privileged: bool,
    /// `--stop-signal`; kept with the container.
    pub stop_signal: Option<StopSignal>,
    /// `--stop-timeout` in seconds; kept with the container.
    pub stop_timeout: Option<u32>,
    /// `--tmpfs`.
    pub tmpfs: Vec<Tmpfs>,
    /// `--volume`.
    pub volumes: Vec<Volume>,
    /// `--mount`.
    pub mounts: Vec<MountArg>,
    /// `--device`.
    pub devices: Vec<DeviceMapping>,
    /// `--ulimit`.
    pub ulimits: Vec<Ulimit>,
    /// `--cap-add`.
    pub cap_add: Vec<CapName>,
    /// `--cap-drop`.
    pub cap_drop: Vec<CapName>,
    /// `--security-opt`.
    pub security: Vec<SecurityOpt>,
    /// `--add-host`.
    pub add_hosts: Vec<HostEntry>,
    /// `--dns`.
    pub dns: Vec<DnsServer>,
    /// `--network`.
    pub network: Network,
    /// `--pid`.
    pub pid: PidMode,
    /// `--userns-remap`.
    pub userns: Option<UsernsRemap>,
    /// `--shm-size`; 64 MiB where there is none.
    pub shm_size: Option<Bytes>,
    /// Limits that a control group enforces.
    pub limits: Limits,
    /// `--runtime`: a program instead of the library that is built in.
    pub runtime: Option<String>,
}

/// Limits that a control group enforces.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Limits {
    /// `--memory`.
    pub memory: Option<Bytes>,
    /// `--memory-swap`: memory and swap together.
    pub memory_swap: Option<SwapLimit>,
    /// `--cpus`.
    pub cpus: Option<Cpus>,
    /// `--cpu-shares`.
    pub cpu_shares: Option<u64>,
    /// `--cpu-period` in microseconds.
    pub cpu_period: Option<u64>,
    /// `--cpu-quota` in microseconds.
    pub cpu_quota: Option<i64>,
    /// `--cpuset-cpus`.
    pub cpuset_cpus: Option<CpuSet>,
    /// `--pids-limit`; 0 and -1 are no limit.
    pub pids: Option<i64>,
    /// `--device-read-bps`.
    pub read_bps: Vec<DeviceRate>,
    /// `--device-write-bps`.
    pub write_bps: Vec<DeviceRate>,
}

/// The part of an image's configuration that says how to run it.
///
/// Fields that this build doesn't know are ignored: the image's own bytes are
/// kept elsewhere and never rewritten from this.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ImageConfig {
    /// `NAME=VALUE` each.
    pub env: Option<Vec<String>>,
    /// The program that the command's words go to.
    pub entrypoint: Option<Vec<String>>,
    /// The default command.
    pub cmd: Option<Vec<String>>,
    /// As `--user`.
    pub user: Option<String>,
    /// The working directory.
    pub working_dir: Option<String>,
    /// Labels.
    pub labels: Option<BTreeMap<String, String>>,
    /// As `--stop-signal`.
    pub stop_signal: Option<String>,
}

impl ImageConfig {
    /// Reads the `config` member of an image's configuration.
    ///
    /// # Errors
    /// The text isn't JSON of that shape.
    pub fn from_image_json(raw: &[u8]) -> Result<Self, serde_json::Error> {
        #[derive(Deserialize)]
        struct Image {
            config: Option<ImageConfig>,
        }
        serde_json::from_slice::<Image>(raw).map(|image| image.config.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_configuration_may_lack_anything() {
        assert!(ImageConfig::from_image_json(b"{}").unwrap().cmd.is_none());
        assert!(ImageConfig::from_image_json(br#"{"config":null}"#).unwrap().cmd.is_none());
        let raw = br#"{"config":{"Cmd":["sh"],"Env":null,"Shell":["x"],"WorkingDir":"/w"}}"#;
        let config = ImageConfig::from_image_json(raw).unwrap();
        assert_eq!(config.cmd.as_deref(), Some(&["sh".to_owned()][..]));
        assert_eq!(config.working_dir.as_deref(), Some("/w"));
        assert!(ImageConfig::from_image_json(b"[]").is_err());
    }
}
