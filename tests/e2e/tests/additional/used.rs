//! Everything that can be done with an image that is lent.

use sapwood_e2e::Sapwood;
use sapwood_e2e::images::{Compression, Entry, Format};

use crate::support::{World, fingerprint, image, saved, text, world};

/// What the lender itself says of its image.
struct Theirs {
    history: String,
    archive: String,
}

fn looked_at(w: &World, theirs: &Theirs) {
    assert_eq!(w.images(), [("busybox".to_owned(), true)]);
    assert!(w.ok(&["images"]).lines().next().unwrap().ends_with("R/O"));
    // Without additional stores, the column isn't there.
    assert!(!w.own.ok(["images"]).contains("R/O"));
    let document = w.json(&["inspect", "busybox"]);
    assert_eq!(document[0]["ReadOnly"], true);
    assert_eq!(document[0]["ImageStore"], text(&w.lent));
    assert_eq!(w.ok(&["history", "busybox"]), theirs.history);
    let id = w.ok(&["images", "-q"]);
    assert_eq!(w.json(&["inspect", id.trim()])[0]["RepoTags"][0], "busybox:latest");
    assert_eq!(w.ok(&["storage", "ls", "-q"]), "", "looking has made something");
    let status = w.ok(&["storage", "status"]);
    assert!(status.contains("additional image store") && status.contains("1 images"), "{status}");
    assert!(w.ok(&["info"]).contains(text(&w.lent)));
    let refused = w.fails(&["rmi", "busybox"]);
    assert!(refused.contains("in the read-only store") && refused.contains(text(&w.lent)));
}

fn saved_unused(w: &World, theirs: &Theirs) {
    assert_eq!(saved(&w.output(&["save", "busybox"])), theirs.archive);
    assert_eq!(w.ok(&["storage", "ls", "-q"]), "", "saving has left something");
    assert_eq!(w.images(), [("busybox".to_owned(), true)]);
}

fn run_and_committed(w: &World, theirs: &Theirs, driver: &str) {
    let script = "cat /etc/motd; echo ours > /etc/motd; test ! -e /mnt && stat -c %a /set-uid";
    assert_eq!(w.ok(&["run", "--name", "kept", "busybox", "sh", "-c", script]), "theirs\n4755\n");
    assert_eq!(w.images(), [("busybox".to_owned(), false)]);
    let own = w.own_trees(driver);
    assert!(own.iter().all(|layer| layer.starts_with("init-")), "copied: {own:?}");
    // None of their bytes is ours: of vfs, the layers and drafts that are made on
    // them hold all.
    let account = w.json(&["system", "df", "--format", "json"]);
    if driver != "vfs" {
        assert_eq!((&account[0]["Type"], &account[0]["Size"]), (&"Images".into(), &0.into()));
    }
    let changes = w.ok(&["diff", "kept"]);
    assert!(changes.contains("C /etc/motd"), "{changes}");
    assert_eq!(saved(&w.output(&["save", "busybox"])), theirs.archive);
    w.ok(&["commit", "kept", "new:1"]);
    w.ok(&["tag", "busybox", "mine:1"]);
    assert_eq!(w.ok(&["run", "--rm", "new:1", "cat", "/etc/motd"]), "ours\n");
    let archive = w.own.scratch().join("new.tar");
    w.ok(&["save", "-o", text(&archive), "new:1"]);
    let third = Sapwood::on(driver);
    third.ok(["load", "-q", "-i", text(&archive)]);
    assert_eq!(third.ok(["run", "--rm", "new:1", "cat", "/etc/motd"]), "ours\n");
}

fn sound(w: &World) {
    w.ok(&["storage", "check", "--content"]);
    w.lender.ok(["storage", "check", "--content"]);
}

fn removed(w: &World) {
    let refused = w.fails(&["rmi", "busybox"]);
    assert!(refused.contains("mine:1"), "{refused}");
    w.ok(&["rm", "kept"]);
    w.ok(&["rmi", "new:1"]);
    w.ok(&["rmi", "mine:1"]);
    assert_eq!(w.images(), [("busybox".to_owned(), true)]);
    w.ok(&["storage", "gc"]);
    assert_eq!(w.ok(&["storage", "ls", "-q"]), "");
    // Used and forgotten again by the name that it has there.
    w.ok(&["run", "--rm", "busybox", "true"]);
    assert_eq!(w.images(), [("busybox".to_owned(), false)]);
    w.ok(&["rmi", "busybox"]);
    assert_eq!(w.images(), [("busybox".to_owned(), true)]);
    assert_eq!(w.ok(&["storage", "ls", "-q"]), "");
}

