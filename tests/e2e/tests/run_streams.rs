//! Standard streams, terminals and signals.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]
#![allow(clippy::panic, clippy::string_slice, reason = "a test fails by panicking")]

mod support;

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{Winsize, tcgetattr, tcsetwinsize};
use support::{Host, IMAGE, eventually, finish};

fn streams(runtime: Option<&'static str>) {
    let host = Host::with_runtime(runtime);
    let both = host.run(&[], &["sh", "-c", "echo out; echo err >&2; cat"]);
    assert_eq!((both.stdout.as_str(), both.stderr.as_str()), ("out\n", "err\n"));

    // Standard input is handed on, and so is its end.
    let mut command = host.command(&["--rm", "-i"]);
    command.args([IMAGE, "sh", "-c", "cat; echo end"]).stdin(Stdio::piped());
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"hello\n").unwrap();
    assert_eq!(child.wait_with_output().unwrap().stdout, b"hello\nend\n");

    // Without -i it isn't read, even if there is something.
    let mut command = host.command(&["--rm"]);
    let file = host.sapwood.scratch().join("input");
    std::fs::write(&file, "secret\n").unwrap();
    command.args([IMAGE, "cat"]).stdin(File::open(&file).unwrap());
    assert_eq!(finish(command).stdout, "");
}

#[test]
fn builtin_streams() {
    streams(None);
}

#[test]
fn runc_streams() {
    streams(Some("runc"));
}

#[test]
fn nothing_is_lost_at_the_end() {
    let host = Host::new();
    let zeros = |count: &str| {
        let mut command = host.command(&["--rm"]);
        let count = format!("count={count}");
        command.args([IMAGE, "dd", "if=/dev/zero", "bs=1k", &count]);
        command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
    };
    // Everything is gone but the pipe when the reader comes.
    let mut child = zeros("60");
    let mut output = child.stdout.take().unwrap();
    assert!(child.wait().unwrap().success());
    let mut bytes = Vec::new();
    output.read_to_end(&mut bytes).unwrap();
    assert_eq!(bytes.len(), 60 << 10);

    let much = zeros("65536").wait_with_output().unwrap();
    assert_eq!(much.stdout.len(), 64 << 20);
}

#[test]
fn a_reader_that_leaves_ends_the_writer() {
    let host = Host::new();
    let mut command = host.command(&["--rm", "--init"]);
    let mut child = command.args([IMAGE, "yes"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut output = child.stdout.take().unwrap();
    output.read_exact(&mut [0; 2]).unwrap();
    drop(output);
    let status = eventually(|| child.try_wait().unwrap());
    // Killed by SIGPIPE, or told by the failed write, as on the host itself.
    assert!([1, 141].contains(&status.code().unwrap()), "{status}");
}

#[test]
fn another_user_can_open_its_streams_by_name() {
    let host = Host::new();
    let out = host.sh(&["-u", "1000:1000"], "echo a > /dev/stdout; echo b > /dev/stderr; id -u");
    assert_eq!(out, "a\n1000\n");
}

/// A terminal of 33 lines and 77 columns: both sides.
fn terminal() -> (File, OwnedFd) {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let master = openpt(flags).unwrap();
    unlockpt(&master).unwrap();
    let slave = ioctl_tiocgptpeer(&master, flags).unwrap();
    resize(master.as_fd(), 33, 77);
    (File::from(master), slave)
}

fn resize(fd: impl AsFd, rows: u16, columns: u16) {
    let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(fd, size).unwrap();
}

fn at_terminal(host: &Host, flags: &[&str], slave: &OwnedFd, words: &[&str]) -> Child {
    let mut command = host.command(flags);
    let side = || Stdio::from(slave.try_clone().unwrap());
    command.arg(IMAGE).args(words).stdin(side()).stdout(side()).stderr(side());
    command.spawn().unwrap()
}

/// Reads until `end` has been seen.
fn read_until(master: &mut File, end: &str) -> String {
    let mut text = String::new();
    let mut bytes = [0; 1024];
    while !text.contains(end) {
        let length = master.read(&mut bytes).unwrap();
        text.push_str(std::str::from_utf8(&bytes[..length]).unwrap());
    }
    text
}

fn terminals(runtime: Option<&'static str>) {
    let host = Host::with_runtime(runtime);
    let (mut master, slave) = terminal();
    let modes = |slave: &OwnedFd| tcgetattr(slave).unwrap().local_modes;
    let before = modes(&slave);
    let script = "tty; stty size; echo x > /dev/tty; \
                  trap 'stty size; exit 5' WINCH; echo ready; while :; do sleep 0.1; done";
    let mut child =
        at_terminal(&host, &["--rm", "-it", "-u", "1000"], &slave, &["sh", "-c", script]);
    let text = read_until(&mut master, "ready");
    assert!(text.contains("/dev/pts/0\r\n33 77\r\nx\r\n"), "{text:?}");
    assert_ne!(modes(&slave), before, "keys are passed on as they are");

    resize(&master, 20, 40);
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGWINCH).unwrap();
    read_until(&mut master, "20 40");
    assert_eq!(child.wait().unwrap().code(), Some(5));
    assert_eq!(modes(&slave), before, "the terminal is restored");
}

#[test]
fn builtin_terminals() {
    terminals(None);
}

#[test]
fn runc_terminals() {
    terminals(Some("runc"));
}

#[test]
fn what_is_typed_arrives() {
    let host = Host::new();
    let (mut master, slave) = terminal();
    let mut child = at_terminal(&host, &["--rm", "-it"], &slave, &["sh"]);
    read_until(&mut master, "# ");
    master.write_all(b"echo $((20 + 3))\r").unwrap();
    read_until(&mut master, "\r\n23\r\n");
    // Interrupting reaches the command, not us. What speaks is what is to be
    // interrupted: the shell has put it into the foreground by then.
    master.write_all(b"(echo $((40 + 4)); exec sleep 600)\r").unwrap();
    read_until(&mut master, "\r\n44\r\n");
    master.write_all(b"\x03").unwrap();
    read_until(&mut master, "# ");
    master.write_all(b"exit 6\r").unwrap();
    let status = eventually(|| child.try_wait().unwrap());
    assert_eq!(status.code(), Some(6));
}

#[test]
fn a_terminal_is_restored_when_the_command_is_not_there() {
    let host = Host::new();
    let (mut master, slave) = terminal();
    let before = tcgetattr(&slave).unwrap().local_modes;
    let mut child = at_terminal(&host, &["--rm", "-it"], &slave, &["nosuchcommand"]);
    let text = read_until(&mut master, "nosuchcommand");
    assert!(text.starts_with("sapwood: "), "{text:?}");
    assert_eq!(child.wait().unwrap().code(), Some(127));
    assert_eq!(tcgetattr(&slave).unwrap().local_modes, before);
}

#[test]
fn signals_are_forwarded() {
    let host = Host::new();
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGUSR1] {
        let name = signal.as_str().trim_start_matches("SIG");
        let script =
            format!("trap 'echo got; exit 9' {name}; echo ready; while :; do sleep 0.1; done");
        let mut command = host.command(&["--rm"]);
        command.args([IMAGE, "sh", "-c", &script]).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut output = child.stdout.take().unwrap();
        let mut line = [0; 6];
        output.read_exact(&mut line).unwrap();
        assert_eq!(&line, b"ready\n");
        kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), signal).unwrap();
        let mut rest = String::new();
        output.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "got\n");
        assert_eq!(child.wait().unwrap().code(), Some(9), "{signal}");
    }
}
