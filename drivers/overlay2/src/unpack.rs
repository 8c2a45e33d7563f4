//! Applying a layer archive to a draft.
//!
//! An archive goes straight into the upper directory where that can't matter:
//! nothing is beneath, or nobody knows yet what. Else it goes through a mount
//! that nobody sees, and the kernel copies up and marks what is hidden.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};

use graphdriver_api::{Applied, DraftId, Error, ErrorKind, Limits, Op, Result, TarSource};
use rustix::fs::{Mode, OFlags, openat};
use rustix::io::Errno;
use sapwood_kit::archive::{Beneath, Form, Outcome, apply};
use sapwood_kit::at::{Descent, Device, Kind, Meta, Names, open_dir};
use sapwood_kit::fault;
use sapwood_kit::nodes::Node;
use sapwood_kit::whiteout::OverlayFormat;
use serde::{Deserialize, Serialize};

use crate::driver::Overlay2;
use crate::stack::{Part, Stack};
use crate::{tree, volatile};

/// In a deferred draft's directory: what its parent will be needed for.
pub(crate) const NEEDS: &str = "unpacked.json";

/// What a draft whose parent comes later has to be told of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Unpacked {
    /// An archive has named the root: it doesn't take its parent's attributes.
    #[serde(default)]
    pub(crate) root_named: bool,
    /// Directories with whiteouts in them, and the whiteouts' names.
    #[serde(default)]
    pub(crate) whiteouts: Vec<(Bytes, Vec<Bytes>)>,
}

/// A path or a name: any bytes, so no string.
pub(crate) type Bytes = Vec<u8>;

impl Overlay2 {
    pub(crate) fn do_apply(
        &self,
        draft: &DraftId,
        tar: &mut TarSource<'_>,
        limits: &Limits,
    ) -> Result<Applied> {
        // Before the draft is marked: a refusal must leave it as it was.
        let node = self.store.get(Op::Apply, draft.into())?;
        self.refuse_writers(Op::Apply, &node)?;
        self.store.unpack(draft, |node| {
            let fail = |e| self.failed(Op::Apply, node, "open the draft's tree", e);
            let diff = tree::open(node.dir()).map_err(fail)?;
            let fresh = Names::read(&diff).map_err(|e| fail(e.into()))?.is_empty();
            match (&node.record().parent, node.record().deferred, fresh) {
                (None, false, true) => self.apply_upper(&diff, tar, Beneath::Nothing, limits),
                (None, true, true) => self.apply_deferred(node, diff.as_fd(), tar, limits),
                (None, true, false) => Err(Error::new(
                    ErrorKind::NeedsParent,
                    Op::Apply,
                    "a second archive changes what the first one and the parent make together",
                )),
                _ => self.apply_mounted(node, tar, limits),
            }
            .map_err(|e| e.with_driver(crate::NAME).with_node(draft))
            .map(|outcome| outcome.applied)
        })
    }

    fn apply_upper(
        &self,
        diff: impl AsFd,
        tar: &mut TarSource<'_>,
        beneath: Beneath,
        limits: &Limits,
    ) -> Result<Outcome> {
        apply(diff, tar, Form::Upper { format: OverlayFormat::KERNEL, beneath }, limits)
    }

    fn apply_deferred(
        &self,
        node: &Node,
        diff: BorrowedFd<'_>,
        tar: &mut TarSource<'_>,
        limits: &Limits,
    ) -> Result<Outcome> {
        let outcome = self.apply_upper(diff, tar, Beneath::Unknown, limits)?;
        let note = || -> io::Result<()> {
            // By an archive before, which then named nothing else.
            let root_named = outcome.root || Unpacked::read(node.dir())?.root_named;
            let whiteouts = match outcome.applied.whiteouts {
                0 => Vec::new(),
                _ => whiteouts(diff)?,
            };
            Unpacked { root_named, whiteouts }.write(node.dir())
        };
        note().map_err(|e| self.failed(Op::Apply, node, "note what the parent is for", e))?;
        Ok(outcome)
    }

