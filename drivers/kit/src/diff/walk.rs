//! Two trees side by side, in path order.

use std::cmp::Ordering;
use std::ffi::{OsStr, OsString};
use std::ops::ControlFlow;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use graphdriver_api::{Op, Result};
use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::at::{self, Context, Descent, Meta, Names, Time};

/// A file where the walk found it.
#[derive(Debug, Clone, Copy)]
pub struct Located<'a> {
    /// The directory it is in; for the root, the root itself.
    pub dir: BorrowedFd<'a>,
    /// Its name there; for the root, `.`.
    pub name: &'a OsStr,
    /// What stat(2) said of it.
    pub meta: Meta,
}

/// What stands at one path in both trees; at least one side is there.
#[derive(Debug, Clone, Copy)]
pub struct Pair<'a> {
    /// Relative to the root; the root itself is `.`.
    pub path: &'a Path,
    /// The newer tree's directory in which the name stands or stood; for the
    /// root, the root itself.
    pub dir: BorrowedFd<'a>,
    /// When that directory may have been put at its path: it has been there
    /// since at the latest.
    pub placed: Time,
    /// In the older tree.
    pub old: Option<Located<'a>>,
    /// In the newer tree.
    pub new: Option<Located<'a>>,
}

impl Pair<'_> {
    /// Whether it is the root.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.path == Path::new(".")
    }
}

/// Takes a pair; `Break` ends the walk without error.
pub type PairSink<'a> = dyn FnMut(&Pair<'_>) -> Result<ControlFlow<()>> + 'a;

/// What is known of where two trees can differ: a third tree, that of the
/// changes alone, such as an overlay's upper directory.
///
/// In a directory that it has, only names that it has can differ, unless the
/// directory also shows other things than the older tree's of that path.
#[derive(Clone, Copy)]
pub struct Touched<'a> {
    /// The root of the tree of changes, open for reading. In it, a name may
    /// also stand for something deleted.
    pub root: BorrowedFd<'a>,
    /// Whether one of its directories takes all that it doesn't name from the
    /// older tree's directory of the same path. Never asked of the root, where
    /// that is so.
    pub merges: &'a dyn Fn(BorrowedFd<'_>) -> rustix::io::Result<bool>,
}

impl std::fmt::Debug for Touched<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Touched").field("root", &self.root).finish_non_exhaustive()
    }
}

/// The names of a directory in both trees, and how far the walk has come.
#[derive(Default)]
struct Level {
    old: Names,
    new: Names,
    next_old: usize,
    next_new: usize,
    /// As [`Pair::placed`], of what is in the directory.
    placed: Time,
    /// When the directory last changed in the newer tree.
    ctime: Time,
}

impl Level {
    /// An empty one of a directory `name` in this one that changed last at
    /// `ctime`. Whoever moves a directory changes it and the one that it is
    /// moved to: if either is older than something, so is the directory's place.
    fn below(&self, ctime: Time) -> Self {
        Self { placed: self.placed.max(self.ctime.min(ctime)), ctime, ..Self::default() }
    }

    /// The same with names to visit.
    fn with_names(&self, old: Names, new: Names) -> Self {
        Self { old, new, next_old: 0, next_new: 0, placed: self.placed, ctime: self.ctime }
    }
}

/// The beginning of time.
const NEVER: Time = Time { sec: i64::MIN, nsec: 0 };

/// Visits every name of either tree in path order, a directory before what is
/// in it. Beneath a directory that is deleted, or no directory any more,
/// nothing is visited.
///
/// # Errors
/// The visitor's, and those of reading a directory, with the path. What
/// vanishes while it is being looked at is not there.
pub fn walk(
    op: Op,
    old: Option<BorrowedFd<'_>>,
    new: BorrowedFd<'_>,
    visit: &mut PairSink<'_>,
) -> Result<()> {
    walk_touched(op, old, new, None, visit)
}

