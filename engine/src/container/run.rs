//! `run`: from an image to a container's end.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::time::SystemTime;

use graphdriver_api::{Base, DraftId, DraftSpec, LayerId, NodeRef};

use super::attach::Signals;
use super::check::{Checked, check};
use super::error::{Error, ErrorKind, Result};
use super::host::{HostFacts, is_there};
use super::launch::{Launch, Monitor};
use super::monitor::Ending;
use super::records::{self, Details, End, Overrides, Phase, Record};
use super::request::{ImageConfig, RunRequest};
use super::rootfs::{Mounted, Tree, leave_mount_namespace};
use super::state::StateDir;
use super::{Containers, init_layer, name};
use crate::fault;
use crate::image::Image;
use crate::store::{Durability, Store, lock::Shared};

/// How often a made-up name may be taken before something else must be wrong.
const NAME_ATTEMPTS: usize = 32;

impl Containers<'_> {
    /// Runs a container in the foreground, to its end, and gives its exit
    /// status. The caller is single-threaded: from here on it has a mount
    /// namespace of its own. The sooner it has started `monitor`, the less there
    /// is to wait for.
    ///
    /// Standard input, output and error are the container's, and so are the
    /// signals that this process gets, as with `docker run`.
    ///
    /// # Errors
    /// The container couldn't be made or started. Nothing is left of it then.
    pub fn run(&self, request: &RunRequest, monitor: Monitor) -> Result<u8> {
        self.recover()?;
        let host = HostFacts::probe()?;
        // From here to the record, the image's layers can't be removed.
        let keep = Shared::wait(self.engine.store().dir())?;
        let image = self.engine.usable_image(&request.image)?;
        let config = ImageConfig::from_image_json(image.config.raw())
            .map_err(|e| Error::invalid("can't read the image's configuration").with_source(e))?;
        let checked = check(request, &config, &host, self.engine.driver().traits())?;

        let signals = Signals::collect()?;
        let mounts = leave_mount_namespace()?;
        make_volume_sources(request)?;
        let base = init_layer::ensure(self.engine, image.top.as_ref())?;
        let id = name::new_id()?;
        let state = self.state.create(&id)?;
        let record = new_record(request, &image, &config, &base, id, &checked)?;
        // As durable as its tree.
        let durability = if request.remove { Durability::Later } else { Durability::Full };
        let inserted = insert(self.engine.store(), record, request.name.is_none(), durability);
        let record = match inserted {
            Ok(record) => record,
            Err(e) => return Err(also(e, state.remove())),
        };
        drop(keep);
        let container = Container { all: self, record, state };
        match container.live(request, &config, &host, checked, &signals, (monitor, &mounts)) {
            Ok(ending) => container.end(ending),
            Err(e) => Err(also(e, container.forget())),
        }
    }
}

/// A container between its record and its end.
struct Container<'a> {
    all: &'a Containers<'a>,
    record: Record,
    state: StateDir,
}

impl Container<'_> {
    /// Makes its tree, runs it, and takes the tree's mount away.
    fn live(
        &self,
        request: &RunRequest,
        image: &ImageConfig,
        host: &HostFacts,
        checked: Checked,
        signals: &Signals,
        (monitor, mounts): (Monitor, &File),
    ) -> Result<Ending> {
        let driver = self.all.engine.driver();
        let draft = draft_of(&self.record)?;
        let base = layer_of(&self.record)?;
        // What is removed at the end needn't survive a power cut.
        let volatile = request.remove;
        let spec = DraftSpec { volatile, ..DraftSpec::default() };
        driver.prepare(&draft, base.as_ref().map_or(Base::Scratch, Base::Layer), &spec)?;
        let mounted = Mounted::new(driver, &draft, checked.ids, volatile, self.state.path())?;
        let ended = Launch {
            id: &self.record.id,
            request,
            image,
            host,
            decisions: checked.decisions,
            ids: checked.ids,
            runtime: checked.runtime,
            init: checked.init,
            rootfs: mounted.path()?,
            tree: Tree::new(mounted.root()?),
            state: &self.state,
            filters: &self.all.filters,
            monitor,
            mounts,
            signals,
        }
        .run();
        if let Err(e) = mounted.unmount() {
            // What the container did is in its tree all the same; the next
            // command finds the tree free, or says why it isn't.
            tracing::warn!("the container {} ended, but {e}", self.record.name);
        }
        ended
    }

    /// Notes the end, or removes everything if that was asked for.
    fn end(mut self, ending: Ending) -> Result<u8> {
        let status = ending.status();
        if self.record.details.remove {
            self.forget()?;
            return Ok(status);
        }
        self.record.details.end = Some(End { status, at: SystemTime::now() });
        let store = self.all.engine.store();
        // The container may have filled the medium.
        store.make_room_for_notes()?;
        store.write(Durability::Later, |t| records::finish(t, &self.record))?;
        self.all.count(&self.record.id);
        self.state.remove()?;
        Ok(status)
    }

    /// Removes everything of it.
    fn forget(self) -> Result<()> {
        self.all.delete(&self.record)?;
        self.state.remove()
    }
}

