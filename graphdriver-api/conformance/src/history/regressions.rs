//! Histories that once failed somewhere, or that nobody should get wrong.

/// Each by name, as text: the files of the crate's directory `histories`.
pub const REGRESSIONS: &[(&str, &str)] = &[
    (
        "a-directory-moved-from-a-long-path",
        include_str!("../../histories/a-directory-moved-from-a-long-path.txt"),
    ),
    (
        "a-directory-renamed-over-one-from-below",
        include_str!("../../histories/a-directory-renamed-over-one-from-below.txt"),
    ),
    (
        "a-link-exchanged-with-a-directory-of-a-long-path",
        include_str!("../../histories/a-link-exchanged-with-a-directory-of-a-long-path.txt"),
    ),
    (
        "a-new-name-for-a-file-of-two-layers-below",
        include_str!("../../histories/a-new-name-for-a-file-of-two-layers-below.txt"),
    ),
    ("a-socket-where-a-file-was", include_str!("../../histories/a-socket-where-a-file-was.txt")),
    (
        "links-counted-after-a-split",
        include_str!("../../histories/links-counted-after-a-split.txt"),
    ),
    ("overwritten-after-link", include_str!("../../histories/overwritten-after-link.txt")),
    (
        "renamed-onto-another-name-of-the-same-file",
        include_str!("../../histories/renamed-onto-another-name-of-the-same-file.txt"),
    ),
    (
        "whiteout-of-the-longest-name",
        include_str!("../../histories/whiteout-of-the-longest-name.txt"),
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_a_case() {
        let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("histories");
        let mut files: Vec<_> = std::fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
            .collect();
        files.sort();
        let mut cases: Vec<_> = REGRESSIONS.iter().map(|(name, _)| *name).collect();
        cases.sort_unstable();
        assert_eq!(cases, files);
        for (name, text) in REGRESSIONS {
            assert!(!crate::history::from_text(text).unwrap().is_empty(), "{name}");
        }
    }
}
