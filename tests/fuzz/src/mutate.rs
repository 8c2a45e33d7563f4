//! Changes inputs at random.

/// Numbers that parsers trip over, as text.
const WORDS: [&[u8]; 12] = [
    b"",
    b"0",
    b"-1",
    b"18446744073709551616",
    b"99999999999999999999",
    b"..",
    b"/",
    b"\0",
    b"\"",
    b"{",
    b"sha256:",
    b"\xff\xfe",
];

/// Makes inputs from others; the same ones for the same seed.
#[derive(Debug, Clone)]
pub struct Mutator(u64);

impl Mutator {
    /// One that begins at `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below `end`; 0 if there is none.
    pub fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let number = usize::try_from(self.0 >> 33).unwrap_or(0);
        number.checked_rem(end).unwrap_or(0)
    }

    /// `input` with one to eight changes.
    pub fn change(&mut self, input: &[u8]) -> Vec<u8> {
        let mut bytes = input.to_vec();
        for _ in 0..=self.below(8) {
            self.change_once(&mut bytes);
        }
        bytes
    }

    fn change_once(&mut self, bytes: &mut Vec<u8>) {
        let at = self.below(bytes.len().max(1)).min(bytes.len());
        let end = (at + 1 + self.below(64)).min(bytes.len());
        match self.below(6) {
            0 => {
                let bit = self.below(8);
                bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << bit);
            }
            1 => {
                let value = u8::try_from(self.below(256)).unwrap_or(0);
                bytes.iter_mut().skip(at).take(end - at).for_each(|byte| *byte = value);
            }
            2 => drop(bytes.drain(at..end)),
            3 => {
                let piece: Vec<u8> = bytes.iter().copied().skip(at).take(end - at).collect();
                bytes.splice(at..at, piece);
            }
            4 => bytes.truncate(at),
            _ => {
                let word = WORDS.get(self.below(WORDS.len())).copied().unwrap_or_default();
                bytes.splice(at..at, word.iter().copied());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_makes_the_same_inputs_and_they_differ() {
        let inputs = |seed| {
            let mut mutator = Mutator::new(seed);
            (0..50).map(|_| mutator.change(b"some input")).collect::<Vec<_>>()
        };
        assert_eq!(inputs(1), inputs(1));
        assert_ne!(inputs(1), inputs(2));
        let mut distinct = inputs(1);
        distinct.sort();
        distinct.dedup();
        assert!(distinct.len() > 40, "{}", distinct.len());
    }
}
