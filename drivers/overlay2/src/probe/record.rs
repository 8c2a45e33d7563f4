//! Keeping what was found: the driver is opened for every command, and probing
//! takes longer than most of them.
//!
//! The record names all that the findings depend on: the running kernel (its
//! release, its build, and this boot of it), the file system, the user
//! namespace, and the form of the record. If one of them differs, or the record
//! can't be read, it is as if there were none.

use std::fs;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{Mode, OFlags, fstat, openat};
use serde::{Deserialize, Serialize};

use super::Probe;

/// Changes with the meaning of any finding.
const FORM: u32 = 1;

/// Beneath the root.
const FILE: &str = "probe.json";

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Key {
    form: u32,
    kernel: String,
    build: String,
    boot: String,
    device: u64,
    user_ns: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct Record {
    key: Key,
    probe: Probe,
}

impl Key {
    fn here(dir: impl AsFd) -> io::Result<Self> {
        let uname = rustix::system::uname();
        Ok(Self {
            form: FORM,
            kernel: uname.release().to_string_lossy().into_owned(),
            build: uname.version().to_string_lossy().into_owned(),
            boot: fs::read_to_string("/proc/sys/kernel/random/boot_id")?,
            device: fstat(dir)?.st_dev,
            user_ns: fs::metadata("/proc/self/ns/user")?.ino(),
        })
    }
}

/// What was found earlier and still holds, from the directory `dir` of an open
/// root.
pub(crate) fn read(dir: impl AsFd) -> io::Result<Option<Probe>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let Ok(file) = openat(&dir, FILE, flags, Mode::empty()) else { return Ok(None) };
    let mut text = Vec::with_capacity(4096);
    fs::File::from(file).read_to_end(&mut text)?;
    match serde_json::from_slice::<Record>(&text) {
        Ok(record) if record.key == Key::here(dir)? => Ok(Some(record.probe)),
        _ => Ok(None),
    }
}

/// Keeps it. In one write, and neither renamed nor flushed: whoever reads half
/// of it probes for himself.
pub(crate) fn write(dir: impl AsFd, probe: &Probe) -> io::Result<()> {
    let record = Record { key: Key::here(&dir)?, probe: probe.clone() };
    let text = serde_json::to_vec(&record)?;
    let flags =
        OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = openat(dir, Path::new(FILE), flags, Mode::RUSR | Mode::WUSR)?;
    io::Write::write_all(&mut fs::File::from(file), &text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::run;

    #[test]
    fn a_record_holds_for_what_it_was_made_on_and_nothing_else() {
        let tmp = tempfile::tempdir().unwrap();
        let dir = fs::File::open(tmp.path()).unwrap();
        assert_eq!(read(&dir).unwrap(), None);
        let probe = run(tmp.path()).unwrap();
        write(&dir, &probe).unwrap();
        assert_eq!(read(&dir).unwrap(), Some(probe));
        let path = tmp.path().join(FILE);
        let text = fs::read_to_string(&path).unwrap();
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
        fs::write(&path, text.replace(boot.trim(), "another")).unwrap();
        assert_eq!(read(&dir).unwrap(), None);
        let half = text.len() as u64 / 2;
        fs::File::options().write(true).open(&path).unwrap().set_len(half).unwrap();
        assert_eq!(read(&dir).unwrap(), None);
    }
}
