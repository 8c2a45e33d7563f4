//! Who still has a mount that isn't there any more: for the error that says so.

use std::collections::HashSet;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// A process in whose mount namespace something is mounted at `point`, as
/// people name it. `None` if none is found: it may be hidden, or only a
/// descriptor be left.
///
/// Cost: a table of mounts for each mount namespace of the host.
pub(crate) fn holder(point: &Path) -> Option<String> {
    let wanted = escaped(point);
    // Not ours: there it has just been unmounted.
    let mut seen = HashSet::from([namespace(Path::new("/proc/thread-self"))?]);
    for process in fs::read_dir("/proc").ok()? {
        let process = process.ok()?.path();
        // Processes come and go; one that isn't there any more holds nothing.
        let Some(namespace) = namespace(&process) else { continue };
        if seen.insert(namespace) && has_mount(&process, &wanted) {
            return Some(describe(&process));
        }
    }
    None
}

fn namespace(process: &Path) -> Option<u64> {
    fs::metadata(process.join("ns/mnt")).ok().map(|found| found.ino())
}

fn has_mount(process: &Path, wanted: &[u8]) -> bool {
    let Ok(table) = fs::read(process.join("mountinfo")) else { return false };
    table.split(|byte| *byte == b'\n').any(|line| {
        // The fifth field is the mount point (proc(5)).
        line.split(|byte| *byte == b' ').nth(4) == Some(wanted)
    })
}

fn describe(process: &Path) -> String {
    let id = process.file_name().unwrap_or_default().to_string_lossy();
    match fs::read_to_string(process.join("comm")) {
        Ok(name) => format!("process {id} ({})", name.trim_end()),
        Err(_) => format!("process {id}"),
    }
}

/// As /proc writes a path: what would end a field is octal.
fn escaped(path: &Path) -> Vec<u8> {
    let mut out = Vec::with_capacity(path.as_os_str().len());
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b' ' | b'\t' | b'\n' | b'\\' => out.extend(format!("\\{byte:03o}").as_bytes()),
            byte => out.push(*byte),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_written_as_proc_does() {
        assert_eq!(escaped(Path::new("/a b\\c\n")), b"/a\\040b\\134c\\012");
    }
}
