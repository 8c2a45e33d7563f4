//! What the host needs to run a machine: found, or named with the command that installs it.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use rustix::fs::{StatVfsMountFlags, statvfs};

use crate::error::{Error, Prerequisite};
use crate::machine::Machine;
use crate::size::Size;

/// Programs of the host, by absolute path.
#[derive(Debug)]
pub(crate) struct Tools {
    pub kernel: PathBuf,
    pub helper: PathBuf,
    /// Where the guest's memory is kept, in a file that is deleted while it's open.
    pub memory_directory: PathBuf,
}

/// Finds everything that `machine` asks for, before any of it is used.
pub(crate) fn find(machine: &Machine) -> Result<Tools, Error> {
    let kernel =
        find_program(&machine.kernel).ok_or_else(|| missing(&machine.kernel, "user-mode-linux"))?;
    if !machine.modules.is_empty() {
        find_program(Path::new("modprobe"))
            .ok_or_else(|| missing(Path::new("modprobe"), "kmod"))?;
        if !machine.module_tree.is_dir() {
            return Err(missing(&machine.module_tree, "user-mode-linux"));
        }
    }
    for format in machine.disks.iter().filter_map(|disk| disk.format) {
        let (maker, _, package) = format.maker();
        find_program(Path::new(maker)).ok_or_else(|| missing(Path::new(maker), package))?;
    }
    Ok(Tools {
        kernel,
        helper: helper(machine)?,
        memory_directory: memory_directory(machine.memory),
    })
}

fn missing(name: &Path, package: &str) -> Error {
    Error::Missing(Prerequisite::package(&name.display().to_string(), package))
}

/// The `sapwood-vm` program: named, or beside the running one, or one folder up from `deps`.
fn helper(machine: &Machine) -> Result<PathBuf, Error> {
    if let Some(helper) = &machine.helper {
        return helper.canonicalize().map_err(Error::io("find", helper));
    }
    let own = env::current_exe().map_err(Error::io("find", Path::new("/proc/self/exe")))?;
    own.ancestors()
        .skip(1)
        .take(2)
        .map(|folder| folder.join("sapwood-vm"))
        .find(|path| path.is_file())
        .ok_or_else(|| {
            let install = "cargo build -p sapwood-vm".to_owned();
            Error::Missing(Prerequisite { name: "the sapwood-vm program".to_owned(), install })
        })
}

/// A tmpfs that is large enough and allows execution, or else a directory on disk. A guest whose
/// memory file can't grow any more dies of SIGBUS, and containers get a /dev/shm of 64 MiB.
fn memory_directory(wanted: Size) -> PathBuf {
    let shm = Path::new("/dev/shm");
    let fits = statvfs(shm).is_ok_and(|shm| {
        shm.f_bavail.saturating_mul(shm.f_frsize) >= wanted.bytes()
            && !shm.f_flag.contains(StatVfsMountFlags::NOEXEC)
    });
    if fits { shm.to_owned() } else { env::temp_dir() }
}

/// Looks a program up in `PATH` and where administrators' tools live. A path is itself.
pub(crate) fn find_program(name: &Path) -> Option<PathBuf> {
    if name.is_absolute() {
        return name.is_file().then(|| name.to_owned());
    }
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(["/usr/bin", "/usr/sbin", "/sbin"].map(PathBuf::from))
        .filter(|folder| folder.as_os_str() != OsStr::new(""))
        .map(|folder| folder.join(name))
        .find(|candidate| candidate.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::{Disk, FileSystem};

    #[test]
    fn a_missing_kernel_is_named_with_its_package() {
        let error = find(&Machine::new().kernel("no-such-kernel")).unwrap_err();
        let missing = error.missing().expect("a prerequisite");
        assert_eq!(missing.name, "no-such-kernel");
        assert_eq!(missing.install, "apt-get install user-mode-linux");
    }

    #[test]
    fn makers_are_found_outside_a_users_path() {
        let machine = Machine::new()
            .helper("/proc/self/exe")
            .kernel("/bin/sh")
            .disk(Disk::new(Size::mib(1)).format(FileSystem::Ext4));
        find(&machine).unwrap();
    }
}
