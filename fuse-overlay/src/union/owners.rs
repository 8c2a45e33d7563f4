//! Whose files are, as the layers have it and as it is shown.

use rustix::io::Errno;

use crate::Result;
use crate::layer::Stat;
use crate::options::{IdMap, OVERFLOW_ID, Squash};

/// How owners in the layers become owners in the union.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Owners {
    /// Users.
    pub users: IdMap,
    /// Groups.
    pub groups: IdMap,
    /// Shown in place of all. It goes before the maps, which decide what is
    /// stored.
    pub squash: Squash,
}

impl Owners {
    /// Has `stat` tell the owners that are shown.
    pub(crate) fn show(&self, stat: &mut Stat) {
        let shown = |squash: Option<u32>, map: &IdMap, id| {
            squash.or_else(|| map.to_host(id)).unwrap_or(OVERFLOW_ID)
        };
        stat.x.stx_uid = shown(self.squash.uid, &self.users, stat.x.stx_uid);
        stat.x.stx_gid = shown(self.squash.gid, &self.groups, stat.x.stx_gid);
    }

    /// The user in the layers; `EOVERFLOW` if it has none there.
    pub(crate) fn stored_user(&self, uid: u32) -> Result<u32> {
        self.users.to_container(uid).ok_or(Errno::OVERFLOW)
    }

    /// The same for a group.
    pub(crate) fn stored_group(&self, gid: u32) -> Result<u32> {
        self.groups.to_container(gid).ok_or(Errno::OVERFLOW)
    }
}
