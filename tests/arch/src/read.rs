//! Reads the real workspace: `cargo metadata`, manifests, sources.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

use crate::error::Error;
use crate::workspace::{Crate, Dependency, Kind, Source, Workspace};

/// The part of `cargo metadata`'s answer that matters here.
#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_root: PathBuf,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    manifest_path: PathBuf,
    dependencies: Vec<RawDependency>,
}

#[derive(Deserialize)]
struct RawDependency {
    name: String,
    kind: Option<Kind>,
}

/// Reads the workspace that `folder` is in. Takes a fraction of a second and no network: with
/// `--no-deps`, cargo looks at manifests only.
///
/// # Errors
///
/// cargo failed, or a file could not be read.
pub fn read(folder: &Path) -> Result<Workspace, Error> {
    let metadata = metadata(folder)?;
    let root = &metadata.workspace_root;
    let folders: Vec<&Path> =
        metadata.packages.iter().filter_map(|package| package.manifest_path.parent()).collect();
    let crates = metadata.packages.iter().zip(&folders);
    let crates = crates.map(|(package, folder)| read_crate(package, root, folder, &folders));
    let manifest = read_text(&root.join("Cargo.toml"))?;
    Ok(Workspace { manifest, crates: crates.collect::<Result<_, _>>()? })
}

fn metadata(folder: &Path) -> Result<Metadata, Error> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let cargo = Path::new(&cargo);
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--no-deps"])
        .current_dir(folder)
        .output()
        .map_err(Error::at(cargo))?;
    if !output.status.success() {
        return Err(Error::at(folder)(String::from_utf8_lossy(&output.stderr)));
    }
    serde_json::from_slice(&output.stdout).map_err(Error::at(folder))
}

fn read_crate(
    package: &Package,
    root: &Path,
    folder: &Path,
    folders: &[&Path],
) -> Result<Crate, Error> {
    let dependency = |raw: &RawDependency| Dependency {
        name: raw.name.clone(),
        kind: raw.kind.unwrap_or_default(),
    };
    let mut sources = Vec::new();
    read_sources(root, folder, folders, &mut sources)?;
    Ok(Crate {
        name: package.name.clone(),
        folder: below(root, folder),
        manifest: read_text(&package.manifest_path)?,
        dependencies: package.dependencies.iter().map(dependency).collect(),
        sources,
    })
}

/// Descends into everything but other crates (one may lie inside another), build output, and
/// fixtures, which are data.
fn read_sources(
    root: &Path,
    folder: &Path,
    crates: &[&Path],
    found: &mut Vec<Source>,
) -> Result<(), Error> {
    let entries = fs::read_dir(folder).map_err(Error::at(folder))?;
    let paths = entries.map(|entry| entry.map(|entry| entry.path()));
    let mut paths = paths.collect::<Result<Vec<_>, _>>().map_err(Error::at(folder))?;
    paths.sort();
    for path in paths {
        let skipped = ["target", "fixtures"].iter().any(|name| path.ends_with(name));
        if path.is_dir() && !skipped && !crates.contains(&path.as_path()) {
            read_sources(root, &path, crates, found)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(Source { path: below(root, &path), text: read_text(&path)? });
        }
    }
    Ok(())
}

/// For messages, and to tell rooms apart: names in this repository are UTF-8.
fn below(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).display().to_string()
}

fn read_text(path: &Path) -> Result<String, Error> {
    fs::read_to_string(path).map_err(Error::at(path))
}
