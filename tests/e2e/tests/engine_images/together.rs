//! Several loads and removals at once.

use std::fs::File;

use sapwood_e2e::images::{Compression, Entry, Format};
use sapwood_engine::image::Silent;

use crate::fixture::{Fixture, three_layers};

#[test]
fn the_same_image_may_be_loaded_by_many_at_once() {
    let f = Fixture::new();
    let path = f.archive(&three_layers("same:1"), Format::OciTar, Compression::Gzip);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let engine = f.again();
                engine.load(File::open(&path).unwrap(), "same", &Silent).unwrap();
            });
        }
    });
    assert_eq!(f.engine.images().unwrap().len(), 1);
    assert_eq!(f.nodes().len(), 3);
}

/// Whatever the order: what is recorded in the end is whole, and nothing is
/// left over once the last image is gone.
#[test]
fn loads_and_removals_may_cross() {
    let f = Fixture::new();
    let images: Vec<_> = (0..4)
        .map(|n| {
            let image = three_layers(&format!("n{n}:1"))
                .layer(move |layer| layer.add(&Entry::file("own", format!("{n}"))));
            let path = f.path(&format!("{n}.tar"));
            image.write(&path, Format::OciTar, Compression::None).unwrap();
            path
        })
        .collect();
    std::thread::scope(|scope| {
        for (n, path) in images.iter().enumerate() {
            let f = &f;
            scope.spawn(move || {
                let engine = f.again();
                for _ in 0..10 {
                    engine.load(File::open(path).unwrap(), "crossing", &Silent).unwrap();
                    engine.remove_image(&format!("n{n}:1"), false).unwrap();
                }
                engine.load(File::open(path).unwrap(), "crossing", &Silent).unwrap();
            });
        }
    });
    assert_eq!(f.engine.images().unwrap().len(), 4);
    assert_eq!(f.nodes().len(), 3 + 4);
    for n in 0..4 {
        f.engine.remove_image(&format!("n{n}:1"), false).unwrap();
    }
    assert!(f.nodes().is_empty(), "{:?}", f.nodes());
}
