//! What mounts and crashes leave behind.

use std::fs;

use graphdriver_api::{Base, MountRequest};

use crate::support::*;

#[test]
fn directories_without_permissions_are_reclaimed() {
    world(|world| {
        let driver = world.open();
        let base = make(&driver, "base", None, |t| fs::write(t.join("f"), "1").unwrap());
        let d = prepare(&driver, "d", Base::Layer(&base));
        edit(&driver, &d, |t| {
            fs::remove_file(t.join("f")).unwrap();
            fs::write(t.join("g"), "1").unwrap();
        });
        // As a power cut leaves them: the kernel's own, and a file that it was
        // about to put in its place.
        let work = on_disk(world, (&d).into()).with_file_name("work/work");
        assert!(work.try_exists().unwrap());
        fs::write(work.join("#1f"), "half").unwrap();
        edit(&driver, &d, |t| assert_eq!(names(t), ["g"]));
        driver.remove((&d).into()).unwrap();
        driver.reclaim().unwrap();
        assert_eq!(names(&world.root.join("trash")), [""; 0]);
        assert_eq!(driver.status().unwrap().awaiting_reclaim, 0);
    });
}

#[test]
fn layers_have_no_work_directory() {
    world(|world| {
        let driver = world.open();
        make(&driver, "l", None, |t| fs::write(t.join("f"), "1").unwrap());
        assert!(!world.root.join("layers/l/work").try_exists().unwrap());
        assert!(world.root.join("layers/l/diff/f").try_exists().unwrap());
    });
}

#[test]
fn a_commit_that_was_cut_off_after_tidying_leaves_a_draft_that_works() {
    world(|world| {
        let driver = world.open();
        let d = prepare(&driver, "d", Base::Scratch);
        edit(&driver, &d, |t| fs::write(t.join("f"), "1").unwrap());
        fs::remove_dir_all(on_disk(world, (&d).into()).with_file_name("work")).unwrap();
        drop(driver);
        let driver = world.open();
        assert!(
            crate::plans::carry_out(&driver.mount_plan(&d, &MountRequest::default()).unwrap())
                .is_ok()
        );
        edit(&driver, &d, |t| assert_eq!(names(t), ["f"]));
        commit(&driver, &d, "l");
    });
}

#[test]
fn findings_are_kept_and_can_be_deleted() {
    world(|world| {
        let facts = world.open().status().unwrap().facts;
        let kept = world.root.join("host/probe.json");
        assert!(kept.try_exists().unwrap());
        assert_eq!(world.open().status().unwrap().facts, facts);
        fs::write(&kept, "{").unwrap();
        assert_eq!(world.open().status().unwrap().facts, facts);
        fs::remove_file(&kept).unwrap();
        assert_eq!(world.open().status().unwrap().facts, facts);
        assert_eq!(names(&world.root.join("host")), ["probe.json"]);
    });
}
