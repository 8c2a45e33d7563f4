//! Layers of stores that were written before there were outlines: what the
//! driver writes of them may happen to be the archive, or not.

use std::fs;

use crate::archives::tree::copy;
use crate::archives::{Room, apply, diff};
use crate::store::{DRIVERS, Store, lower, upper};

/// The layers as the driver itself would write them.
fn as_written_here() -> [Vec<u8>; 2] {
    let room = Room::new();
    let (root, before) = (room.root(), room.path().join("before"));
    apply(&root, &lower()).unwrap();
    let first = diff(None, &root);
    copy(&root, &before);
    apply(&root, &upper()).unwrap();
    [first, diff(Some(&before), &root)]
}

fn save(store: &Store) -> (Option<i32>, String) {
    let id = store.sapwood.ok(["images", "-q", "--no-trunc"]);
    let to = store.sapwood.scratch().join("saved.tar");
    let done = store.sapwood.output(["save", "-o", to.to_str().unwrap(), id.trim()]);
    (done.status.code(), String::from_utf8(done.stderr).unwrap())
}

/// An archive that was written here is written so again: that proves it all.
#[test]
fn what_the_driver_writes_as_it_came_is_verified_and_saved() {
    for driver in DRIVERS {
        let store = Store::of(driver, &as_written_here());
        fs::remove_dir_all(store.outlines()).unwrap();
        assert_eq!(store.check(), (0, Vec::new(), 0), "{driver}");
        assert_eq!(save(&store), (Some(0), String::new()), "{driver}");
    }
}

#[test]
fn what_cannot_be_proven_is_no_damage_and_not_right_either() {
    for driver in DRIVERS {
        let foreign = Store::new(driver);
        let damaged = Store::of(driver, &as_written_here());
        damaged.keeping_times(1, |tree| fs::write(tree.join("e/f"), "CONTENT").unwrap());
        for (store, layers) in [(foreign, 2), (damaged, 1)] {
            fs::remove_dir_all(store.outlines()).unwrap();
            assert_eq!(store.check(), (125, Vec::new(), layers), "{driver}");
            let said = store.sapwood.output(["storage", "check", "--content"]).stdout;
            let said = String::from_utf8(said).unwrap();
            assert!(said.contains("not verified: layer") && said.contains("as it came"), "{said}");
            let (status, said) = save(&store);
            assert_eq!(status, Some(1), "{said}");
            assert!(said.contains("didn't keep what is needed"), "{said}");
        }
    }
}
