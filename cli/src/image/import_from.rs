//! `image import-from`.

use std::path::PathBuf;
use std::time::SystemTime;

use clap::Args;
use sapwood_engine::Engine;
use sapwood_engine::foreign::{ForeignImage, ForeignStore, Owner};
use sapwood_engine::image::{Imported, Name, Offer};
use serde::Serialize;

use super::load::tell;
use super::progress::Shown;
use crate::failure::Failure;
use crate::output::{Format, Table, print, print_json};
use crate::time::ago;

/// Options of `image import-from`.
#[derive(Debug, Args)]
#[command(after_help = "\
Takes images over from the folder in which Docker (overlay2, fuse-overlayfs, vfs)
or Podman, Buildah and CRI-O (overlay, vfs) keep them: same IDs, same layers, all
names. They need not run, and may. Their folder isn't changed; every layer is
checked against its digest. Without IMAGE, all images that have a name.

Examples:
  sapwood image import-from --list /var/lib/docker
  sapwood image import-from /var/lib/docker
  sapwood image import-from /var/lib/containers/storage busybox quay.io/me/app:2
  sapwood image import-from ~me/.local/share/containers/storage 5d2f")]
pub struct ImportFromArgs {
    /// What `docker info` calls "Docker Root Dir", and `podman info`
    /// "graphRoot"
    #[arg(value_name = "PATH")]
    path: PathBuf,
    /// Names, ids or beginnings of ids, as they are there
    #[arg(value_name = "IMAGE")]
    images: Vec<String>,
    /// Images without a name too
    #[arg(long, short, conflicts_with = "images")]
    all: bool,
    /// Only show what is there
    #[arg(long, short)]
    list: bool,
    /// How to print the list
    #[arg(long, value_enum, default_value_t, requires = "list")]
    format: Format,
    /// Show no progress
    #[arg(long, short)]
    quiet: bool,
}

/// Takes images over, or lists them.
pub fn import_from(engine: &Engine, args: &ImportFromArgs) -> Result<(), Failure> {
    let store = ForeignStore::open(&args.path)?;
    let images = store.images()?;
    let (chosen, failures) = choose(&store, &images, args);
    if args.list {
        list(engine, &store, &chosen, args.format)?;
        return finish(&failures);
    }
    if chosen.is_empty() && failures.is_empty() {
        return Err(nothing_there(&store, &images));
    }
    import(engine, &store, &chosen, failures, args.quiet)
}

/// Why there is nothing to do, and what there may be.
fn nothing_there(store: &ForeignStore, images: &[ForeignImage]) -> Failure {
    let name = store.name();
    Failure::new(match (images.is_empty(), store.owner()) {
        (false, _) => format!("no image in {name} has a name; -a takes those without"),
        (true, Owner::Podman) => format!("there are no images in {name}"),
        (true, Owner::Docker) => format!(
            "there are no images in {name}; if `docker images` lists some, they are in containerd's \
             image store, which isn't read: `docker save` writes archives that `sapwood load` takes"
        ),
    })
}

/// One that can't be chosen, or taken over, doesn't keep the others.
fn choose<'a>(
    store: &ForeignStore,
    images: &'a [ForeignImage],
    args: &ImportFromArgs,
) -> (Vec<&'a ForeignImage>, Vec<String>) {
    if args.images.is_empty() {
        let wanted = |image: &&ForeignImage| args.all || !image.names.is_empty();
        return (images.iter().filter(wanted).collect(), Vec::new());
    }
    let (mut chosen, mut failures) = (Vec::new(), Vec::new());
    for given in &args.images {
        match store.choose(images, given) {
            Ok(image) if chosen.contains(&image) => {}
            Ok(image) => chosen.push(image),
            Err(e) => failures.push(e.report()),
        }
    }
    (chosen, failures)
}

fn import(
    engine: &Engine,
    store: &ForeignStore,
    chosen: &[&ForeignImage],
    mut failures: Vec<String>,
    quiet: bool,
) -> Result<(), Failure> {
    for image in chosen {
        let progress = Shown::new(quiet);
        let imported = engine.import_from(store, image, &progress);
        progress.finish();
        match imported {
            Ok(imported) => print(&told(&imported))?,
            Err(e) => failures.push(e.report()),
        }
    }
    finish(&failures)
}

fn finish(failures: &[String]) -> Result<(), Failure> {
    if failures.is_empty() { Ok(()) } else { Err(Failure::new(failures.join("; "))) }
}

fn told(imported: &Imported) -> String {
    let what = if imported.was_here { "Already here" } else { "Imported image" };
    tell(what, &imported.loaded)
}

/// One image of the list.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Row {
    #[serde(rename = "ID")]
    id: String,
    names: Vec<String>,
    digests: Vec<String>,
    created: String,
    layers: usize,
    is_here: bool,
    problem: Option<String>,
    #[serde(skip)]
    created_at: Option<SystemTime>,
}

impl Row {
    fn new(image: &ForeignImage, offer: Offer) -> Self {
        Self {
            id: image.id.to_string(),
            names: image.names.iter().map(Name::to_string).collect(),
            digests: image.digests.iter().map(|(r, d)| format!("{}@{d}", r.familiar())).collect(),
            created: offer.created,
            layers: offer.layers,
            is_here: offer.is_here,
            problem: offer.problem,
            created_at: offer.created_at,
        }
    }

    /// What importing it would do, in a word or two.
    fn state(&self) -> String {
        match &self.problem {
            Some(problem) => format!("can't be imported: {problem}"),
            None if self.is_here => "here".to_owned(),
            None => "new".to_owned(),
        }
    }
}

fn list(
    engine: &Engine,
    store: &ForeignStore,
    chosen: &[&ForeignImage],
    format: Format,
) -> Result<(), Failure> {
    let row = |image: &&ForeignImage| Ok(Row::new(image, engine.offer(store, image)?));
    let rows: Vec<Row> = chosen.iter().map(row).collect::<Result<_, Failure>>()?;
    match format {
        Format::Json => print_json(&rows),
        Format::Table => print(&table(&rows)),
    }
}

/// A line for each name.
fn table(rows: &[Row]) -> String {
    let now = SystemTime::now();
    let mut table = Table::new(["NAME", "IMAGE ID", "CREATED", "LAYERS", "STATE"]);
    for row in rows {
        let nameless = ["<none>".to_owned()];
        let names = if row.names.is_empty() { &nameless[..] } else { &row.names };
        let id: String = row.id.chars().skip("sha256:".len()).take(12).collect();
        for name in names {
            table.row([
                name.clone(),
                id.clone(),
                row.created_at.map_or_else(|| "N/A".to_owned(), |at| ago(at, now)),
                row.layers.to_string(),
                row.state(),
            ]);
        }
    }
    table.render()
}
