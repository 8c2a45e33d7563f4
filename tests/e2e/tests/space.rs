//! Space: who takes it (`system df`), and giving it back (prune, gc).

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::path::Path;
use std::time::{Duration, Instant};

use sapwood_e2e::Sapwood;
use sapwood_e2e::images::{Compression, Entry, Format, Image, busybox};
use serde_json::Value;

const DRIVERS: [&str; 2] = ["overlay2", "vfs"];

fn load(sapwood: &Sapwood, image: &Image, name: &str) {
    let path = sapwood.scratch().join(name);
    image.write(&path, Format::Docker, Compression::None).unwrap();
    sapwood.ok([Path::new("load"), Path::new("-q"), Path::new("-i"), &path]);
}

fn store(driver: &str) -> Sapwood {
    let sapwood = Sapwood::on(driver);
    load(&sapwood, &busybox("busybox").unwrap(), "busybox.tar");
    let one = Image::new("one:1").layer(|l| l.add(&Entry::file("one", vec![b'1'; 300_000])));
    load(&sapwood, &one.set("Labels", serde_json::json!({ "tier": "a" })), "one.tar");
    sapwood
}

fn df(sapwood: &Sapwood) -> Vec<Value> {
    sapwood.json(["system", "df", "--format", "json"]).as_array().unwrap().clone()
}

fn number(line: &Value, key: &str) -> u64 {
    line[key].as_u64().unwrap_or_else(|| panic!("{line}"))
}

/// Allocated bytes beneath a folder.
fn disk(dir: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let mut sum = 0;
    // A load may be at work: what goes meanwhile counts nothing.
    let Ok(entries) = std::fs::read_dir(dir) else { return 0 };
    for entry in entries.flatten() {
        let Ok(meta) = entry.metadata() else { continue };
        sum += meta.blocks() * 512;
        if meta.is_dir() {
            sum += disk(&entry.path());
        }
    }
    sum
}

#[test]
fn df_adds_up_and_follows_what_comes_and_goes() {
    for driver in DRIVERS {
        let sapwood = store(driver);
        let [images, containers] = [0, 1].map(|n| df(&sapwood)[n].clone());
        assert_eq!((number(&images, "TotalCount"), number(&images, "Active")), (2, 0));
        assert_eq!(number(&images, "Size"), number(&images, "Reclaimable"));
        assert!(number(&images, "Size") >= 300_000, "{images}");
        assert_eq!(number(&containers, "TotalCount"), 0);
        let script = "head -c 70000 /dev/zero > /new";
        sapwood.ok(["run", "--name", "done", "busybox", "sh", "-c", script]);
        let [images, containers] = [0, 1].map(|n| df(&sapwood)[n].clone());
        assert_eq!(number(&images, "Active"), 1, "{driver}");
        // The image of which none was made is what could go.
        assert_eq!(number(&images, "Reclaimable"), 300_000, "{driver}");
        assert_eq!(number(&containers, "TotalCount"), 1);
        let held = number(&containers, "Size");
        assert_eq!(held, number(&containers, "Reclaimable"));
        assert!(held >= 70_000, "{driver}: {held}");
        assert!(sapwood.ok(["system", "df", "-v"]).contains("done"), "{driver}");
    }
}

#[test]
fn prune_asks_tells_and_takes_only_what_nobody_needs() {
    for driver in DRIVERS {
        let sapwood = store(driver);
        sapwood.ok(["run", "--name", "done", "busybox", "true"]);
        // Nobody answers: nothing happens.
        for command in [["container", "prune"], ["image", "prune"], ["system", "prune"]] {
            assert_eq!(sapwood.ok(command), "", "{command:?}");
        }
        let none = "Total reclaimed space: 0B\n";
        assert_eq!(sapwood.ok(["image", "prune", "-f"]), none);
        assert_eq!(sapwood.ok(["image", "prune", "-af", "--filter", "label=tier=b"]), none);
        assert_eq!(sapwood.ok(["image", "prune", "-af", "--filter", "until=100"]), none);
        assert_eq!(sapwood.ok(["container", "prune", "-f", "--filter", "until=1h"]), none);
        let (status, said) = sapwood.fails(["image", "prune", "--filter", "until=soon"]);
        assert!(status == 2 && said.contains("soon"), "{said}");
        let pruned = sapwood.ok(["image", "prune", "-af", "--filter", "label=tier"]);
        assert!(
            pruned.starts_with("Deleted Images:\nuntagged: one:1\ndeleted: sha256:"),
            "{pruned}"
        );
        assert!(pruned.ends_with("\nTotal reclaimed space: 300kB\n"), "{pruned}");
        // A container was made of the other.
        assert_eq!(sapwood.ok(["image", "prune", "-af"]), none);
        let id = sapwood.ok(["ps", "-aq", "--no-trunc"]);
        let pruned = sapwood.ok(["container", "prune", "-f"]);
        assert!(pruned.starts_with(&format!("Deleted Containers:\n{id}")), "{pruned}");
        let pruned = sapwood.ok(["system", "prune", "-af"]);
        assert!(pruned.contains("untagged: busybox:latest\n"), "{pruned}");
        assert_eq!(sapwood.ok(["images", "-q"]), "");
        sapwood.ok(["storage", "gc"]);
        assert_eq!(sapwood.json(["storage", "ls", "--format", "json"]), serde_json::json!([]));
        sapwood.ok(["storage", "check"]);
    }
}

