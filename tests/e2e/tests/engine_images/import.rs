//! Root file systems become images.

use std::fs::File;
use std::io::{Seek, Write};

use sapwood_engine::image::{Import, Name, Silent};
use sapwood_engine::{Error, Result};

use crate::fixture::Fixture;

fn tar(names: &[&str]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for name in names {
        let mut header = tar::Header::new_gnu();
        header.set_size(4);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        tar.append_data(&mut header, name, &b"1234"[..]).unwrap();
    }
    tar.into_inner().unwrap()
}

fn import(f: &Fixture, bytes: &[u8], import: &Import) -> Result<String> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    f.engine.import(file, import, &Silent).map(|id| id.to_string())
}

#[test]
fn an_archive_becomes_an_image_that_says_what_was_said() {
    let f = Fixture::new();
    let request = Import {
        name: "root.tar".into(),
        tag: Some(Name::parse("mine:1").unwrap()),
        changes: vec!["CMD [\"/one\"]".parse().unwrap(), "ENV A=b".parse().unwrap()],
        message: Some("by hand".into()),
    };
    let id = import(&f, &tar(&["one", "two"]), &request).unwrap();
    let image = f.engine.image("mine:1").unwrap();
    assert_eq!((image.id.to_string(), image.size), (id, 8));
    let shown = sapwood_engine::image::inspect(&image, "model");
    assert_eq!(shown["Config"]["Cmd"][0], "/one");
    assert_eq!(shown["Config"]["Env"][0], "A=b");
    assert_eq!(shown["Comment"], "by hand");
    assert_eq!(shown["Os"], "linux");
    assert_eq!(shown["RepoTags"][0], "mine:1");
    assert_eq!(shown["RootFS"]["Layers"].as_array().unwrap().len(), 1);
    assert!(image.config.created().is_some());
}

#[test]
fn every_compression_has_the_same_layer() {
    let f = Fixture::new();
    let plain = tar(&["one"]);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&plain).unwrap();
    for bytes in [plain.clone(), gzip.finish().unwrap(), zstd::encode_all(&plain[..], 1).unwrap()] {
        import(&f, &bytes, &Import::default()).unwrap();
    }
    assert_eq!(f.nodes().len(), 1);
}

#[test]
fn a_failed_import_leaves_nothing() {
    let f = Fixture::new();
    let whole = tar(&["one", "two"]);
    for (bytes, words) in [
        (&b""[..], "it is empty"),
        (b"not a tar archive at all", "can't be unpacked"),
        (&whole[..700], "can't be unpacked"),
    ] {
        let request = Import { name: "root.tar".into(), ..Import::default() };
        let report = import(&f, bytes, &request).unwrap_err().report();
        assert!(report.contains("root.tar: ") && report.contains(words), "{report}");
        assert_eq!(f.state(), (vec![], vec![]));
    }
    let folder = File::open(f.dir.path()).unwrap();
    let error = f.engine.import(folder, &Import::default(), &Silent).unwrap_err();
    assert!(matches!(error, Error::BadArchive { .. }));
    assert!(error.report().contains("it is a folder"), "{error}");
}
