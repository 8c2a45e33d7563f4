//! The library that is built in: youki's libcontainer.
//!
//! It forks, and changes the calling process for good (it can't be traced
//! afterwards, for one): the caller is a monitor, single-threaded, whose only
//! purpose is this container.

mod adapt;
mod filter;

use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

use libcontainer::container::Container;
use libcontainer::container::builder::ContainerBuilder;
use libcontainer::error::LibcontainerError;
use libcontainer::syscall::syscall::SyscallType;
use oci_spec::runtime::{LinuxDeviceCgroup, Spec};
use rustix::pipe::{PipeFlags, pipe_with};

use self::adapt::adapt;
use super::exec::{Exec, outcome};
use super::{Failure, Runtime, Streams};
use crate::container::cgroup::{Layout, fence_devices};
use crate::container::monitor::Job;

/// The library, working on one container.
#[derive(Default)]
pub(in crate::container) struct BuiltIn {
    made: Option<(Container, OwnedFd)>,
}

impl Runtime for BuiltIn {
    fn create(&mut self, job: &Job, streams: Option<Streams>) -> Result<i32, Failure> {
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC)
            .map_err(|e| Failure::runtime(format!("can't make a pipe: {e}")))?;
        let own = own_bundle(job)?;
        let exec = Exec::new(writer, own.filter);
        let container = build(job, own.bundle, streams, exec).map_err(|e| failure(&e))?;
        // Nothing of the image's has run yet.
        fence_devices(&own.layout, &job.cgroup, &own.devices)
            .map_err(|e| Failure::runtime(e.to_string()))?;
        let Some(pid) = container.pid() else {
            return Err(Failure::runtime("the container has no process"));
        };
        self.made = Some((container, reader));
        Ok(pid.as_raw())
    }

    fn start(&mut self, _: &Job) -> Result<(), Failure> {
        let Some((mut container, reader)) = self.made.take() else {
            return Err(Failure::runtime("the container hasn't been made"));
        };
        container.start().map_err(|e| failure(&e))?;
        outcome(reader)
    }

    fn delete(&mut self, _: &Job) -> Result<(), Failure> {
        // Its state folder and control groups are all that it leaves.
        Ok(())
    }
}

/// The library's own edition of the bundle, and what the library has no part in.
struct Own {
    bundle: PathBuf,
    /// The filter for the command.
    filter: Option<Vec<u8>>,
    layout: Layout,
    /// Rules for devices.
    devices: Vec<LinuxDeviceCgroup>,
}

fn own_bundle(job: &Job) -> Result<Own, Failure> {
    let at = |what: &str, e: &dyn std::fmt::Display| Failure::runtime(format!("can't {what}: {e}"));
    let mut spec = Spec::load(job.bundle.join("config.json"))
        .map_err(|e| at("read the runtime specification", &e))?;
    let layout = Layout::probe().map_err(|e| at("look at control groups", &e))?;
    let profile =
        adapt(&mut spec, &layout, &job.cgroup).map_err(|e| at("adapt the specification", &e))?;
    let filter = profile.map(|profile| filter::program(&job.filters, &profile));
    let filter = filter.transpose().map_err(Failure::runtime)?;
    let resources = spec.linux().as_ref().and_then(|linux| linux.resources().as_ref());
    let devices = resources.and_then(|resources| resources.devices().clone()).unwrap_or_default();
    let bundle = job.bundle.join("builtin");
    let text = serde_json::to_vec(&spec).map_err(|e| at("write the specification", &e))?;
    fs::DirBuilder::new()
        .mode(0o700)
        .create(&bundle)
        .and_then(|()| fs::write(bundle.join("config.json"), text))
        .map_err(|e| at("write the specification", &e))?;
    Ok(Own { bundle, filter, layout, devices })
}

fn build(
    job: &Job,
    bundle: PathBuf,
    streams: Option<Streams>,
    exec: Exec,
) -> Result<Container, LibcontainerError> {
    let mut builder = ContainerBuilder::new(job.id.clone(), SyscallType::default())
        .with_root_path(&job.state)?
        .with_console_socket(job.console.as_ref())
        .with_executor(exec);
    if let Some(Streams { stdin, stdout, stderr }) = streams {
        builder = builder.with_stdin(stdin).with_stdout(stdout).with_stderr(stderr);
    }
    builder.as_init(bundle).with_systemd(false).with_detach(job.console.is_some()).build()
}

/// The library's errors say little without their causes.
fn failure(error: &LibcontainerError) -> Failure {
    let mut message = format!("can't make the container: {error}");
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        message.push_str(&format!(": {error}"));
        cause = error.source();
    }
    Failure::runtime(message)
}
