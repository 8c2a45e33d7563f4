//! `load`.

use std::path::PathBuf;

use clap::Args;
use sapwood_engine::Engine;
use sapwood_engine::image::Loaded;

use super::progress::Shown;
use crate::failure::Failure;
use crate::output::print;

/// Options of `load`.
#[derive(Debug, Args)]
#[command(after_help = "\
Takes what docker save, podman, skopeo, buildah, umoci and buildx write: docker
archives and OCI image layouts, as they are or compressed with gzip, zstd or xz.
Every byte is checked against the digests in the archive. When a load fails, no
image is recorded and no name is moved.

Examples:
  sapwood load -i busybox.tar
  sapwood load -i layout/                an OCI image layout in a directory
  docker save busybox | sapwood load")]
pub struct LoadArgs {
    /// Archive, or directory of an OCI image layout [default: standard input]
    #[arg(long, short, value_name = "FILE")]
    input: Option<PathBuf>,
    /// Show no progress
    #[arg(long, short)]
    quiet: bool,
}

/// Loads an archive's images and tells which they are.
pub fn load(engine: &Engine, args: &LoadArgs) -> Result<(), Failure> {
    let (file, name) = match &args.input {
        Some(path) => (super::open(path)?, path.display().to_string()),
        None => (super::standard_input("name one with -i FILE")?, "standard input".to_owned()),
    };
    let progress = Shown::new(args.quiet);
    let loaded = engine.load(file, &name, &progress);
    progress.finish();
    print(&loaded?.iter().map(|image| tell("Loaded image", image)).collect::<String>())
}

/// What came, a line for each name; `what` says how.
pub fn tell(what: &str, image: &Loaded) -> String {
    let mut text = String::new();
    for (name, before) in &image.taken {
        text += &format!("The name {name} was the image {before}'s and is this one's now\n");
    }
    for name in &image.names {
        text += &format!("{what}: {name}\n");
    }
    if image.names.is_empty() {
        text += &format!("{what} ID: {}\n", image.id);
    }
    text
}
