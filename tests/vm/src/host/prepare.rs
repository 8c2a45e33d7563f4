//! The directory of one run: the job, the disks, the log, the writable output.

use std::ffi::OsString;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, iter};

use tempfile::TempDir;

use crate::disk::{Disk, Medium};
use crate::error::Error;
use crate::host::tools::Tools;
use crate::host::{find_program, run_tool};
use crate::job::{
    EVENTS_FILE, JOB_FILE, Job, Mode, Modules, Mounted, NOT_RUN_FILE, OUTPUT_ENV, OUTPUT_MOUNT,
    RUN_MOUNT,
};
use crate::machine::Machine;
use crate::not_run::NOT_RUN_ENV;

/// What was laid out, and where.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub directory: TempDir,
    pub log: PathBuf,
    pub output: PathBuf,
    /// Files in the directory, by name.
    pub disks: Vec<String>,
}

/// Lays out the run's directory. Its name ends in a temporary one, and it's gone with the report.
pub(crate) fn prepare(
    machine: &Machine,
    tools: &Tools,
    program: &Path,
    arguments: &[OsString],
    mode: Mode,
) -> Result<Prepared, Error> {
    let directory = tempfile::Builder::new()
        .prefix("sapwood-vm-")
        .tempdir()
        .map_err(Error::io("create a directory in", &env::temp_dir()))?;
    let root = directory.path().canonicalize().map_err(Error::io("find", directory.path()))?;
    let output = output(machine, &root)?;
    let disks = disks(machine, &root)?;
    let program = program.canonicalize().map_err(Error::io("find", program))?;
    let job = Job {
        hostname: machine.hostname.clone(),
        shares: shares(machine, tools, &program)?,
        program: program.into_os_string(),
        arguments: arguments.to_vec(),
        environment: environment(machine),
        directory: working_directory(machine)?.into_os_string(),
        modules: modules(machine, &root)?,
        disks: mounted(machine),
        output: output.clone().into_os_string(),
        mode,
    };
    write_job(&root, &job)?;
    Ok(Prepared { log: root.join("log"), directory, output, disks })
}

fn write_job(root: &Path, job: &Job) -> Result<(), Error> {
    let path = root.join(JOB_FILE);
    let text = serde_json::to_vec(job).map_err(|error| Error::Invalid(error.to_string()))?;
    fs::write(&path, text).map_err(Error::io("write", &path))?;
    for name in [EVENTS_FILE, NOT_RUN_FILE, "log"] {
        let path = root.join(name);
        File::create(&path).map_err(Error::io("create", &path))?;
    }
    Ok(())
}

fn output(machine: &Machine, root: &Path) -> Result<PathBuf, Error> {
    if let Some(chosen) = &machine.output {
        return chosen.canonicalize().map_err(Error::io("find", chosen));
    }
    let output = root.join("output");
    fs::create_dir(&output).map_err(Error::io("create", &output))?;
    Ok(output)
}

fn working_directory(machine: &Machine) -> Result<PathBuf, Error> {
    match &machine.directory {
        Some(directory) => directory.canonicalize().map_err(Error::io("find", directory)),
        None => env::current_dir().map_err(Error::io("find", Path::new("."))),
    }
}

/// Test binaries lie in `deps`, beside which the workspace's programs are: those stay visible
/// too, wherever the target directory is.
fn shares(machine: &Machine, tools: &Tools, program: &Path) -> Result<Vec<OsString>, Error> {
    let folder = |path: &Path| path.parent().map(Path::to_owned);
    let beside = folder(program)
        .map(|folder| if folder.ends_with("deps") { folder.with_file_name("") } else { folder });
    let asked =
        machine.shares.iter().map(|path| path.canonicalize().map_err(Error::io("find", path)));
    beside
        .into_iter()
        .chain(folder(&tools.helper))
        .chain(iter::once(working_directory(machine)?))
        .map(Ok)
        .chain(asked)
        .map(|path| path.map(PathBuf::into_os_string))
        .collect()
}

/// The fixed environment, and over it what was asked for.
fn environment(machine: &Machine) -> Vec<(OsString, OsString)> {
    let fixed = [
        ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
        ("HOME", "/tmp"),
        ("TMPDIR", "/tmp"),
        ("USER", "root"),
        ("LANG", "C.UTF-8"),
        ("RUST_BACKTRACE", "1"),
        // There's no udev in the guest to answer dmsetup.
        ("DM_DISABLE_UDEV", "1"),
        (OUTPUT_ENV, OUTPUT_MOUNT),
    ];
    let mut all: Vec<_> = fixed.map(|(name, value)| (name.into(), value.into())).into();
    all.push((NOT_RUN_ENV.into(), format!("{RUN_MOUNT}/{NOT_RUN_FILE}").into()));
    all.extend(machine.environment.iter().cloned());
    all
}

/// The kernel's modules lie where no kernel and no modprobe looks for them by itself:
/// `modprobe -d BASE` looks for BASE/lib/modules/RELEASE.
fn modules(machine: &Machine, root: &Path) -> Result<Modules, Error> {
    let parent = root.join("modules/lib");
    fs::create_dir_all(&parent).map_err(Error::io("create", &parent))?;
    let link = parent.join("modules");
    symlink(&machine.module_tree, &link).map_err(Error::io("create", &link))?;
    let script = root.join(MODPROBE);
    let text = format!("#!/bin/sh\nexec /sbin/modprobe -d {RUN_MOUNT}/modules \"$@\"\n");
    fs::write(&script, text).map_err(Error::io("write", &script))?;
    let executable = Permissions::from_mode(0o755);
    fs::set_permissions(&script, executable).map_err(Error::io("change the mode of", &script))?;
    Ok(Modules { modprobe: MODPROBE.to_owned(), names: machine.modules.clone() })
}

const MODPROBE: &str = "modprobe";

fn disks(machine: &Machine, root: &Path) -> Result<Vec<String>, Error> {
    let make = |(index, disk)| {
        let name = format!("disk{index}");
        make_disk(disk, &root.join(&name)).map(|()| name)
    };
    machine.disks.iter().enumerate().map(make).collect()
}

fn make_disk(disk: &Disk, path: &Path) -> Result<(), Error> {
    let size = match &disk.medium {
        Medium::New(size) => size,
        Medium::Image(image) => {
            let image = image.canonicalize().map_err(Error::io("find", image))?;
            return symlink(image, path).map_err(Error::io("create", path));
        }
    };
    let file = File::create(path).map_err(Error::io("create", path))?;
    file.set_len(size.bytes()).map_err(Error::io("enlarge", path))?;
    let Some(format) = disk.format else { return Ok(()) };
    let (maker, options, _) = format.maker();
    let tool = find_program(Path::new(maker)).unwrap_or_else(|| maker.into());
    run_tool(Command::new(&tool).args(options).arg(path), &tool)
}

/// The device that the guest sees disk `index` as.
pub(crate) fn device(index: usize) -> String {
    let letter = u8::try_from(index).map_or('?', |index| char::from(b'a'.saturating_add(index)));
    format!("/dev/ubd{letter}")
}

fn mounted(machine: &Machine) -> Vec<Mounted> {
    let mount = |(index, disk): (usize, &Disk)| {
        Some(Mounted {
            device: device(index),
            format: disk.format?,
            path: disk.mount.clone()?.into_os_string(),
            options: disk.options.clone(),
        })
    };
    machine.disks.iter().enumerate().filter_map(mount).collect()
}