#[test]
fn gc_takes_what_a_killed_load_left_and_leaves_the_disk_as_before() {
    for driver in DRIVERS {
        let sapwood = store(driver);
        sapwood.ok(["storage", "gc"]);
        let before = disk(&sapwood.root());
        let big = (0..6).fold(Image::new("big:1"), |image, n| {
            image.layer(move |l| l.add(&Entry::file(format!("f{n}"), vec![n; 4 << 20])))
        });
        let path = sapwood.scratch().join("big.tar");
        big.write(&path, Format::Docker, Compression::None).unwrap();
        let mut load = sapwood.command();
        let mut load = load.args(["load", "-q", "-i"]).arg(&path).spawn().unwrap();
        let begun = Instant::now();
        while disk(&sapwood.root()) < before + (6 << 20) && load.try_wait().unwrap().is_none() {
            assert!(begun.elapsed() < Duration::from_secs(30), "{driver}: nothing is unpacked");
        }
        load.kill().unwrap();
        load.wait().unwrap();
        // What is left is nothing wrong.
        sapwood.ok(["storage", "check"]);
        let told = sapwood.ok(["storage", "gc", "--dry-run"]);
        assert!(told.contains("would remove"), "{driver}: {told}");
        sapwood.ok(["storage", "gc"]);
        let after = disk(&sapwood.root());
        assert!(after < before + (256 << 10), "{driver}: {before} before, {after} after");
        let nothing = sapwood.ok(["storage", "gc"]);
        assert_eq!(nothing, "Total reclaimed space: 0B\n", "{driver}");
    }
}

/// A thousand layers and five hundred containers; the bar is 50 ms each, for
/// the fastest of some, because tests run beside others here.
#[test]
fn listing_and_accounting_stay_fast_in_a_large_store() {
    let sapwood = store("overlay2");
    for image in 0..10_u8 {
        let layers = (0..100).fold(Image::new(format!("many{image}:1")), |all, layer| {
            let content = format!("{image} {layer}").into_bytes();
            all.layer(move |l| l.add(&Entry::file(format!("f{layer}"), content.clone())))
        });
        load(&sapwood, &layers, "many.tar");
    }
    sapwood.ok(["run", "--name", "c-0", "busybox", "true"]);
    let db = sapwood.root().join("engine/overlay2/metadata.db");
    let db = rusqlite::Connection::open(db).unwrap();
    // Rows alone: nothing that is measured here looks at an ended container's
    // tree.
    for n in 1..500 {
        let clone = "INSERT INTO container (id, name, image, base, state, created, record, content)
            SELECT printf('%064x', ?1), 'c-' || ?1, image, base, state, created, record, content
            FROM container WHERE name = 'c-0'";
        db.execute(clone, [n]).unwrap();
    }
    for command in [&["images"][..], &["ps", "-a"], &["system", "df"]] {
        let fastest = (0..20).map(|_| {
            let begun = Instant::now();
            sapwood.ok(command);
            begun.elapsed()
        });
        let fastest = fastest.min().unwrap();
        println!("{command:?}: {fastest:?}");
        assert!(fastest < Duration::from_millis(50), "{command:?} took {fastest:?}");
    }
    assert_eq!(sapwood.ok(["ps", "-aq"]).lines().count(), 500);
}
