//! Whether a layer's tree is what its archive makes of the layer beneath.
//!
//! Two readings of the outline. The first puts the archive together from
//! outline and tree, as a save does, and takes its digest: so the archive is
//! proven, and with it the bytes of every file that the outline refers to. The
//! second unpacks it once more, into a draft, with zeros in place of those
//! bytes: that is what the tree should be, and the two are compared. Zeros take
//! no room, so the draft costs inodes and not the layer's size.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::os::fd::BorrowedFd;
use std::path::PathBuf;

use graphdriver_api::{Base, CopyUnit, DraftId, DraftSpec, LayerId, Limits, NodeRef};
use sapwood_kit::at::FileId;
use sapwood_kit::compare::{Compare, Difference};

use super::damage::{Damage, plain};
use super::file::{Outline, Outlines};
use super::format::Part;
use super::hollow::Hollow;
use super::reassemble::{Recorded, Verified, next, unwritten};
use super::tree::{Failed, Files, look, mounted, removed};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::image::lease::Lease;

/// What was found out about a layer.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    /// In what it isn't what it should be.
    pub(crate) damage: Damage,
    /// Why not everything could be compared; `None` if it was.
    pub(crate) unproven: Option<Error>,
}

/// Nobody will miss such a draft.
const FOR_A_LOOK: DraftSpec = DraftSpec { quota: None, volatile: true };

impl Engine {
    /// Compares `layer` with its archive: each path that the archive says
    /// something about, and each by which the layer differs from the one
    /// beneath; where layers are whole trees, every path. What differs at the
    /// paths of `beneath`, the damage of the layer beneath it, is that layer's
    /// matter. Nothing can remove the layer meanwhile.
    ///
    /// Cost: reading the layer's own files; besides that two mounts, and
    /// preparing a draft and making the layer's files in it, without the bytes
    /// that the outline refers to. Memory: some 40 bytes for each file of the
    /// archive, and the paths that differ from the layer beneath.
    ///
    /// # Errors
    /// [`Error::BadLayer`] if the archive can't be put together though no file
    /// is damaged, and [`Error::Corrupt`] for a damaged outline: then nothing
    /// tells what the layer should be. `Invalid` if no such layer is recorded;
    /// what the driver fails with.
    pub(crate) fn verify_layer(&self, layer: &LayerId, beneath: &Damage) -> Result<Verdict> {
        let lease = Lease::begin(self.store())?;
        let verdict =
            self.recorded(layer).and_then(|recorded| self.judge(&lease, &recorded, beneath));
        // At once: where drafts are copies, those of all layers are many.
        let tidied = lease.end(self, 2).and_then(|()| Ok(self.driver().reclaim()?));
        if let Err(e) = tidied {
            tracing::warn!("something is left for the next command to delete: {}", e.report());
        }
        verdict
    }

    fn judge(&self, lease: &Lease, recorded: &Recorded, beneath: &Damage) -> Result<Verdict> {
        let open = || Outlines::of(self.store()).open(recorded.layer.as_str());
        let (Some(outline), Some(again)) = (open()?, open()?) else {
            return self.judge_by_driver(recorded);
        };
        look(self, &recorded.layer, &lease.draft(0)?, |root| {
            let proof = prove(outline, root, recorded)?;
            let rehearsal =
                Rehearsal { engine: self, recorded, draft: &lease.draft(1)?, proof: &proof };
            let mut damage = Damage::default();
            for (path, problem) in &proof.broken {
                damage.add_file(path, problem);
            }
            let compared = rehearsal.compare(again, root, &mut |difference| {
                // Said already, and better.
                if !proof.broken.contains_key(&difference.path) {
                    damage.add(&difference, beneath);
                }
            });
            Ok(Verdict { damage, unproven: compared.err() })
        })
    }

