//! What is promised of each parser, whatever it is given.

use std::io::ErrorKind;

use graphdriver_api::Limits;
use sapwood_engine::foreign::{Part, Record};
use sapwood_engine::image::{Config, Digest, Reference};
use sapwood_kit::archive::{Reader, acl};

/// Small enough that a run is fast, and that passing a limit happens.
const LIMITS: Limits = Limits {
    entries: 1000,
    bytes: 1 << 24,
    depth: 64,
    xattr_bytes: 1 << 12,
    extension_bytes: 1 << 16,
};

/// A layer's archive: it is read to its end or refused; pieces of a file come
/// in order and lie within it; nothing passes a limit.
///
/// # Panics
/// If that isn't so.
pub fn layer(mut bytes: &[u8]) {
    let mut reader = Reader::new(&mut bytes, &LIMITS);
    loop {
        let entry = match reader.next_entry() {
            Ok(Some(entry)) => entry,
            Ok(None) => break,
            Err(_) => return,
        };
        let mut end = 0;
        let read = reader.content(&entry, &mut |offset, piece| {
            assert!(offset >= end, "pieces overlap");
            end = offset + piece.len() as u64;
            assert!(end <= entry.size, "a piece beyond the file");
            Ok(())
        });
        if read.is_err() {
            return;
        }
    }
    assert!(reader.entries() <= LIMITS.entries, "more entries than the limit");
    assert!(reader.bytes() <= LIMITS.bytes, "more bytes than the limit");
}

/// An image's configuration: what is accepted keeps its bytes, and its id is
/// their digest.
///
/// # Panics
/// If that isn't so.
pub fn config(bytes: &[u8]) {
    if let Ok(config) = Config::parse(bytes.to_vec()) {
        assert_eq!(config.raw(), bytes, "a configuration's bytes have changed");
        assert_eq!(*config.id(), Digest::of(bytes), "an id that isn't the digest");
    }
}

/// A name of an image, and a digest: what is accepted and written again means
/// the same.
///
/// # Panics
/// If that isn't so.
pub fn reference(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Some(name) = text.parse::<Reference>().ok().and_then(|reference| reference.named()) {
        let again: Result<Reference, _> = name.to_string().parse();
        let again = again.ok().and_then(|reference| reference.named());
        assert_eq!(again, Some(name), "{text:?} doesn't come back");
    }
    if let Ok(digest) = text.parse::<Digest>() {
        assert_eq!(digest.to_string(), text, "a digest doesn't come back");
    }
}

/// An access list as archives have it, in words: what comes of it is one as
/// the kernel takes it.
///
/// # Panics
/// If that isn't so.
pub fn attributes(bytes: &[u8]) {
    if let Ok(list) = acl::from_text(bytes) {
        assert!(acl::is_valid(&list), "a list that the kernel wouldn't take");
    }
}

/// tar-split's record of a layer's archive: it is read to its end, or refused
/// with its line; it gives no more bytes than it has itself, and no name that
/// leads out of the layer.
///
/// # Panics
/// If that isn't so.
pub fn record(bytes: &[u8]) {
    let mut record = Record::new(bytes);
    let mut given = 0;
    loop {
        match record.next_part() {
            Ok(Some(Part::Bytes(part))) => given += part.len(),
            Ok(Some(Part::File { name, .. })) => assert!(stays_within(name), "{name:?} leads out"),
            Ok(None) => break,
            Err(e) => {
                assert_eq!(e.kind(), ErrorKind::InvalidData, "{e}");
                return;
            }
        }
    }
    assert!(given <= bytes.len(), "more bytes than the record has");
}

/// Whether following `name` never goes above where it began.
fn stays_within(name: &[u8]) -> bool {
    let mut below: Vec<&[u8]> = Vec::new();
    name.split(|byte| *byte == b'/').all(|part| match part {
        b"" | b"." => true,
        b".." => below.pop().is_some(),
        part => {
            below.push(part);
            true
        }
    })
}
