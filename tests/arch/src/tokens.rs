//! What the sources say once comments are gone: keywords and string literals, with their lines.

use std::str::FromStr;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// A word or a literal that a rule asks about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    /// From 1.
    pub line: usize,
    pub text: String,
    /// Whether it is beneath `#[cfg(test)]`.
    pub in_tests: bool,
}

/// All of a file that matters here.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    pub words: Vec<Found>,
    /// As written, with quotes. Documentation is no literal, although the compiler makes it one.
    pub literals: Vec<Found>,
}

impl Tokens {
    /// Splits a source text into tokens with rustc's rules.
    pub(crate) fn of(text: &str) -> Result<Self, String> {
        let stream = TokenStream::from_str(text).map_err(|error| error.to_string())?;
        let mut tokens = Self::default();
        tokens.walk(stream, false);
        Ok(tokens)
    }

    fn walk(&mut self, stream: TokenStream, in_tests: bool) {
        // From `#[cfg(test)]` to the end of the item that it stands on.
        let mut item_in_tests = false;
        let mut after_hash = false;
        for tree in stream {
            let was_hash = std::mem::replace(&mut after_hash, is_punct(&tree, '#'));
            let tests = in_tests || item_in_tests;
            match tree {
                TokenTree::Group(group) if was_hash && group.delimiter() == Delimiter::Bracket => {
                    let attribute = group.stream().to_string();
                    item_in_tests |= attribute == "cfg (test)";
                    if !attribute.starts_with("doc =") {
                        self.walk(group.stream(), tests);
                    }
                }
                TokenTree::Group(group) => {
                    item_in_tests &= group.delimiter() != Delimiter::Brace;
                    self.walk(group.stream(), tests);
                }
                TokenTree::Ident(word) => self.words.push(found(&word, word.span(), tests)),
                TokenTree::Literal(literal) => {
                    self.literals.push(found(&literal, literal.span(), tests));
                }
                TokenTree::Punct(punct) => {
                    item_in_tests &= punct.as_char() != ';';
                    // An inner attribute is `#!`, then brackets.
                    after_hash |= was_hash && punct.as_char() == '!';
                }
            }
        }
    }
}

fn is_punct(tree: &TokenTree, wanted: char) -> bool {
    matches!(tree, TokenTree::Punct(punct) if punct.as_char() == wanted)
}

fn found(token: &impl ToString, span: proc_macro2::Span, in_tests: bool) -> Found {
    Found { line: span.start().line, text: token.to_string(), in_tests }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = r##"
        //! unsafe "overlay2" in documentation
        /* unsafe /* nested */ "vfs" */
        /// unsafe
        #[doc = "zfs"]
        fn f() -> &'static str { r#"unsafe "btrfs" "# }
        #[cfg(test)]
        mod tests { const T: &str = "aufs"; }
        const C: char = '"';
        fn g<'a>() { unsafe { h(b"fuse") } }
    "##;

    #[test]
    fn comments_and_documentation_are_left_out() {
        let tokens = Tokens::of(SOURCE).unwrap();
        let keyword: Vec<_> = tokens.words.iter().filter(|word| word.text == "unsafe").collect();
        assert_eq!(keyword.len(), 1, "{keyword:?}");
        assert_eq!(keyword[0].line, 10);
        let literals: Vec<_> =
            tokens.literals.iter().map(|found| (found.text.as_str(), found.in_tests)).collect();
        let expected = [
            ("r#\"unsafe \"btrfs\" \"#", false),
            ("\"aufs\"", true),
            ("'\"'", false),
            ("b\"fuse\"", false),
        ];
        assert_eq!(literals, expected);
    }

    #[test]
    fn what_is_no_rust_is_an_error() {
        assert!(Tokens::of("fn f( {").is_err());
    }
}
