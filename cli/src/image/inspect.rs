//! `inspect`.

use clap::Args;
use sapwood_engine::Engine;

use crate::failure::Failure;
use crate::output::print_json;

/// Options of `inspect`.
#[derive(Debug, Args)]
pub struct InspectArgs {
    /// Name, id or beginning of an id
    #[arg(value_name = "IMAGE", required = true)]
    images: Vec<String>,
}

/// Prints a list with an object for each image; all of them or nothing.
pub fn inspect(engine: &Engine, args: &InspectArgs) -> Result<(), Failure> {
    let driver = engine.driver().name();
    let documents = args
        .images
        .iter()
        .map(|given| Ok(sapwood_engine::image::inspect(&engine.image(given)?, driver)))
        .collect::<Result<Vec<_>, Failure>>()?;
    print_json(&documents)
}
