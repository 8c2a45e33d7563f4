//! The same life in each way of mounting that kernels know. Which way is taken
//! is in the record of what was found; here it says less than the truth.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};

use graphdriver_api::{Base, IdMap, IdRange, MountRequest};
use serde_json::Value;

use crate::support::*;

/// Lets the driver believe in an older kernel; `false` if this one is older.
fn believe(world: &World, way: &str, detached: bool) -> bool {
    drop(world.open());
    let path = world.root.join("host/probe.json");
    let mut record: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    const WAYS: [&str; 3] = ["descriptors", "names", "page"];
    let rank = |way: &str| WAYS.iter().position(|w| *w == way).unwrap();
    let probe = &mut record["probe"];
    if rank(probe["way"].as_str().unwrap()) > rank(way)
        || (detached && !probe["detached_layers"].as_bool().unwrap())
    {
        return false;
    }
    probe["way"] = way.into();
    probe["detached_layers"] = detached.into();
    fs::write(&path, serde_json::to_vec(&record).unwrap()).unwrap();
    true
}

fn life(driver: &Driver) {
    let base = make(driver, "base", None, |t| {
        fs::create_dir(t.join("dir")).unwrap();
        fs::write(t.join("dir/file"), "1").unwrap();
        chown(t.join("dir/file"), Some(7), Some(8)).unwrap();
    });
    let late = prepare(driver, "late", Base::Deferred);
    apply(driver, &late, &archive(&[("dir/", ""), ("dir/.wh.file", ""), ("dir/new", "2")]))
        .unwrap();
    driver.commit(&late, &layer("late"), Some(&base)).unwrap();
    let d = prepare(driver, "d", Base::Layer(&layer("late")));
    apply(driver, &d, &archive(&[("dir/more", "3")])).unwrap();
    edit(driver, &d, |t| fs::rename(t.join("dir"), t.join("moved")).unwrap());
    let plain = changes(driver, (&d).into());
    assert_eq!(plain, ["M .", "D dir", "A moved", "A moved/more", "A moved/new"]);
    let ticket = driver.mount(&d, &MountRequest::default()).unwrap().persist().unwrap().unwrap();
    driver.adopt(&ticket).unwrap().unmount().unwrap();
    commit(driver, &d, "top");
    if driver.traits().id_maps {
        mapped(driver, &base);
    }
}

fn mapped(driver: &Driver, base: &graphdriver_api::LayerId) {
    let range = vec![IdRange { on_disk: 0, shown: 100_000, count: 65_536 }];
    let map = IdMap { uids: range.clone(), gids: range };
    let request = MountRequest { id_map: Some(map), ..MountRequest::default() };
    let m = prepare(driver, "m", Base::Layer(base));
    for _ in 0..2 {
        let owner = with(driver, &m, &request, |t| {
            let owner = fs::metadata(t.join("dir/file")).unwrap();
            chown(t.join("dir/file"), Some(owner.uid()), Some(100_009)).unwrap();
            owner.uid()
        });
        assert_eq!(owner.unwrap(), 100_007);
    }
    let stored = edit(driver, &m, |t| fs::metadata(t.join("dir/file")).unwrap());
    assert_eq!((stored.uid(), stored.gid()), (7, 9));
}

#[test]
fn all_give_the_same() {
    let mut lived = Vec::new();
    for (way, detached) in [
        ("descriptors", true),
        ("descriptors", false),
        ("names", true),
        ("names", false),
        ("page", false),
    ] {
        world(|world| {
            if believe(world, way, detached) {
                life(&world.open());
                lived.push(way);
            }
        });
    }
    assert!(lived.contains(&"page"), "no kernel lacks mount(2)");
    eprintln!("ways of this kernel: {lived:?}");
}

#[test]
fn the_page_holds_the_longest_chain() {
    world_in_memory(|world| {
        assert!(believe(world, "page", false));
        let driver = world.open();
        let most = driver.traits().max_depth.unwrap().get();
        let mut top = make(&driver, "l0", None, |t| fs::write(t.join("f"), "1").unwrap());
        for i in 1..most {
            let d = prepare(&driver, "d", Base::Layer(&top));
            top = commit(&driver, &d, &format!("sha256-{}-{i}", "0".repeat(100)));
        }
        let d = prepare(&driver, "d", Base::Layer(&top));
        assert_eq!(edit(&driver, &d, names), ["f"]);
    });
}
