//! Makes images for demonstrations and measurements, without a network.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use sapwood_e2e::images::{Compression, Error, Format, busybox, many_layers, realistic};

/// Makes an image from this machine's static busybox.
#[derive(Debug, Parser)]
struct Cli {
    /// docker (an archive), oci (a tar) or oci-folder.
    #[arg(long, default_value = "docker")]
    format: Format,
    /// none, gzip or zstd.
    #[arg(long, default_value = "none")]
    compression: Compression,
    /// The image's name.
    #[arg(long)]
    name: Option<String>,
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// busybox alone.
    Busybox { output: PathBuf },
    /// busybox under many tiny layers.
    Many {
        output: PathBuf,
        #[arg(long, default_value_t = 200)]
        layers: usize,
    },
    /// busybox under layers of files with the sizes of a real image.
    Realistic {
        output: PathBuf,
        #[arg(long, default_value_t = 10)]
        layers: usize,
        #[arg(long, default_value_t = 475)]
        megabytes: u64,
    },
}

fn main() -> ExitCode {
    match make(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // With standard error gone there's nobody left to tell.
            writeln!(io::stderr(), "sapwood-images: {error}").ok();
            ExitCode::FAILURE
        }
    }
}

fn make(cli: Cli) -> Result<(), Error> {
    let name = |default: &str| cli.name.clone().unwrap_or_else(|| default.to_owned());
    let (image, output) = match cli.what {
        What::Busybox { output } => (busybox(&name("busybox:latest"))?, output),
        What::Many { output, layers } => (many_layers(&name("many:latest"), layers)?, output),
        What::Realistic { output, layers, megabytes } => {
            (realistic(&name("realistic:latest"), layers, megabytes * 1_000_000)?, output)
        }
    };
    image.write(&output, cli.format, cli.compression)
}