impl Containers<'_> {
    /// Removes a dead container's tree and record. The tree goes first: a
    /// record without a tree can be removed again, a tree without a record
    /// would be nobody's. Before that it is noted, on the medium, that they go:
    /// else a restart could bring a record back whose tree seems to be lost.
    pub(super) fn delete(&self, record: &Record) -> Result<()> {
        let store = self.engine.store();
        let lasting = !record.details.remove;
        if lasting {
            store.make_room_for_notes()?;
            store.write(Durability::Full, |t| records::begin_removal(t, record))?;
        }
        let removed = self.engine.driver().remove(NodeRef::Draft(&draft_of(record)?));
        if removed.is_err() && lasting {
            store.write(Durability::Later, |t| records::restore(t, record))?;
        }
        removed?;
        self.forget(record)
    }

    /// Removes the record of a container whose tree is gone.
    pub(super) fn forget(&self, record: &Record) -> Result<()> {
        // On a full medium only what was just removed makes room for the note.
        crate::image::make_room(self.engine)?;
        let image_is_there = self.engine.store().write(Durability::Later, |t| {
            records::remove(t, &record.id)?;
            Ok::<_, Error>(!crate::store::images::by_prefix(t, &record.image)?.is_empty())
        })?;
        self.engine.store().keep_room_for_notes();
        if !image_is_there {
            // The image was removed by force while this held its layers.
            crate::image::clean_up_if_needed(self.engine)?;
        }
        Ok(())
    }
}

pub(super) fn draft_of(record: &Record) -> Result<DraftId> {
    DraftId::new(&record.id).map_err(|e| Error::storage("a container's id is damaged", e))
}

pub(super) fn layer_of(record: &Record) -> Result<Option<LayerId>> {
    let layer = record.base.as_deref().map(LayerId::new).transpose();
    layer.map_err(|e| Error::storage("a container's record is damaged", e))
}

fn new_record(
    request: &RunRequest,
    image: &Image,
    config: &ImageConfig,
    base: &LayerId,
    id: String,
    checked: &Checked,
) -> Result<Record> {
    let mut labels: BTreeMap<String, String> = config.labels.clone().unwrap_or_default();
    labels.extend(request.labels.iter().map(|l| (l.name.clone(), l.value.clone())));
    let image_signal = config.stop_signal.as_deref().filter(|s| !s.is_empty());
    let stop_signal = match (request.stop_signal, image_signal) {
        (Some(signal), _) => Some(signal),
        (None, Some(name)) => Some(name.parse()?),
        (None, None) => None,
    };
    let details = Details {
        image_name: request.image.clone(),
        command: checked.decisions.command.clone(),
        labels,
        remove: request.remove,
        stop_signal: stop_signal.map(|s| s.0),
        stop_timeout: request.stop_timeout,
        end: None,
        overrides: Overrides::of(request),
    };
    Ok(Record {
        id,
        name: request.name.clone().map_or_else(name::new_name, Ok)?,
        image: image.id.to_string(),
        base: Some(base.as_str().to_owned()),
        phase: Phase::Running,
        created: SystemTime::now(),
        details,
    })
}

/// Records the container. A made-up name that is taken is made up again.
fn insert(
    store: &Store,
    mut record: Record,
    made_up: bool,
    durability: Durability,
) -> Result<Record> {
    for _ in 1..NAME_ATTEMPTS {
        match store.write(durability, |t| records::insert(t, &record)) {
            Err(e) if made_up && e.kind() == ErrorKind::NameInUse => {
                record.name = name::new_name()?;
            }
            inserted => return inserted.map(|()| record),
        }
    }
    // A short id is unique enough, and still a name.
    record.name = format!("c_{}", name::short(&record.id));
    store.write(durability, |t| records::insert(t, &record)).map(|()| record)
}

/// The folders of the host that `--volume` names are made where they aren't
/// there, as Docker makes them.
fn make_volume_sources(request: &RunRequest) -> Result<()> {
    for volume in &request.volumes {
        let path = std::path::Path::new(&volume.source);
        if is_there(path)? {
            continue;
        }
        let made = fault::point("run.volume.mkdir")
            .and_then(|()| DirBuilder::new().recursive(true).mode(0o755).create(path));
        match made {
            Err(e) if e.kind() != io::ErrorKind::AlreadyExists => {
                return Err(Error::io_at("create", path, e));
            }
            _ => {}
        }
    }
    Ok(())
}

/// The first failure is the one to tell; what cleaning up after it said goes
/// to the log.
fn also(first: Error, then: Result<()>) -> Error {
    if let Err(e) = then {
        tracing::debug!("left for the next command to clean up: {e}");
    }
    first
}
