//! Numbers that last: a file's number in the union is made of its number in its
//! layer, so that it is the same after the next mount.

use std::sync::Mutex;

use crate::layer::Stat;
use crate::lock;

use super::{Id, ROOT};

/// Which file of which file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Identity {
    pub(crate) dev: u64,
    pub(crate) ino: u64,
}

impl From<&Stat> for Identity {
    fn from(stat: &Stat) -> Self {
        Self { dev: stat.dev(), ino: stat.x.stx_ino }
    }
}

/// A file, and the one that it was copied from: the number that it had then is
/// the one that it keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lasting {
    pub(crate) now: Identity,
    pub(crate) origin: Identity,
}

impl From<Identity> for Lasting {
    fn from(file: Identity) -> Self {
        Self { now: file, origin: file }
    }
}

/// The file systems that layers lie on, in the order in which they were met.
#[derive(Debug, Default)]
pub(crate) struct Devices(Mutex<Vec<u64>>);

/// Where a file system's place stands in a number; below is the file's own.
/// As overlayfs's `xino`, which takes the uppermost bits too.
const SHIFT: u32 = 56;

/// Numbers that are given out as they are needed have this place.
const GIVEN: u64 = 0xff;

impl Devices {
    /// A number made of it; `None` if none can be: too many file systems, or a
    /// number that has the upper bits itself.
    pub(crate) fn id(&self, of: Identity) -> Option<Id> {
        let place = self.place(of.dev)?;
        let fits = of.ino >> SHIFT == 0;
        let id = (place << SHIFT) | of.ino;
        (fits && id > ROOT).then_some(id)
    }

    /// The number with that count, of those that are given out.
    pub(crate) fn given(count: u64) -> Id {
        (GIVEN << SHIFT) | count
    }

    fn place(&self, dev: u64) -> Option<u64> {
        let mut known = lock(&self.0);
        let place = known.iter().position(|known| *known == dev).unwrap_or_else(|| {
            known.push(dev);
            known.len() - 1
        });
        u64::try_from(place).ok().filter(|place| *place < GIVEN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_the_files_own_on_the_first_file_system_and_apart_on_others() {
        let devices = Devices::default();
        let id = |dev, ino| devices.id(Identity { dev, ino });
        assert_eq!(id(7, 1234), Some(1234));
        assert_eq!(id(9, 1234), Some((1 << 56) | 1234));
        assert_eq!(id(7, 1234), Some(1234));
    }

    #[test]
    fn what_has_no_number_gets_none() {
        let devices = Devices::default();
        let id = |dev, ino| devices.id(Identity { dev, ino });
        assert_eq!(id(7, ROOT), None, "the root's");
        assert_eq!(id(7, 0), None, "the protocol's for nothing");
        assert_eq!(id(7, 1 << 56), None, "too large");
        for dev in 100..400 {
            id(dev, 5);
        }
        assert_eq!(id(1000, 5), None, "too many file systems");
        assert_eq!(id(7, 5), Some(5));
    }
}
