//! Ids and names of containers.

use std::fmt::Write;

use super::error::{Error, Result};

/// The part of an id that people are shown, and type.
#[must_use]
pub fn short(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}

const QUALITIES: [&str; 48] = [
    "airy",
    "ancient",
    "autumnal",
    "bare",
    "blooming",
    "bright",
    "broad",
    "calm",
    "climbing",
    "coastal",
    "crooked",
    "deep",
    "dewy",
    "early",
    "evergreen",
    "fallen",
    "feathery",
    "flowering",
    "fragrant",
    "frosty",
    "gnarled",
    "golden",
    "green",
    "hardy",
    "hidden",
    "hollow",
    "knotted",
    "leafy",
    "lofty",
    "mossy",
    "mountain",
    "northern",
    "old",
    "pale",
    "quiet",
    "ringed",
    "rooted",
    "rugged",
    "rustling",
    "shady",
    "silver",
    "slender",
    "southern",
    "spreading",
    "sunlit",
    "tall",
    "weeping",
    "wild",
];

/// Botanists, foresters and readers of tree rings.
const SURNAMES: [&str; 48] = [
    "acharya",
    "aiton",
    "banks",
    "bartram",
    "baillon",
    "bentham",
    "brandis",
    "britton",
    "brown",
    "burbank",
    "candolle",
    "carver",
    "cesalpino",
    "chase",
    "clusius",
    "curtis",
    "douglas",
    "douglass",
    "eastwood",
    "engler",
    "esau",
    "fortune",
    "fuchs",
    "gray",
    "hales",
    "henry",
    "hooker",
    "humboldt",
    "janaki",
    "jussieu",
    "kingdon",
    "linnaeus",
    "maathai",
    "makino",
    "malpighi",
    "mendel",
    "merian",
    "nuttall",
    "ray",
    "rousseau",
    "sargent",
    "schweingruber",
    "sessions",
    "tournefort",
    "vavilov",
    "wallich",
    "wilson",
    "yamanaka",
];

/// A new id: 64 hex digits, from the kernel's random numbers.
///
/// # Errors
/// The kernel has none.
pub(super) fn new_id() -> Result<String> {
    let mut id = String::with_capacity(64);
    for byte in random::<32>()? {
        write!(id, "{byte:02x}").map_err(|e| Error::invalid("can't write an id").with_source(e))?;
    }
    Ok(id)
}

/// A made-up name. Two containers may get the same: the caller tries again.
///
/// # Errors
/// As [`new_id`].
pub(super) fn new_name() -> Result<String> {
    let [a, b] = random::<2>()?;
    let pick = |words: &[&'static str], byte: u8| words[usize::from(byte) % words.len()];
    Ok(format!("{}_{}", pick(&QUALITIES, a), pick(&SURNAMES, b)))
}

fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())
        .map_err(|e| Error::io("can't get random numbers", e))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_hex_and_differ() {
        let (a, b) = (new_id().unwrap(), new_id().unwrap());
        assert!(a.len() == 64 && a.bytes().all(|c| c.is_ascii_hexdigit()) && a != b);
        assert!(graphdriver_api::DraftId::new(&a).is_ok());
    }

    #[test]
    fn names_have_two_words() {
        for _ in 0..100 {
            let name = new_name().unwrap();
            let (quality, surname) = name.split_once('_').unwrap();
            assert!(QUALITIES.contains(&quality) && SURNAMES.contains(&surname));
        }
    }

    #[test]
    fn no_word_is_there_twice() {
        for words in [QUALITIES, SURNAMES] {
            let unique: std::collections::HashSet<_> = words.iter().collect();
            assert_eq!(unique.len(), words.len());
        }
    }
}
