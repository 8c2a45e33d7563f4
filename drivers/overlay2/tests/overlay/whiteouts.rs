//! Whiteouts of layers that were unpacked before their parent was known. The
//! kernel shows a whiteout as a name without a file wherever its directory isn't
//! merged with one below.

use graphdriver_api::{Base, ErrorKind};

use crate::support::*;

/// Whiteouts in a directory that the parent has, in one that it hasn't, and in
/// one that hides all of its.
const ENTRIES: &[(&str, &str)] = &[
    ("./", ""),
    ("both/", ""),
    ("both/.wh.gone", ""),
    ("both/.wh.never", ""),
    ("new/", ""),
    ("new/.wh.ghost", ""),
    ("opaque/", ""),
    ("opaque/.wh..wh..opq", ""),
    ("opaque/deep/", ""),
    ("opaque/deep/.wh.ghost", ""),
    ("opaque/kept", "1"),
];

fn parent(driver: &Driver) -> graphdriver_api::LayerId {
    make(driver, "parent", None, |root| {
        for dir in ["both", "opaque/deep"] {
            std::fs::create_dir_all(root.join(dir)).unwrap();
        }
        for file in ["both/gone", "both/stays", "opaque/hidden", "opaque/deep/ghost"] {
            std::fs::write(root.join(file), "below").unwrap();
        }
    })
}

#[test]
fn that_hide_nothing_are_not_seen() {
    world(|world| {
        let driver = world.open();
        let parent = parent(&driver);
        let late = prepare(&driver, "late", Base::Deferred);
        apply(&driver, &late, &archive(ENTRIES)).unwrap();
        assert!(is_whiteout(&on_disk(world, (&late).into()).join("new/ghost")));
        driver.commit(&late, &layer("late"), Some(&parent)).unwrap();
        let early = prepare(&driver, "early", Base::Layer(&parent));
        apply(&driver, &early, &archive(ENTRIES)).unwrap();
        driver.commit(&early, &layer("early"), None).unwrap();
        let tree = tree_of(&driver, &layer("late"));
        assert_eq!(tree, tree_of(&driver, &layer("early")));
        assert!(!tree.iter().any(|line| line.contains("ghost")), "{tree:#?}");
        assert!(!tree.iter().any(|line| line.contains("gone")), "{tree:#?}");
        let both =
            [changes(&driver, (&layer("late")).into()), changes(&driver, (&layer("early")).into())];
        assert_eq!(both[0], both[1]);
    });
}

#[test]
fn without_a_parent_are_not_seen_either() {
    world(|world| {
        let driver = world.open();
        for (name, base) in [("deferred", Base::Deferred), ("scratch", Base::Scratch)] {
            let id = prepare(&driver, name, base);
            apply(&driver, &id, &archive(ENTRIES)).unwrap();
            driver.commit(&id, &layer(name), None).unwrap();
        }
        let tree = tree_of(&driver, &layer("deferred"));
        assert!(!tree.iter().any(|line| line.contains("ghost")), "{tree:#?}");
        assert_eq!(tree, tree_of(&driver, &layer("scratch")));
    });
}

#[test]
fn come_back_when_a_failed_commit_is_done_onto_another_parent() {
    world(|world| {
        let driver = world.open();
        let parent = parent(&driver);
        let late = prepare(&driver, "late", Base::Deferred);
        apply(&driver, &late, &archive(ENTRIES)).unwrap();
        let diff = on_disk(world, (&late).into());
        // The layer's record can't be written: the commit fails after the draft
        // was put in order for having no parent.
        let block = diff.parent().unwrap().join("layer.json");
        std::fs::create_dir(&block).unwrap();
        let failed = driver.commit(&late, &layer("l"), None).unwrap_err();
        assert_eq!(failed.kind(), ErrorKind::Io, "{failed}");
        assert!(!is_whiteout(&diff.join("both/gone")));
        std::fs::remove_dir(&block).unwrap();
        driver.commit(&late, &layer("l"), Some(&parent)).unwrap();
        let tree = tree_of(&driver, &layer("l"));
        assert!(!tree.iter().any(|line| line.contains("gone")), "{tree:#?}");
        assert!(!tree.iter().any(|line| line.contains("ghost")), "{tree:#?}");
    });
}

