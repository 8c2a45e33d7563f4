//! Mounts without flushing.

use std::fs;

use graphdriver_api::{Base, DraftSpec, ErrorKind, MountRequest};

use crate::support::*;

fn quick() -> MountRequest {
    MountRequest { volatile: true, ..MountRequest::default() }
}

#[test]
fn drafts_can_be_mounted_again_either_way_and_committed() {
    world(|world| {
        let driver = world.open();
        let d = prepare(&driver, "d", Base::Scratch);
        let mark = on_disk(world, (&d).into()).with_file_name("work/work/incompat/volatile");
        let note = on_disk(world, (&d).into()).with_file_name("volatile");
        for (i, request) in [quick(), quick(), MountRequest::default(), quick()].iter().enumerate()
        {
            with(&driver, &d, request, |t| fs::write(t.join(i.to_string()), "1").unwrap()).unwrap();
            assert_eq!(mark.try_exists().unwrap(), request.volatile, "mount {i}");
            assert_eq!(note.try_exists().unwrap(), request.volatile, "mount {i}");
        }
        let l = commit(&driver, &d, "l");
        // In a layer, which was flushed, the note says nothing in any boot.
        fs::write(world.root.join("layers/l/volatile"), "earlier\n").unwrap();
        assert_eq!(tree_of(&driver, &l).len(), 5);
    });
}

#[test]
fn a_draft_for_this_boot_only_needs_no_note() {
    world(|world| {
        let driver = world.open();
        let d = draft("d");
        let spec = DraftSpec { volatile: true, ..DraftSpec::default() };
        driver.prepare(&d, Base::Scratch, &spec).unwrap();
        with(&driver, &d, &quick(), |t| fs::write(t.join("f"), "1").unwrap()).unwrap();
        let note = on_disk(world, (&d).into()).with_file_name("volatile");
        assert!(!note.try_exists().unwrap());
        with(&driver, &d, &MountRequest::default(), |_| ()).unwrap();
        let l = commit(&driver, &d, "l");
        assert_eq!(tree_of(&driver, &l).len(), 2);
    });
}

#[test]
fn drafts_of_an_earlier_boot_are_refused() {
    world(|world| {
        let driver = world.open();
        let d = prepare(&driver, "d", Base::Scratch);
        with(&driver, &d, &quick(), |_| ()).unwrap();
        // As the note looks after the power has failed.
        fs::write(on_disk(world, (&d).into()).with_file_name("volatile"), "earlier\n").unwrap();
        for refused in [
            driver.mount(&d, &MountRequest::default()).map(drop),
            driver.mount(&d, &quick()).map(drop),
            driver.commit(&d, &layer("l"), None),
        ] {
            let refused = refused.unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::Corrupt, "{refused}");
            assert!(refused.to_string().contains("remove it"), "{refused}");
        }
        driver.remove((&d).into()).unwrap();
    });
}

/// Until the layer is there, nothing has been flushed.
#[test]
fn is_still_known_after_a_commit_that_failed() {
    world(|world| {
        let driver = world.open();
        let d = prepare(&driver, "d", Base::Scratch);
        with(&driver, &d, &quick(), |t| fs::write(t.join("f"), "1").unwrap()).unwrap();
        let block = on_disk(world, (&d).into()).with_file_name("layer.json");
        fs::create_dir(&block).unwrap();
        driver.commit(&d, &layer("l"), None).unwrap_err();
        fs::remove_dir(&block).unwrap();
        // The host is restarted.
        let note = on_disk(world, (&d).into()).with_file_name("volatile");
        fs::read(&note).unwrap();
        fs::write(&note, "another boot").unwrap();
        let refused = driver.commit(&d, &layer("l"), None).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Corrupt, "{refused}");
    });
}

#[test]
fn can_be_forbidden() {
    world(|world| {
        let driver = world.open_with(&[("overlay2.volatile", "off")]);
        let d = prepare(&driver, "d", Base::Scratch);
        with(&driver, &d, &quick(), |_| ()).unwrap();
        assert!(
            !on_disk(world, (&d).into()).with_file_name("work/work/incompat").try_exists().unwrap()
        );
    });
}

#[test]
fn unpacking_leaves_no_mark() {
    world(|world| {
        let driver = world.open();
        let base = make(&driver, "base", None, |t| fs::write(t.join("f"), "1").unwrap());
        let d = prepare(&driver, "d", Base::Layer(&base));
        apply(&driver, &d, &archive(&[("f", "22")])).unwrap();
        assert_eq!(edit(&driver, &d, |t| fs::read(t.join("f")).unwrap()), b"22");
    });
}
