//! The command, its environment, its user and its limits.

use std::path::PathBuf;

use oci_spec::OciSpecError;
use oci_spec::runtime::{
    LinuxCapabilities, PosixRlimit, PosixRlimitBuilder, Process, User, UserBuilder,
};

use super::security::Security;
use crate::container::error::{Error, Result};
use crate::container::request::{ImageConfig, RunRequest};
use crate::container::rootfs::ResolvedUser;
use crate::container::value::{EnvEntry, Ulimit};

/// Where programs are looked for unless the image says otherwise.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Where the init program appears inside: on the container's own /dev, so that
/// no file has to be made for it in the container's tree.
pub const INIT_PATH: &str = "/dev/init";

/// The words to run: entry point, then command. `--entrypoint` drops the
/// image's command along with its entry point, as Docker does.
///
/// # Errors
/// There are no words.
pub fn command(request: &RunRequest, image: &ImageConfig) -> Result<Vec<String>> {
    let image_entrypoint = || image.entrypoint.clone().unwrap_or_default();
    let image_command = || image.cmd.clone().unwrap_or_default();
    let (mut words, default) = match request.entrypoint.as_deref() {
        Some("") => (Vec::new(), Vec::new()),
        Some(program) => (vec![program.to_owned()], Vec::new()),
        None => (image_entrypoint(), image_command()),
    };
    words.extend(if request.command.is_empty() { default } else { request.command.clone() });
    match words.first() {
        Some(first) if !first.is_empty() => Ok(words),
        _ => Err(Error::invalid(format!(
            "the image {} names no command: write one behind it",
            request.image
        ))),
    }
}

/// The environment: what every container has, then the image's, then the
/// user's. Each name once, at its first place, with its last value.
#[must_use]
pub fn environment(
    request: &RunRequest,
    image: &ImageConfig,
    hostname: &str,
    home: &str,
    inherit: impl Fn(&str) -> Option<String>,
) -> Vec<String> {
    let mut env = Environment::default();
    env.set("PATH", PATH);
    env.set("HOSTNAME", hostname);
    if request.tty {
        env.set("TERM", "xterm");
    }
    for (name, value) in image.env.iter().flatten().filter_map(|e| e.split_once('=')) {
        env.set(name, value);
    }
    for entry in &request.env {
        match entry {
            EnvEntry::Set(name, value) => env.set(name, value),
            EnvEntry::Inherit(name) => match inherit(name) {
                Some(value) => env.set(name, &value),
                None => env.0.retain(|(n, _)| n != name),
            },
        }
    }
    // Left to a runtime, HOME would be looked up with the container's own
    // libraries, by a process that isn't fenced in yet.
    if !env.0.iter().any(|(name, _)| name == "HOME") {
        env.set("HOME", home);
    }
    env.0.into_iter().map(|(name, value)| format!("{name}={value}")).collect()
}

#[derive(Default)]
struct Environment(Vec<(String, String)>);

impl Environment {
    fn set(&mut self, name: &str, value: &str) {
        match self.0.iter_mut().find(|(n, _)| n == name) {
            Some((_, old)) => value.clone_into(old),
            None => self.0.push((name.to_owned(), value.to_owned())),
        }
    }
}

/// The working directory.
///
/// # Errors
/// It isn't absolute.
pub fn working_directory(request: &RunRequest, image: &ImageConfig) -> Result<PathBuf> {
    let given = request.workdir.as_deref().or(image.working_dir.as_deref()).unwrap_or("");
    match given {
        "" => Ok(PathBuf::from("/")),
        path if path.starts_with('/') => Ok(PathBuf::from(path)),
        path => Err(Error::refused("--workdir", format!("{path:?} isn't an absolute path"))),
    }
}

/// Everything of a process but where it stands.
#[derive(Debug)]
pub(super) struct Parts {
    /// The words to run.
    pub args: Vec<String>,
    /// `NAME=VALUE` each.
    pub env: Vec<String>,
    /// The working directory.
    pub cwd: PathBuf,
    /// The ids.
    pub user: ResolvedUser,
    /// The capability sets.
    pub caps: LinuxCapabilities,
}

