//! Which lower file an upper one was copied from.

/// The value of the mark `origin`: the lower file's handle, with what tells its
/// file system (`struct ovl_fb` of the kernel's fs/overlayfs/overlayfs.h).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The kind of handle, in the file system's terms.
    pub kind: u8,
    /// The file system's identity; zeros if it has none.
    pub uuid: [u8; 16],
    /// The handle.
    pub handle: Vec<u8>,
}

const VERSION: u8 = 0;
const MAGIC: u8 = 0xfb;
/// The handle's numbers are in the byte order of a big-endian machine.
const BIG_ENDIAN: u8 = 1;
/// What a flag says that we don't know, we don't understand.
const KNOWN: u8 = BIG_ENDIAN | ANY_ENDIAN | OF_UPPER;
const ANY_ENDIAN: u8 = 1 << 1;
const OF_UPPER: u8 = 1 << 2;
/// What stands before the handle.
const HEAD: usize = 21;

#[cfg(target_endian = "big")]
const OURS: u8 = BIG_ENDIAN;
#[cfg(target_endian = "little")]
const OURS: u8 = 0;

impl Origin {
    /// The value to write; `None` for a handle that is too long for it.
    #[must_use]
    pub fn value(&self) -> Option<Vec<u8>> {
        let length = u8::try_from(HEAD + self.handle.len()).ok()?;
        let mut value = vec![VERSION, MAGIC, length, OURS, self.kind];
        value.extend_from_slice(&self.uuid);
        value.extend_from_slice(&self.handle);
        Some(value)
    }

    /// Understands a value; `None` if it isn't one, is of another machine's
    /// byte order, or says that there was no handle to be had.
    #[must_use]
    pub fn parse(value: &[u8]) -> Option<Self> {
        let (head, handle) = value.split_at_checked(HEAD)?;
        let [VERSION, MAGIC, length, flags, kind, uuid @ ..] = head else { return None };
        let ours = flags & ANY_ENDIAN != 0 || flags & BIG_ENDIAN == OURS;
        let understood = flags & !KNOWN == 0 && flags & OF_UPPER == 0 && ours;
        if usize::from(*length) != value.len() || !understood || handle.is_empty() {
            return None;
        }
        Some(Self { kind: *kind, uuid: uuid.try_into().ok()?, handle: handle.to_vec() })
    }

    /// The number of the file, where its file system writes it into its
    /// handles.
    #[must_use]
    pub fn ino(&self) -> Option<u64> {
        let word = |at: usize| {
            let bytes = self.handle.get(at * 4..at * 4 + 4)?;
            Some(u64::from(u32::from_ne_bytes(bytes.try_into().ok()?)))
        };
        match (self.kind, self.handle.len()) {
            // FILEID_INO32_GEN: most of the file systems that there are.
            (0x01, 8) => word(0),
            // tmpfs's own: a generation, and the number in two halves.
            (0x01, 12) => Some(word(1)? | (word(2)? << 32)),
            // XFS with numbers of 64 bits, and btrfs.
            (0x81, 12) | (0x4d, 20) => {
                Some(u64::from_ne_bytes(self.handle.get(..8)?.try_into().ok()?))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn origin(kind: u8, handle: &[u8]) -> Origin {
        Origin { kind, uuid: [7; 16], handle: handle.to_vec() }
    }

    #[test]
    fn what_is_damaged_is_none() {
        let good = origin(1, &[1, 2, 3, 4, 5, 6, 7, 8]).value().unwrap();
        assert!(Origin::parse(&good).is_some());
        for (at, byte) in
            [(0, 1), (1, 0xfa), (2, 28), (3, 8), (3, OF_UPPER), (3, OURS ^ BIG_ENDIAN)]
        {
            let mut bad = good.clone();
            bad[at] = byte;
            assert_eq!(Origin::parse(&bad), None, "byte {at} is {byte}");
        }
        for length in 0..good.len() {
            assert_eq!(Origin::parse(&good[..length]), None, "{length} bytes");
        }
    }

    #[test]
    fn numbers_are_where_the_file_systems_have_them() {
        let ext4 = [5u32.to_ne_bytes(), 9u32.to_ne_bytes()].concat();
        assert_eq!(origin(1, &ext4).ino(), Some(5));
        let tmpfs = [9u32.to_ne_bytes(), 5u32.to_ne_bytes(), 1u32.to_ne_bytes()].concat();
        assert_eq!(origin(1, &tmpfs).ino(), Some((1 << 32) | 5));
        assert_eq!(origin(0x42, &ext4).ino(), None);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(kind: u8, uuid: [u8; 16], handle in prop::collection::vec(any::<u8>(), 1..128)) {
            let origin = Origin { kind, uuid, handle };
            let value = origin.value().unwrap();
            prop_assert_eq!(Origin::parse(&value), Some(origin));
        }

        #[test]
        fn any_bytes_are_understood_or_not(value in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Some(origin) = Origin::parse(&value) {
                prop_assert!(origin.ino().is_none_or(|_| origin.handle.len() >= 8));
            }
        }
    }
}
