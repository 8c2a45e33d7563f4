use proptest::prelude::*;
use tar::{EntryType, Header};

use super::*;
use crate::image::outline::format::Part;

fn header(kind: EntryType, name: &str, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_path(name).unwrap();
    header.set_size(size);
    header.set_cksum();
    header
}

fn entry(kind: EntryType, name: &str, content: &[u8]) -> Vec<u8> {
    let header = header(kind, name, content.len() as u64);
    let mut bytes = [header.as_bytes(), content].concat();
    bytes.resize(bytes.len().next_multiple_of(BLOCK), 0xAA);
    bytes
}

fn file(name: &str, content: &[u8]) -> Vec<u8> {
    entry(EntryType::Regular, name, content)
}

/// The paths and sizes of the files that are only referred to.
fn files(archive: &[u8]) -> Vec<(String, u64)> {
    let mut recorder = Recorder::new(Vec::new());
    recorder.push(archive).unwrap();
    let (outline, total) = recorder.finish().unwrap();
    assert_eq!(total, archive.len() as u64);
    let (mut rest, mut files) = (&outline[..], Vec::new());
    while let Some(part) = format::next(&mut rest).unwrap() {
        if let Part::File(file) = part {
            files.push((String::from_utf8(file.path).unwrap(), file.size));
        }
    }
    files
}

fn names(archive: &[u8]) -> Vec<String> {
    files(archive).into_iter().map(|(name, _)| name).collect()
}

#[test]
fn files_are_referred_to_and_all_else_is_kept() {
    let long = "n/".repeat(90) + "x";
    let archive = [
        entry(EntryType::Directory, "dir/", b""),
        file("dir/a", &[1; 1000]),
        file("empty", b""),
        entry(EntryType::GNULongName, "././@LongLink", long.as_bytes()),
        file("short", &[2; 512]),
        entry(EntryType::XHeader, "pax", b"12 path=p/q\n"),
        file("other", &[3; 7]),
        entry(EntryType::XGlobalHeader, "global", b"9 uid=77\n"),
        file("last", &[4; 700]),
        vec![0; 10_240],
    ]
    .concat();
    let expected =
        [("dir/a".to_owned(), 1000), (long, 512), ("p/q".into(), 7), ("last".into(), 700)];
    assert_eq!(files(&archive), expected);
    for step in [1, 3, 511, 512, 513, 4096, usize::MAX] {
        fuzz(&archive, step);
    }
}

#[test]
fn what_cannot_be_read_back_is_kept() {
    let mut sparse = Header::new_gnu();
    sparse.set_entry_type(EntryType::GNUSparse);
    sparse.set_path("sparse").unwrap();
    sparse.set_size(512);
    let gnu = sparse.as_gnu_mut().unwrap();
    gnu.realsize = *b"00000004000\0";
    gnu.isextended[0] = 1;
    sparse.set_cksum();
    let mut more = [0; 2 * BLOCK];
    more[504] = 1;
    let archive = [
        file(".wh.gone", b"x"),
        file(".wh..wh.plnk/1", b"y"),
        file("a/.wh.b/c", b"z"),
        sparse.as_bytes().to_vec(),
        more.to_vec(),
        vec![7; 512],
        entry(
            EntryType::XHeader,
            "pax",
            b"22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n30 GNU.sparse.realsize=100000\n",
        ),
        file("pax-sparse", &[b'0'; 512]),
        file("plain", b"p"),
    ]
    .concat();
    assert_eq!(names(&archive), ["plain"]);
    fuzz(&archive, 100);
}

/// A link's size says nothing: what follows is the next header.
#[test]
fn only_files_have_content() {
    let link = header(EntryType::Link, "link", 512).as_bytes().to_vec();
    let archive = [file("a", b"1"), link, file("b", b"2")].concat();
    assert_eq!(names(&archive), ["a", "b"]);
}

#[test]
fn behind_the_end_nothing_is_a_file() {
    for end in [vec![0; 1024], vec![0; 512], vec![1; 512], vec![0; 10 << 20]] {
        let archive = [file("a", b"1"), end, file("b", b"2")].concat();
        assert_eq!(names(&archive), ["a"]);
        fuzz(&archive, 4096);
    }
}

#[test]
fn records_without_end_are_not_collected() {
    let mut huge = header(EntryType::XHeader, "pax", u64::MAX >> 2);
    huge.set_cksum();
    let mut recorder = Recorder::new(std::io::sink());
    recorder.push(huge.as_bytes()).unwrap();
    for _ in 0..100 {
        recorder.push(&[b'x'; 1 << 20]).unwrap();
    }
    assert!(recorder.bytes.capacity() < 4 << 20);
    assert!(matches!(recorder.state, State::Rest));
}

#[test]
fn an_archive_that_ends_within_a_file_has_no_outline() {
    let archive = file("a", &[1; 1000]);
    let mut recorder = Recorder::new(Vec::new());
    recorder.push(&archive[..800]).unwrap();
    assert_eq!(recorder.finish().unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
}

proptest! {
    #[test]
    fn any_bytes_come_back(
        bytes in prop::collection::vec(prop_oneof![Just(0_u8), any::<u8>()], 0..3000),
        step in 1_usize..700,
    ) {
        fuzz(&bytes, step);
    }

    /// Damage anywhere in an archive changes at most what is understood.
    #[test]
    fn damaged_archives_come_back(
        at in 0_usize..6000,
        with in any::<u8>(),
        cut in 0_usize..7000,
        step in 1_usize..700,
    ) {
        let mut archive = [
            file("a", &[1; 600]),
            entry(EntryType::XHeader, "pax", b"12 path=p/q\n12 size=100\n"),
            file("b", &[2; 100]),
            entry(EntryType::GNUSparse, "c", &[0; 600]),
            file("d", &[3; 600]),
            vec![0; 1024],
        ]
        .concat();
        if let Some(byte) = archive.get_mut(at) {
            *byte = with;
        }
        archive.truncate(cut);
        fuzz(&archive, step);
    }
}
