//! Lists and escapes, by the kernel's rules for overlayfs: a backslash takes
//! away what is special about the byte behind it.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use super::UsageError;

/// The parts between separators that no backslash stands before. Escapes stay
/// as they are, so that what is in a part can be split again.
pub(super) fn split_at(separator: u8, text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut escaped = false;
    text.split(move |byte| {
        let separates = *byte == separator && !escaped;
        escaped = *byte == b'\\' && !escaped;
        separates
    })
}

/// The text without its escapes. A backslash at the very end is one.
pub(super) fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        let kept = if *byte == b'\\' { bytes.next().unwrap_or(byte) } else { byte };
        plain.push(*kept);
    }
    plain
}

/// The options in the argument of an `-o`; empty ones (`ro,,dev`) are nothing.
///
/// A value whose first byte is a quotation mark goes on until the next one, with
/// commas and all: so SELinux's labels are written. The marks are taken away.
pub(super) fn options(argument: &OsStr) -> Result<Vec<OsString>, UsageError> {
    let mut options: Vec<Vec<u8>> = Vec::new();
    let mut open = false;
    for part in split_at(b',', argument.as_bytes()) {
        match options.last_mut().filter(|_| open) {
            Some(quoted) => {
                quoted.push(b',');
                quoted.extend_from_slice(part);
                open = !part.ends_with(b"\"");
            }
            None => {
                open = opens_a_quote(part);
                options.push(part.to_vec());
            }
        }
    }
    if let Some(unfinished) = options.pop_if(|_| open) {
        return Err(UsageError::Quote(OsString::from_vec(unfinished)));
    }
    options.retain(|option| !option.is_empty());
    Ok(options.into_iter().map(|option| OsString::from_vec(without_quotes(option))).collect())
}

fn opens_a_quote(part: &[u8]) -> bool {
    behind_equals(part).is_some_and(|value| match value {
        [b'"', rest @ ..] => !rest.ends_with(b"\""),
        _ => false,
    })
}

fn without_quotes(option: Vec<u8>) -> Vec<u8> {
    match behind_equals(&option) {
        Some([b'"', inner @ .., b'"']) => {
            let name = option.len() - inner.len() - 2;
            [option.get(..name).unwrap_or_default(), inner].concat()
        }
        _ => option,
    }
}

fn behind_equals(option: &[u8]) -> Option<&[u8]> {
    option.iter().position(|b| *b == b'=').and_then(|at| option.get(at + 1..))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parts(text: &str) -> Vec<OsString> {
        options(OsStr::new(text)).unwrap()
    }

    #[test]
    fn commas_separate_unless_escaped() {
        assert_eq!(parts("a,b=c"), ["a", "b=c"]);
        assert_eq!(parts(r"upperdir=/a\,b,ro"), [r"upperdir=/a\,b", "ro"]);
        assert_eq!(parts(r"upperdir=/a\\,ro"), [r"upperdir=/a\\", "ro"]);
        assert_eq!(parts(",ro,,dev,"), ["ro", "dev"]);
        assert_eq!(parts(""), [""; 0]);
    }

    #[test]
    fn labels_in_quotation_marks_have_commas() {
        let label = r#"ro,context="system_u:object_r:container_file_t:s0:c1,c2",dev"#;
        let plain = "context=system_u:object_r:container_file_t:s0:c1,c2";
        assert_eq!(parts(label), ["ro", plain, "dev"]);
        assert_eq!(parts(r#"context="a",dev"#), ["context=a", "dev"]);
        assert_eq!(parts(r#"context="a,b,c""#), ["context=a,b,c"]);
        assert_eq!(parts(r#"upperdir=/a"b,workdir=/c"d"#), [r#"upperdir=/a"b"#, r#"workdir=/c"d"#]);
        for text in [r#"context="a,b"#, r#"context=""#, r#"context="a,ro"#] {
            assert!(matches!(options(OsStr::new(text)), Err(UsageError::Quote(_))), "{text}");
        }
    }

    #[test]
    fn a_backslash_escapes_anything() {
        assert_eq!(unescaped(br"\a\:\\\,"), br"a:\,");
        assert_eq!(unescaped(br"\"), br"\");
    }

    proptest! {
        #[test]
        fn whatever_is_escaped_comes_back(paths in proptest::collection::vec(
            proptest::collection::vec(1..=255u8, 1..20), 1..6,
        )) {
            let escape = |path: &Vec<u8>| -> Vec<u8> {
                path.iter().flat_map(|b| [b'\\', *b]).collect()
            };
            let escaped: Vec<Vec<u8>> = paths.iter().map(escape).collect();
            let argument = OsString::from_vec(escaped.join(&b':'));
            let [option] = &options(&argument).unwrap()[..] else { panic!("more than one") };
            let back: Vec<Vec<u8>> =
                split_at(b':', option.as_bytes()).map(unescaped).collect();
            prop_assert_eq!(back, paths);
        }
    }
}
