//! Making an image of one layer from an archive of a root file system.

use std::fs::File;
use std::io::{self, Cursor, Read};

use jiff::Timestamp;
use serde_json::json;

use super::change::{Change, RunConfig};
use super::config::Config;
use super::digest::Digest;
use super::layer::{self, Incoming, Made};
use super::lease::{self, Lease};
use super::load::now;
use super::progress::Progress;
use super::reference::Name;
use crate::archive::{MAGIC_LEN, Platform, Problem};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::store::{Durability, images, layers};

/// What is imported, and what the image should say of itself.
#[derive(Debug, Default)]
pub struct Import {
    /// What messages call the archive.
    pub name: String,
    /// The image's name, if it should have one.
    pub tag: Option<Name>,
    /// Instructions, in order.
    pub changes: Vec<Change>,
    /// A remark for the history.
    pub message: Option<String>,
}

impl Engine {
    /// Makes an image of the tar archive that `file` holds, a file or a stream,
    /// as it is or compressed with gzip, zstd or xz; and returns its id.
    ///
    /// The archive is unpacked as a layer: names that begin with `.wh.` are
    /// whiteouts and hide nothing here.
    ///
    /// # Errors
    /// As [`Engine::load`].
    pub fn import(&self, file: File, import: &Import, progress: &dyn Progress) -> Result<Digest> {
        let imported = self.import_layer(file, import, progress);
        lease::clean_up_after(self, imported)
    }

    fn import_layer(&self, file: File, import: &Import, progress: &dyn Progress) -> Result<Digest> {
        let lease = Lease::begin(self.store())?;
        let len = file.metadata().map_or(0, |m| m.len());
        let reader = from_the_start(file).map_err(|problem| problem.in_archive(&import.name))?;
        let incoming = Incoming { reader, name: &import.name, len, strange: true };
        let made = layer::make(self, &lease, None, incoming, progress)?;
        self.record_import(&lease, &made, import)
    }

    fn record_import(&self, lease: &Lease, made: &Made, import: &Import) -> Result<Digest> {
        let config = describe(made, import)?;
        let id = config.id().to_string();
        self.store().write(Durability::Full, |t| {
            layers::insert(t, &made.row)?;
            images::insert(t, &id, config.raw(), Some(&made.row.chain_id), now())?;
            if let Some(name) = &import.tag {
                images::set_name(t, name, &id, now())?;
            }
            layers::end_work(t, lease.token())
        })?;
        Ok(config.id().clone())
    }
}

/// A stream gives what it has at hand, which may be less than is needed to
/// recognise it: the first bytes are collected and put in front again.
fn from_the_start(mut file: File) -> std::result::Result<impl Read, Problem> {
    if file.metadata()?.is_dir() {
        return Err(Problem::new("it is a folder; pack it first (tar -C FOLDER -c .)"));
    }
    let mut start = Vec::with_capacity(MAGIC_LEN);
    io::Read::by_ref(&mut file).take(MAGIC_LEN as u64).read_to_end(&mut start)?;
    if start.is_empty() {
        return Err(Problem::new("it is empty"));
    }
    Ok(Cursor::new(start).chain(file))
}

/// The least that a configuration needs, and what the user said.
fn describe(made: &Made, import: &Import) -> Result<Config> {
    let mut run = RunConfig::default();
    for change in &import.changes {
        run.apply(change.clone());
    }
    let host = Platform::host();
    let created = Timestamp::now().to_string();
    let comment =
        import.message.clone().unwrap_or_else(|| format!("Imported from {}", import.name));
    let mut document = json!({
        "architecture": host.architecture,
        "os": host.os,
        "created": created,
        "config": run.into_value(),
        "rootfs": { "type": "layers", "diff_ids": [made.diff_id] },
        "history": [{ "created": created, "comment": comment }],
    });
    if let (Some(variant), Some(object)) = (host.variant, document.as_object_mut()) {
        object.insert("variant".to_owned(), variant.into());
    }
    Config::parse(document.to_string().into_bytes())
        .map_err(|e| Error::Invalid(format!("the new image's configuration: {e}")))
}
