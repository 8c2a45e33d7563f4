//! Which directories make up a node's tree, and mounting them.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use graphdriver_api::{Error, ErrorKind, LayerId, NodeRef, Op, Result};
use rustix::io::Errno;
use sapwood_kit::at::open_dir;
use sapwood_kit::idmap::Mapped;
use sapwood_kit::mount::{Detached, Lower, MountError, Overlay, Place, Upper, Way};
use sapwood_kit::nodes::{Kind, Layout, Lender, Node, NodeStore, Record};
use serde::{Deserialize, Serialize};

use crate::factory::HOST;
use crate::probe::Probe;
use crate::settings::Settings;
use crate::tree::{DIFF, WORK};
use crate::{NAME, namespaces};

/// A directory beside the nodes in which there is never anything: the lower
/// layer where a tree has none, because an overlay without an upper needs two
/// lowers, and one with an upper needs one.
pub(crate) const EMPTY: &str = "empty";

/// What the driver keeps in a node's record.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Private {
    /// Files in its chain may have their content in a layer below theirs:
    /// without the option `metacopy` the kernel refuses to read them.
    #[serde(default)]
    pub(crate) metacopy: bool,
}

impl Private {
    /// # Errors
    /// `Corrupt`.
    pub(crate) fn of(op: Op, node: &Node) -> Result<Self> {
        Self::parse(op, node.record()).map_err(|e| e.with_node(node.id()))
    }

    /// # Errors
    /// `Corrupt`.
    pub(crate) fn parse(op: Op, record: &Record) -> Result<Self> {
        serde_json::from_value(record.private.clone()).map_err(|e| {
            Error::new(ErrorKind::Corrupt, op, "its record holds what overlay2 doesn't know")
                .with_driver(NAME)
                .with_source(e)
        })
    }
}

/// Options of the file system, as they are given to the kernel.
pub(crate) type MountOptions = Vec<(&'static str, Option<&'static str>)>;

/// The directories of a node and its chain.
#[derive(Debug)]
pub(crate) struct Stack {
    op: Op,
    node: graphdriver_api::NodeId,
    /// The node's own directory; `None` for a view, which has no difference.
    pub(crate) own: Option<Dir>,
    work: PathBuf,
    /// Those of the chain, the nearest first.
    pub(crate) beneath: Vec<Dir>,
    lenders: Lenders,
    metacopy: bool,
}

/// A directory of a layer or draft.
#[derive(Debug)]
pub(crate) struct Dir {
    /// Which of the lenders it lies in; `None` for the own root.
    lender: Option<usize>,
    /// Relative to that root.
    path: PathBuf,
}

impl Dir {
    fn lower(&self) -> Lower<'_> {
        Lower { lender: self.lender, dir: &self.path }
    }
}

/// The roots that layers of a stack were borrowed from, each with those layers.
#[derive(Debug, Default)]
struct Lenders(Vec<(PathBuf, Vec<LayerId>)>);

impl Lenders {
    /// Where a node's difference lies.
    fn dir_of(&mut self, node: &Node) -> Dir {
        let lender = node.lender().map(|(path, layer)| {
            let known = self.0.iter().position(|(known, _)| known == path);
            let at = known.unwrap_or_else(|| {
                self.0.push((path.to_owned(), Vec::new()));
                self.0.len() - 1
            });
            if let Some((_, layers)) = self.0.get_mut(at) {
                layers.push(layer.clone());
            }
            at
        });
        Dir { lender, path: dir_of(node.id()).join(DIFF) }
    }

    /// Opens each, and sees to it that its layers are there: the kernel wouldn't say
    /// which of them is missing.
    fn open(&self, op: Op, layout: &Layout) -> Result<Vec<Lender>> {
        let mut opened = Vec::with_capacity(self.0.len());
        for (path, layers) in &self.0 {
            let Some(first) = layers.first() else { continue };
            let lender = Lender::open(op, layout, path, first)?;
            for layer in layers {
                drop(lender.tree(layer, DIFF)?);
            }
            opened.push(lender);
        }
        Ok(opened)
    }
}

/// Which part of a stack is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// The node's tree, to be written to.
    Writable,
    /// The node's tree.
    Whole,
    /// Its parent's tree.
    Beneath,
}

/// What is the same for every mount of an open driver.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ground<'a> {
    pub(crate) store: &'a NodeStore,
    pub(crate) settings: &'a Settings,
    pub(crate) probe: &'a Probe,
}

impl Ground<'_> {
    /// Whether a mount takes a private mount namespace.
    fn needs_namespace(&self, ids: bool) -> bool {
        self.probe.way == Way::Page || (ids && !self.probe.detached_layers)
    }

    fn share_namespaces(&self) -> io::Result<namespaces::Held> {
        namespaces::shared(self.host()?)
    }

    /// The directory for what is about this host.
    pub(crate) fn host(&self) -> io::Result<OwnedFd> {
        Ok(open_dir(self.store.root(), HOST.as_ref())?)
    }
}

