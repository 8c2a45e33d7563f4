//! Much damage, and what a repair makes of it.

use std::fs;

use crate::store::{DRIVERS, Store};

#[test]
fn much_damage_is_counted() {
    for driver in DRIVERS {
        let store = Store::new(driver);
        store.keeping_times(1, |tree| {
            for n in 0..50 {
                fs::write(tree.join(format!("e/more-{n}")), "").unwrap();
            }
        });
        let found = store.found(1);
        assert_eq!(found.len(), 21, "{driver}: {found:?}");
        assert_eq!(found[0].1, "and 30 more paths that differ", "{driver}");
    }
}

/// Whoever counts a layer anew makes what was added to it its own.
#[test]
fn a_layer_with_more_in_it_is_not_counted_anew() {
    for driver in DRIVERS {
        let store = Store::new(driver);
        let added = store.tree(1).join("e/added");
        store.keeping_times(1, |_| fs::write(&added, "").unwrap());
        let repair = || store.sapwood.output(["storage", "repair"]);
        let said = String::from_utf8(repair().stdout).unwrap();
        assert!(said.contains("NOT SAVED") && said.contains("layer-account"), "{said}");
        // As it was, it is.
        fs::remove_file(&added).unwrap();
        store.keeping_times(1, |_| ());
        crate::archives::tree::touch(&store.tree(1).join("e"), 1, 0);
        let (status, found, _) = store.check();
        assert_eq!((status, found), (0, Vec::new()), "{driver}");
    }
}
