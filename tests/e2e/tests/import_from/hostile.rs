//! A store that somebody has made to do harm: nothing outside it is read, and
//! nothing of it stays.

use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::write::GzEncoder;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use sapwood_e2e::images::Owner;
use serde_json::{Value, json};

use crate::made::{BOTH, Made, NAME};

/// The place of a file's entry among the lines.
fn line_of(lines: &[Value], name: &str) -> usize {
    lines.iter().position(|line| line["name"] == name).unwrap()
}

#[test]
fn names_that_lead_out_are_refused() {
    for owner in BOTH {
        let made = Made::new(owner);
        let good = made.lines(1);
        let at = line_of(&good, "etc/three");
        for name in ["../../../../etc/passwd", "etc/../../three", "/../etc/passwd", ".."] {
            let mut lines = good.clone();
            lines[at]["name"] = json!(name);
            made.write_record(1, &lines);
            made.refuses(&[NAME, "outside the layer"]);
            lines[at] = json!({ "type": 1, "name_raw": STANDARD.encode(name), "size": 70_000 });
            made.write_record(1, &lines);
            made.refuses(&[NAME, "outside the layer"]);
        }
        // Within the tree, so that it is merely not there.
        let mut lines = good.clone();
        lines[at]["name"] = json!("/etc/passwd");
        made.write_record(1, &lines);
        made.refuses(&[NAME, "\"/etc/passwd\" isn't there"]);
    }
}

#[test]
fn links_and_devices_in_place_of_files_are_refused() {
    for owner in BOTH {
        let made = Made::new(owner);
        let file = made.tree(1).join("etc/three");
        let secret = made.store().with_file_name("secret");
        fs::rename(&file, &secret).unwrap();
        for target in [secret.to_str().unwrap(), "../../../../../secret"] {
            symlink(target, &file).unwrap();
            made.refuses(&[NAME, "\"etc/three\" isn't a regular file"]);
            fs::remove_file(&file).unwrap();
        }
        for (kind, device) in
            [(FileType::Fifo, 0), (FileType::CharacterDevice, rustix::fs::makedev(1, 5))]
        {
            mknodat(CWD, &file, kind, Mode::RWXU, device).unwrap();
            made.refuses(&[NAME, "\"etc/three\" isn't a regular file"]);
            fs::remove_file(&file).unwrap();
        }
        fs::create_dir(&file).unwrap();
        made.refuses(&[NAME, "\"etc/three\" isn't a regular file"]);
        // A directory on the way that leads elsewhere.
        fs::remove_dir_all(made.tree(1).join("etc")).unwrap();
        fs::create_dir(secret.with_file_name("etc")).unwrap();
        fs::rename(&secret, secret.with_file_name("etc/three")).unwrap();
        symlink(secret.with_file_name("etc"), made.tree(1).join("etc")).unwrap();
        made.refuses(&[NAME, "\"etc/three\" isn't there"]);
    }
}

#[test]
fn folders_that_are_links_are_not_followed() {
    for owner in BOTH {
        let made = Made::new(owner);
        let moved = made.store().with_file_name("moved");
        fs::rename(made.tree(1), &moved).unwrap();
        symlink(&moved, made.tree(1)).unwrap();
        made.refuses(&[NAME, "symbolic link"]);
        fs::remove_file(made.tree(1)).unwrap();
        fs::rename(&moved, made.tree(1)).unwrap();
        for path in [made.record(1), made.config()] {
            fs::rename(&path, &moved).unwrap();
            symlink(&moved, &path).unwrap();
            made.refuses(&[NAME, "symbolic link"]);
            fs::remove_file(&path).unwrap();
            mknodat(CWD, &path, FileType::Fifo, Mode::RWXU, 0).unwrap();
            made.refuses(&[NAME, "isn't a regular file"]);
            fs::remove_file(&path).unwrap();
            fs::rename(&moved, &path).unwrap();
        }
        made.import();
    }
}

/// The digest says the truth about whatever else a record claims.
#[test]
fn records_that_say_something_else_are_refused() {
    for owner in BOTH {
        let made = Made::new(owner);
        let good = made.lines(1);
        let at = line_of(&good, "etc/three");
        let cases: [(Value, &str); 5] = [
            (json!({ "type": 1, "name": "etc/three", "size": 69_999 }), "has 70000 bytes"),
            (json!({ "type": 1, "name": "etc/three", "size": 0 }), "damaged"),
            (json!({ "type": 3 }), "of type 3"),
            (json!({ "type": 2, "payload": STANDARD.encode(vec![0; 70_000]) }), "damaged"),
            (json!({ "type": 2, "payload": "A".repeat(9 << 20) }), "more than 8 MiB"),
        ];
        for (line, why) in cases {
            let mut lines = good.clone();
            lines[at] = line;
            made.write_record(1, &lines);
            made.refuses(&[NAME, why]);
        }
        let mut lines = good.clone();
        lines.swap(at, at + 1);
        made.write_record(1, &lines);
        made.refuses(&[NAME, "damaged"]);
        fs::write(made.record(1), "not compressed").unwrap();
        made.refuses(&[NAME, "isn't compressed with gzip"]);
    }
}

/// More than a gigabyte of zeros, from a megabyte.
#[test]
fn a_record_that_is_a_bomb_is_refused() {
    let made = Made::new(Owner::Podman);
    let zeros = json!({ "type": 2, "payload": STANDARD.encode(vec![0; 3 << 20]) });
    let mut bomb = fs::read(made.record(1)).unwrap();
    let mut member = GzEncoder::new(Vec::new(), flate2::Compression::best());
    writeln!(member, "{zeros}").unwrap();
    bomb.extend(member.finish().unwrap().repeat(300));
    fs::write(made.record(1), bomb).unwrap();
    made.refuses(&[NAME, "limit expansion"]);
}

#[test]
fn ids_that_are_paths_are_refused() {
    let made = Made::new(Owner::Podman);
    for id in ["../../etc", "/etc", "a/b", "\u{ff}"] {
        made.edit("overlay-layers/layers.json", |rows| {
            rows[1]["parent"] = json!(id);
            rows[0]["id"] = json!(id);
        });
        made.refuses(&[NAME, "which is no ID"]);
    }
    made.edit("overlay-images/images.json", |rows| rows[0]["id"] = json!("../../../etc"));
    let store = made.store();
    let (_, said) = made.sapwood.fails([
        "--log-level",
        "error",
        "image",
        "import-from",
        "-a",
        store.to_str().unwrap(),
    ]);
    assert!(said.contains("there are no images in"), "{said}");
}

#[test]
fn names_that_none_can_have_are_left_out_and_told() {
    let made = Made::new(Owner::Podman);
    made.edit("overlay-images/images.json", |rows| {
        rows[0]["names"] = json!([NAME, "No:Such\u{1b}[31m:x", "x".repeat(300)]);
    });
    let done = made.sapwood.output(["image", "import-from", made.store().to_str().unwrap()]);
    let said = String::from_utf8(done.stderr).unwrap();
    assert!(done.status.success(), "{said}");
    assert_eq!(said.lines().count(), 2, "{said}");
    assert!(said.contains("isn't carried over") && !said.contains('\u{1b}'), "{said}");
    assert_eq!(String::from_utf8(done.stdout).unwrap(), format!("Imported image: {NAME}\n"));
}
