//! Making files, directories and everything else.

use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::fs::{self, Mode, RenameFlags, XattrFlags};
use rustix::io::Errno;

use super::Attributes;
use crate::Result;
use crate::copy_up::type_of;
use crate::layer::{Kind, Object, Stat, absent_is_none};
use crate::node::{Id, Node};
use crate::union::{Found, Union};

/// On whose behalf something is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller {
    /// The owner of what is made.
    pub uid: u32,
    /// The group, unless the directory says otherwise.
    pub gid: u32,
    /// What is taken from the permissions, unless the directory has a default
    /// ACL.
    pub umask: u32,
}

/// What is to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A file, directory, FIFO, socket or device, with these permissions and,
    /// if it is a device, this number.
    Node {
        /// Its type; not a symbolic link.
        kind: Kind,
        /// Its permissions, before anything is taken from them.
        mode: u32,
        /// Its number, as stat(2)'s `st_rdev`.
        device: u64,
    },
    /// A symbolic link to this.
    Link(OsString),
}

impl What {
    fn kind(&self) -> Kind {
        match self {
            Self::Node { kind, .. } => *kind,
            Self::Link(_) => Kind::Symlink,
        }
    }
}

/// What something new is to have that its maker can't give it in one call.
struct Dress {
    uid: u32,
    gid: u32,
    mode: u32,
}

impl Union {
    /// Makes something new.
    ///
    /// It appears with owner and permissions, or not at all. (Only in a
    /// directory with a default ACL it has its owner a moment later.)
    ///
    /// # Errors
    /// As [`change`](Self::change); `EEXIST`. A device 0:0 would be a whiteout:
    /// `EPERM`.
    pub fn make(&self, parent: Id, name: &OsStr, what: &What, by: Caller) -> Result<Attributes> {
        if matches!(what, What::Node { kind: Kind::Character, device: 0, .. }) {
            return Err(Errno::PERM);
        }
        let owners = &self.settings.owners;
        let (uid, gid) = (owners.stored_user(by.uid)?, owners.stored_group(by.gid)?);
        let by = Caller { uid, gid, ..by };
        let parent = self.table.get(parent)?;
        let name: Arc<OsStr> = Arc::from(name);
        let _held = self.hold_places();
        self.bring_dir_up(&parent)?;
        let dir = self.upper_dir(&parent)?;
        let place = Object::At(dir.clone(), name.clone());
        match absent_is_none(place.stat())? {
            None => self.make_where_nothing_is(&dir, &name, what, by)?,
            Some(stat) if stat.is_whiteout() => self.make_over_whiteout(&dir, &name, what, by)?,
            Some(_) => return Err(Errno::EXIST),
        }
        let stat = place.stat()?;
        self.tell(&parent, &name, Found::new_in_upper(stat))
    }

    fn make_where_nothing_is(
        &self,
        dir: &Arc<OwnedFd>,
        name: &Arc<OsStr>,
        what: &What,
        by: Caller,
    ) -> Result<()> {
        let parent = Stat::of(dir)?;
        let acl = self.default_acl(dir)?.is_some();
        let dress = Dress::new(what, &parent, by, acl);
        let process = self.settings.owner;
        let plain = (dress.uid, dress.gid) == process || acl;
        if plain {
            create(dir, name, what, dress.mode)?;
            let made = Object::At(dir.clone(), name.clone());
            return dress.put_on(&made, what.kind(), acl);
        }
        let (made, object) = self.make_in_work(what, &dress)?;
        let shop = self.upper()?.work.dir();
        let flags = RenameFlags::NOREPLACE;
        let moved = fs::renameat_with(shop, &made, dir, &**name, flags);
        drop(object);
        moved.inspect_err(|_| self.throw_away(&made))
    }

    /// What was removed comes back as something else: nothing of what is below
    /// may be seen in it.
    fn make_over_whiteout(
        &self,
        dir: &Arc<OwnedFd>,
        name: &Arc<OsStr>,
        what: &What,
        by: Caller,
    ) -> Result<()> {
        let parent = Stat::of(dir)?;
        let acl = self.default_acl(dir)?;
        let dress = Dress::new(what, &parent, by, acl.is_some());
        let (made, object) = self.make_in_work(what, &dress)?;
        let done = (|| {
            if let Some(acl) = &acl {
                inherit(&object, what.kind(), acl)?;
            }
            let shop = self.upper()?.work.dir();
            if what.kind() != Kind::Directory {
                return fs::renameat(shop, &made, dir, &**name);
            }
            self.make_opaque(&object)?;
            fs::renameat_with(shop, &made, dir, &**name, RenameFlags::EXCHANGE)?;
            // What is there now is the whiteout, which nobody misses.
            self.throw_away(&made);
            Ok(())
        })();
        done.inspect_err(|_| self.throw_away(&made))
    }

