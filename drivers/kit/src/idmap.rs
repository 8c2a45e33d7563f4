//! Id maps: checking them, and turning them into what the kernel wants.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};

use graphdriver_api::{Error, ErrorKind, IdMap, IdRange, Op};
use sapwood_sys::user_ns::{self, IdLine};

/// Lines of a map that the kernel takes (user_namespaces(7)).
const MAX_RANGES: usize = 340;

/// Checks what the contract says of a map.
///
/// # Errors
/// What is wrong with it, one clause.
pub fn check(map: &IdMap) -> Result<(), String> {
    check_ranges("user", &map.uids)?;
    check_ranges("group", &map.gids)
}

fn check_ranges(whose: &str, ranges: &[IdRange]) -> Result<(), String> {
    if ranges.is_empty() || ranges.len() > MAX_RANGES {
        let found = ranges.len();
        return Err(format!("an id map has 1 to {MAX_RANGES} {whose} ranges, this one {found}"));
    }
    for (side, first) in SIDES {
        let mut runs: Vec<_> = ranges.iter().map(|r| (first(r), r.count)).collect();
        runs.sort_unstable();
        let mut free = 0;
        for (start, count) in runs {
            // u32::MAX is no id: calls take it for "unchanged".
            let end = start.checked_add(count).filter(|_| count > 0);
            let end =
                end.ok_or_else(|| format!("a {whose} range of an id map is empty or too long"))?;
            if start < free {
                return Err(format!("{whose} ranges of an id map overlap {side}"));
            }
            free = end;
        }
    }
    Ok(())
}

type Side = (&'static str, fn(&IdRange) -> u32);
const SIDES: [Side; 2] = [("on disk", |r| r.on_disk), ("as shown", |r| r.shown)];

/// A map in the form in which mounts take it.
#[derive(Debug, Clone)]
pub struct Mapped {
    namespace: Arc<OwnedFd>,
    owner: Owner,
}

/// Whom the files belong to that a mount makes for itself: root on disk, or if
/// the map has no room for that, the first that it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    /// User and group on disk.
    pub on_disk: (u32, u32),
    /// The same as the mount shows them.
    pub shown: (u32, u32),
}

impl Mapped {
    /// The user namespace that has the map.
    #[must_use]
    pub fn namespace(&self) -> BorrowedFd<'_> {
        self.namespace.as_fd()
    }

    /// Whom the mount's own files belong to.
    #[must_use]
    pub fn owner(&self) -> Owner {
        self.owner
    }
}

/// Makes maps, and keeps the last one: the containers of one engine mostly have
/// the same, and a map costs a process.
#[derive(Debug, Default)]
pub struct IdMaps(Mutex<Option<(IdMap, Mapped)>>);

impl IdMaps {
    /// The map in the kernel's form. Cost: a fork, unless it is the last one's.
    ///
    /// # Errors
    /// `InvalidArgument` for a map that [`check`] refuses; `Prerequisite` if the
    /// host allows no user namespaces; `Unsupported` if it refuses this map.
    pub fn get(&self, op: Op, map: &IdMap) -> Result<Mapped, Error> {
        check(map).map_err(|why| Error::new(ErrorKind::InvalidArgument, op, why))?;
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, mapped)) = last.as_ref()
            && known == map
        {
            return Ok(mapped.clone());
        }
        let namespace =
            user_ns::create(&lines(&map.uids), &lines(&map.gids)).map_err(|e| refused(op, e))?;
        let owner = owner(map);
        let mapped = Mapped { namespace: Arc::new(namespace), owner };
        *last = Some((map.clone(), mapped.clone()));
        Ok(mapped)
    }
}

fn refused(op: Op, error: user_ns::UserNsError) -> Error {
    use user_ns::UserNsError::{Create, Map, Open};
    let kind = match &error {
        Create(_) => ErrorKind::Prerequisite,
        Map(_) => ErrorKind::Unsupported,
        Open(e) => io::Error::kind(e).into(),
    };
    Error::new(kind, op, "make a user namespace for the id map").with_source(error)
}

fn lines(ranges: &[IdRange]) -> Vec<IdLine> {
    let line = |r: &IdRange| IdLine { inside: r.on_disk, outside: r.shown, count: r.count };
    ranges.iter().map(line).collect()
}

fn owner(map: &IdMap) -> Owner {
    let (uid, gid) = (owners(&map.uids), owners(&map.gids));
    Owner { on_disk: (uid.on_disk, gid.on_disk), shown: (uid.shown, gid.shown) }
}

/// The range whose first id is the owner's.
fn owners(ranges: &[IdRange]) -> IdRange {
    let of_root = ranges.iter().find(|r| r.on_disk == 0).or(ranges.first());
    of_root.copied().unwrap_or(IdRange { on_disk: 0, shown: 0, count: 1 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(ranges: &[(u32, u32, u32)]) -> IdMap {
        let ranges: Vec<_> = ranges
            .iter()
            .map(|&(on_disk, shown, count)| IdRange { on_disk, shown, count })
            .collect();
        IdMap { uids: ranges.clone(), gids: ranges }
    }

    #[test]
    fn maps_are_checked_as_the_contract_says() {
        type Row = (&'static [(u32, u32, u32)], Option<&'static str>);
        let rows: [Row; 9] = [
            (&[(0, 100_000, 65_536)], None),
            (&[(10, 0, 10), (0, 10, 10), (20, 20, 1)], None),
            (&[(0, 0, u32::MAX)], None),
            (&[], Some("1 to 340 user ranges, this one 0")),
            (&[(0, 1, 0)], Some("empty or too long")),
            (&[(1, 0, u32::MAX)], Some("empty or too long")),
            (&[(0, 1, u32::MAX)], Some("empty or too long")),
            (&[(0, 0, 2), (1, 9, 1)], Some("overlap on disk")),
            (&[(0, 0, 2), (5, 1, 1)], Some("overlap as shown")),
        ];
        for (ranges, wrong) in rows {
            match (check(&map(ranges)), wrong) {
                (Ok(()), None) => {}
                (Err(why), Some(part)) => assert!(why.contains(part), "{why}"),
                (found, _) => panic!("{ranges:?}: {found:?}"),
            }
        }
    }

    #[test]
    fn the_owner_is_what_root_on_disk_is_shown_as() {
        let owner = |ranges| owner(&map(ranges));
        assert_eq!(owner(&[(5, 7, 1), (0, 100_000, 5)]).shown, (100_000, 100_000));
        assert_eq!(owner(&[(5, 7, 1), (8, 9, 1)]).shown, (7, 7));
        assert_eq!(owner(&[(5, 7, 1), (8, 9, 1)]).on_disk, (5, 5));
    }

    #[test]
    fn the_same_map_is_made_once() {
        let maps = IdMaps::default();
        let a = maps.get(Op::Mount, &map(&[(0, 100_000, 10)])).unwrap();
        let b = maps.get(Op::Mount, &map(&[(0, 100_000, 10)])).unwrap();
        let c = maps.get(Op::Mount, &map(&[(0, 200_000, 10)])).unwrap();
        assert!(Arc::ptr_eq(&a.namespace, &b.namespace));
        assert!(!Arc::ptr_eq(&a.namespace, &c.namespace));
        assert_eq!(c.owner().shown, (200_000, 200_000));
        let bad = maps.get(Op::Mount, &map(&[])).unwrap_err();
        assert_eq!(bad.kind(), ErrorKind::InvalidArgument);
    }
}
