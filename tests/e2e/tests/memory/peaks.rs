//! How much memory the processes of a command had at most, each at its own
//! worst moment: found by tracing them all.

use std::collections::HashMap;
use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use nix::errno::Errno;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

/// When a process is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    /// Once, as it ends. Right for processes that don't execute another program:
    /// the kernel counts anew then.
    AtTheEnd,
    /// At each of its system calls: slow, and right for all.
    AtEachCall,
}

/// A command's processes, and how it ended.
#[derive(Debug)]
pub(crate) struct Peaks {
    /// Of each process the most that was resident, in bytes, pages that it shares
    /// with others included.
    pub(crate) bytes: HashMap<Pid, u64>,
    pub(crate) status: i32,
}

impl Peaks {
    pub(crate) fn sum(&self) -> u64 {
        self.bytes.values().sum()
    }
}

/// Runs `command` and looks at it and at all that it starts.
#[allow(clippy::zombie_processes, reason = "waited for with all the others")]
pub(crate) fn of(command: &Command, look: Look) -> Peaks {
    // Waits until it is traced.
    let mut child = Command::new("sh")
        .args(["-c", "read _; exec \"$@\" < /dev/null", "sh"])
        .arg(command.get_program())
        .args(command.get_args())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let first = Pid::from_raw(i32::try_from(child.id()).unwrap());
    let options = Options::PTRACE_O_TRACEEXIT
        | Options::PTRACE_O_TRACEFORK
        | Options::PTRACE_O_TRACEVFORK
        | Options::PTRACE_O_TRACECLONE
        | Options::PTRACE_O_TRACESYSGOOD
        | Options::PTRACE_O_EXITKILL;
    ptrace::seize(first, options).unwrap();
    ptrace::interrupt(first).unwrap();
    child.stdin.take().unwrap().write_all(b"\n").unwrap();
    let mut bytes = HashMap::new();
    let mut status = None;
    // Other threads' children are other tests'.
    let flags = WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD;
    loop {
        let (pid, signal) = match waitpid(None, Some(flags)) {
            Ok(WaitStatus::Exited(pid, code)) => {
                status = status.or((pid == first).then_some(code));
                continue;
            }
            Ok(WaitStatus::Signaled(pid, ..)) => {
                assert_ne!(pid, first, "the command was killed");
                continue;
            }
            Ok(WaitStatus::Stopped(pid, signal)) => (pid, Some(signal)),
            Ok(WaitStatus::PtraceEvent(pid, ..) | WaitStatus::PtraceSyscall(pid)) => (pid, None),
            Ok(other) => panic!("{other:?}"),
            Err(Errno::ECHILD) => break,
            Err(e) => panic!("{e}"),
        };
        note(pid, &mut bytes);
        go_on(pid, look, signal);
    }
    Peaks { bytes, status: status.unwrap() }
}

fn go_on(pid: Pid, look: Look, signal: Option<Signal>) {
    let gone = match look {
        Look::AtTheEnd => ptrace::cont(pid, signal),
        Look::AtEachCall => ptrace::syscall(pid, signal),
    };
    // Killed while it was stopped.
    assert!(matches!(gone, Ok(()) | Err(Errno::ESRCH)), "{gone:?}");
}

/// Of a thread, its process is noted.
fn note(thread: Pid, bytes: &mut HashMap<Pid, u64>) {
    let Ok(text) = fs::read_to_string(format!("/proc/{thread}/status")) else { return };
    let number = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    };
    let (Some(process), Some(peak)) = (number("Tgid:"), number("VmHWM:")) else { return };
    let process = Pid::from_raw(i32::try_from(process).unwrap());
    let most = bytes.entry(process).or_default();
    *most = (*most).max(peak * 1024);
}
