//! The kernel's command line.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::error::Error;
use crate::host::prepare::Prepared;
use crate::host::tools::Tools;
use crate::machine::Machine;

/// COMMAND_LINE_SIZE of arch/um is 4096. The kernel cuts what is longer, which would cut the
/// job's path off the end.
const LONGEST: usize = 4000;

/// User-mode Linux has 16 of these devices.
const MOST_DISKS: usize = 16;

/// Arguments for the kernel's program. What comes after `--` is init's.
pub(crate) fn kernel_line(
    machine: &Machine,
    tools: &Tools,
    prepared: &Prepared,
) -> Result<Vec<OsString>, Error> {
    let root = prepared.directory.path();
    for path in prepared.disks.iter().map(std::path::PathBuf::as_path).chain([root, &tools.helper])
    {
        check(path)?;
    }
    if prepared.disks.len() > MOST_DISKS {
        return Err(Error::Invalid(format!(
            "more than {MOST_DISKS} disks: the kernel has no more"
        )));
    }
    let mut line = fixed(machine);
    for (index, disk) in prepared.disks.iter().enumerate() {
        line.push(joined(&format!("ubd{index}="), disk.as_os_str()));
    }
    // Its control socket would otherwise go to ~/.uml, and stay there.
    line.push(quoted("uml_dir=", root));
    line.push(quoted("init=", &tools.helper));
    line.extend(["--".into(), "guest".into(), quoted("", root)]);
    if line.iter().map(|word| word.len() + 1).sum::<usize>() > LONGEST {
        return Err(Error::Invalid(format!(
            "paths too long for the kernel's line of {LONGEST} bytes"
        )));
    }
    Ok(line)
}

fn fixed(machine: &Machine) -> Vec<OsString> {
    let mut line = vec![format!("mem={}K", machine.memory.bytes() >> 10).into()];
    line.extend(
        [
            "root=/dev/root",
            "rootfstype=hostfs",
            "rootflags=/",
            "ro",
            // Two consoles, so that the program's standard output stays free of the kernel's
            // messages: tty0 is our file descriptor 1, tty1 is 2 and the kernel's.
            "con=null",
            "con0=null,fd:1",
            "con1=null,fd:2",
            "console=tty1",
            "ssl=null",
            "quiet",
            // SELinux without a policy shows a security.selinux attribute on every file.
            "selinux=0",
            // A kernel that goes on after an oops proves nothing any more.
            "oops=panic",
        ]
        .map(OsString::from),
    );
    line
}

fn joined(prefix: &str, value: &OsStr) -> OsString {
    let mut word = OsString::from(prefix);
    word.push(value);
    word
}

/// The kernel splits its line at spaces outside double quotes.
fn quoted(prefix: &str, path: &Path) -> OsString {
    if !path.as_os_str().as_bytes().contains(&b' ') {
        return joined(prefix, path.as_os_str());
    }
    let mut word = joined(&format!("{prefix}\""), path.as_os_str());
    word.push("\"");
    word
}

/// Commas and colons separate the files of a disk, quotes can't be escaped.
fn check(path: &Path) -> Result<(), Error> {
    if path.as_os_str().as_bytes().iter().any(|byte| b"\",:\n".contains(byte)) {
        let path = path.display();
        let what = format!("{path}: the kernel's line can't hold this path, choose another TMPDIR");
        return Err(Error::Invalid(what));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_only_what_has_spaces() {
        assert_eq!(quoted("init=", Path::new("/a/b")), "init=/a/b");
        assert_eq!(quoted("init=", Path::new("/a b")), "init=\"/a b\"");
    }

    #[test]
    fn refuses_what_the_line_cannot_hold() {
        for bad in ["/a,b", "/a:b", "/a\"b"] {
            assert!(check(Path::new(bad)).unwrap_err().to_string().contains("TMPDIR"), "{bad}");
        }
        check(Path::new("/a b")).unwrap();
    }
}
