//! What checking a root looks at that is overlay2's own.

use std::io;
use std::os::fd::BorrowedFd;
use std::path::Path;

use graphdriver_api::{NodeRef, Op};
use sapwood_kit::at::{Names, open_dir};
use sapwood_kit::nodes::{Found, Kind, NodeCare, Own, Record, Rules};

use crate::stack::{EMPTY, Private};
use crate::tree::{DIFF, WORK};
use crate::{factory, unpack, volatile};

/// Checks and mends roots of overlay2.
pub(crate) static CARE: NodeCare = NodeCare(Rules {
    layout: factory::bare_layout(),
    tree: DIFF,
    keeps: &[WORK, volatile::NOTE, unpack::NEEDS],
    own: &Overlays,
});

#[derive(Debug)]
struct Overlays;

impl Own for Overlays {
    fn node(
        &self,
        _node: NodeRef<'_>,
        dir: BorrowedFd<'_>,
        record: &Record,
    ) -> io::Result<Vec<Found>> {
        let mut found = Vec::new();
        if record.kind == Kind::Draft && volatile::state(dir)? == volatile::State::Lost {
            let what = "it was written to without flushing, and then the host was restarted or \
                        the medium failed: files in it may be damaged";
            let lost = Found::lost("unflushed", volatile::NOTE, what.to_owned());
            found.push(lost.advise("nothing: remove it"));
        }
        if Private::parse(Op::Check, record).is_err() {
            let what = "its record holds what overlay2 doesn't know".to_owned();
            found.push(Found::lost("record-private", "", what));
        }
        Ok(found)
    }

    /// What lies in the directory that should be empty is seen in every tree
    /// that has no other lower layer.
    fn root(&self, root: BorrowedFd<'_>) -> io::Result<Vec<Found>> {
        let empty = match open_dir(root, EMPTY.as_ref()) {
            Ok(empty) => empty,
            Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => return Ok(Vec::new()),
            Err(e) => return Err(e.into()),
        };
        let stray = |name: &std::ffi::OsStr| {
            let what = format!("{name:?} is seen in every tree of one layer");
            Found::wrong("stray", Path::new(EMPTY).join(name), what).set_aside()
        };
        Ok(Names::read(empty)?.iter().map(|entry| stray(entry.name)).collect())
    }
}
