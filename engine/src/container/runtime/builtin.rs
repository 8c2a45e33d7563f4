//! The library that is built in: youki's libcontainer.
//!
//! It forks, and changes the calling process for good (it can't be traced
//! afterwards, for one): the caller is a monitor, single-threaded, whose only
//! purpose is this container.

use std::os::fd::OwnedFd;

use libcontainer::container::Container;
use libcontainer::container::builder::ContainerBuilder;
use libcontainer::error::LibcontainerError;
use libcontainer::syscall::syscall::SyscallType;
use rustix::pipe::{PipeFlags, pipe_with};

use super::exec::{Exec, outcome};
use super::{Failure, Runtime, Streams};
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
        let container = build(job, streams, Exec::new(writer)).map_err(|e| failure(&e))?;
        let pid = container.pid().map(|p| p.as_raw());
        self.made = Some((container, reader));
        pid.ok_or_else(|| Failure::runtime("the container has no process"))
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

fn build(job: &Job, streams: Option<Streams>, exec: Exec) -> Result<Container, LibcontainerError> {
    let mut builder = ContainerBuilder::new(job.id.clone(), SyscallType::default())
        .with_root_path(&job.state)?
        .with_console_socket(job.console.as_ref())
        .with_executor(exec);
    if let Some(Streams { stdin, stdout, stderr }) = streams {
        builder = builder.with_stdin(stdin).with_stdout(stdout).with_stderr(stderr);
    }
    builder.as_init(&job.bundle).with_systemd(false).with_detach(job.console.is_some()).build()
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
