//! Additional image stores: named with Podman's words on the command line, or in the
//! configuration file.

use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// The storage option that names one (podman(1), containers-storage.conf(5)).
const OPTION: &str = "additionalimagestore";

/// The key of the configuration file.
const KEY: &str = "additional-image-stores";

/// Takes the stores out of storage options; the rest is the driver's.
pub(crate) fn take_out(options: Vec<(String, String)>) -> (Vec<(String, String)>, Vec<PathBuf>) {
    let (stores, options): (Vec<_>, Vec<_>) =
        options.into_iter().partition(|(name, _)| name == OPTION);
    (options, stores.into_iter().map(|(_, path)| path.into()).collect())
}

/// The stores of the file and then those of the command line, in the order in which
/// they count.
///
/// # Errors
/// A relative path, the own root or one within the other, or the same store twice.
pub(crate) fn ordered(
    root: &Path,
    file: Vec<PathBuf>,
    given: Vec<PathBuf>,
) -> Result<Vec<PathBuf>, Failure> {
    let named = |source: &'static str| move |path| (source, path);
    let all = file.into_iter().map(named(KEY)).chain(given.into_iter().map(named(OPTION)));
    let mut stores: Vec<PathBuf> = Vec::new();
    for (source, path) in all {
        if let Some(why) = refusal(root, &stores, &path) {
            return Err(Failure::new(format!("{source}: {} {why}", path.display())));
        }
        stores.push(path);
    }
    Ok(stores)
}

fn refusal(root: &Path, others: &[PathBuf], path: &Path) -> Option<&'static str> {
    if !path.is_absolute() {
        return Some("is a relative path; name the store's folder from / on");
    }
    let (real, root) = (real(path), real(root));
    if real == root {
        return Some("is the root itself, whose images are here anyway");
    }
    if real.starts_with(&root) {
        return Some("lies within the root; a store is a folder of its own");
    }
    if root.starts_with(&real) {
        return Some("has the root in it; a store is a folder of its own");
    }
    let twice = others.iter().any(|other| self::real(other) == real);
    twice.then_some("is named twice")
}

/// Without symbolic links, as far as it is there.
fn real(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stores_are_taken_out_of_the_drivers_options() {
        let option = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let (rest, stores) = take_out(vec![
            option(OPTION, "/b"),
            option("overlay2.metacopy", "on"),
            option(OPTION, "/a"),
        ]);
        assert_eq!(rest, [option("overlay2.metacopy", "on")]);
        let stores = ordered(Path::new("/root"), vec!["/file".into()], stores).unwrap();
        assert_eq!(stores, ["/file", "/b", "/a"].map(PathBuf::from));
    }

    #[test]
    fn what_is_no_other_store_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let (root, link) = (dir.path().join("root"), dir.path().join("link"));
        std::fs::create_dir(&root).unwrap();
        std::os::unix::fs::symlink(&root, &link).unwrap();
        let other = dir.path().join("other");
        let rows = [
            (vec![PathBuf::from("store")], "relative path"),
            (vec![root.clone()], "the root itself"),
            (vec![link], "the root itself"),
            (vec![root.join("x")], "within the root"),
            (vec![dir.path().to_owned()], "has the root in it"),
            (vec![other.clone(), other], "named twice"),
        ];
        for (given, why) in rows {
            let failure = ordered(&root, Vec::new(), given).unwrap_err().to_string();
            assert!(failure.contains(why) && failure.starts_with(OPTION), "{failure}");
        }
    }
}
