//! renameat2(2).

use std::path::Path;

use rustix::io::Errno;

use super::node::{Ino, Node};
use super::{NOT_TRIED, Outcome, Place, Tree};

/// What to do about something at the new name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rename {
    /// Replace it.
    Replace,
    /// Fail (`RENAME_NOREPLACE`).
    NoReplace,
    /// Give it the old name (`RENAME_EXCHANGE`).
    Exchange,
}

impl Tree {
    /// Renames.
    ///
    /// # Errors
    /// In the order in which Linux looks: `EBUSY` (the root), `ENOENT`,
    /// `EEXIST`, `EINVAL` (into itself), `ENOTEMPTY` (over a directory above),
    /// `ENOTDIR`, `EISDIR`, `EXDEV` (a directory from below, by the rules),
    /// `ENOTEMPTY`, `EXDEV` (its path there is too long, by the rules;
    /// [`NOT_TRIED`] if it would replace another).
    pub fn rename(&mut self, old: &Path, new: &Path, how: Rename) -> Outcome {
        let (from, to) = (self.place(old)?, self.place(new)?);
        let source = self.found(&from)?;
        let target = self.child_of(to.dir, to.name);
        match (how, target) {
            (Rename::NoReplace, Some(_)) => return Err(Errno::EXIST),
            (Rename::Exchange, None) => return Err(Errno::NOENT),
            _ => {}
        }
        if to.above.contains(&source) {
            return Err(Errno::INVAL);
        }
        if target.is_some_and(|target| from.above.contains(&target)) {
            return Err(if how == Rename::Exchange { Errno::INVAL } else { Errno::NOTEMPTY });
        }
        let same_name = (from.dir, from.name) == (to.dir, to.name);
        if target == Some(source) && (same_name || !self.splits(source)) {
            return Ok(());
        }
        match target {
            Some(target) if how == Rename::Exchange => {
                self.may_move(source)?;
                self.may_move(target)?;
            }
            Some(target) => self.may_replace(source, target)?,
            None => self.may_move(source)?,
        }
        let exchanged = target.filter(|_| how == Rename::Exchange);
        let moved = [Some(source), exchanged];
        if from.dir != to.dir && moved.into_iter().flatten().any(|ino| self.came_too_far(ino)) {
            if how == Rename::Replace && target.is_some() {
                // By then it may have replaced a directory that has whiteouts
                // by one that has none, which changes times.
                return Err(NOT_TRIED);
            }
            // The kernel finds that out when it has copied both already.
            self.own(&from)?;
            exchanged.map_or(Ok(source), |_| self.own(&to))?;
            return Err(Errno::XDEV);
        }
        self.do_rename(&from, &to, how)
    }

    fn do_rename(&mut self, from: &Place<'_>, to: &Place<'_>, how: Rename) -> Outcome {
        let source = self.own(from)?;
        let target = match how {
            Rename::Exchange => Some(self.own(to)?),
            _ => None,
        };
        self.names_mut(from.dir)?.remove(from.name);
        if target.is_some() {
            self.names_mut(to.dir)?.remove(to.name);
        } else {
            self.drop_name(to.dir, to.name)?;
        }
        self.names_mut(to.dir)?.insert(to.name.to_owned(), source);
        if let Some(target) = target {
            self.names_mut(from.dir)?.insert(from.name.to_owned(), target);
        }
        self.touch(from.dir)?;
        self.touch(to.dir)
    }

    fn may_replace(&self, source: Ino, target: Ino) -> Outcome {
        let is_directory = |ino| self.node(ino).is_some_and(Node::is_directory);
        match (is_directory(source), is_directory(target)) {
            (true, false) => Err(Errno::NOTDIR),
            (false, true) => Err(Errno::ISDIR),
            _ => {
                self.may_move(source)?;
                match self.node(target).and_then(Node::names) {
                    Some(names) if !names.is_empty() => Err(Errno::NOTEMPTY),
                    _ => Ok(()),
                }
            }
        }
    }

    fn may_move(&self, ino: Ino) -> Outcome {
        match self.node(ino) {
            Some(node)
                if node.is_directory() && node.below.is_some() && !self.rules.directory_rename =>
            {
                Err(Errno::XDEV)
            }
            _ => Ok(()),
        }
    }

    /// Whether it is a directory whose path in the layer below is too long for
    /// it to be moved into another one.
    fn came_too_far(&self, ino: Ino) -> bool {
        let directory = self.node(ino).filter(|node| node.is_directory());
        let below = directory.and_then(|node| node.below);
        below.is_some_and(|below| below.path > self.rules.longest_moved_path)
    }
}
