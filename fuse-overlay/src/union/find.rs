//! Which of the layers shows what.

use std::ffi::{OsStr, OsString};
use std::sync::Arc;

use super::{Indexed, Union};
use crate::Result;
use crate::format::Redirect;
use crate::layer::{LowerPath, Object, Stat, absent_is_none};
use crate::node::{Identity, Lasting, Lower, LowerDir, LowerFile, Node};

/// What stands under a name.
#[derive(Debug)]
pub(crate) struct Found {
    /// Of what is seen.
    pub(crate) stat: Stat,
    pub(crate) upper: bool,
    pub(crate) lower: Lower,
    /// By which it is known.
    pub(crate) identity: Lasting,
    /// Where its copy is in the index; `stat` is the copy's then.
    pub(crate) indexed: Option<Indexed>,
}

impl Found {
    /// What was just made in the upper layer.
    pub(crate) fn new_in_upper(stat: Stat) -> Self {
        let identity = Identity::from(&stat).into();
        Self { stat, upper: true, lower: Lower::Nothing, identity, indexed: None }
    }

    /// The number that it has in the upper layer, if it is there by any name.
    pub(crate) fn upper_ino(&self) -> Option<u64> {
        (self.upper || self.indexed.is_some()).then_some(self.stat.x.stx_ino)
    }
}

/// Where a directory's next part is looked for.
struct Search {
    /// In which directories, the uppermost last: it is the next.
    dirs: Vec<LowerDir>,
    name: Arc<OsStr>,
    /// The uppermost layer that hasn't been looked at.
    next: u16,
}

impl Search {
    fn new(parent: &Node, name: &Arc<OsStr>) -> Self {
        let dirs = parent.lowers().iter().rev().cloned().collect();
        Self { dirs, name: name.clone(), next: 0 }
    }

    fn take(&mut self) -> Option<LowerDir> {
        let dir = self.dirs.pop()?;
        self.next = dir.layer + 1;
        Some(dir)
    }

    /// Nothing below is seen.
    fn end(&mut self) {
        self.dirs.clear();
    }
}

/// What one layer says.
#[allow(clippy::large_enum_variant, reason = "one is on the stack for a moment, none is kept")]
enum Says {
    /// Nothing of that name.
    Nothing,
    /// Look no further.
    Stop,
    /// This.
    There(Stat),
}

/// Where a redirect leads in one layer.
enum Way {
    /// Nowhere.
    Absent,
    /// To this directory.
    Leads(Option<Arc<LowerPath>>),
    /// To this directory, and in no layer below.
    LeadsLast(Option<Arc<LowerPath>>),
    /// Nowhere, nor in any layer below.
    Ends,
}

impl Union {
    /// What stands under `name` in `parent`, put together from the layers.
    ///
    /// Cost: one stat for each layer that `parent` is in until something ends
    /// the search, and up to two reads of attributes for each directory found.
    pub(crate) fn find(&self, parent: &Arc<Node>, name: &Arc<OsStr>) -> Result<Option<Found>> {
        let mut search = Search::new(parent, name);
        let mut top = None;
        if parent.is_upper() {
            let object = self.upper_object(parent, name)?;
            match says(&object)? {
                Says::Nothing => {}
                Says::Stop => return Ok(None),
                Says::There(stat) if !stat.is_dir() => {
                    return self.upper_file(stat, &object, search).map(Some);
                }
                Says::There(stat) => {
                    self.go_on(&object, &mut search)?;
                    top = Some(stat);
                }
            }
        }
        self.find_below(top, search)
    }

    /// Goes through the layers below a directory of the upper one, or with
    /// nothing found yet.
    fn find_below(&self, top: Option<Stat>, mut search: Search) -> Result<Option<Found>> {
        let mut seen = top;
        let mut origin = None;
        let mut merged: Vec<LowerDir> = Vec::new();
        while let Some(dir) = search.take() {
            let object = Object::At(self.lower_dir(&dir)?, search.name.clone());
            let stat = match says(&object)? {
                Says::Nothing => continue,
                Says::Stop => break,
                Says::There(stat) => stat,
            };
            if !stat.is_dir() {
                if seen.is_some() {
                    break;
                }
                return self.lower_file(stat, &object, dir, search.name).map(Some);
            }
            merged.push(part_of(&dir, &search.name, merged.last()));
            origin.get_or_insert(Identity::from(&stat));
            seen.get_or_insert(stat);
            // The last layer has nothing below it that a mark could hide.
            if search.next < self.lower_layers() {
                self.go_on(&object, &mut search)?;
            }
        }
        Ok(seen.map(|stat| {
            let lower = Lower::Directories(merged.into());
            let now = Identity::from(&stat);
            let identity = Lasting { now, origin: origin.unwrap_or(now) };
            Found { stat, upper: top.is_some(), lower, identity, indexed: None }
        }))
    }

