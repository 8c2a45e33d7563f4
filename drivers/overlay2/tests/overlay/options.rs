//! Options, and what the driver says of itself.

use graphdriver_api::{DriverFactory, ErrorKind, Suitability};
use sapwood_driver_overlay2::Overlay2Factory;

use crate::support::*;

fn facts(driver: &Driver) -> Vec<(String, String)> {
    let facts = driver.status().unwrap().facts;
    facts.into_iter().map(|f| (f.name.into_owned(), f.value.into_owned())).collect()
}

fn value(driver: &Driver, name: &str) -> String {
    let facts = facts(driver);
    facts.into_iter().find(|(n, _)| n == name).map(|(_, v)| v).unwrap()
}

#[test]
fn every_feature_is_a_fact_with_a_reason() {
    world(|world| {
        let driver = world.open();
        let facts = driver.status().unwrap().facts;
        for name in [
            "backing file system",
            "d_type",
            "mounts",
            "maximum depth",
            "redirect_dir",
            "metacopy",
            "index",
            "volatile",
            "userxattr",
            "xino",
            "id maps",
            "writers are noticed",
            "native diff",
        ] {
            let found: Vec<_> = facts.iter().filter(|fact| fact.name == name).collect();
            assert_eq!(found.len(), 1, "{name}: {facts:#?}");
            assert!(name == "backing file system" || !found[0].reason.is_empty(), "{name}");
        }
        let Suitability::Suitable(probed) = Overlay2Factory.probe(&world.root, &given(&[])) else {
            panic!("it has just been opened")
        };
        assert_eq!(probed, facts);
    });
}

#[test]
fn are_what_the_driver_goes_by() {
    world(|world| {
        let driver = world.open();
        assert_eq!(value(&driver, "metacopy"), "off");
        assert_eq!(value(&driver, "redirect_dir"), "on");
        let driver =
            world.open_with(&[("overlay2.metacopy", "auto"), ("overlay2.redirect_dir", "off")]);
        assert_eq!(
            (value(&driver, "metacopy"), value(&driver, "redirect_dir")),
            ("off".into(), "off".into())
        );
        assert!(!driver.traits().directory_rename);
        let driver = world.open_with(&[("overlay2.metacopy", "on"), ("overlay2.volatile", "off")]);
        assert_eq!(
            (value(&driver, "metacopy"), value(&driver, "volatile")),
            ("on".into(), "off".into())
        );
    });
}

#[test]
fn that_are_wrong_leave_no_root() {
    world(|world| {
        let error =
            Overlay2Factory.open(&world.root, &given(&[("overlay2.size", "1G")])).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert!(error.to_string().contains("overlay2.metacopy"), "{error}");
        assert!(!world.root.try_exists().unwrap());
    });
}

#[test]
fn a_root_that_cannot_be_used_is_not_made() {
    world(|_| {
        let root = std::path::Path::new("/proc/self/overlay2");
        let error = Overlay2Factory.open(root, &given(&[])).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Prerequisite, "{error}");
        let Suitability::Unsuitable { reason, remedy } = Overlay2Factory.probe(root, &given(&[]))
        else {
            panic!("nothing can be made in /proc")
        };
        assert!(reason.contains("/proc") && remedy.is_some(), "{reason}");
    });
}

#[test]
fn a_root_that_is_not_there_is_probed_without_being_made() {
    world(|world| {
        let root = world.dir.path().join("not/yet/there");
        assert!(matches!(Overlay2Factory.probe(&root, &given(&[])), Suitability::Suitable(_)));
        assert_eq!(names(world.dir.path()), [""; 0]);
        assert!(!Overlay2Factory.has_data(&root).unwrap());
    });
}