impl Stack {
    /// Looks up the chain of a node. Cost: a record a layer.
    ///
    /// # Errors
    /// `Corrupt` names the layer that is missing or can't be read.
    pub(crate) fn of(store: &NodeStore, op: Op, node: &Node) -> Result<Self> {
        let chain = store.chain(op, node)?;
        let mut lenders = Lenders::default();
        Ok(Self {
            op,
            node: node.id().to_owned(),
            work: dir_of(node.id()).join(WORK),
            own: (node.record().kind != Kind::View).then(|| lenders.dir_of(node)),
            beneath: chain.iter().map(|layer| lenders.dir_of(layer)).collect(),
            lenders,
            metacopy: Private::of(op, node)?.metacopy,
        })
    }

    /// Opens the roots that its layers were borrowed from.
    ///
    /// # Errors
    /// Those of [`Lender`].
    pub(crate) fn open_lenders(&self, store: &NodeStore) -> Result<Vec<Lender>> {
        self.lenders.open(self.op, store.layout())
    }

    /// The upper directory of a part, if it has one.
    pub(crate) fn upper(&self, part: Part) -> Option<Upper<'_>> {
        let own = self.own.as_ref().filter(|_| part == Part::Writable)?;
        Some(Upper { root: None, dir: &own.path, work: &self.work })
    }

    /// The lower directories of a part, the topmost first: as many as the
    /// kernel wants at least.
    pub(crate) fn lowers(&self, part: Part) -> Vec<Lower<'_>> {
        let own = self.own.as_ref().filter(|_| part == Part::Whole);
        let mut lowers: Vec<_> = own.into_iter().chain(&self.beneath).map(Dir::lower).collect();
        let fewest = if self.upper(part).is_some() { 1 } else { 2 };
        if lowers.len() < fewest {
            lowers.push(Path::new(EMPTY).into());
        }
        lowers
    }

    /// The options of a mount of it.
    pub(crate) fn options(&self, ground: Ground<'_>, volatile: bool) -> MountOptions {
        let on_off = |on| if on { "on" } else { "off" };
        // Renamed directories of earlier days are found in any case.
        let redirect = if ground.settings.redirect_dir { "on" } else { "follow" };
        let mut options = vec![
            ("index", Some("off")),
            // All layers on one file system have its inode numbers; numbers of
            // several are kept apart where there is room in them.
            ("xino", Some(if self.lenders.0.is_empty() { "off" } else { "auto" })),
            ("redirect_dir", Some(redirect)),
            ("metacopy", Some(on_off(self.metacopy))),
        ];
        if ground.probe.null_uuid.works {
            // Else the kernel would write a number into each upper that nobody
            // reads.
            options.push(("uuid", Some("null")));
        }
        if volatile {
            options.push(("volatile", None));
        }
        options
    }

    /// Mounts a part of it, where nobody sees it.
    ///
    /// # Errors
    /// `Corrupt` for a node without its directory; else as the kernel says.
    pub(crate) fn mount(
        &self,
        ground: Ground<'_>,
        part: Part,
        ids: Option<&Mapped>,
        volatile: bool,
    ) -> Result<Detached> {
        let root = ground.store.root_here(self.op)?;
        let lenders = self.open_lenders(ground.store)?;
        let places: Vec<_> =
            lenders.iter().map(|l| Place { path: l.path(), root: l.root() }).collect();
        let overlay = Overlay {
            path: ground.store.path(),
            root: root.as_fd(),
            lenders: &places,
            lowers: &self.lowers(part),
            upper: self.upper(part),
            options: &self.options(ground, volatile),
            ids,
            detached_layers: ground.probe.detached_layers,
        };
        let _held = ground.needs_namespace(ids.is_some()).then(|| ground.share_namespaces());
        let _held = _held.transpose().map_err(|e| self.named("lock the namespaces", e))?;
        overlay.mount(ground.probe.way).map_err(|e| self.failed(e))
    }

    fn named(&self, doing: &'static str, e: io::Error) -> Error {
        Error::io(self.op, doing, e).with_driver(NAME).with_node(self.node.as_ref())
    }

    fn failed(&self, error: MountError) -> Error {
        let missing = error.errno() == Errno::NOENT;
        let failed = Error::io(self.op, "mount its layers", error);
        let failed = if missing { failed.with_kind(ErrorKind::Corrupt) } else { failed };
        failed.with_driver(NAME).with_node(self.node.as_ref())
    }
}

/// A node's directory, relative to the root.
pub(crate) fn dir_of(node: NodeRef<'_>) -> PathBuf {
    let shelf = match node {
        NodeRef::Draft(_) => "drafts",
        NodeRef::Layer(_) => "layers",
    };
    Path::new(shelf).join(node.as_str())
}
