//! What checking a root looks at that is vfs's own.

use std::io;
use std::os::fd::BorrowedFd;

use graphdriver_api::NodeRef;
use sapwood_kit::nodes::{Found, NodeCare, Own, Record, Rules};
use serde::Deserialize;

use crate::factory::LAYOUT;
use crate::tree::{Private, TREE};

/// Checks and mends roots of vfs.
pub(crate) static CARE: NodeCare =
    NodeCare(Rules { layout: LAYOUT, tree: TREE, keeps: &[], own: &Trees });

#[derive(Debug)]
struct Trees;

impl Own for Trees {
    fn node(
        &self,
        _node: NodeRef<'_>,
        _dir: BorrowedFd<'_>,
        record: &Record,
    ) -> io::Result<Vec<Found>> {
        if record.private.is_null() || Private::deserialize(&record.private).is_ok() {
            return Ok(Vec::new());
        }
        let what = "its record holds what vfs doesn't know".to_owned();
        Ok(vec![Found::lost("record-private", "", what)])
    }
}
