//! An image: its configuration, and a recipe for each layer.

use std::io;
use std::path::Path;

use serde_json::{Value, json};

use crate::images::archive::{self, Format};
use crate::images::compression::Compression;
use crate::images::error::Error;
use crate::images::layer::LayerWriter;

type Recipe = Box<dyn Fn(&mut LayerWriter<'_>) -> io::Result<()>>;

/// What is to be written. Layers are made when it is, one after the other.
pub struct Image {
    pub(crate) name: String,
    pub(crate) layers: Vec<Recipe>,
    config: Value,
}

impl std::fmt::Debug for Image {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let layers = self.layers.len();
        out.debug_struct("Image").field("name", &self.name).field("layers", &layers).finish()
    }
}

impl Image {
    /// An image without layers, tagged `name`, that starts `sh`.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        let path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        let config = json!({ "Env": [path], "Cmd": ["sh"] });
        Self { name: name.into(), layers: Vec::new(), config }
    }

    /// Adds a layer on top of those before.
    #[must_use]
    pub fn layer(
        mut self,
        recipe: impl Fn(&mut LayerWriter<'_>) -> io::Result<()> + 'static,
    ) -> Self {
        self.layers.push(Box::new(recipe));
        self
    }

    /// What a container runs if nothing else is asked for.
    #[must_use]
    pub fn command(self, words: &[&str]) -> Self {
        self.set("Cmd", json!(words))
    }

    /// Sets a member of the configuration, under its name in the OCI image-spec: `User`,
    /// `Entrypoint`, `WorkingDir`, `Labels`, `StopSignal`, `Volumes`.
    #[must_use]
    pub fn set(mut self, member: &str, value: Value) -> Self {
        self.config[member] = value;
        self
    }

    /// Writes the image to `path`. Needs as much space again while it works.
    ///
    /// # Errors
    ///
    /// The archive could not be written, or a recipe failed.
    pub fn write(
        &self,
        path: &Path,
        format: Format,
        compression: Compression,
    ) -> Result<(), Error> {
        archive::write(self, path, format, compression)
    }

    /// The configuration's JSON, for layers with these diff IDs.
    pub(crate) fn config(&self, diff_ids: &[String]) -> Value {
        let created = "2026-01-01T00:00:00Z";
        let history =
            |(index, _)| json!({ "created": created, "created_by": format!("layer {index}") });
        json!({
            "architecture": architecture(),
            "os": "linux",
            "created": created,
            "config": self.config,
            "rootfs": { "type": "layers", "diff_ids": diff_ids },
            "history": diff_ids.iter().enumerate().map(history).collect::<Vec<_>>(),
        })
    }
}

/// As Go names it, and with it every image.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}