#[test]
fn the_root_is_the_parents_unless_the_archive_names_it() {
    use std::os::unix::fs::PermissionsExt;
    world(|world| {
        let driver = world.open();
        let parent = make(&driver, "parent", None, |root| {
            std::fs::set_permissions(root, std::fs::Permissions::from_mode(0o711)).unwrap();
            std::os::unix::fs::chown(root, Some(5), Some(6)).unwrap();
            rustix::fs::setxattr(root, "user.mark", b"1", rustix::fs::XattrFlags::empty()).unwrap();
        });
        let root_of = |name: &str, entries: &[(&str, &str)], onto| {
            let id = prepare(&driver, name, Base::Deferred);
            apply(&driver, &id, &archive(entries)).unwrap();
            driver.commit(&id, &layer(name), onto).unwrap();
            let view = draft("view");
            driver.view(&view, &layer(name)).unwrap();
            let found =
                edit(&driver, &view, |root| (lines(root)[0].clone(), xattr(root, "user.mark")));
            driver.remove((&view).into()).unwrap();
            found
        };
        let (line, mark) = root_of("unnamed", &[("file", "")], Some(&parent));
        assert!(line.starts_with("\".\" 40711 5:6"), "{line}");
        assert_eq!(mark.as_deref(), Some(&b"1"[..]));
        let (line, mark) = root_of("named", &[("./", "")], Some(&parent));
        assert_eq!((line.trim_end(), mark), ("\".\" 40755 0:0 7.0", None));
        let (line, mark) = root_of("alone", &[("file", "")], None);
        assert_eq!((line.trim_end(), mark), ("\".\" 40755 0:0 0.0", None));
    });
}

/// An archive that names nothing else leaves a deferred draft as empty as it
/// was, and another may follow.
#[test]
fn a_root_that_an_earlier_archive_named_stays_as_it_said() {
    world(|world| {
        let driver = world.open();
        let parent = make(&driver, "parent", None, |root| {
            std::os::unix::fs::chown(root, Some(5), Some(6)).unwrap();
        });
        for (base, onto) in [(Base::Deferred, Some(&parent)), (Base::Layer(&parent), None)] {
            let id = prepare(&driver, "d", base);
            apply(&driver, &id, &archive(&[("./", "")])).unwrap();
            apply(&driver, &id, &archive(&[("file", "")])).unwrap();
            let l = layer(if onto.is_some() { "deferred" } else { "mounted" });
            driver.commit(&id, &l, onto).unwrap();
        }
        let root = |l: &str| tree_of(&driver, &layer(l))[0].trim_end().to_owned();
        assert_eq!(root("mounted"), "\".\" 40755 0:0 7.0");
        assert_eq!(root("deferred"), root("mounted"));
    });
}

#[test]
fn attributes_of_the_kernels_are_refused_in_archives() {
    world(|world| {
        let driver = world.open();
        for base in [Base::Scratch, Base::Deferred] {
            let id = prepare(&driver, "d", base);
            let mut tar = tar::Builder::new(Vec::new());
            tar.append_pax_extensions([("SCHILY.xattr.trusted.overlay.redirect", &b"/etc"[..])])
                .unwrap();
            let mut bytes = tar.into_inner().unwrap();
            bytes.truncate(bytes.len() - 1024);
            bytes.extend(archive(&[("dir/", "")]));
            let refused = apply(&driver, &id, &bytes).unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::BadDiff, "{refused}");
            driver.remove((&id).into()).unwrap();
        }
    });
}