    /// Without an outline, what the driver writes may happen to be the archive.
    /// Then everything is in it.
    fn judge_by_driver(&self, recorded: &Recorded) -> Result<Verdict> {
        match self.without_outline(recorded, &mut io::sink()) {
            Ok(_) => Ok(Verdict::default()),
            // Or it isn't, which says nothing about the layer.
            Err(e @ Error::BadLayer { .. }) => {
                Ok(Verdict { unproven: Some(e), ..Verdict::default() })
            }
            Err(e) => Err(e),
        }
    }
}

/// What the first reading shows.
#[derive(Debug)]
struct Proof {
    /// The files that aren't what they were, and how they differ.
    broken: BTreeMap<PathBuf, String>,
    /// The files that were read, the broken ones too.
    read: HashSet<FileId>,
}

/// Puts the archive together, and goes on behind damaged files. Only if there
/// are none can its digest be expected to be right.
fn prove(outline: Outline, root: BorrowedFd<'_>, recorded: &Recorded) -> Result<Proof> {
    let len = outline.len();
    let (mut parts, path) = outline.parts()?;
    let mut sink = io::sink();
    let mut out = Verified::new(&mut sink, &recorded.diff_id);
    let mut files = Files::new(root).remembering();
    let mut broken = BTreeMap::new();
    while let Some(part) = next(&mut parts, &path)? {
        match part {
            Part::Bytes(bytes) => out.write_all(&bytes).map_err(unwritten)?,
            Part::File(file) => match files.copy(&file, &mut out) {
                Ok(()) => {}
                Err(Failed::File(problem)) => {
                    broken.insert(plain(&file.path), problem);
                }
                Err(failed) => return Err(failed.of(recorded, &file.path)),
            },
        }
    }
    if broken.is_empty() {
        out.expect(len, recorded)?;
    }
    Ok(Proof { broken, read: files.into_read() })
}

/// The second reading.
struct Rehearsal<'a> {
    engine: &'a Engine,
    recorded: &'a Recorded,
    /// What the archive is unpacked into.
    draft: &'a DraftId,
    proof: &'a Proof,
}

impl Rehearsal<'_> {
    /// Unpacks the archive, and compares the tree at `found` with the result.
    fn compare(
        &self,
        outline: Outline,
        found: BorrowedFd<'_>,
        sink: &mut dyn FnMut(Difference),
    ) -> Result<()> {
        let base = self.recorded.parent.as_ref().map_or(Base::Scratch, Base::Layer);
        self.engine.driver().prepare(self.draft, base, &FOR_A_LOOK)?;
        let compared = self.unpack(outline).and_then(|()| self.where_to_look()).and_then(|paths| {
            mounted(self.engine, self.draft, |expected| {
                let known = |file| self.proof.read.contains(&file);
                let trees = Compare { expected, found, known: &known };
                match &paths {
                    None => trees.whole(sink)?,
                    Some(paths) => trees.at(paths.iter().map(PathBuf::as_path), sink)?,
                }
                Ok(())
            })
        });
        removed(self.engine, self.draft, compared)
    }

    fn unpack(&self, outline: Outline) -> Result<()> {
        let mut archive = Hollow::new(outline.parts()?.0);
        // It was unpacked under limits once. Whoever wants others now has no reason
        // to doubt the layer.
        self.engine.driver().apply(self.draft, &mut archive, &Limits::NONE)?;
        Ok(())
    }

    /// Everywhere (`None`) if the layer has a copy of all that is beneath it.
    /// Else where it, or what it should be, differs from that: elsewhere both
    /// *are* what is beneath.
    fn where_to_look(&self) -> Result<Option<BTreeSet<PathBuf>>> {
        let driver = self.engine.driver();
        if driver.traits().copy_unit == CopyUnit::Tree {
            return Ok(None);
        }
        let mut paths = BTreeSet::new();
        for node in [NodeRef::Layer(&self.recorded.layer), NodeRef::Draft(self.draft)] {
            driver.changes(node, &mut |change| {
                paths.insert(change.path);
                Ok(ControlFlow::Continue(()))
            })?;
        }
        Ok(Some(paths))
    }
}
