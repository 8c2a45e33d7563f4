//! Programs that have been put together before, in a folder that is gone with
//! the next boot. Each lies under the digest of what it was made of; its own
//! digest lies behind it. What is missing, damaged or not ours alone to write
//! is made anew, so that nothing but time depends on this folder.

use std::fs::{self, DirBuilder};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::Path;

use libseccomp::ScmpVersion;
use oci_spec::runtime::LinuxSeccomp;
use sha2::{Digest, Sha256};

use super::compile::compile;

/// To be changed when [`compile`] makes something else of the same profile.
const FORMAT: u32 = 1;

/// The program for a profile, from `folder` if it is there.
///
/// # Errors
/// One line for people: the profile has what can't be put into a program.
pub(in super::super) fn program(folder: &Path, profile: &LinuxSeccomp) -> Result<Vec<u8>, String> {
    let name = name_of(profile)?;
    match read(folder, &name) {
        Ok(Some(program)) => return Ok(program),
        Ok(None) => {}
        Err(e) => tracing::debug!("seccomp filters in {}: {e}", folder.display()),
    }
    let program = compile(profile)?;
    if let Err(e) = write(folder, &name, &program) {
        tracing::debug!("seccomp filters in {}: {e}", folder.display());
    }
    Ok(program)
}

fn name_of(profile: &LinuxSeccomp) -> Result<String, String> {
    let version = ScmpVersion::current().map_err(|e| format!("libseccomp: {e}"))?;
    let profile = serde_json::to_vec(profile).map_err(|e| format!("seccomp profile: {e}"))?;
    let mut digest = Sha256::new();
    digest.update(format!("{FORMAT} {version} {}\n", std::env::consts::ARCH));
    digest.update(profile);
    Ok(digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

fn read(folder: &Path, name: &str) -> io::Result<Option<Vec<u8>>> {
    if !is_ours(folder)? {
        return Ok(None);
    }
    let mut bytes = match fs::read(folder.join(name)) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e),
    };
    let Some(end) = bytes.len().checked_sub(Sha256::output_size()) else { return Ok(None) };
    let digest = bytes.split_off(end);
    Ok((Sha256::digest(&bytes).as_slice() == digest).then_some(bytes))
}

/// Whoever could write there could take the fence down.
fn is_ours(folder: &Path) -> io::Result<bool> {
    match fs::symlink_metadata(folder) {
        Ok(meta) => Ok(meta.is_dir()
            && meta.uid() == rustix::process::geteuid().as_raw()
            && meta.mode() & 0o022 == 0),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(e),
    }
}

/// All of it or nothing becomes visible, whoever else writes the same.
fn write(folder: &Path, name: &str, program: &[u8]) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(e),
        _ => {}
    }
    if !is_ours(folder)? {
        return Err(io::Error::other("somebody else can write there: nothing is kept"));
    }
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(program)?;
    file.write_all(&Sha256::digest(program))?;
    file.persist(folder.join(name))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::container::spec::caps::CapSet;
    use crate::container::spec::seccomp::{Subject, default_profile};

    fn profile() -> LinuxSeccomp {
        let caps = CapSet::new();
        let architecture = std::env::consts::ARCH;
        default_profile(&Subject { caps: &caps, kernel: (6, 18), architecture }).unwrap()
    }

    #[test]
    fn a_program_is_made_once() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("filters");
        let made = program(&folder, &profile()).unwrap();
        let kept = folder.join(name_of(&profile()).unwrap());
        assert!(fs::metadata(&kept).unwrap().len() > made.len() as u64);
        // To see that this is what is read.
        write(&folder, &name_of(&profile()).unwrap(), b"12345678").unwrap();
        assert_eq!(program(&folder, &profile()).unwrap(), b"12345678");
    }

    #[test]
    fn what_is_damaged_is_made_anew() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("filters");
        let made = program(&folder, &profile()).unwrap();
        let kept = folder.join(name_of(&profile()).unwrap());
        let whole = fs::read(&kept).unwrap();
        let mut turned = whole.clone();
        turned[9] ^= 1;
        for bytes in [&turned[..], &whole[..whole.len() - 8], &whole[..20], &[]] {
            fs::write(&kept, bytes).unwrap();
            assert_eq!(program(&folder, &profile()).unwrap(), made);
            assert_eq!(fs::read(&kept).unwrap(), whole);
        }
    }

    #[test]
    fn a_folder_that_others_can_write_to_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("filters");
        let made = program(&folder, &profile()).unwrap();
        write(&folder, &name_of(&profile()).unwrap(), b"12345678").unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o722)).unwrap();
        assert_eq!(program(&folder, &profile()).unwrap(), made);
    }
}
