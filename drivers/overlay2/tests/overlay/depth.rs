//! The longest chain.

use std::fs;

use graphdriver_api::{Base, DraftSpec, ErrorKind, LayerId, MountRequest};

use crate::support::*;

/// Layers without content, cheap to make; the first and the last have some.
fn chain(driver: &Driver, depth: u32) -> LayerId {
    let mut top = make(driver, "l1", None, |t| fs::write(t.join("bottom"), "1").unwrap());
    for i in 2..depth {
        let d = prepare(driver, "d", Base::Layer(&top));
        top = commit(driver, &d, &format!("l{i}"));
    }
    make(driver, &format!("l{depth}"), Some(&top), |t| fs::write(t.join("top"), "1").unwrap())
}

#[test]
fn works_in_every_way_and_no_longer_one_does() {
    world_in_memory(|world| {
        let driver = world.open();
        let most = driver.traits().max_depth.unwrap().get();
        assert!(most >= 128, "Docker's images have up to 128 layers; {most} are possible here");
        let top = chain(&driver, most);
        let d = prepare(&driver, "d", Base::Layer(&top));
        edit(&driver, &d, |t| fs::write(t.join("own"), "1").unwrap());
        let shown = ["bottom", "own", "top"];
        for request in [MountRequest::default(), MountRequest::read_only()] {
            assert_eq!(with(&driver, &d, &request, names).unwrap(), shown);
        }
        assert_eq!(changes(&driver, (&d).into()), ["M .", "A own"]);
        assert_eq!(changes(&driver, (&top).into()), ["M .", "A top"]);
        let deeper = driver.commit(&d, &layer("deeper"), None).unwrap_err();
        assert_eq!(deeper.kind(), ErrorKind::Unsupported, "{deeper}");
        let late = prepare(&driver, "late", Base::Deferred);
        let deeper = driver.commit(&late, &layer("deeper"), Some(&top)).unwrap_err();
        assert_eq!(deeper.kind(), ErrorKind::Unsupported, "{deeper}");
        driver.view(&draft("v"), &top).unwrap();
        assert_eq!(edit(&driver, &draft("v"), names), ["bottom", "top"]);
        driver.prepare(&draft("another"), Base::Layer(&top), &DraftSpec::default()).unwrap();
    });
}
