//! Directories that were renamed, and files of which only the attributes were
//! copied up: what the upper directory names then isn't all that differs.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use graphdriver_api::{Base, LayerId};
use sapwood_kit::diff::{Trees, find};

use crate::support::*;

fn base(driver: &Driver) -> LayerId {
    let first = make(driver, "first", None, |root| {
        fs::create_dir_all(root.join("dir/sub/deep")).unwrap();
        fs::create_dir(root.join("other")).unwrap();
        for file in ["dir/a", "dir/b", "dir/sub/c", "dir/sub/deep/d", "other/e", "twin"] {
            fs::write(root.join(file), file).unwrap();
        }
        fs::hard_link(root.join("twin"), root.join("dir/twin")).unwrap();
    });
    make(driver, "second", Some(&first), |root| {
        fs::write(root.join("dir/b"), "second").unwrap();
        fs::write(root.join("dir/sub/new"), "second").unwrap();
        fs::remove_file(root.join("dir/sub/c")).unwrap();
    })
}

/// Things to do to such a tree. Together and in this order they work too.
const EDITS: &[(&str, fn(&Path))] = &[
    ("a renamed directory", |t| fs::rename(t.join("dir"), t.join("moved")).unwrap()),
    ("a file in it", |t| fs::write(t.join("moved/a"), "changed").unwrap()),
    ("a directory out of it", |t| fs::rename(t.join("moved/sub"), t.join("sub")).unwrap()),
    ("and into another", |t| fs::rename(t.join("sub"), t.join("other/sub")).unwrap()),
    ("the old name again", |t| fs::create_dir(t.join("dir")).unwrap()),
    ("something in there", |t| fs::write(t.join("dir/a"), "new").unwrap()),
    ("exchanged", |t| {
        let flags = rustix::fs::RenameFlags::EXCHANGE;
        let cwd = rustix::fs::CWD;
        rustix::fs::renameat_with(cwd, t.join("other"), cwd, t.join("dir"), flags).unwrap();
    }),
    ("a mode", |t| {
        fs::set_permissions(t.join("moved/b"), fs::Permissions::from_mode(0o600)).unwrap();
    }),
    ("a file renamed after that", |t| fs::rename(t.join("moved/b"), t.join("b")).unwrap()),
    ("another name", |t| fs::hard_link(t.join("moved/twin"), t.join("twin2")).unwrap()),
    ("back again", |t| fs::rename(t.join("moved"), t.join("dir-again")).unwrap()),
];

/// The difference as a walk of both trees tells it.
fn naive(driver: &Driver, old: &LayerId, new: &LayerId) -> Vec<String> {
    let (one, two) = (draft("old"), draft("new"));
    driver.view(&one, old).unwrap();
    driver.view(&two, new).unwrap();
    let mut found = Vec::new();
    edit(driver, &one, |old| {
        edit(driver, &two, |new| {
            let (old, new) = (fs::File::open(old).unwrap(), fs::File::open(new).unwrap());
            use std::os::fd::AsFd;
            let trees = Trees { old: Some(old.as_fd()), new: new.as_fd(), baseline: None };
            find(graphdriver_api::Op::Changes, &trees, &mut |f| {
                let kind = format!("{:?}", f.kind);
                found.push(format!("{} {}", &kind[..1], f.path.display()));
                Ok(std::ops::ControlFlow::Continue(()))
            })
            .unwrap();
        });
    });
    for view in [one, two] {
        driver.remove((&view).into()).unwrap();
    }
    found
}

fn archive_of(driver: &Driver, of: &LayerId) -> Vec<u8> {
    let mut tar = Vec::new();
    driver.diff(of.into(), &mut tar).unwrap();
    tar
}

