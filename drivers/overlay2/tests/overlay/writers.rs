//! Mounts that live on where the driver can't see them.

use std::fs;
use std::io::Write;
use std::process::{Child, Command, Stdio};

use graphdriver_api::{Base, ErrorKind, MountRequest};

use crate::support::*;

/// A process with a copy of this mount namespace, until its input ends.
struct Elsewhere(Child);

impl Elsewhere {
    fn new() -> Self {
        let mut child = Command::new("unshare")
            .args(["-m", "sh", "-c", "echo ready; exec cat"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut ready = [0; 6];
        std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut ready).unwrap();
        Self(child)
    }

    fn end(mut self) {
        drop(self.0.stdin.take());
        self.0.wait().unwrap();
    }
}

#[test]
fn in_another_namespace_keep_a_draft_from_being_committed() {
    world(|world| {
        let driver = world.open();
        let d = prepare(&driver, "d", Base::Scratch);
        let mut guard = driver.mount(&d, &MountRequest::default()).unwrap();
        let elsewhere = Elsewhere::new();
        guard.unmount().unwrap();
        let pid = elsewhere.0.id().to_string();
        for refused in [
            driver.commit(&d, &layer("l"), None),
            driver.mount(&d, &MountRequest::default()).map(drop),
            apply(&driver, &d, &archive(&[])),
        ] {
            let refused = refused.unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::Busy, "{refused}");
            assert!(refused.to_string().contains(&format!("process {pid} (cat)")), "{refused}");
        }
        elsewhere.end();
        commit(&driver, &d, "l");
    });
}

#[test]
fn of_a_reader_do_no_harm() {
    world(|world| {
        let driver = world.open();
        let d = prepare(&driver, "d", Base::Scratch);
        let mut guard = driver.mount(&d, &MountRequest::read_only()).unwrap();
        let elsewhere = Elsewhere::new();
        guard.unmount().unwrap();
        edit(&driver, &d, |t| fs::write(t.join("f"), "1").unwrap());
        commit(&driver, &d, "l");
        elsewhere.end();
    });
}

#[test]
fn by_a_plan_are_noticed() {
    world(|world| {
        let driver = world.open();
        let d = prepare(&driver, "d", Base::Scratch);
        let plan = driver.mount_plan(&d, &MountRequest::default()).unwrap();
        let mount = crate::plans::carry_out(&plan).unwrap();
        let refused = driver.commit(&d, &layer("l"), None).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Busy, "{refused}");
        drop(mount);
        commit(&driver, &d, "l");
    });
}

#[test]
fn that_end_while_they_are_waited_for_are_no_obstacle() {
    world(|world| {
        let driver = world.open();
        let d = prepare(&driver, "d", Base::Scratch);
        let mut guard = driver.mount(&d, &MountRequest::default()).unwrap();
        let mut elsewhere = Elsewhere::new();
        guard.unmount().unwrap();
        // It ends when it has read this, which takes longer than the first look.
        elsewhere.0.stdin.as_mut().unwrap().write_all(&[b'x'; 1 << 16]).unwrap();
        let ending = std::thread::spawn(move || elsewhere.end());
        commit(&driver, &d, "l");
        ending.join().unwrap();
    });
}
