//! Nodes: their directories, records, parents and links.

use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use graphdriver_api::{LayerId, NodeId, NodeRef, Op};
use serde_json::{Value, json};

use super::super::record::{self, Kind, Record, link_name};
use super::super::{Lender, boot, disk, lock};
use super::found::{Action, Found};
use super::ground::owner;
use super::look::{Look, path_of};
use super::records::{Entry, Known, Read};

/// What the store itself keeps in nodes of either kind.
const STORES: [&str; 7] = [
    "draft.json",
    "layer.json",
    ".layer.json.new",
    "children",
    "unpacking",
    "unflushed",
    boot::MARK,
];

pub(super) fn look(look: &Look<'_>, known: &Known) -> io::Result<Vec<Found>> {
    let mut found = Vec::new();
    for (shelf, name) in &known.strays {
        let what = format!("{name:?} lies among the nodes and isn't one");
        found.push(Found::wrong("stray", Path::new(shelf).join(name), what).set_aside());
    }
    for (id, entry) in &known.nodes {
        let node = Seen { look, known, id, entry };
        found.extend(node.all()?.into_iter().map(|found| found.of(id.as_ref())));
    }
    Ok(found)
}

/// One node that is being looked at.
struct Seen<'a> {
    look: &'a Look<'a>,
    known: &'a Known,
    id: &'a NodeId,
    entry: &'a Entry,
}

