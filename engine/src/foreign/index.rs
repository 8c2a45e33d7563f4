//! The lists that other engines keep of what they have: JSON that may be long,
//! and may be anybody's.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};

/// Bytes of one list at most. An image takes some 3 KB.
pub(super) const MAX_BYTES: u64 = 32 << 20;

/// Members of one list at most: `{}` becomes a hundred times as much in memory.
pub(super) const MAX_MEMBERS: usize = 100_000;

/// A list of at most [`MAX_MEMBERS`]; null is an empty one, as Go writes it.
#[derive(Debug)]
pub(super) struct List<T>(pub(super) Vec<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Members(PhantomData)).map(Self)
    }
}

impl<T> Default for List<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

struct Members<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Members<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list of at most {MAX_MEMBERS} members")
    }

    fn visit_unit<E>(self) -> Result<Vec<T>, E> {
        Ok(Vec::new())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut members: A) -> Result<Vec<T>, A::Error> {
        let mut list = Vec::new();
        while let Some(member) = members.next_element()? {
            if list.len() == MAX_MEMBERS {
                return Err(A::Error::invalid_length(MAX_MEMBERS + 1, &self));
            }
            list.push(member);
        }
        Ok(list)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_end_somewhere() {
        let list = |text: &str| serde_json::from_str::<List<u8>>(text).map(|list| list.0);
        assert_eq!(list("[1,2]").unwrap(), [1, 2]);
        assert!(list("null").unwrap().is_empty());
        assert!(list("{}").is_err());
        let long = format!("[{}1]", "1,".repeat(MAX_MEMBERS));
        assert!(list(&long).unwrap_err().to_string().contains("at most 100000"));
    }
}
