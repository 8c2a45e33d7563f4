//! `tag`.

use clap::Args;
use sapwood_engine::Engine;
use sapwood_engine::image::Name;

use crate::failure::Failure;

/// Options of `tag`.
#[derive(Debug, Args)]
pub struct TagArgs {
    /// Name, id or beginning of an id
    #[arg(value_name = "IMAGE")]
    source: String,
    /// The further name; an image that has it loses it
    #[arg(value_name = "NAME[:TAG]")]
    target: String,
}

/// Gives an image a name.
pub fn tag(engine: &Engine, args: &TagArgs) -> Result<(), Failure> {
    engine.tag(&args.source, &Name::parse(&args.target)?)?;
    Ok(())
}