/// The process in the runtime's form.
///
/// # Errors
/// None that can happen; the builder's type has one.
pub(super) fn process(parts: Parts, request: &RunRequest, security: &Security) -> Result<Process> {
    let describe = |e: OciSpecError| Error::invalid("can't describe the process").with_source(e);
    let mut process = Process::default();
    process
        .set_terminal(request.tty.then_some(true))
        .set_user(user(&parts.user).map_err(describe)?)
        .set_args(Some(parts.args))
        .set_env(Some(parts.env))
        .set_cwd(parts.cwd)
        .set_capabilities(Some(parts.caps))
        .set_rlimits(rlimits(&request.ulimits).map_err(describe)?)
        // `false` and absent differ: a runtime that reads `false` loads the
        // seccomp filter after the capabilities are gone, and fails.
        .set_no_new_privileges(security.no_new_privileges.then_some(true))
        .set_apparmor_profile(security.apparmor.clone());
    Ok(process)
}

fn user(user: &ResolvedUser) -> Result<User, OciSpecError> {
    UserBuilder::default().uid(user.uid).gid(user.gid).additional_gids(user.groups.clone()).build()
}

/// None unless asked for: what is inherited can't be raised without
/// `CAP_SYS_RESOURCE`, and lowering it would be nobody's wish.
fn rlimits(limits: &[Ulimit]) -> Result<Option<Vec<PosixRlimit>>, OciSpecError> {
    let one = |limit: &Ulimit| {
        PosixRlimitBuilder::default().typ(limit.kind).soft(limit.soft).hard(limit.hard).build()
    };
    let all: Vec<_> = limits.iter().map(one).collect::<Result<_, _>>()?;
    Ok((!all.is_empty()).then_some(all))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image() -> ImageConfig {
        ImageConfig {
            env: Some(vec!["PATH=/bin".into(), "A=image".into(), "GONE=1".into()]),
            entrypoint: Some(vec!["/entry".into(), "-x".into()]),
            cmd: Some(vec!["default".into()]),
            working_dir: Some("/srv".into()),
            ..ImageConfig::default()
        }
    }

    fn request(entrypoint: Option<&str>, command: &[&str]) -> RunRequest {
        RunRequest {
            entrypoint: entrypoint.map(str::to_owned),
            command: command.iter().map(|w| (*w).to_owned()).collect(),
            ..RunRequest::default()
        }
    }

    #[test]
    fn entry_point_and_command() {
        for (entrypoint, words, expected) in [
            (None, &[][..], Some(vec!["/entry", "-x", "default"])),
            (None, &["a", "b"], Some(vec!["/entry", "-x", "a", "b"])),
            (Some("/other"), &[], Some(vec!["/other"])),
            (Some("/other"), &["a"], Some(vec!["/other", "a"])),
            (Some(""), &["a"], Some(vec!["a"])),
            (Some(""), &[], None),
        ] {
            let words = command(&request(entrypoint, words), &image()).ok();
            assert_eq!(words, expected.map(|e| e.into_iter().map(str::to_owned).collect()));
        }
        assert!(command(&request(None, &[]), &ImageConfig::default()).is_err());
    }

    #[test]
    fn the_nearest_word_on_the_environment_wins() {
        let entries = ["A=user", "B", "GONE", "C=1"].map(|e| e.parse().unwrap()).to_vec();
        let request = RunRequest { env: entries, ..RunRequest::default() };
        let inherit = |name: &str| (name == "B").then(|| "mine".to_owned());
        let env = environment(&request, &image(), "box", "/root", inherit);
        assert_eq!(env, ["PATH=/bin", "HOSTNAME=box", "A=user", "B=mine", "C=1", "HOME=/root"]);
        let tty = RunRequest { tty: true, ..RunRequest::default() };
        let env = environment(&tty, &ImageConfig::default(), "box", "/", |_| None);
        assert!(env.contains(&"TERM=xterm".to_owned()) && env.contains(&format!("PATH={PATH}")));
    }

    #[test]
    fn working_directories() {
        let of = |dir: Option<&str>| {
            let workdir = dir.map(str::to_owned);
            working_directory(&RunRequest { workdir, ..RunRequest::default() }, &image())
        };
        assert_eq!(of(None).unwrap(), PathBuf::from("/srv"));
        assert_eq!(of(Some("/a")).unwrap(), PathBuf::from("/a"));
        assert!(of(Some("a")).is_err());
    }
}
