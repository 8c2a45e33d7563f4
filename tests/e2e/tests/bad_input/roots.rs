//! Folders that can't be a store, and those that are somebody's.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sapwood_e2e::binary;

use super::watched::{IMAGE, Watched, assert_refused, good_archive, text};

fn on_root(watched: &Watched, root: &Path, driver: Option<&str>, args: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command.arg("--root").arg(root).arg("--runroot").arg(watched.sapwood.scratch().join("run"));
    command.env_remove("SAPWOOD_STORAGE_DRIVER").env_remove("STORAGE_DRIVER");
    if let Some(driver) = driver {
        command.args(["--storage-driver", driver]);
    }
    command.args(args).stdin(Stdio::null());
    command
}

#[test]
fn folders_that_cannot_be_a_store_are_left_alone() {
    let watched = Watched::on("overlay2");
    let scratch = watched.sapwood.scratch().to_owned();
    fs::write(scratch.join("file"), "content").unwrap();
    fs::create_dir(scratch.join("full")).unwrap();
    fs::write(scratch.join("full/letter"), "content").unwrap();
    fs::create_dir_all(scratch.join("podmans/overlay-images")).unwrap();
    let long = (0..16).fold(scratch.join("long"), |path, _| path.join("a".repeat(250)));
    let other = "choose another folder";
    for (root, words) in [
        (scratch.join("file"), "Not a directory"),
        (scratch.join("file/below"), "Not a directory"),
        (scratch.join("full"), "isn't empty and isn't a Sapwood store"),
        (scratch.join("podmans"), "it looks like Podman's"),
        (watched.sapwood.root().join("overlay2"), "isn't empty and isn't a Sapwood store"),
        (watched.sapwood.root().join("engine/overlay2"), "the inside of a Sapwood store"),
        (PathBuf::from("/proc/nothing"), "can't create /proc/nothing"),
        (long, "the store's database takes 448"),
    ] {
        for (args, status) in [(&["images"][..], 1), (&["run", IMAGE, "true"], 125)] {
            for words in [words, other] {
                let mut command = on_root(&watched, &root, None, args);
                watched.refuses_command(&mut command, status, words);
            }
        }
    }
    let left = |folder: &str| fs::read_dir(scratch.join(folder)).unwrap().count();
    assert_eq!((left("full"), left("podmans")), (1, 1));
    assert!(!scratch.join("long").try_exists().unwrap());
}

/// Nothing takes a path apart that it is given.
#[test]
fn odd_but_good_paths_work() {
    let watched = Watched::on("overlay2");
    let archive = good_archive(&watched.sapwood);
    let scratch = watched.sapwood.scratch();
    // As long as it may be.
    let deep = scratch.join("d".repeat(200));
    let deep = deep.join("d".repeat(448 - "/overlay2".len() - deep.as_os_str().len() - 1));
    let odd = "a:b,c\\d=\ne é%s\"'";
    for driver in ["overlay2", "vfs"] {
        for root in [&scratch.join(driver).join(odd), &deep.join(driver)] {
            for args in [&["load", "-q", "-i", text(&archive)][..], &["run", "--rm", IMAGE, "true"]]
            {
                let done = on_root(&watched, root, Some(driver), args).output().unwrap();
                let said = String::from_utf8_lossy(&done.stderr);
                assert!(done.status.success(), "{driver} {root:?} {args:?}: {said}");
            }
        }
    }
    let mut relative = on_root(&watched, Path::new("re/lative"), None, &["images"]);
    assert!(relative.current_dir(scratch).status().unwrap().success());
    assert!(scratch.join("re/lative/sapwood.json").is_file());
}

#[test]
fn damaged_and_newer_stores_are_left_alone() {
    let watched = Watched::on("overlay2");
    let marker = watched.sapwood.root().join("sapwood.json");
    let good = fs::read(&marker).unwrap();
    for (content, words) in [
        ("", "sapwood.json is damaged"),
        ("garbage", "sapwood.json is damaged"),
        ("{\"format\":\"1\"}", "sapwood.json is damaged"),
        ("{\"format\":2}", "use the version that wrote it, or a newer one"),
    ] {
        fs::write(&marker, content).unwrap();
        for (args, status) in [(&["images"][..], 1), (&["run", IMAGE], 125), (&["rmi", IMAGE], 1)] {
            let done = watched.sapwood.output(args);
            assert_refused(content, &done, status, words);
        }
        assert_eq!(fs::read_to_string(&marker).unwrap(), content);
    }
    fs::write(&marker, good).unwrap();
    watched.refuses(&["rmi", "nothing"], 1, "no such image");
}

#[test]
fn several_drivers_in_one_root_are_told_of() {
    let watched = Watched::on("overlay2");
    let sapwood = &watched.sapwood;
    // Looking makes no data: the choice stays.
    let looked = sapwood.command_on("vfs").arg("images").output().unwrap();
    let said = String::from_utf8(looked.stderr).unwrap();
    assert!(looked.status.success());
    assert!(said.contains("overlay2 has images here too, which vfs doesn't show"), "{said}");
    let root = sapwood.root();
    let unnamed = |args: &[&str]| on_root(&watched, &root, None, args).output().unwrap();
    assert!(unnamed(&["run", "--rm", IMAGE, "true"]).status.success());

    let archive = good_archive(sapwood);
    let load = sapwood.command_on("vfs").args(["load", "-qi", text(&archive)]).output().unwrap();
    assert!(load.status.success());
    for (args, status) in [(&["images"][..], 1), (&["run", IMAGE, "true"], 125)] {
        let words = "layers of overlay2 and vfs lie here; say which to use with --storage-driver";
        assert_refused("two drivers", &unnamed(args), status, words);
    }
}
