//! Names of every shape that a file can have.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

/// Names that trip whoever takes them for text: not UTF-8, with newlines,
/// blanks, quotes and backslashes, of the greatest length, and such as mean
/// something elsewhere.
pub(super) fn treacherous() -> Vec<OsString> {
    let longest = vec![b'n'; 255];
    let names: [&[u8]; 22] = [
        b"\xff\xfe not UTF-8 \x80",
        b"new\nline",
        &longest,
        b" blank in front",
        b"blank behind ",
        b"tab\there",
        b"\\",
        b"\\012",
        b"'quoted'",
        b"\"doubly\"",
        b"$(echo)",
        b"-rf",
        b"...",
        b".hidden",
        b"a,b=c:d",
        b"%s%n",
        b"\x01\x7f",
        "n\u{e4}ive".as_bytes(),
        "nai\u{308}ve".as_bytes(),
        b"CON",
        b"wh.no-whiteout",
        b"*?[a]",
    ];
    names.iter().map(|name| OsStr::from_bytes(name).to_owned()).collect()
}
