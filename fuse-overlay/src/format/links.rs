//! How many names an indexed file has.

/// The value of the mark `nlink`: `more` names than the upper file has links.
#[must_use]
pub fn links_mark(more: i64) -> Vec<u8> {
    format!("U{more:+}").into_bytes()
}

/// Reads one. `None` if it isn't one, or counts from the lower file's links: the
/// kernel writes that between two steps of a copy-up only.
#[must_use]
pub fn read_links_mark(value: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(value).ok()?;
    text.strip_prefix('U')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_written_as_the_kernel_does() {
        for (more, mark) in [(0, "U+0"), (3, "U+3"), (-1, "U-1")] {
            assert_eq!(links_mark(more), mark.as_bytes());
            assert_eq!(read_links_mark(mark.as_bytes()), Some(more));
        }
        for bad in ["", "U", "L+1", "Ux", "+1", "\u{ff}"] {
            assert_eq!(read_links_mark(bad.as_bytes()), None, "{bad:?}");
        }
    }
}