    /// Makes it where nobody sees it, with all that it is to have.
    fn make_in_work(&self, what: &What, dress: &Dress) -> Result<(OsString, Object)> {
        let work = &self.upper()?.work;
        let name = self.work_name();
        create(work.dir(), &name, what, dress.mode)?;
        let object = Object::At(work.shared(), Arc::from(name.as_os_str()));
        match dress.put_on(&object, what.kind(), false) {
            Ok(()) => Ok((name, object)),
            Err(e) => {
                self.throw_away(&name);
                Err(e)
            }
        }
    }

    /// Deletes what is in the work directory and was to go elsewhere. What
    /// can't be deleted goes when the union is opened next.
    pub(crate) fn throw_away(&self, name: &OsStr) {
        if let Ok(upper) = self.upper()
            && let Err(error) = upper.work.discard(name)
        {
            tracing::warn!(?name, %error, "left in the work directory");
        }
    }

    pub(crate) fn make_opaque(&self, dir: &Object) -> Result<()> {
        dir.set_xattr(OsStr::new(self.marks().opaque), b"y", XattrFlags::empty())
    }

    fn default_acl(&self, dir: &Arc<OwnedFd>) -> Result<Option<Vec<u8>>> {
        if !self.settings.acl {
            return Ok(None);
        }
        Object::Open(dir.clone()).xattr(OsStr::new(DEFAULT_ACL))
    }
}

const DEFAULT_ACL: &str = "system.posix_acl_default";

/// A directory passes its default ACL on, and what is made gets it as its own.
/// The kernel does that where something is made in place; what comes from the
/// work directory gets it here.
fn inherit(object: &Object, kind: Kind, acl: &[u8]) -> Result<()> {
    if kind == Kind::Symlink {
        return Ok(());
    }
    let mode = object.stat()?.permissions();
    if kind == Kind::Directory {
        object.set_xattr(OsStr::new(DEFAULT_ACL), acl, XattrFlags::empty())?;
    }
    object.set_xattr(OsStr::new("system.posix_acl_access"), acl, XattrFlags::empty())?;
    // The mode that was asked for limits what the ACL gives (acl(5), OBJECT
    // CREATION AND DEFAULT ACLs).
    let given = object.stat()?.permissions();
    object.chmod(mode & (given | 0o7000))
}

impl Dress {
    fn new(what: &What, parent: &Stat, by: Caller, acl: bool) -> Self {
        let passes_group_on = parent.permissions() & 0o2000 != 0;
        let gid = if passes_group_on { parent.x.stx_gid } else { by.gid };
        let mode = match what {
            What::Link(_) => 0o777,
            What::Node { kind, mode, .. } => {
                let umask = if acl { 0 } else { by.umask };
                let inherited =
                    if passes_group_on && *kind == Kind::Directory { 0o2000 } else { 0 };
                (mode & 0o7777 & !umask) | inherited
            }
        };
        Self { uid: by.uid, gid, mode }
    }

    /// Owner first: it takes set-id bits away.
    fn put_on(&self, object: &Object, kind: Kind, acl: bool) -> Result<()> {
        let stat = object.stat()?;
        if (stat.x.stx_uid, stat.x.stx_gid) != (self.uid, self.gid) {
            object.chown(Some(self.uid), Some(self.gid))?;
        }
        // With an ACL the kernel has made the mode of both.
        let wanted = if acl { stat.permissions() | (self.mode & 0o7000) } else { self.mode };
        if kind != Kind::Symlink && object.stat()?.permissions() != wanted {
            object.chmod(wanted)?;
        }
        Ok(())
    }
}

fn create(dir: &OwnedFd, name: &OsStr, what: &What, mode: u32) -> Result<()> {
    match what {
        What::Link(target) => fs::symlinkat(target, dir, name),
        What::Node { kind: Kind::Directory, .. } => {
            fs::mkdirat(dir, name, Mode::from_raw_mode(mode))
        }
        What::Node { kind, device, .. } => {
            fs::mknodat(dir, name, type_of(*kind), Mode::from_raw_mode(mode), *device)
        }
    }
}

impl Union {
    /// Whether a directory is one that other layers are merged into.
    pub(crate) fn is_merged(&self, node: &Arc<Node>) -> bool {
        !node.lowers().is_empty()
    }
}