fn check(driver: &Driver, step: &str, base: &LayerId, made: &LayerId) {
    let told = changes(driver, made.into());
    assert_eq!(told, naive(driver, base, made), "{step}");
    let tar = archive_of(driver, made);
    let copy = prepare(driver, "copy", Base::Layer(base));
    apply(driver, &copy, &tar).unwrap();
    let copy = commit(driver, &copy, &format!("copy-{}", made.as_str()));
    assert_eq!(tree_of(driver, &copy), tree_of(driver, made), "{step}: applied");
    assert!(archive_of(driver, &copy) == tar, "{step}: the copy's archive is another");
}

/// Each edit on top of those before it, in one draft and in layers.
fn every_edit(options: &[(&str, &str)], layered: bool) {
    world(|world| {
        let driver = world.open_with(options);
        let base = base(&driver);
        let (mut parent, mut done) = (base.clone(), Vec::new());
        for (i, (name, edit)) in EDITS.iter().enumerate() {
            done.push(edit);
            let made = make(&driver, &format!("l{i}"), Some(&parent), |root| match layered {
                true => edit(root),
                false => done.iter().for_each(|edit| edit(root)),
            });
            check(&driver, name, &parent, &made);
            if layered {
                parent = made;
            }
        }
    });
}

#[test]
fn are_told_as_a_walk_of_both_trees_tells_them() {
    every_edit(&[], false);
}

#[test]
fn in_chains_are_told_likewise() {
    every_edit(&[], true);
}

#[test]
fn with_copied_attributes_are_told_likewise() {
    every_edit(&[("overlay2.metacopy", "on")], false);
    every_edit(&[("overlay2.metacopy", "on")], true);
}

#[test]
fn of_earlier_days_are_found_when_new_ones_are_not_made() {
    world(|world| {
        let driver = world.open();
        let base = base(&driver);
        let moved = make(&driver, "moved", Some(&base), |root| {
            fs::rename(root.join("dir"), root.join("moved")).unwrap();
        });
        assert!(
            xattr(&on_disk(world, (&moved).into()).join("moved"), "trusted.overlay.redirect")
                .is_some()
        );
        let before = (tree_of(&driver, &moved), changes(&driver, (&moved).into()));
        drop(driver);
        let driver = world.open_with(&[("overlay2.redirect_dir", "off")]);
        assert!(!driver.traits().directory_rename);
        assert_eq!((tree_of(&driver, &moved), changes(&driver, (&moved).into())), before);
        let d = prepare(&driver, "d", Base::Layer(&moved));
        let refused = edit(&driver, &d, |t| fs::rename(t.join("moved"), t.join("x")).unwrap_err());
        assert_eq!(refused.kind(), std::io::ErrorKind::CrossesDevices);
    });
}

#[test]
fn copied_attributes_stay_readable_when_new_ones_are_not_made() {
    world(|world| {
        let driver = world.open_with(&[("overlay2.metacopy", "on")]);
        let base = base(&driver);
        let chmodded = make(&driver, "chmodded", Some(&base), |root| {
            let file = root.join("other/e");
            fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
        });
        let file = on_disk(world, (&chmodded).into()).join("other/e");
        assert!(xattr(&file, "trusted.overlay.metacopy").is_some());
        let before = tree_of(&driver, &chmodded);
        drop(driver);
        let driver = world.open();
        assert_eq!(tree_of(&driver, &chmodded), before);
        let above = make(&driver, "above", Some(&chmodded), |root| {
            assert_eq!(fs::read(root.join("other/e")).unwrap(), b"other/e");
        });
        assert_eq!(tree_of(&driver, &above), before);
        // A chain without any is mounted without.
        let new = make(&driver, "new", None, |root| fs::write(root.join("e"), "1").unwrap());
        let plain = make(&driver, "plain", Some(&new), |root| {
            fs::set_permissions(root.join("e"), fs::Permissions::from_mode(0o600)).unwrap();
        });
        let file = on_disk(world, (&plain).into()).join("e");
        assert!(xattr(&file, "trusted.overlay.metacopy").is_none());
    });
}
