//! Where archives go: to standard output, or to a file or folder that has its
//! name only when it is whole.

use std::fs::{self, File, Permissions};
use std::io::{self, BufWriter, IsTerminal, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, linkat, openat};
use rustix::io::Errno;

use crate::failure::Failure;

/// Bytes that are written at once.
const BUFFER: usize = 256 << 10;

/// Lets `work` write to the file at `path`, or to standard output; it is told
/// what to call that in messages.
///
/// A file gets its name, or takes another's place, when it is whole and on the
/// medium; until then nothing is there, and nothing is left on a failure. What
/// is there and isn't a regular file (`/dev/null`, a pipe) is written to as it
/// is.
///
/// # Errors
/// Those of `work`; a terminal; what can't be made or written.
pub fn write(
    path: Option<&Path>,
    work: impl FnOnce(&mut dyn Write, &str) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let Some(path) = path else { return to_stdout(work) };
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => {
            Err(Failure::new(format!("{} is a folder; name a file in it", path.display())))
        }
        Ok(found) if !found.is_file() => {
            let file = File::options().write(true).open(path).map_err(failed("open", path))?;
            through(file, path, work).map(drop)
        }
        _ => to_new_file(path, work),
    }
}

fn to_stdout(
    work: impl FnOnce(&mut dyn Write, &str) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let stdout = io::stdout();
    if stdout.is_terminal() {
        return Err(Failure::new(
            "an archive isn't for a terminal; name a file with -o, or pipe it",
        ));
    }
    through(stdout.lock(), Path::new("standard output"), work).map(drop)
}

fn to_new_file(
    path: &Path,
    work: impl FnOnce(&mut dyn Write, &str) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let parent = parent(path);
    match without_a_name(parent).map_err(failed("create", path))? {
        Some(file) => {
            let file = through(file, path, work)?;
            file.sync_all().map_err(failed("write", path))?;
            name(&file, path).map_err(failed("name", path))?;
        }
        None => {
            let file = temporary(path).tempfile_in(parent).map_err(failed("create", path))?;
            let file = through(file, path, work)?;
            file.as_file().sync_all().map_err(failed("write", path))?;
            file.persist(path).map_err(|e| failed("rename to", path)(e.error))?;
        }
    }
    sync(parent)
}

/// A file that goes with this process, however that ends, unless it is
/// [named](name). `None` where the file system has no such files.
fn without_a_name(dir: &Path) -> io::Result<Option<File>> {
    let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
    match openat(CWD, dir, flags, Mode::RUSR | Mode::WUSR) {
        Ok(file) => Ok(Some(file.into())),
        Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL) => Ok(None),
        Err(e) => Err(e.into()),
    }
}

/// Gives a file its name, in place of another's if there is one (open(2), on
/// `O_TMPFILE`).
fn name(file: &File, path: &Path) -> io::Result<()> {
    let own = format!("/proc/self/fd/{}", file.as_raw_fd());
    let link = |path: &Path| linkat(CWD, &own, CWD, path, AtFlags::SYMLINK_FOLLOW);
    match link(path) {
        Err(Errno::EXIST) => {}
        linked => return Ok(linked?),
    }
    // Only a rename replaces. Between the two a crash would leave both names.
    let beside = temporary(path).make_in(parent(path), |beside| Ok(link(beside)?))?;
    beside.persist(path).map(drop).map_err(|e| e.error)
}

/// Lets `work` fill a folder that gets the name `path` when it is whole. What is
/// there may only be an empty folder.
///
/// # Errors
/// As [`write()`].
pub fn folder(path: &Path, work: impl FnOnce(&Path) -> Result<(), Failure>) -> Result<(), Failure> {
    match fs::read_dir(path).map(|mut names| names.next().is_some()) {
        Ok(false) => {}
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        Ok(true) => {
            let problem = format!("{} isn't empty; name a folder that isn't there", path.display());
            return Err(Failure::new(problem));
        }
        Err(e) => return Err(failed("read", path)(e)),
    }
    let parent = parent(path);
    let dir = temporary(path).tempdir_in(parent).map_err(failed("create", path))?;
    work(dir.path())?;
    fs::set_permissions(dir.path(), Permissions::from_mode(0o755))
        .map_err(failed("write", path))?;
    fs::rename(dir.path(), path).map_err(failed("rename to", path))?;
    // It isn't there by that name any more.
    drop(dir.keep());
    sync(parent)
}

fn through<W: Write>(
    out: W,
    path: &Path,
    work: impl FnOnce(&mut dyn Write, &str) -> Result<(), Failure>,
) -> Result<W, Failure> {
    let mut out = BufWriter::with_capacity(BUFFER, out);
    work(&mut out, &path.display().to_string())?;
    out.into_inner().map_err(|e| failed("write", path)(e.into_error()))
}

/// Beside `path`, so that a rename is enough.
fn temporary(path: &Path) -> tempfile::Builder<'static, 'static> {
    let mut builder = tempfile::Builder::new();
    if path.file_name().is_some() {
        builder.prefix(".sapwood-").suffix(".partial");
    }
    builder
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."))
}

fn sync(dir: &Path) -> Result<(), Failure> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(failed("flush", dir))
}

fn failed(doing: &'static str, path: &Path) -> impl Fn(io::Error) -> Failure {
    let path: PathBuf = path.to_owned();
    move |error| Failure::new(format!("can't {doing} {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(out: &mut dyn Write, bytes: &[u8]) -> Result<(), Failure> {
        out.write_all(bytes).map_err(|e| Failure::new(e.to_string()))
    }

    fn names(dir: &Path) -> Vec<String> {
        let entries = fs::read_dir(dir).unwrap();
        entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn a_file_takes_its_name_when_it_is_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.tar");
        let failing = write(Some(&path), |out, name| {
            assert_eq!(name, path.display().to_string());
            out.write_all(b"half").unwrap();
            // A process that is killed now leaves nothing.
            assert!(names(dir.path()).is_empty());
            Err(Failure::new("no"))
        });
        assert!(failing.is_err() && names(dir.path()).is_empty());
        for content in [&b"one"[..], b"two"] {
            write(Some(&path), |out, _| put(out, content)).unwrap();
            assert_eq!(fs::read(&path).unwrap(), content);
        }
        assert_eq!(names(dir.path()), ["a.tar"]);
        assert!(write(Some(dir.path()), |_, _| Ok(())).is_err());
        write(Some(Path::new("/dev/null")), |out, _| put(out, b"x")).unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
    }

    #[test]
    fn a_folder_takes_its_name_when_it_is_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("layout");
        let failing = folder(&path, |at| {
            fs::write(at.join("half"), b"").unwrap();
            Err(Failure::new("no"))
        });
        assert!(failing.is_err() && names(dir.path()).is_empty());
        fs::create_dir(&path).unwrap();
        folder(&path, |at| {
            fs::write(at.join("whole"), b"").map_err(|e| Failure::new(e.to_string()))
        })
        .unwrap();
        assert_eq!(names(&path), ["whole"]);
        let full = folder(&path, |_| Ok(())).unwrap_err();
        assert!(full.to_string().contains("isn't empty"), "{full}");
        assert_eq!(names(dir.path()), ["layout"]);
    }
}
