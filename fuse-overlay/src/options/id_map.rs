//! Maps of ids: what a file's owner is in the layers, and what it is shown as.

use std::fmt;

/// What the kernel shows where it has no name for an id, unless it was told
/// another in `/proc/sys/kernel/overflowuid`.
pub const OVERFLOW_ID: u32 = 65534;

/// Ids in a row: `container` upwards in the layers are `host` upwards in the
/// mount.
///
/// The words are Podman's. A container's ids, beginning with 0, are what its
/// image's layers hold; the ids that the container's user namespace gives them
/// on the host are what the mount has to show, because the namespace turns them
/// back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct IdRange {
    /// The first id in the layers.
    pub container: u32,
    /// The first id in the mount.
    pub host: u32,
    /// How many.
    pub count: u32,
}

/// Why ranges are no map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdMapError {
    /// A range without ids.
    #[error("the range {0} has no ids: its length must be at least 1")]
    Empty(IdRange),
    /// A range over the largest id, 4294967294.
    #[error("the range {0} goes beyond the largest id, 4294967294")]
    TooLarge(IdRange),
    /// Two ranges with an id in common, on one side or the other.
    #[error("the ranges {0} and {1} overlap: each id may stand in one of them only")]
    Overlap(IdRange, IdRange),
}

/// A map of ids, one to one where it is defined. The empty one maps every id to
/// itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IdMap {
    by_container: Vec<IdRange>,
    by_host: Vec<IdRange>,
}

impl IdMap {
    /// Makes a map of these ranges, in any order.
    ///
    /// # Errors
    /// See [`IdMapError`]: the rules are those of user_namespaces(7).
    pub fn new(ranges: &[IdRange]) -> Result<Self, IdMapError> {
        ranges.iter().try_for_each(IdRange::check)?;
        Ok(Self {
            by_container: sorted(ranges, |r| r.container)?,
            by_host: sorted(ranges, |r| r.host)?,
        })
    }

    /// Whether every id stays what it is.
    #[must_use]
    pub fn is_identity(&self) -> bool {
        self.by_container.is_empty()
    }

    /// What an id of the layers is shown as; none where it isn't mapped: stat(2)
    /// then tells the overflow id.
    /// Cost: logarithmic in the number of ranges.
    #[must_use]
    pub fn to_host(&self, id: u32) -> Option<u32> {
        self.find(&self.by_container, id, |r| (r.container, r.host))
    }

    /// What an id of the mount is in the layers; none where it isn't mapped:
    /// nothing can then be created with it or given to it (EOVERFLOW).
    /// Cost: logarithmic in the number of ranges.
    #[must_use]
    pub fn to_container(&self, id: u32) -> Option<u32> {
        self.find(&self.by_host, id, |r| (r.host, r.container))
    }

    fn find(&self, ranges: &[IdRange], id: u32, sides: fn(&IdRange) -> (u32, u32)) -> Option<u32> {
        if self.is_identity() {
            return Some(id);
        }
        let after = ranges.partition_point(|r| sides(r).0 <= id);
        let range = ranges.get(after.checked_sub(1)?)?;
        let (from, to) = sides(range);
        let offset = id - from;
        (offset < range.count).then(|| to + offset)
    }
}

impl IdRange {
    fn check(&self) -> Result<(), IdMapError> {
        if self.count == 0 {
            return Err(IdMapError::Empty(*self));
        }
        // The sum is the id after the last. The largest number is no id, it
        // means "none", so the sum must be a number too.
        let ends = |first: u32| first.checked_add(self.count);
        ends(self.container).and(ends(self.host)).map(drop).ok_or(IdMapError::TooLarge(*self))
    }
}

impl fmt::Display for IdRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.container, self.host, self.count)
    }
}

