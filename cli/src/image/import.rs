//! `import`.

use std::path::PathBuf;

use clap::Args;
use sapwood_engine::Engine;
use sapwood_engine::image::{Change, Import, Name};

use super::progress::Shown;
use crate::failure::Failure;
use crate::output::print;

/// Options of `import`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sapwood import -c 'CMD [\"/bin/sh\"]' root.tar.gz mine:1
  tar -C rootfs -c . | sapwood import - mine")]
pub struct ImportArgs {
    /// Tar archive of a root file system, `-` for standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Name of the new image
    #[arg(value_name = "NAME[:TAG]")]
    name: Option<String>,
    /// Instruction of a Dockerfile to apply, repeatable: CMD, ENTRYPOINT, ENV,
    /// EXPOSE, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME, WORKDIR
    #[arg(long, short, value_name = "INSTRUCTION")]
    change: Vec<Change>,
    /// Remark for the image's history
    #[arg(long, short, value_name = "TEXT")]
    message: Option<String>,
    /// Show no progress
    #[arg(long, short)]
    quiet: bool,
}

/// Makes an image and prints its id.
pub fn import(engine: &Engine, args: &ImportArgs) -> Result<(), Failure> {
    let tag = args.name.as_deref().map(Name::parse).transpose()?;
    let (file, name) = if args.file.as_os_str() == "-" {
        (super::standard_input("name one, or pipe one in")?, "-".to_owned())
    } else {
        (super::open(&args.file)?, args.file.display().to_string())
    };
    let import = Import { name, tag, changes: args.change.clone(), message: args.message.clone() };
    let progress = Shown::new(args.quiet);
    let id = engine.import(file, &import, &progress);
    progress.finish();
    print(&format!("{}\n", id?))
}
