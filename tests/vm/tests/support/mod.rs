//! What the tests of the machine share.

#![allow(dead_code, reason = "every test binary uses a part of it")]

use std::fs;
use std::path::Path;

use sapwood_vm::{Machine, Report, not_run};

/// A machine that uses this build's helper, or `None` after having reported why there is none.
pub(crate) fn machine() -> Option<Machine> {
    let machine = Machine::new().helper(env!("CARGO_BIN_EXE_sapwood-vm"));
    match machine.check() {
        Ok(()) => Some(machine),
        Err(error) => {
            not_run(&error.to_string()).unwrap();
            None
        }
    }
}

/// Runs a shell script in the guest.
pub(crate) fn sh(machine: &Machine, script: &str) -> Report {
    machine.run(Path::new("/bin/sh"), &["-ec", script]).unwrap()
}

/// Process ids of the host whose command line contains `marker`.
pub(crate) fn processes_with(marker: &str) -> Vec<i32> {
    let pids = fs::read_dir("/proc").unwrap().filter_map(|entry| {
        entry.unwrap().file_name().to_str().and_then(|name| name.parse::<i32>().ok())
    });
    pids.filter(|pid| {
        // A process may end between the two look-ups.
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains(marker)
    })
    .collect()
}
