//! `save`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use sapwood_engine::Engine;
use sapwood_engine::image::save::Format;

use super::progress::Shown;
use crate::destination;
use crate::failure::Failure;

/// Options of `save`.
#[derive(Debug, Args)]
#[command(after_help = "\
Layers are written byte for byte as they were loaded: image IDs and diff IDs stay.
A name is saved with the image; a repository stands for all its names; an ID saves
the image without a name. What is written has its name only when it is whole.

Examples:
  sapwood save -o busybox.tar busybox:1
  sapwood save --format oci-dir -o layout busybox:1
  sapwood save busybox:1 | docker load")]
pub struct SaveArgs {
    /// File, or directory for oci-dir [default: standard output]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// What to write
    #[arg(long, value_enum, default_value_t)]
    format: Kind,
    /// Show no progress
    #[arg(long, short)]
    quiet: bool,
    /// Images: names, repositories, or ids
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Kind {
    #[default]
    DockerArchive,
    OciArchive,
    OciDir,
}

/// Writes images.
pub fn save(engine: &Engine, args: &SaveArgs) -> Result<(), Failure> {
    let progress = Shown::new(args.quiet);
    let archive = |format| {
        destination::write(args.output.as_deref(), |out, name| {
            Ok(engine.save(&args.images, format, (out, name), &progress)?)
        })
    };
    let saved = match args.format {
        Kind::DockerArchive => archive(Format::DockerArchive),
        Kind::OciArchive => archive(Format::OciArchive),
        Kind::OciDir => match &args.output {
            Some(path) => destination::folder(path, |dir| {
                Ok(engine.save_folder(&args.images, dir, &progress)?)
            }),
            None => Err(Failure::new("oci-dir is a folder; name one with -o")),
        },
    };
    progress.finish();
    saved
}
