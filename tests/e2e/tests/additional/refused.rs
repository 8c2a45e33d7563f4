//! Stores that can't be used are named, with the reason; and options that name none.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::Path;

use serde_json::Value;

use crate::support::{World, text, world};

/// What a look-up says, and that a listing goes on with a warning.
#[track_caller]
fn unusable(w: &World, why: &str) {
    let said = w.fails(&["inspect", "busybox"]);
    assert!(said.contains(why), "{said}");
    assert!(said.contains(text(&w.lent)), "{said}");
    let listed = w.output(&["images"]);
    assert!(listed.status.success());
    let warned = String::from_utf8(listed.stderr).unwrap();
    assert!(warned.contains(why) && warned.lines().count() == 1, "{warned}");
    // What removes never asks.
    assert!(!w.fails(&["rmi", "busybox"]).contains(why));
}

/// A store whose files can be spoiled, at the place where it is looked for.
fn writable(test: impl FnOnce(&World, &Path) + Send) {
    world("overlay2", |w| {
        w.unmount();
        fs::remove_dir(&w.lent).unwrap();
        symlink(w.lender.root(), &w.lent).unwrap();
        test(w, &w.lender.root());
    });
}

#[test]
fn what_is_no_store_of_ours_is_named() {
    writable(|w, root| {
        let marker = root.join("sapwood.json");
        let was = fs::read(&marker).unwrap();
        fs::write(&marker, "{\"format\":9}").unwrap();
        unusable(w, "format 9");
        fs::remove_file(&marker).unwrap();
        unusable(w, "it isn't a Sapwood store");
        fs::write(&marker, was).unwrap();
        let records = root.join("engine/overlay2");
        fs::rename(&records, root.join("engine/vfs")).unwrap();
        unusable(w, "it has images of vfs, and none of overlay2");
        fs::rename(root.join("engine/vfs"), &records).unwrap();
        let database = records.join("metadata.db");
        fs::rename(&database, root.join("aside")).unwrap();
        unusable(w, "its database can't be read: it is missing");
        // Its journal would have all of it.
        fs::remove_file(records.join("metadata.db-wal")).unwrap();
        fs::write(&database, "no database at all, whatever its name").unwrap();
        unusable(w, "can't be used");
        fs::remove_file(&w.lent).unwrap();
        unusable(w, "it isn't there");
    });
}

#[test]
fn what_others_could_change_is_named() {
    writable(|w, root| {
        for place in ["", "engine", "engine/overlay2"] {
            let place = root.join(place);
            fs::set_permissions(&place, fs::Permissions::from_mode(0o777)).unwrap();
            unusable(w, "others could change it");
            fs::set_permissions(&place, fs::Permissions::from_mode(0o711)).unwrap();
            chown(&place, Some(4711), None).unwrap();
            unusable(w, "belongs to user 4711");
            chown(&place, Some(0), None).unwrap();
        }
        // The driver's part is looked at when a layer is wanted.
        let layers = root.join("overlay2/layers");
        fs::set_permissions(&layers, fs::Permissions::from_mode(0o777)).unwrap();
        let said = w.fails(&["run", "--rm", "busybox", "true"]);
        assert!(said.contains("others could change it"), "{said}");
        fs::set_permissions(&layers, fs::Permissions::from_mode(0o700)).unwrap();
        assert_eq!(w.ok(&["run", "--rm", "busybox", "cat", "/etc/motd"]), "theirs\n");
    });
}

#[test]
fn hostile_records_are_refused() {
    writable(|w, root| {
        let layers = root.join("overlay2/layers");
        let first = fs::read_dir(&layers).unwrap().next().unwrap().unwrap().path();
        let aside = root.join("aside");
        fs::rename(&first, &aside).unwrap();
        symlink(&aside, &first).unwrap();
        let said = w.fails(&["run", "--rm", "busybox", "true"]);
        assert!(said.contains("no links are followed"), "{said}");
        fs::remove_file(&first).unwrap();
        let said = w.fails(&["run", "--rm", "busybox", "true"]);
        assert!(said.contains("it isn't any more"), "{said}");
        fs::rename(&aside, &first).unwrap();
        // A layer that says of itself that it stands on nothing.
        for layer in fs::read_dir(&layers).unwrap() {
            let record = layer.unwrap().path().join("layer.json");
            let mut fields: Value = serde_json::from_slice(&fs::read(&record).unwrap()).unwrap();
            fields["parent"] = Value::Null;
            fields["depth"] = 1.into();
            fs::write(&record, fields.to_string()).unwrap();
        }
        let said = w.fails(&["run", "--rm", "busybox", "true"]);
        assert!(said.contains("stands on another than it should"), "{said}");
        // Nothing of these attempts is left.
        w.ok(&["storage", "gc"]);
        assert_eq!(w.ok(&["storage", "ls", "-q"]), "");
        w.ok(&["storage", "check"]);
    });
}

#[test]
fn options_that_name_no_other_store_are_refused() {
    world("vfs", |w| {
        let root = w.own.root();
        let twice = format!("additionalimagestore={}", w.lent.display());
        for (options, why) in [
            (vec!["additionalimagestore=store".to_owned()], "is a relative path"),
            (vec![format!("additionalimagestore={}", root.display())], "is the root itself"),
            (vec![format!("additionalimagestore={}/x", root.display())], "lies within the root"),
            (vec![twice.clone(), twice], "is named twice"),
        ] {
            let options = options.iter().map(|o| format!("--storage-opt={o}"));
            let (_, said) = w.own.fails(options.chain(["images".to_owned()]));
            assert!(said.contains(why), "{said}");
        }
        let config = w.own.scratch().join("config.toml");
        fs::write(&config, format!("additional-image-stores = [{:?}]\n", w.lent)).unwrap();
        let listed = w.own.ok(["--config", text(&config), "images"]);
        assert!(listed.contains("busybox") && listed.contains("true"), "{listed}");
    });
}