    /// A file of a lower layer, or the copy that another name of it led to.
    fn lower_file(
        &self,
        stat: Stat,
        object: &Object,
        dir: LowerDir,
        name: Arc<OsStr>,
    ) -> Result<Found> {
        let identity = Identity::from(&stat).into();
        if let Some((indexed, stat)) = self.copy_of(object, &stat)? {
            let (lower, indexed) = (Lower::Nothing, Some(indexed));
            return Ok(Found { stat, upper: false, lower, identity, indexed });
        }
        let lower = Lower::File(LowerFile { dir, name });
        Ok(Found { stat, upper: false, lower, identity, indexed: None })
    }

    /// A file of the upper layer; its data may be below.
    fn upper_file(&self, stat: Stat, object: &Object, search: Search) -> Result<Found> {
        let now = Identity::from(&stat);
        let mark = self.read_origin(object)?;
        let origin = mark.as_deref().and_then(|mark| self.origin_in(mark)).unwrap_or(now);
        let identity = Lasting { now, origin };
        let indexed = match &mark {
            Some(mark) => self.place_in_index(&stat, mark)?,
            None => None,
        };
        let lower = match self.is_metacopy(&stat, object)? {
            true => Lower::File(self.find_data(object, search)?),
            false => Lower::Nothing,
        };
        Ok(Found { stat, upper: true, lower, identity, indexed })
    }

    /// Reads a directory's marks: whether anything below it is seen, and where.
    fn go_on(&self, object: &Object, search: &mut Search) -> Result<()> {
        let marks = self.marks();
        if object.xattr(OsStr::new(marks.opaque))?.as_deref() == Some(b"y") {
            search.end();
        } else if let Some(value) = object.xattr(OsStr::new(marks.redirect))? {
            match Redirect::parse(&value) {
                Some(redirect) => self.follow(redirect, search)?,
                // Nobody knows where it leads, so nothing is seen through it.
                None => search.end(),
            }
        }
        Ok(())
    }

    /// Looks elsewhere from here on.
    fn follow(&self, redirect: Redirect, search: &mut Search) -> Result<()> {
        let mut names = match redirect {
            Redirect::Name(name) => {
                search.name = name.as_os_str().into();
                return Ok(());
            }
            Redirect::Path(names) => names,
        };
        search.end();
        let Some(name) = names.pop() else { return Ok(()) };
        search.name = name.as_os_str().into();
        for layer in search.next..self.lower_layers() {
            match self.walk(layer, &mut names)? {
                Way::Absent => {}
                Way::Leads(path) => search.dirs.push(LowerDir { layer, path }),
                Way::LeadsLast(path) => {
                    search.dirs.push(LowerDir { layer, path });
                    break;
                }
                Way::Ends => break,
            }
        }
        search.dirs.reverse();
        Ok(())
    }

    /// Goes down from a layer's root. What is opaque, whited out or no directory
    /// on the way hides the layers below; what was moved there has another name
    /// in them, which `names` are changed to.
    fn walk(&self, layer: u16, names: &mut Vec<OsString>) -> Result<Way> {
        let mut path: Option<Arc<LowerPath>> = None;
        let mut below = names.clone();
        let mut last = false;
        for (place, name) in names.iter().enumerate() {
            let name: Arc<OsStr> = Arc::from(name.as_os_str());
            let dir = self.lower_dir(&LowerDir { layer, path: path.clone() })?;
            let object = Object::At(dir, name.clone());
            match says(&object)? {
                Says::Nothing if last => return Ok(Way::Ends),
                Says::Nothing => return Ok(Way::Absent),
                Says::There(stat) if stat.is_dir() => {}
                Says::There(_) | Says::Stop => return Ok(Way::Ends),
            }
            last |= object.xattr(OsStr::new(self.marks().opaque))?.as_deref() == Some(b"y");
            if let Some(value) = object.xattr(OsStr::new(self.marks().redirect))? {
                match Redirect::parse(&value) {
                    Some(redirect) => moved(&mut below, names.len() - place, redirect),
                    None => last = true,
                }
            }
            path = Some(LowerPath::new(path, name));
        }
        *names = below;
        Ok(if last { Way::LeadsLast(path) } else { Way::Leads(path) })
    }