/// As [`walk`], but only where the trees can differ.
pub(super) fn walk_touched(
    op: Op,
    old: Option<BorrowedFd<'_>>,
    new: BorrowedFd<'_>,
    touched: Option<Touched<'_>>,
    visit: &mut PairSink<'_>,
) -> Result<()> {
    let Some(mut walk) = Walk::start(op, old, new, touched, visit)? else { return Ok(()) };
    loop {
        match walk.step(visit)? {
            ControlFlow::Continue(true) => {}
            ControlFlow::Continue(false) | ControlFlow::Break(()) => return Ok(()),
        }
    }
}

struct Walk<'t> {
    op: Op,
    new: Descent<Level>,
    /// As deep as `new`, or less: then the directories below are only in the
    /// newer tree.
    old: Option<Descent<()>>,
    /// As deep as `new`, or less: then all names count.
    touched: Option<(Descent<()>, Touched<'t>)>,
}

impl<'t> Walk<'t> {
    fn start(
        op: Op,
        old: Option<BorrowedFd<'_>>,
        new: BorrowedFd<'_>,
        touched: Option<Touched<'t>>,
        visit: &mut PairSink<'_>,
    ) -> Result<Option<Self>> {
        let root = OsStr::new(".");
        let look = |dir| -> Result<Located<'_>> {
            let meta = Meta::at(dir, root).doing(op, "look at the root", ".")?;
            Ok(Located { dir, name: root, meta })
        };
        let now = look(new)?;
        let pair = Pair {
            path: Path::new("."),
            dir: new,
            placed: NEVER,
            old: old.map(look).transpose()?,
            new: Some(now),
        };
        if visit(&pair)?.is_break() {
            return Ok(None);
        }
        let mut walk = Self {
            op,
            new: Descent::new(
                open_root(op, new)?,
                Level { placed: NEVER, ctime: now.meta.ctime, ..Level::default() },
            ),
            old: old.map(|fd| Ok(Descent::new(open_root(op, fd)?, ()))).transpose()?,
            touched: touched
                .map(|t| Ok((Descent::new(open_root(op, t.root)?, ()), t)))
                .transpose()?,
        };
        walk.read_level(old.is_some())?;
        Ok(Some(walk))
    }

    /// Visits one name; tells whether there are more.
    fn step(&mut self, visit: &mut PairSink<'_>) -> Result<ControlFlow<(), bool>> {
        let Some(name) = self.new.data_mut().next() else { return self.ascend() };
        let path = self.new.join(&name);
        let old = match self.beside() {
            Some(old) => meta(self.op, old.dir(), &name, &path)?,
            None => None,
        };
        let new = meta(self.op, self.new.dir(), &name, &path)?;
        if old.is_none() && new.is_none() {
            return Ok(ControlFlow::Continue(true));
        }
        let located = |dir, meta: Option<Meta>| meta.map(|meta| Located { dir, name: &name, meta });
        let pair = Pair {
            path: &path,
            dir: self.new.dir(),
            placed: self.new.data().placed,
            old: self.beside().and_then(|o| located(o.dir(), old)),
            new: located(self.new.dir(), new),
        };
        if visit(&pair)?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
        if let Some(new) = new.filter(Meta::is_dir) {
            let level = self.new.data().below(new.ctime);
            self.enter(name, old.is_some_and(|m| m.is_dir()), level)?;
        }
        Ok(ControlFlow::Continue(true))
    }

    /// The older tree's directory, if it has the current one.
    fn beside(&self) -> Option<&Descent<()>> {
        self.old.as_ref().filter(|old| old.depth() == self.new.depth())
    }

    /// The directory of changes, if it tells which names count in the current
    /// one.
    fn changes(&self) -> Option<&Descent<()>> {
        let touched = self.touched.as_ref().map(|(descent, _)| descent);
        touched.filter(|descent| descent.depth() == self.new.depth())
    }

    /// The directory `name` in the directory of changes, if it will tell.
    fn changes_in(&self, name: &OsStr) -> Result<Option<OwnedFd>> {
        let (Some(changes), Some((_, touched))) = (self.changes(), &self.touched) else {
            return Ok(None);
        };
        let Some(dir) = self.open(changes.dir(), name)? else { return Ok(None) };
        let merges = (touched.merges)(dir.as_fd());
        let merges = merges.doing_to(self.op, "look at the directory", || self.new.join(name))?;
        Ok(merges.then_some(dir))
    }

    fn enter(&mut self, name: OsString, both: bool, level: Level) -> Result<()> {
        let changes = self.changes_in(&name)?;
        let Some(dir) = self.open(self.new.dir(), &name)? else { return Ok(()) };
        let old = match self.beside().filter(|_| both) {
            Some(old) => self.open(old.dir(), &name)?,
            None => None,
        };
        let both = old.is_some();
        let path = self.new.join(&name);
        if let (Some(descent), Some(dir)) = (self.old.as_mut(), old) {
            let entered = descent.push(name.clone(), dir, ());
            entered.doing(self.op, "enter the directory", &path)?;
        }
        if let (Some((descent, _)), Some(dir)) = (self.touched.as_mut(), changes) {
            let entered = descent.push(name.clone(), dir, ());
            entered.doing(self.op, "enter the directory", &path)?;
        }
        let entered = self.new.push(name, dir, level);
        entered.doing(self.op, "enter the directory", &path)?;
        self.read_level(both)
    }

    /// `None` if it isn't there any more, or is no directory any more.
    fn open(&self, dir: BorrowedFd<'_>, name: &OsStr) -> Result<Option<OwnedFd>> {
        match at::open_dir(dir, name) {
            Ok(fd) => Ok(Some(fd)),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(None),
            Err(e) => Err(e).doing(self.op, "open the directory", self.new.join(name)),
        }
    }

    fn read_level(&mut self, both: bool) -> Result<()> {
        let read = |dir, path: &Path| Names::read(dir).doing(self.op, "read the directory", path);
        let path = self.new.path();
        if let Some(changes) = self.changes() {
            let names = read(changes.dir(), &path)?;
            *self.new.data_mut() = self.new.data().with_names(Names::default(), names);
            return Ok(());
        }
        let new = read(self.new.dir(), &path)?;
        let old = match self.old.as_ref().filter(|_| both) {
            Some(old) => read(old.dir(), &path)?,
            None => Names::default(),
        };
        *self.new.data_mut() = self.new.data().with_names(old, new);
        Ok(())
    }

    fn ascend(&mut self) -> Result<ControlFlow<(), bool>> {
        let path = self.new.path();
        let both = self.beside().is_some();
        if let Some(old) = self.old.as_mut().filter(|_| both) {
            old.pop().doing(self.op, "leave the directory", &path)?;
        }
        let told = self.changes().is_some();
        if let Some((descent, _)) = self.touched.as_mut().filter(|_| told) {
            descent.pop().doing(self.op, "leave the directory", &path)?;
        }
        let left = self.new.pop().doing(self.op, "leave the directory", &path)?;
        Ok(ControlFlow::Continue(left.is_some()))
    }
}

impl Level {
    /// The next name in the order of bytes, from either side.
    fn next(&mut self) -> Option<OsString> {
        let old = self.old.get(self.next_old).map(|n| n.name);
        let new = self.new.get(self.next_new).map(|n| n.name);
        let order = match (old, new) {
            (None, None) => return None,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(old), Some(new)) => old.as_bytes().cmp(new.as_bytes()),
        };
        let name = if order.is_le() { old } else { new }.map(OsStr::to_owned);
        self.next_old += usize::from(order.is_le());
        self.next_new += usize::from(order.is_ge());
        name
    }
}

/// A descriptor of its own, at the beginning of the directory.
fn open_root(op: Op, root: BorrowedFd<'_>) -> Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY;
    at::open_beneath(root, &PathBuf::from("."), flags).doing(op, "open the root", ".")
}

fn meta(op: Op, dir: BorrowedFd<'_>, name: &OsStr, path: &Path) -> Result<Option<Meta>> {
    match Meta::at(dir, name) {
        Ok(meta) => Ok(Some(meta)),
        Err(Errno::NOENT) => Ok(None),
        Err(e) => Err(e).doing(op, "look at the file", path),
    }
}
