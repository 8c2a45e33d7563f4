//! runc on the bundle that Sapwood generates, with the mounting and unmounting
//! of the root file system: the least that any engine has to do.

use std::ffi::CString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

use crate::Subject;
use crate::system::{Setup, command, command_on, make_dir};

pub(super) struct Runc {
    bundle: PathBuf,
    state: PathBuf,
    root: PathBuf,
    options: CString,
    count: u64,
}

impl Runc {
    /// Has Sapwood start a container with a runtime that only keeps a copy of
    /// the bundle's `config.json` and of the root file system, and then makes
    /// an overlay of its own for it.
    pub(super) fn new(setup: &Setup) -> Result<Self, String> {
        let at = setup.work.join("runc");
        let (bundle, root, lower) = (at.join("bundle"), at.join("root"), at.join("lower"));
        let (upper, work, empty) = (at.join("upper"), at.join("work"), at.join("empty"));
        for dir in [&bundle, &root, &lower, &upper, &work, &empty] {
            make_dir(dir)?;
        }
        capture(setup, &at)?;
        let config = bundle.join("config.json");
        let from = fs::read_to_string(at.join("from")).map_err(|e| e.to_string())?;
        point_at(&config, &root, &from, &bundle)?;
        let options = format!(
            "lowerdir={}:{},upperdir={},workdir={}",
            empty.display(),
            lower.display(),
            upper.display(),
            work.display()
        );
        let options = CString::new(options).map_err(|e| e.to_string())?;
        Ok(Self { bundle, state: at.join("state"), root, options, count: 0 })
    }
}

/// A stand-in for a runtime that keeps what it is given. `runc create` is what
/// an engine calls first, with `--bundle`.
fn capture(setup: &Setup, at: &Path) -> Result<(), String> {
    let script = at.join("capture");
    let text = format!(
        "#!/bin/sh\nwhile [ $# -gt 0 ]; do\n  case $1 in\n    --bundle|-b) b=$2 ;;\n    --bundle=*) b=${{1#*=}} ;;\n  \
         esac\n  shift\ndone\n[ -n \"$b\" ] || exit 0\nb=$(cd \"$b\" && pwd)\n\
         cp -a \"$b/.\" '{0}/bundle/'\nprintf %s \"$b\" > '{0}/from'\n\
         root=$(sed -n 's/.*\"root\"[^}}]*\"path\": *\"\\([^\"]*\\)\".*/\\1/p' \"$b/config.json\" | head -n 1)\n\
         cp -a \"${{root:-$b/rootfs}}/.\" '{0}/lower/'\nexit 1\n",
        at.display()
    );
    fs::write(&script, text).map_err(|e| e.to_string())?;
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).map_err(|e| e.to_string())?;
    let mut run = command_on(setup, "overlay2");
    run.args(["run", "--rm", "--network", "none", "--runtime"]).arg(&script);
    // It fails, because the stand-in starts nothing; what counts is its copy.
    let failed = command::run(run.args([&setup.image, "true"]));
    match fs::metadata(at.join("bundle/config.json")) {
        Ok(_) => Ok(()),
        Err(e) => Err(format!("no bundle was kept ({e}); {failed:?}")),
    }
}

/// Has the bundle name its new root, and its own files where they are now.
fn point_at(config: &Path, root: &Path, from: &str, bundle: &Path) -> Result<(), String> {
    let text = fs::read(config).map_err(|e| e.to_string())?;
    let mut json: serde_json::Value = serde_json::from_slice(&text).map_err(|e| e.to_string())?;
    json["root"]["path"] = root.to_string_lossy().into();
    for mount in json["mounts"].as_array_mut().into_iter().flatten() {
        let moved = mount["source"].as_str().and_then(|s| s.strip_prefix(from));
        if let Some(rest) = moved {
            mount["source"] = format!("{}{rest}", bundle.display()).into();
        }
    }
    fs::write(config, json.to_string()).map_err(|e| e.to_string())
}

impl Subject for Runc {
    fn name(&self) -> &str {
        "runc"
    }

    fn once(&mut self) -> Result<(), String> {
        self.count += 1;
        mount("overlay", &self.root, "overlay", MountFlags::empty(), self.options.as_c_str())
            .map_err(|e| format!("mount: {e}"))?;
        let mut runc = Command::new("runc");
        runc.arg("--root").arg(&self.state).args(["run", "--bundle"]).arg(&self.bundle);
        let ran = command::run(runc.arg(format!("bench-{}", self.count)));
        unmount(&self.root, UnmountFlags::empty()).map_err(|e| format!("unmount: {e}"))?;
        ran
    }
}