    /// Without flushing in the mount: the store flushes all of it afterwards,
    /// and after a crash the draft can only be removed.
    fn apply_mounted(
        &self,
        node: &Node,
        tar: &mut TarSource<'_>,
        limits: &Limits,
    ) -> Result<Outcome> {
        let quick = self.probe.volatile.works;
        self.ready_upper(Op::Apply, node, quick, None)?;
        let stack = Stack::of(&self.store, Op::Apply, node)?;
        let mount = stack.mount(self.ground(), Part::Writable, None, quick)?;
        let outcome = apply(&mount, tar, Form::Merged, limits);
        drop(mount);
        if quick {
            self.unbar(Op::Apply, node)?;
        }
        outcome
    }

    pub(crate) fn unbar(&self, op: Op, node: &Node) -> Result<()> {
        let unbar = || volatile::unbar(open_dir(node.dir(), OsStr::new(tree::WORK))?.as_fd());
        unbar().map_err(|e| self.failed(op, node, "prepare the work directory", e))
    }
}

impl Unpacked {
    /// What was noted in a draft's directory; nothing for one that no archive
    /// was applied to.
    pub(crate) fn read(dir: BorrowedFd<'_>) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let note = match openat(dir, NEEDS, flags, Mode::empty()) {
            Ok(note) => note,
            Err(Errno::NOENT) => return Ok(Self::default()),
            Err(e) => return Err(e.into()),
        };
        let mut text = Vec::new();
        fs::File::from(note).read_to_end(&mut text)?;
        Ok(serde_json::from_slice(&text)?)
    }

    /// Durable with the flush that ends an unpacking.
    fn write(&self, dir: BorrowedFd<'_>) -> io::Result<()> {
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        fault::point("overlay2.unpacked.write")?;
        let note = openat(dir, NEEDS, flags, Mode::RUSR | Mode::WUSR)?;
        fs::File::from(note).write_all(&serde_json::to_vec(self)?)
    }
}

/// Every whiteout in an upper directory, by directory.
fn whiteouts(diff: BorrowedFd<'_>) -> io::Result<Vec<(Bytes, Vec<Bytes>)>> {
    use std::os::unix::ffi::OsStrExt;
    let mut found = Vec::new();
    let root = open_dir(diff, OsStr::new("."))?;
    let mut walk = Descent::new(root, None::<(Names, usize)>);
    loop {
        if walk.data().is_none() {
            let names = Names::read(walk.dir())?;
            let here = whiteouts_in(walk.dir(), &names)?;
            if !here.is_empty() {
                found.push((walk.path().as_os_str().as_bytes().to_vec(), here));
            }
            *walk.data_mut() = Some((names, 0));
        }
        match next_dir(walk.data_mut()) {
            Some(name) => {
                let dir = open_dir(walk.dir(), &name)?;
                walk.push(name, dir, None)?;
            }
            None if walk.pop()?.is_some() => {}
            None => return Ok(found),
        }
    }
}

fn next_dir(level: &mut Option<(Names, usize)>) -> Option<std::ffi::OsString> {
    let (names, next) = level.as_mut()?;
    while let Some(entry) = names.get(*next) {
        *next += 1;
        if entry.kind == Some(Kind::Directory) {
            return Some(entry.name.to_owned());
        }
    }
    None
}

fn whiteouts_in(dir: BorrowedFd<'_>, names: &Names) -> io::Result<Vec<Bytes>> {
    use std::os::unix::ffi::OsStrExt;
    let mut found = Vec::new();
    for entry in names.iter().filter(|entry| entry.kind == Some(Kind::CharDevice)) {
        if Meta::at(dir, entry.name)?.device == Device::ZERO {
            found.push(entry.name.as_bytes().to_vec());
        }
    }
    Ok(found)
}
