//! The kernel's command line.

use std::ffi::OsString;
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
    for path in [root, &tools.helper] {
        check(path)?;
    }
    if prepared.disks.len() > MOST_DISKS {
        return Err(Error::Invalid(format!(
            "more than {MOST_DISKS} disks: the kernel has no more"
        )));
    }
    let mut line = fixed(machine);
    // Relative paths: these two are read without quotes, and the kernel starts in `root`.
    for (index, disk) in prepared.disks.iter().enumerate() {
        line.push(format!("ubd{index}={disk}").into());
    }
    // Its control socket would otherwise go to ~/.uml, and stay there.
    line.push("uml_dir=.".into());
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
            // Without SELinux and TOMOYO, which Debian's kernel starts without a policy, and which
            // then label files.
            "lsm=capability",
            // A kernel that goes on after an oops proves nothing any more.
            "oops=panic",
        ]
        .map(OsString::from),
    );
    line
}

/// The kernel splits its line at spaces outside double quotes.
fn quoted(prefix: &str, path: &Path) -> OsString {
    let quote = if path.as_os_str().as_bytes().contains(&b' ') { "\"" } else { "" };
    let mut word = OsString::from(format!("{prefix}{quote}"));
    word.push(path);
    word.push(quote);
    word
}

/// Quotes can't be escaped.
fn check(path: &Path) -> Result<(), Error> {
    if path.as_os_str().as_bytes().iter().any(|byte| b"\"\n".contains(byte)) {
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
        for bad in ["/a\nb", "/a\"b"] {
            assert!(check(Path::new(bad)).unwrap_err().to_string().contains("TMPDIR"), "{bad}");
        }
        check(Path::new("/a b")).unwrap();
    }
}
