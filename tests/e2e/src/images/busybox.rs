//! An image from Debian's static busybox: small, without a network, and it runs.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::images::entry::Entry;
use crate::images::error::Error;
use crate::images::image::Image;
use crate::images::layer::LayerWriter;

/// Where the Debian package puts it.
const PLACES: [&str; 2] = ["/bin/busybox", "/usr/bin/busybox"];

const PASSWD: &str = "\
root:x:0:0:root:/root:/bin/sh
daemon:x:1:1:daemon:/usr/sbin:/bin/false
nobody:x:65534:65534:nobody:/nonexistent:/bin/false
";

const GROUP: &str = "\
root:x:0:
daemon:x:1:
tty:x:5:
nogroup:x:65534:
";

/// Empty directories, with their modes.
const FOLDERS: [(&str, u32); 11] = [
    ("dev", 0o755),
    ("etc", 0o755),
    ("home", 0o755),
    ("mnt", 0o755),
    ("proc", 0o555),
    ("root", 0o700),
    ("run", 0o755),
    ("sys", 0o555),
    ("tmp", 0o1777),
    ("usr", 0o755),
    ("var", 0o755),
];

/// An image of one layer, tagged `name`, whose programs are hard links to this machine's busybox.
///
/// # Errors
///
/// busybox isn't installed, can't be read, or isn't static: in an image without libraries it
/// could not be started.
pub fn busybox(name: &str) -> Result<Image, Error> {
    let program = PLACES.iter().map(PathBuf::from).find(|path| path.is_file());
    let program = program.ok_or_else(|| missing(Path::new("busybox"), "not installed"))?;
    let content = fs::read(&program).map_err(Error::at("read", &program))?;
    if has_interpreter(&content) {
        return Err(missing(&program, "needs shared libraries"));
    }
    let applets = applets(&program)?;
    Ok(Image::new(name).layer(move |layer| write(layer, &content, &applets)))
}

fn missing(path: &Path, why: &str) -> Error {
    let what = format!("{why}: apt-get install busybox-static");
    Error::at("find", path)(io::Error::other(what))
}

/// Names from the root, `bin/sh` for one.
fn applets(program: &Path) -> Result<BTreeSet<String>, Error> {
    let output =
        Command::new(program).arg("--list-full").output().map_err(Error::at("start", program))?;
    let names = String::from_utf8_lossy(&output.stdout);
    let names: BTreeSet<String> =
        names.lines().filter(|name| *name != "bin/busybox").map(str::to_owned).collect();
    if !output.status.success() || names.is_empty() {
        let why = io::Error::other(format!("--list-full: {}", output.status));
        return Err(Error::at("ask", program)(why));
    }
    Ok(names)
}

fn write(
    layer: &mut LayerWriter<'_>,
    program: &[u8],
    applets: &BTreeSet<String>,
) -> io::Result<()> {
    for (folder, mode) in FOLDERS {
        layer.add(&Entry::dir(folder).mode(mode))?;
    }
    let mut parents: BTreeSet<&Path> =
        applets.iter().filter_map(|name| Path::new(name).parent()).collect();
    parents.insert(Path::new("bin"));
    for folder in parents.iter().filter(|folder| **folder != Path::new("")) {
        layer.add(&Entry::dir(folder))?;
    }
    layer.add(&Entry::file("bin/busybox", program).mode(0o755))?;
    for name in applets {
        layer.add(&Entry::hard_link(name, "bin/busybox").mode(0o755))?;
    }
    layer.add(&Entry::file("etc/passwd", PASSWD))?;
    layer.add(&Entry::file("etc/group", GROUP))
}

/// Whether an ELF program (64 bit, little-endian) asks for a dynamic linker: PT_INTERP among its
/// program headers, whose place (e_phoff), size (e_phentsize) and number (e_phnum) the header has.
fn has_interpreter(elf: &[u8]) -> bool {
    const PT_INTERP: u64 = 3;
    let number = |at: usize, length: usize| {
        let bytes = elf.get(at..at.checked_add(length)?)?;
        Some(bytes.iter().rev().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte)))
    };
    let header = |index: u64| {
        let at = number(0x20, 8)?.checked_add(index.checked_mul(number(0x36, 2)?)?)?;
        number(usize::try_from(at).ok()?, 4)
    };
    (0..number(0x38, 2).unwrap_or(0)).any(|index| header(index) == Some(PT_INTERP))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// This test is linked dynamically, on every machine that has a libc.
    #[test]
    fn a_dynamic_program_is_told_from_others() {
        assert!(has_interpreter(&fs::read("/proc/self/exe").unwrap()));
        assert!(!has_interpreter(b"\x7fELF"));
        assert!(!has_interpreter(&[0xff; 64]));
    }
}
