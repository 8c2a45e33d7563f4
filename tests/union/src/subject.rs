//! What is judged: a command that mounts given layers, and one that unmounts
//! and waits until the daemon is gone.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::fs::CWD;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, UnmountFlags, fsconfig_create,
    fsconfig_set_string, fsmount, fsopen, move_mount, unmount,
};

use crate::daemon::Daemon;
use crate::failure::{Failure, Outcome};

/// Names the binary `fuse-overlay`, if it isn't the one built beside the test.
pub const BINARY_ENV: &str = "SAPWOOD_FUSE_OVERLAY";
/// Which subjects a judge takes: `kernel,rival,ours`. Without it, `kernel,ours`.
pub const SUBJECTS_ENV: &str = "SAPWOOD_UNION_SUBJECTS";

/// Where Debian puts fuse-overlayfs.
const RIVAL: &str = "/usr/bin/fuse-overlayfs";
/// How long a daemon may take to end after the unmount.
const PATIENCE: Duration = Duration::from_secs(30);

/// Which file system is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Kernel overlayfs, with directories that can be renamed and an index.
    Kernel,
    /// Debian's fuse-overlayfs.
    Rival,
    /// This workspace's `fuse-overlay`.
    Ours,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Kernel, Self::Rival, Self::Ours];

    /// Its name on command lines and in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Kernel => "kernel",
            Self::Rival => "rival",
            Self::Ours => "ours",
        }
    }

    /// Those that [`SUBJECTS_ENV`] names.
    ///
    /// # Errors
    /// One of the names is none.
    pub fn chosen() -> Result<Vec<Self>, String> {
        let names = env::var(SUBJECTS_ENV).unwrap_or_else(|_| "kernel,ours".into());
        names.split(',').map(|name| Self::named(name.trim())).collect()
    }

    fn named(name: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|kind| kind.name() == name);
        found.ok_or_else(|| format!("{SUBJECTS_ENV}: no subject {name:?}: kernel, rival, ours"))
    }
}

/// The directories of a union.
#[derive(Debug, Clone)]
pub struct Layers {
    /// Lower layers, the uppermost first; at least one.
    pub lowers: Vec<PathBuf>,
    /// The upper directory.
    pub upper: PathBuf,
    /// The work directory.
    pub work: PathBuf,
}

/// Something that can mount a union.
#[derive(Debug, Clone)]
pub struct Subject {
    kind: Kind,
    program: PathBuf,
}

impl Subject {
    /// The subject, if this machine has it.
    ///
    /// # Errors
    /// Why not, and how to get it.
    pub fn find(kind: Kind) -> Result<Self, String> {
        if !rustix::process::geteuid().is_root() {
            return Err("the judges of a union need root".into());
        }
        let program = match kind {
            Kind::Kernel => return Self::kernel(),
            Kind::Rival => PathBuf::from(RIVAL),
            Kind::Ours => ours().map_err(|e| format!("the test's own path: {e}"))?,
        };
        let how = match kind {
            Kind::Rival => "apt-get install fuse-overlayfs",
            _ => "cargo build -p sapwood-fuse-overlay",
        };
        for (path, how) in [(program.as_path(), how), (Path::new("/dev/fuse"), "modprobe fuse")] {
            if !path.try_exists().map_err(|e| format!("{}: {e}", path.display()))? {
                return Err(format!("{} is missing: {how}", path.display()));
            }
        }
        Ok(Self { kind, program })
    }

    fn kernel() -> Result<Self, String> {
        let known = fs::read_to_string("/proc/filesystems").map_err(|e| e.to_string())?;
        match known.split_whitespace().any(|word| word == "overlay") {
            true => Ok(Self { kind: Kind::Kernel, program: PathBuf::new() }),
            false => Err("this kernel has no overlayfs: modprobe overlay".into()),
        }
    }

    /// Which it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Mounts a union at an existing directory. `options` are added to those of
    /// the subject, as `a=b,c`.
    ///
    /// # Errors
    /// What the kernel or the program says. [`Failure::what`] is
    /// [`Mounted::NOTHING`] when a program says that all is well and has mounted
    /// nothing.
    pub fn mount(&self, layers: &Layers, at: &Path, options: &str) -> Outcome<Mounted> {
        match self.kind {
            Kind::Kernel => mount_kernel(layers, at, options)?,
            Kind::Rival | Kind::Ours => self.run(layers, at, options)?,
        }
        let daemon = match self.kind {
            Kind::Kernel => None,
            Kind::Rival | Kind::Ours => {
                if !is_mountpoint(at)? {
                    return Err(Failure::new(Mounted::NOTHING));
                }
                Some(Daemon::of(at)?.ok_or_else(|| Failure::new("a mount without a daemon"))?)
            }
        };
        Ok(Mounted { at: at.to_owned(), daemon, mounted: true })
    }

    /// The command line of fuse-overlayfs; both programs put themselves into the
    /// background once the mount answers.
    fn run(&self, layers: &Layers, at: &Path, options: &str) -> Outcome {
        let said = tempfile::tempfile()?;
        let status = Command::new(&self.program)
            .arg("-o")
            .arg(option_string(layers, &format!("{}{options}", self.more())))
            .arg(at)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            // Not a pipe: the daemon would hold it open.
            .stderr(said.try_clone()?)
            .status()?;
        if status.success() {
            return Ok(());
        }
        Err(Failure::new(format!("{}: {status}: {}", self.program.display(), text_of(&said)?)))
    }
}

