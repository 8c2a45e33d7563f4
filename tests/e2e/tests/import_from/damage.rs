//! What is damaged or incomplete in their store is told by image and layer,
//! and ours stays as it was.

use std::fs;
use std::path::Path;

use sapwood_e2e::images::Owner;
use serde_json::json;

use crate::made::{BOTH, Made, NAME};
use crate::theirs::is_clean;

fn flip(path: &Path, position: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[position] ^= 0x10;
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_store_with_nothing_wrong_comes_over() {
    for owner in BOTH {
        let made = Made::new(owner);
        assert_eq!(made.import(), format!("Imported image: {NAME}\n"));
        let shown = made.sapwood.json(["inspect", NAME]);
        assert_eq!(shown[0]["Id"], format!("sha256:{}", made.id));
        assert_eq!(shown[0]["RootFS"]["Layers"], json!(made.diff_ids));
        is_clean(&made.sapwood);
        assert_eq!(made.import(), format!("Already here: {NAME}\n"));
    }
}

/// Every error says whose image and which layer it is about.
#[track_caller]
fn refuses_layer(made: &Made, layer: usize, words: &[&str]) {
    let store = made.store();
    let image = format!("{}: image {NAME} ({}): ", store.display(), &made.id[..12]);
    let layer = format!("layer {}", made.diff_ids[layer]);
    made.refuses(&[&[image.as_str(), layer.as_str()], words].concat());
}

#[test]
fn a_changed_file_is_found() {
    for owner in BOTH {
        for (layer, file) in [(0, "etc/two"), (1, "etc/three")] {
            let made = Made::new(owner);
            flip(&made.tree(layer).join(file), 77);
            refuses_layer(&made, layer, &["is damaged: its digest is sha256:"]);
            flip(&made.tree(layer).join(file), 77);
            made.import();
        }
    }
}

#[test]
fn a_file_that_is_shorter_or_gone_is_named() {
    for owner in BOTH {
        let made = Made::new(owner);
        let file = made.tree(1).join("etc/three");
        fs::write(&file, "short").unwrap();
        refuses_layer(&made, 1, &["\"etc/three\" has 5 bytes, and had 70000"]);
        fs::remove_file(&file).unwrap();
        refuses_layer(&made, 1, &["\"etc/three\" isn't there any more"]);
        fs::remove_dir_all(made.tree(1)).unwrap();
        refuses_layer(&made, 1, &["/diff\" isn't there"]);
    }
}

#[test]
fn a_record_that_is_missing_or_cut_off_is_told() {
    for owner in BOTH {
        let made = Made::new(owner);
        let (good, lines) = (fs::read(made.record(0)).unwrap(), made.lines(0));
        for len in [0, 5, good.len() / 2, good.len() - 1] {
            fs::write(made.record(0), &good[..len]).unwrap();
            refuses_layer(&made, 0, &["tar-split record"]);
        }
        made.write_record(0, &lines[..lines.len() - 1]);
        refuses_layer(&made, 0, &[]);
        made.write_record(0, &[]);
        refuses_layer(&made, 0, &[]);
        fs::remove_file(made.record(0)).unwrap();
        refuses_layer(&made, 0, &["there is no tar-split record", "pull the image again"]);
        fs::write(made.record(0), good).unwrap();
        made.import();
    }
}

#[test]
fn a_flipped_bit_in_a_record_is_found() {
    for owner in BOTH {
        let made = Made::new(owner);
        let len = fs::read(made.record(1)).unwrap().len();
        for position in [0, 3, 20, len / 2, len - 6, len - 2] {
            flip(&made.record(1), position);
            // The header's flags and time aren't content.
            if position != 3 {
                refuses_layer(&made, 1, &[]);
            }
            flip(&made.record(1), position);
        }
        made.import();
    }
}

#[test]
fn damaged_documents_are_told() {
    for owner in BOTH {
        let made = Made::new(owner);
        let config = fs::read(made.config()).unwrap();
        flip(&made.config(), 9);
        made.refuses(&[NAME, "its configuration is damaged: its digest is sha256:"]);
        fs::remove_file(made.config()).unwrap();
        made.refuses(&[NAME, "isn't there"]);
        fs::write(made.config(), vec![b' '; 5 << 20]).unwrap();
        made.refuses(&[NAME, "more than 4194304 are not read"]);
        fs::write(made.config(), config).unwrap();
        made.import();
    }
}

#[test]
fn damaged_lists_of_podmans_are_told() {
    for list in ["overlay-images/images.json", "overlay-layers/layers.json"] {
        let made = Made::new(Owner::Podman);
        let good = fs::read(made.path(list)).unwrap();
        for text in [&good[..good.len() / 2], b"", b"{}", b"[[]]", b"[{\"id\": 5}]"] {
            fs::write(made.path(list), text).unwrap();
            made.refuses(&[list, "can't be understood"]);
        }
        fs::write(made.path(list), good).unwrap();
        made.import();
    }
    let made = Made::new(Owner::Podman);
    fs::write(made.config().with_file_name("manifest"), "{}").unwrap();
    made.refuses(&[NAME, "its manifest isn't the one"]);
}

#[test]
fn damaged_notes_of_dockers_are_told() {
    let made = Made::new(Owner::Docker);
    let names = "image/overlay2/repositories.json";
    fs::write(made.path(names), "{\"Repositories\":").unwrap();
    made.refuses(&[names, "can't be understood"]);
    let made = Made::new(Owner::Docker);
    for (note, text, why) in [
        ("diff", made.diff_ids[0].as_str(), "as its diff ID"),
        ("cache-id", "../../../etc", "as its cache ID"),
        ("cache-id", "", "as its cache ID"),
        ("cache-id", "\u{ff}", "as its cache ID"),
    ] {
        let path = made.record(1).with_file_name(note);
        let good = fs::read(&path).unwrap();
        fs::write(&path, text).unwrap();
        refuses_layer(&made, 1, &[why]);
        fs::remove_file(&path).unwrap();
        refuses_layer(&made, 1, &["isn't there"]);
        fs::write(&path, good).unwrap();
    }
    made.import();
}

#[test]
fn layers_that_are_not_whole_are_told() {
    let layers = "overlay-layers/layers.json";
    let made = Made::new(Owner::Podman);
    made.edit(layers, |rows| rows[1]["flags"] = json!({ "incomplete": true }));
    refuses_layer(&made, 1, &["incomplete"]);
    made.edit(layers, |rows| {
        rows[1]["flags"] = json!(null);
        rows[1]["diff-digest"] = rows[0]["diff-digest"].clone();
    });
    refuses_layer(&made, 1, &["as its diff ID"]);
    let below = made.layers[0].clone();
    made.edit(layers, |rows| *rows = json!([rows[1]]));
    made.refuses(&[NAME, "doesn't have its layer", &below]);
    made.edit(layers, |rows| rows[0]["parent"] = rows[0]["id"].clone());
    made.refuses(&[NAME, "in a circle"]);
    made.edit(layers, |rows| rows[0]["parent"] = json!(null));
    made.refuses(&[NAME, "its configuration names 2 layers, and it has 1"]);
}

/// The other images come over all the same, and the exit status tells.
#[test]
fn one_that_is_damaged_does_not_keep_the_others() {
    let made = Made::new(Owner::Docker);
    let other = "9".repeat(64);
    made.edit("image/overlay2/repositories.json", |names| {
        names["Repositories"]["gone"] = json!({ "gone:1": format!("sha256:{other}") });
    });
    let done = made.sapwood.output(["image", "import-from", made.store().to_str().unwrap()]);
    let said = String::from_utf8(done.stderr).unwrap();
    assert_eq!(done.status.code(), Some(1));
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(
        said.contains("image gone:1 (999999999999): ") && said.contains("isn't there"),
        "{said}"
    );
    assert_eq!(String::from_utf8(done.stdout).unwrap(), format!("Imported image: {NAME}\n"));
    is_clean(&made.sapwood);
}