    /// Whether a redirect to where a directory's lower parts are would find them
    /// again, and nothing else.
    pub(crate) fn is_found_by(&self, redirect: Redirect, node: &Arc<Node>) -> Result<bool> {
        let stat = Object::Open(self.directory(node)?).stat()?;
        let mut search = Search { dirs: Vec::new(), name: Arc::from(OsStr::new("")), next: 0 };
        self.follow(redirect, &mut search)?;
        let found = self.find_below(Some(stat), search)?.map(|found| found.lower);
        let Some(Lower::Directories(found)) = found else { return Ok(false) };
        let place = |dir: &LowerDir| (dir.layer, dir.path.as_ref().map(|path| path.names()));
        Ok(found.iter().map(place).eq(node.lowers().iter().map(place)))
    }

    fn is_metacopy(&self, stat: &Stat, object: &Object) -> Result<bool> {
        let may_be = Object::has_content(stat.kind);
        Ok(may_be && object.xattr(OsStr::new(self.marks().metacopy))?.is_some())
    }

    /// The file in the layers below that has the data. A file that claims to
    /// have its data elsewhere, where there is none, can't be read.
    fn find_data(&self, object: &Object, mut search: Search) -> Result<LowerFile> {
        if let Some(value) = object.xattr(OsStr::new(self.marks().redirect))? {
            let redirect = Redirect::parse(&value).ok_or(rustix::io::Errno::IO)?;
            self.follow(redirect, &mut search)?;
        }
        while let Some(dir) = search.take() {
            let object = Object::At(self.lower_dir(&dir)?, search.name.clone());
            match says(&object)? {
                Says::Nothing => {}
                Says::There(stat) if Object::has_content(stat.kind) => {
                    if !self.is_metacopy(&stat, &object)? {
                        return Ok(LowerFile { dir, name: search.name });
                    }
                    if let Some(value) = object.xattr(OsStr::new(self.marks().redirect))? {
                        let redirect = Redirect::parse(&value).ok_or(rustix::io::Errno::IO)?;
                        self.follow(redirect, &mut search)?;
                    }
                }
                Says::There(_) | Says::Stop => break,
            }
        }
        Err(rustix::io::Errno::IO)
    }

    fn lower_layers(&self) -> u16 {
        // `open` has made sure that they can be counted so.
        u16::try_from(self.lowers.len()).unwrap_or(u16::MAX)
    }

    /// Whether a lower layer would show something under `name` in `parent` if
    /// nothing of the upper one stood there: a removal then needs a whiteout.
    pub(crate) fn is_below(&self, parent: &Arc<Node>, name: &Arc<OsStr>) -> Result<bool> {
        for dir in parent.lowers().iter() {
            match says(&Object::At(self.lower_dir(dir)?, name.clone()))? {
                Says::Nothing => {}
                Says::Stop => return Ok(false),
                Says::There(_) => return Ok(true),
            }
        }
        Ok(false)
    }
}

fn says(object: &Object) -> Result<Says> {
    Ok(match absent_is_none(object.stat())? {
        None => Says::Nothing,
        Some(stat) if stat.is_whiteout() => Says::Stop,
        Some(stat) => Says::There(stat),
    })
}

/// The directory `name` in `dir`, sharing its path with the part above it where
/// that is the same.
fn part_of(dir: &LowerDir, name: &Arc<OsStr>, above: Option<&LowerDir>) -> LowerDir {
    let same = |path: &&Arc<LowerPath>| {
        let parents = match (path.above(), dir.path.as_ref()) {
            (None, None) => true,
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            _ => false,
        };
        parents && path.name() == name
    };
    let shared = above.and_then(|above| above.path.as_ref()).filter(same).cloned();
    let path = shared.unwrap_or_else(|| LowerPath::new(dir.path.clone(), name.clone()));
    LowerDir { layer: dir.layer, path: Some(path) }
}

/// Has the directory that `rest` names lead to (itself included, of those at
/// the end of `names`) be where it was before it was moved.
fn moved(names: &mut Vec<OsString>, rest: usize, redirect: Redirect) {
    let tail = names.split_off(names.len() - (rest - 1).min(names.len()));
    match redirect {
        Redirect::Name(name) => {
            names.pop();
            names.push(name);
        }
        Redirect::Path(path) => *names = path,
    }
    names.extend(tail);
}