impl Subject {
    /// What it must be asked for that the kernel gives unasked.
    fn more(&self) -> &'static str {
        match self.kind {
            Kind::Ours => "dev,",
            Kind::Kernel | Kind::Rival => "",
        }
    }
}

fn text_of(file: &fs::File) -> io::Result<String> {
    use std::os::unix::fs::FileExt;
    let mut bytes = vec![0; 2000];
    let length = file.read_at(&mut bytes, 0)?;
    bytes.truncate(length);
    Ok(String::from_utf8_lossy(&bytes).trim().replace('\n', "; "))
}

/// `lowerdir=a:b,upperdir=u,workdir=w`, and the options.
fn option_string(layers: &Layers, options: &str) -> OsString {
    let mut line = b"lowerdir=".to_vec();
    let lowers: Vec<_> = layers.lowers.iter().map(|l| l.as_os_str().as_bytes()).collect();
    line.extend(lowers.join(&b':'));
    for (key, dir) in [(",upperdir=", &layers.upper), (",workdir=", &layers.work)] {
        line.extend(key.as_bytes());
        line.extend(dir.as_os_str().as_bytes());
    }
    if !options.is_empty() {
        line.push(b',');
        line.extend(options.as_bytes());
    }
    OsString::from_vec(line)
}

/// Descriptor by descriptor, so that many layers fit.
fn mount_kernel(layers: &Layers, at: &Path, options: &str) -> Outcome {
    let fs = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
    for lower in &layers.lowers {
        fsconfig_set_string(&fs, "lowerdir+", lower)?;
    }
    fsconfig_set_string(&fs, "upperdir", &layers.upper)?;
    fsconfig_set_string(&fs, "workdir", &layers.work)?;
    let ours = ["redirect_dir=on", "index=on", "xino=auto", "metacopy=off"];
    for option in ours.into_iter().chain(options.split(',').filter(|o| !o.is_empty())) {
        let (key, value) = option.split_once('=').unwrap_or((option, ""));
        fsconfig_set_string(&fs, key, value)?;
    }
    fsconfig_create(&fs)?;
    let mount = fsmount(&fs, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty())?;
    Ok(move_mount(&mount, "", CWD, at, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)?)
}

/// The binary that was named, or the one beside the test: `target/debug/deps/x`
/// is two folders below it.
fn ours() -> io::Result<PathBuf> {
    if let Some(named) = env::var_os(BINARY_ENV) {
        return Ok(named.into());
    }
    let test = env::current_exe()?;
    let built = test.parent().and_then(Path::parent).unwrap_or(Path::new("."));
    Ok(built.join("fuse-overlay"))
}

/// Whether something is mounted exactly there, in the calling thread's namespace.
fn is_mountpoint(at: &Path) -> io::Result<bool> {
    let mounts = fs::read("/proc/thread-self/mountinfo")?;
    let field = |line: &[u8]| line.split(|b| *b == b' ').nth(4).map(<[u8]>::to_vec);
    Ok(mounts.split(|b| *b == b'\n').filter_map(field).any(|f| f == at.as_os_str().as_bytes()))
}

/// A union that is mounted.
#[derive(Debug)]
pub struct Mounted {
    at: PathBuf,
    daemon: Option<Daemon>,
    mounted: bool,
}

impl Mounted {
    /// What the failure of [`Subject::mount`] says of a program that does nothing.
    pub const NOTHING: &'static str = "the program ended well and mounted nothing";

    /// The mount point.
    #[must_use]
    pub fn at(&self) -> &Path {
        &self.at
    }

    /// The daemon's process id, for subjects that have one.
    #[must_use]
    pub fn daemon(&self) -> Option<i32> {
        self.daemon.as_ref().map(|d| d.pid().as_raw_nonzero().get())
    }

    /// Unmounts, and waits until the daemon is gone.
    ///
    /// # Errors
    /// Something in it is still open (`EBUSY`), or the daemon doesn't end.
    pub fn unmount(mut self) -> Outcome {
        unmount(&self.at, UnmountFlags::empty())?;
        self.mounted = false;
        match &self.daemon {
            Some(daemon) if !daemon.ended_within(PATIENCE)? => {
                Err(Failure::new("the daemon outlives its mount"))
            }
            _ => Ok(()),
        }
    }

    /// Kills the daemon and takes the dead mount away.
    ///
    /// # Errors
    /// There is no daemon, or it can't be killed.
    pub fn kill(mut self) -> Outcome {
        self.daemon.as_ref().ok_or_else(|| Failure::new("no daemon to kill"))?.kill()?;
        unmount(&self.at, UnmountFlags::DETACH)?;
        self.mounted = false;
        Ok(())
    }
}

impl Drop for Mounted {
    /// After a failure: nothing may be left behind, and nobody is left to tell.
    fn drop(&mut self) {
        if self.mounted && unmount(&self.at, UnmountFlags::DETACH).is_err() {
            // Somebody else took it away; the daemon is looked after below.
            self.mounted = false;
        }
        if let Some(daemon) = &self.daemon
            && !daemon.ended_within(Duration::from_secs(2)).unwrap_or(false)
        {
            drop(daemon.kill());
        }
    }
}
