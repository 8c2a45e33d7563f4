//! Where events go.
//!
//! Warnings go to standard error, which a daemon lets go of. To hear what one
//! says that Podman has started, name a file in `FUSE_OVERLAY_LOG`.

use std::env;
use std::fs::File;
use std::path::PathBuf;

use tracing::Level;

use super::ProcessError;

/// The environment variable that names a file for events, which are appended.
pub(super) const VARIABLE: &str = "FUSE_OVERLAY_LOG";

/// Begins to write events: to the file that [`VARIABLE`] names, else to standard
/// error. With `debug`, every request.
pub(super) fn start(debug: bool) -> Result<(), ProcessError> {
    let level = |usual| if debug { Level::DEBUG } else { usual };
    let log = tracing_subscriber::fmt().with_ansi(false);
    match env::var_os(VARIABLE).filter(|path| !path.is_empty()).map(PathBuf::from) {
        Some(path) => log.with_max_level(level(Level::INFO)).with_writer(open(path)?).init(),
        None => log.with_max_level(level(Level::WARN)).with_writer(std::io::stderr).init(),
    }
    Ok(())
}

fn open(path: PathBuf) -> Result<std::sync::Mutex<File>, ProcessError> {
    File::options()
        .append(true)
        .create(true)
        .open(&path)
        .map(std::sync::Mutex::new)
        .map_err(|source| ProcessError::Log { variable: VARIABLE, path, source })
}
