//! What people type: which store, which images, and what they are told.

use std::fs;

use sapwood_e2e::images::Owner;
use serde_json::json;

use crate::made::{BOTH, Made, NAME};

fn store(made: &Made) -> String {
    made.store().to_str().unwrap().to_owned()
}

#[test]
fn images_are_named_as_they_are_there() {
    for owner in BOTH {
        let made = Made::new(owner);
        let digest = format!("sha256:{}", made.id);
        for image in [NAME, &made.id, &made.id[..4], &digest, &digest[..12]] {
            let said = made.sapwood.ok(["image", "import-from", &store(&made), image, image]);
            assert!(said.ends_with(&format!(": {NAME}\n")), "{said}");
            assert_eq!(said.lines().count(), 1, "once: {said}");
            made.sapwood.ok(["rmi", NAME]);
        }
        let refused = |image: &str, why: &str| {
            let (status, said) = made.sapwood.fails(["image", "import-from", &store(&made), image]);
            assert!(status == 1 && said.contains(why), "{image}: {said}");
        };
        refused("made:2", "no such image in");
        refused("0", "--list");
        refused("No:Such:Name", "can't name an image");
        match owner {
            Owner::Podman => {
                drop(made.sapwood.ok(["image", "import-from", &store(&made), "made:1"]));
            }
            Owner::Docker => refused("made:1", "no such image"),
        }
    }
}

#[test]
fn what_is_ambiguous_is_told() {
    let made = Made::new(Owner::Podman);
    made.edit("overlay-images/images.json", |rows| {
        let (mut other, prefix) = (rows[0].clone(), made.id[..3].to_owned());
        other["id"] = json!(format!("{prefix}{}", "0".repeat(61)));
        other["names"] = json!(["quay.io/x/made:1"]);
        rows.as_array_mut().unwrap().push(other);
    });
    for given in [&made.id[..3], "made:1"] {
        let (_, said) = made.sapwood.fails(["image", "import-from", &store(&made), given]);
        assert!(said.contains("is ambiguous"), "{said}");
    }
}

#[test]
fn the_list_shows_and_changes_nothing() {
    for owner in BOTH {
        let made = Made::new(owner);
        let list = ["image", "import-from", "--list", &store(&made)];
        let shown = made.sapwood.ok(list);
        assert!(shown.contains(&format!("{NAME}   {}", &made.id[..12])), "{shown}");
        assert!(shown.lines().nth(1).unwrap().ends_with("2        new"), "{shown}");
        let rows = || made.sapwood.json([&list[..], &["--format", "json"]].concat());
        let expected = json!([{
            "ID": format!("sha256:{}", made.id), "Names": [NAME], "Digests": [],
            "Created": "2026-01-01T00:00:00Z", "Layers": 2, "IsHere": false, "Problem": null,
        }]);
        assert_eq!(rows(), expected);
        made.import();
        assert_eq!(rows()[0]["IsHere"], true);
        fs::remove_file(made.record(0)).unwrap();
        let problem = rows()[0]["Problem"].clone();
        assert!(problem.as_str().unwrap().contains("no tar-split record"), "{problem}");
        assert!(made.sapwood.ok(list).contains("can't be imported: layer sha256:"));
    }
}

#[test]
fn images_without_names_come_when_asked_for() {
    for owner in BOTH {
        let made = Made::new(owner);
        match owner {
            Owner::Podman => {
                made.edit("overlay-images/images.json", |r| r[0]["names"] = json!(null));
            }
            Owner::Docker => {
                fs::remove_file(made.path("image/overlay2/repositories.json")).unwrap();
            }
        }
        made.refuses(&["no image in", "-a takes those without"]);
        let said = made.sapwood.ok(["image", "import-from", "-a", &store(&made)]);
        assert_eq!(said, format!("Imported image ID: sha256:{}\n", made.id));
    }
}

#[test]
fn a_store_without_images_says_where_they_may_be() {
    let made = Made::new(Owner::Docker);
    fs::remove_file(made.config()).unwrap();
    fs::remove_file(made.path("image/overlay2/repositories.json")).unwrap();
    made.refuses(&["there are no images in", "containerd's image store"]);
    let made = Made::new(Owner::Podman);
    fs::write(made.path("overlay-images/images.json"), "[]").unwrap();
    made.refuses(&["there are no images in"]);
}

/// Docker notes where an image was pulled from, without its manifest.
#[test]
fn digests_that_an_image_is_known_by_come_over() {
    for owner in BOTH {
        let made = Made::new(owner);
        let digest = format!("quay.io/x/y@sha256:{}", "d".repeat(64));
        match owner {
            Owner::Podman => made.edit("overlay-images/images.json", |rows| {
                rows[0]["names"].as_array_mut().unwrap().push(json!(digest));
            }),
            Owner::Docker => made.edit("image/overlay2/repositories.json", |names| {
                let id = format!("sha256:{}", made.id);
                names["Repositories"]["quay.io/x/y"] = json!({ digest.clone(): id });
            }),
        }
        let said = made.sapwood.ok(["image", "import-from", &store(&made), &digest]);
        assert_eq!(said, format!("Imported image: {NAME}\n"));
        let digests = made.sapwood.json(["inspect", NAME])[0]["RepoDigests"].clone();
        assert!(digests.as_array().unwrap().contains(&json!(digest)), "{digests}");
    }
}

/// A name that was another image's is said to have moved, as by `load`.
#[test]
fn a_name_that_moves_is_told() {
    let made = Made::new(Owner::Docker);
    made.sapwood.ok(["tag", "other:1", NAME]);
    let said = made.import();
    assert!(said.starts_with(&format!("The name {NAME} was the image sha256:")), "{said}");
}

#[test]
fn what_is_no_store_is_refused() {
    let made = Made::new(Owner::Docker);
    let empty = made.store().with_file_name("empty");
    fs::create_dir_all(empty.join("image/zfs/imagedb")).unwrap();
    let refused = |path: &std::path::Path, why: &str| {
        let (_, said) = made.sapwood.fails(["image", "import-from", path.to_str().unwrap()]);
        assert!(said.contains(why) && said.contains(path.to_str().unwrap()), "{said}");
    };
    refused(&empty, "Docker's driver zfs");
    refused(&made.store().join("image"), "graphRoot");
    refused(&made.store().join("none"), "No such file");
    refused(&made.config(), "Not a directory");
    refused(&made.sapwood.root(), "graphRoot");
}

/// Who tries the wrong command is told the right one.
#[test]
fn loading_from_a_store_says_how_it_is_done() {
    for owner in BOTH {
        let made = Made::new(owner);
        let (_, said) = made.sapwood.fails(["load", "-i", &store(&made)]);
        assert!(said.contains("sapwood image import-from"), "{said}");
    }
}