fn from_beginning_to_end(driver: &str) {
    world(driver, |w| {
        let theirs = Theirs {
            history: w.lender.ok(["history", "busybox"]),
            archive: saved(&w.lender.output(["save", "busybox"])),
        };
        // Whoever fills it has closed it: its journal is folded.
        w.lender.ok(["storage", "gc"]);
        let before = fingerprint(&w.lender.root());
        looked_at(w, &theirs);
        saved_unused(w, &theirs);
        run_and_committed(w, &theirs, driver);
        removed(w);
        assert_eq!(fingerprint(&w.lender.root()), before);
        w.ok(&["run", "--name", "also", "busybox", "true"]);
        sound(w);
    });
}

#[test]
fn an_image_is_used_from_where_it_lies_on_overlay2() {
    from_beginning_to_end("overlay2");
}

#[test]
fn an_image_is_used_from_where_it_lies_on_vfs() {
    from_beginning_to_end("vfs");
}

/// A store that could be written to isn't either.
fn not_written_to(driver: &str) {
    world(driver, |w| {
        w.unmount();
        let root = w.lender.root();
        let before = fingerprint(&root);
        let option = format!("--storage-opt=additionalimagestore={}", root.display());
        for args in [
            &["images"][..],
            &["save", "-o", text(&w.own.scratch().join("saved.tar")), "busybox"],
            &["run", "--name", "kept", "busybox", "sh", "-c", "echo x > /etc/motd; rm /bin/ls"],
            &["commit", "kept", "new:1"],
            &["storage", "check", "--content"],
            &["rm", "kept"],
            &["rmi", "new:1", "busybox"],
            &["storage", "gc"],
        ] {
            w.own.ok([&[&*option], args].concat());
        }
        assert_eq!(fingerprint(&root), before);
    });
}

#[test]
fn a_store_that_is_lent_is_not_written_to_overlay2() {
    not_written_to("overlay2");
}

#[test]
fn a_store_that_is_lent_is_not_written_to_vfs() {
    not_written_to("vfs");
}

/// Layers that are lent aren't unpacked, whatever brings them.
fn loaded_on_it(driver: &str) {
    world(driver, |w| {
        let archive = w.own.scratch().join("more.tar");
        let more = image("more").layer(|layer| layer.add(&Entry::file("more", "more\n")));
        more.write(&archive, Format::OciTar, Compression::Gzip).unwrap();
        w.ok(&["load", "-q", "-i", text(&archive)]);
        assert_eq!(w.own_trees(driver).len(), 1, "only the layer that isn't lent is here");
        assert_eq!(w.ok(&["run", "--rm", "more", "cat", "/more", "/etc/motd"]), "more\ntheirs\n");
        let other = Sapwood::on(driver);
        other.ok(["load", "-q", "-i", text(&archive)]);
        let theirs = saved(&other.output(["save", "more"]));
        assert_eq!(saved(&w.output(&["save", "more"])), theirs);
        w.ok(&["storage", "check", "--content"]);
        w.ok(&["rmi", "more"]);
        assert_eq!(w.ok(&["storage", "ls", "-q"]), "");
    });
}

#[test]
fn a_load_takes_what_is_lent_overlay2() {
    loaded_on_it("overlay2");
}

#[test]
fn a_load_takes_what_is_lent_vfs() {
    loaded_on_it("vfs");
}

/// The store goes on meaning what it means when its owner fills it anew.
#[test]
fn a_name_follows_the_store() {
    world("overlay2", |w| {
        w.ok(&["run", "--rm", "busybox", "true"]);
        let archive = w.lender.scratch().join("newer.tar");
        let newer = image("busybox").layer(|layer| layer.add(&Entry::file("etc/motd", "newer\n")));
        newer.write(&archive, Format::Docker, Compression::None).unwrap();
        w.lender.ok(["load", "-q", "-i", text(&archive)]);
        assert_eq!(w.ok(&["run", "--rm", "busybox", "cat", "/etc/motd"]), "newer\n");
        // An own name wins.
        let own = w.own.scratch().join("own.tar");
        image("busybox")
            .layer(|l| l.add(&Entry::file("etc/motd", "own\n")))
            .write(&own, Format::Docker, Compression::None)
            .unwrap();
        w.ok(&["load", "-q", "-i", text(&own)]);
        assert_eq!(w.ok(&["run", "--rm", "busybox", "cat", "/etc/motd"]), "own\n");
        let named = w.images().into_iter().filter(|(name, _)| name == "busybox").count();
        assert_eq!(named, 1, "a name is shown where it means something");
    });
}

/// Whoever fills it may be at it.
#[test]
fn a_store_that_is_being_filled_is_read() {
    world("overlay2", |w| {
        std::thread::scope(|scope| {
            let filling = scope.spawn(|| {
                for number in 0..10 {
                    let name = format!("name{number}:1");
                    w.lender.ok(["tag", "busybox", &name]);
                    w.lender.ok(["run", "--rm", "busybox", "true"]);
                }
            });
            while !filling.is_finished() {
                let images = w.images();
                assert!(images.iter().any(|(name, _)| name == "busybox"), "{images:?}");
            }
            filling.join().unwrap();
        });
        assert_eq!(w.images().len(), 11);
    });
}