impl Seen<'_> {
    fn all(&self) -> io::Result<Vec<Found>> {
        let path = path_of(self.id.as_ref());
        if self.entry.is_over {
            let what = "it was only for an earlier boot of the host, or the medium was taken away \
                        before it was written";
            let found = Found::leftover("draft-ended", path, what.to_owned());
            return Ok(vec![match self.id {
                NodeId::Draft(id) => {
                    found.mend(Action::Discard(id.clone()), "take it away, as other commands do")
                }
                NodeId::Layer(_) => found,
            }]);
        }
        if self.is_orphan() {
            let what = "an empty folder where a node should be: it has neither record nor tree";
            return Ok(vec![Found::wrong("orphan-folder", path, what.to_owned()).set_aside()]);
        }
        let mut found: Vec<Found> = owner(self.look, &path)?.into_iter().collect();
        found.extend(self.strangers());
        found.extend(self.tree()?);
        found.extend(self.lock());
        found.extend(self.mark());
        match &self.entry.record {
            Read::Missing => {
                found.push(self.no_record("record-missing", "its record is missing")?);
            }
            Read::Damaged(why) => {
                let what = format!("its record is damaged: {why}");
                found.push(self.no_record("record-damaged", &what)?);
            }
            Read::Whole(record) => {
                found.extend(self.parent(record));
                found.extend(self.drivers(record)?);
            }
        }
        Ok(found)
    }

    fn is_orphan(&self) -> bool {
        matches!(self.entry.record, Read::Missing)
            && !self.entry.has(record::LOCKED)
            && !self.entry.has(self.look.rules.tree)
    }

    fn at(&self, name: impl AsRef<Path>) -> std::path::PathBuf {
        path_of(self.id.as_ref()).join(name)
    }

    fn strangers(&self) -> Vec<Found> {
        let rules = self.look.rules;
        let ours = |name: &&std::ffi::OsString| {
            STORES.iter().chain(rules.keeps).any(|known| *name == known) || *name == rules.tree
        };
        let stray = |path: std::path::PathBuf| {
            let what = format!("{:?} isn't the driver's", path.file_name().unwrap_or_default());
            Found::wrong("stray", path, what).set_aside()
        };
        let names = self.entry.names.iter().filter(|name| !ours(name)).map(|name| self.at(name));
        let links = self.entry.strange_links.iter().map(|name| self.at("children").join(name));
        names.chain(links).map(stray).collect()
    }

    fn tree(&self) -> io::Result<Option<Found>> {
        let tree = self.look.rules.tree;
        if let (Read::Whole(record), NodeId::Layer(id)) = (&self.entry.record, self.id)
            && let Some(lender) = &record.lender
        {
            return Ok(self.lender(id, record, lender));
        }
        let was_borrowed = || -> io::Result<bool> {
            Ok(self.draft_record()?.is_some_and(|draft| draft.lender.is_some()))
        };
        if self.entry.kind(self.id) == Kind::View || self.entry.has(tree) || was_borrowed()? {
            return Ok(None);
        }
        let what = format!("its directory {tree:?}, with all its files, is missing");
        Ok(Some(match self.id {
            NodeId::Layer(_) => Found::lost("tree-missing", path_of(self.id.as_ref()), what)
                .set_aside()
                .advise("move what is left to the quarantine, so that it can be loaded again"),
            NodeId::Draft(_) => {
                Found::lost("tree-missing", path_of(self.id.as_ref()), what).set_aside()
            }
        }))
    }

    /// Whether what a layer was borrowed from is still there, and still that.
    fn lender(&self, id: &LayerId, record: &Record, lender: &Path) -> Option<Found> {
        let rules = self.look.rules;
        let theirs = Lender::open(Op::Check, &rules.layout, lender, id)
            .and_then(|from| from.tree(id, rules.tree).and_then(|_| from.record(id)));
        let what = match theirs {
            Ok(theirs) if theirs.parent == record.parent => return None,
            Ok(_) => format!("it lies in {}, where it stands on another layer", lender.display()),
            Err(e) => e.report(),
        };
        let found = Found::lost("lender-missing", path_of(self.id.as_ref()), what);
        Some(found.advise("nothing: bring back what lies there, or load the image again"))
    }

    /// A layer's locks are on the record that it had as a draft.
    fn lock(&self) -> Option<Found> {
        let NodeId::Layer(id) = self.id else { return None };
        if self.entry.has(record::LOCKED) {
            return None;
        }
        let found = Found::wrong(
            "lock-missing",
            self.at(record::LOCKED),
            "the file that its locks are on is missing".to_owned(),
        );
        let record = Record {
            kind: Kind::Draft,
            parent: None,
            deferred: false,
            lender: None,
            depth: 0,
            created: Record::now(),
            private: Value::Null,
        };
        Some(found.mend(Action::WriteLock(id.clone(), Box::new(record)), "make it again"))
    }

    fn mark(&self) -> Option<Found> {
        let is_draft = matches!(self.id, NodeId::Draft(_));
        (is_draft && self.entry.has("unflushed")).then(|| {
            let what = "the medium failed while it was flushed: files in it may be damaged";
            Found::lost("unflushed", self.at("unflushed"), what.to_owned())
                .advise("nothing: copy what you need out of it, and remove it")
        })
    }

    fn no_record(&self, code: &'static str, what: &str) -> io::Result<Found> {
        let node = self.id.as_ref();
        let path = self.at(record::file_name(node));
        Ok(match self.derive(self.draft_record()?) {
            Some(record) => {
                let action = Action::WriteRecord(self.id.clone(), Box::new(record));
                Found::wrong(code, path, what.to_owned())
                    .mend(action, "write it again from what else tells of the node")
            }
            None => Found::lost(code, path_of(node), what.to_owned()).set_aside(),
        })
    }

    /// The record that a node must have had, from the links to it and, for a
    /// layer, from the record that it had as a draft.
    fn derive(&self, draft: Option<Record>) -> Option<Record> {
        let of_draft = draft.as_ref().and_then(|draft| draft.parent.clone());
        let parent = of_draft.or_else(|| self.known.only_linker(self.id).cloned());
        if parent.is_none() && self.known.linkers.get(self.id).is_some_and(|l| l.len() > 1) {
            return None;
        }
        let beneath = match &parent {
            Some(parent) => self.known.layer(parent)?.depth,
            None => 0,
        };
        let is_layer = matches!(self.id, NodeId::Layer(_));
        let lender = draft.as_ref().and_then(|draft| draft.lender.clone());
        let kind = match (is_layer, self.entry.has(self.look.rules.tree)) {
            (true, _) => Kind::Layer,
            (false, true) => Kind::Draft,
            (false, false) => Kind::View,
        };
        Some(Record {
            kind,
            parent,
            deferred: false,
            depth: beneath.saturating_add(u32::from(is_layer)),
            lender,
            created: draft.as_ref().map_or_else(Record::now, |draft| draft.created),
            private: draft.map_or_else(|| json!({}), |draft| draft.private),
        })
    }

    /// A layer's record of its time as a draft, if that can be understood.
    fn draft_record(&self) -> io::Result<Option<Record>> {
        let NodeId::Layer(_) = self.id else { return Ok(None) };
        let Some(dir) = self.look.open_node(self.id.as_ref())? else { return Ok(None) };
        let Some(file) = disk::find_file(&dir, record::LOCKED)? else { return Ok(None) };
        Ok(Record::parse_draft(&disk::read_all(&file)?).ok())
    }

    fn parent(&self, record: &Record) -> Option<Found> {
        let parent = record.parent.as_ref()?;
        let linker = self.known.only_linker(self.id);
        if !self.is_linked_in(parent) {
            return Some(match linker {
                Some(other) => self.wrong_parent(record, parent, other),
                None if self.known.has_layer(parent) => self.no_link(parent),
                None => self.no_parent(parent),
            });
        }
        let beneath = self.known.layer(parent)?.depth;
        let depth = beneath.saturating_add(u32::from(record.kind == Kind::Layer));
        (record.depth != depth).then(|| {
            let what = format!("its record says depth {}, its parent's {beneath}", record.depth);
            let right = Record { depth, ..record.clone() };
            Found::wrong("depth-wrong", self.at(record::file_name(self.id.as_ref())), what)
                .mend(self.rewrite(right), "correct its record")
        })
    }

    fn is_linked_in(&self, parent: &LayerId) -> bool {
        self.known.linkers.get(self.id).is_some_and(|linkers| linkers.contains(parent))
    }

    fn wrong_parent(&self, record: &Record, parent: &LayerId, other: &LayerId) -> Found {
        let what = format!("its record says that it stands on {parent}, but {other} has the link");
        let found =
            Found::wrong("parent-wrong", self.at(record::file_name(self.id.as_ref())), what);
        match self.known.layer(other) {
            Some(below) => {
                let depth = below.depth.saturating_add(u32::from(record.kind == Kind::Layer));
                let right = Record { parent: Some(other.clone()), depth, ..record.clone() };
                found.mend(self.rewrite(right), "correct its record")
            }
            None => found.advise("nothing before the other layer's record is mended"),
        }
    }

    fn rewrite(&self, record: Record) -> Action {
        Action::WriteRecord(self.id.clone(), Box::new(record))
    }

    fn no_link(&self, parent: &LayerId) -> Found {
        let link = path_of(parent.into()).join("children").join(link_name(self.id.as_ref()));
        let what = format!(
            "nothing in {parent} says that it stands there: that layer could be \
                            removed from under it"
        );
        Found::wrong("link-missing", link, what)
            .mend(Action::Link(parent.clone(), self.id.clone()), "make the link again")
    }

    fn no_parent(&self, parent: &LayerId) -> Found {
        let what = format!("the layer {parent}, on which it stands, is missing");
        Found::lost("parent-missing", path_of(self.id.as_ref()), what)
            .advise("nothing: load the image that has that layer again")
    }

    fn drivers(&self, record: &Record) -> io::Result<Vec<Found>> {
        let node = self.id.as_ref();
        let Some(dir) = self.look.open_node(node)? else { return Ok(Vec::new()) };
        let mut found = self.look.rules.own.node(node, dir.as_fd(), record)?;
        for one in &mut found {
            one.finding.path = self.at(&one.finding.path);
        }
        Ok(found)
    }
}

/// Whether a living process has the node.
pub(super) fn is_held(look: &Look<'_>, node: NodeRef<'_>) -> io::Result<bool> {
    let Some(dir) = look.open_node(node)? else { return Ok(false) };
    match disk::find_file(&dir, record::LOCKED)? {
        Some(file) => lock::is_held(&file, lock::ALONE),
        None => Ok(false),
    }
}
