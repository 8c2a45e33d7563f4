//! `container prune`: removing containers that have ended.

use std::time::SystemTime;

use super::Containers;
use super::error::{Error, ErrorKind, Result};
use super::list::{Filter, passes};
use super::records::{self, Phase};
use crate::care::account;

/// What went.
#[derive(Debug, Default)]
pub struct PrunedContainers {
    /// Ids, the newest first.
    pub ids: Vec<String>,
    /// Lengths of the files that were the containers' own.
    pub bytes: u64,
}

impl Containers<'_> {
    /// Removes the containers that have ended, were made before `until` if that
    /// is given, and pass the filters.
    ///
    /// # Errors
    /// The store's and the driver's; those before it are gone.
    pub fn prune(&self, until: Option<SystemTime>, filters: &[Filter]) -> Result<PrunedContainers> {
        self.recover()?;
        let mut pruned = PrunedContainers::default();
        for record in self.engine.store().read(records::all)? {
            let young = until.is_some_and(|until| record.created >= until);
            if record.phase != Phase::Exited || young {
                continue;
            }
            let summary = self.summary(record.clone())?;
            if !passes(&summary, filters) {
                continue;
            }
            let size = account::of_container(self.engine, &record.id).map_err(Error::from)?;
            match self.delete(&record) {
                // Another command removes it, or looks at it: it has ended all
                // the same, and the next prune finds it if it stays.
                Err(e) if e.kind() == ErrorKind::Busy => continue,
                deleted => deleted?,
            }
            pruned.bytes += size.map_or(0, |usage| usage.content);
            pruned.ids.push(record.id);
        }
        Ok(pruned)
    }

    /// Notes what an ended container's own changes take. Nothing depends on
    /// it but how fast that can be told.
    pub(super) fn count(&self, id: &str) {
        let counted = account::of_container(self.engine, id).and_then(|usage| match usage {
            Some(usage) => self.engine.store().write(crate::store::Durability::Later, |t| {
                crate::store::layers::set_container_counted(t, id, usage)
            }),
            None => Ok(()),
        });
        if let Err(e) = counted {
            tracing::debug!("the container {id} wasn't counted: {}", e.report());
        }
    }
}