fn sorted(ranges: &[IdRange], side: fn(&IdRange) -> u32) -> Result<Vec<IdRange>, IdMapError> {
    let mut sorted = ranges.to_vec();
    sorted.sort_by_key(side);
    for (a, b) in sorted.iter().zip(sorted.iter().skip(1)) {
        if side(b) - side(a) < a.count {
            return Err(IdMapError::Overlap(*a, *b));
        }
    }
    Ok(sorted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const fn range(container: u32, host: u32, count: u32) -> IdRange {
        IdRange { container, host, count }
    }

    /// Ranges side by side with gaps, the sides in different orders.
    fn maps() -> impl Strategy<Value = Vec<IdRange>> {
        proptest::collection::vec((1..1000u32, 0..1000u32, 0..1000u32), 1..12).prop_map(|parts| {
            let (mut container, mut host) = (0, 2_000_000);
            let place = |&(count, gap, other): &(u32, u32, u32)| {
                container += gap;
                host -= other + count;
                let range = range(container, host, count);
                container += count;
                range
            };
            parts.iter().map(place).collect()
        })
    }

    proptest! {
        #[test]
        fn each_direction_undoes_the_other(ranges in maps(), id in 0..2_000_000u32) {
            let map = IdMap::new(&ranges).unwrap();
            if let Some(host) = map.to_host(id) {
                prop_assert_eq!(map.to_container(host), Some(id));
            }
            if let Some(container) = map.to_container(id) {
                prop_assert_eq!(map.to_host(container), Some(id));
            }
        }

        #[test]
        fn an_id_is_mapped_where_some_range_has_it(ranges in maps(), which in 0..12usize, at in 0..4u32) {
            let map = IdMap::new(&ranges).unwrap();
            let near = ranges[which % ranges.len()];
            // The ids around both ends, where one more or less shows.
            let id = (near.container + [0, 1, near.count, near.count + 1][at as usize]).saturating_sub(1);
            let expected = ranges
                .iter()
                .find(|r| id >= r.container && id - r.container < r.count)
                .map(|r| r.host + (id - r.container));
            prop_assert_eq!(map.to_host(id), expected);
        }

        #[test]
        fn ranges_with_an_id_in_common_are_refused(ranges in maps(), which in 0..12usize) {
            let twice = ranges[which % ranges.len()];
            let elsewhere = range(twice.container + twice.count - 1, 3_000_000, 1);
            let mut more = ranges.clone();
            more.push(elsewhere);
            prop_assert!(matches!(IdMap::new(&more), Err(IdMapError::Overlap(..))));
            let elsewhere = range(3_000_000, twice.host, 1);
            more.pop();
            more.push(elsewhere);
            prop_assert!(matches!(IdMap::new(&more), Err(IdMapError::Overlap(..))));
        }
    }

    #[test]
    fn without_ranges_every_id_is_itself() {
        let map = IdMap::default();
        assert_eq!(map.to_host(4711), Some(4711));
        assert_eq!(map.to_container(u32::MAX - 1), Some(u32::MAX - 1));
        assert_eq!(IdMap::new(&[]), Ok(map));
    }

    #[test]
    fn the_last_id_is_the_last_and_no_id_is_none() {
        let last = range(0, u32::MAX - 1, 1);
        assert_eq!(IdMap::new(&[last]).unwrap().to_host(0), Some(u32::MAX - 1));
        let none = range(0, u32::MAX - 1, 2);
        assert_eq!(IdMap::new(&[none]), Err(IdMapError::TooLarge(none)));
        let nothing = range(0, 0, 0);
        assert_eq!(IdMap::new(&[nothing]), Err(IdMapError::Empty(nothing)));
    }

    #[test]
    fn podmans_map_shows_images_to_a_namespace_without_root() {
        let map = IdMap::new(&[range(0, 1000, 1), range(1, 110_000, 65_536)]).unwrap();
        assert_eq!((map.to_host(0), map.to_host(1)), (Some(1000), Some(110_000)));
        assert_eq!((map.to_container(0), map.to_container(110_001)), (None, Some(2)));
    }
}
