//! A store that goes away: what needs it says where it was, and what stands on it can
//! be removed.

use crate::support::{World, world};

fn said(w: &World, args: &[&str]) -> String {
    let done = w.output(args);
    assert!(!done.status.success(), "{args:?} should fail");
    String::from_utf8(done.stderr).unwrap()
}

fn gone(driver: &str) {
    world(driver, |w| {
        w.ok(&["run", "--name", "kept", "busybox", "sh", "-c", "echo x > /x"]);
        w.ok(&["tag", "busybox", "mine:1"]);
        w.unmount();
        let path = w.lent.display().to_string();
        // Listing goes on, and says once what it couldn't look at.
        let listed = w.output(&["images"]);
        let warned = String::from_utf8(listed.stderr).unwrap();
        assert!(listed.status.success());
        assert_eq!(warned.matches(&path).count(), 1, "{warned}");
        assert!(String::from_utf8(listed.stdout).unwrap().contains("mine"));
        for args in [
            &["run", "--rm", "nothing", "true"][..],
            &["save", "busybox"],
            &["inspect", "busybox"],
            &["tag", "busybox", "x:1"],
        ] {
            let said = said(w, args);
            assert!(said.contains(&path) && said.contains("is it mounted?"), "{args:?}: {said}");
        }
        let saved = said(w, &["save", "mine:1"]);
        assert!(saved.contains(&format!("lies in {path}")), "{saved}");
        if driver != "vfs" {
            let changes = said(w, &["diff", "kept"]);
            assert!(changes.contains(&format!("lies in {path}")), "{changes}");
            let run = said(w, &["run", "--rm", "mine:1", "true"]);
            assert!(run.contains(&format!("lies in {path}")), "{run}");
        }
        let checked = w.output(&["storage", "check"]);
        assert_eq!(checked.status.code(), Some(1));
        let told = String::from_utf8(checked.stdout).unwrap();
        assert!(told.contains("lender-missing"), "{told}");
        assert_eq!(w.fails(&["rmi", "nothing"]).matches(&path).count(), 0);
        w.ok(&["ps", "-a"]);
        w.ok(&["rm", "kept"]);
        w.ok(&["rmi", "mine:1"]);
        w.ok(&["storage", "gc"]);
        assert_eq!(w.ok(&["storage", "ls", "-q"]), "");
        w.ok(&["storage", "check"]);
        w.mount();
        assert_eq!(w.ok(&["run", "--rm", "busybox", "cat", "/etc/motd"]), "theirs\n");
    });
}

#[test]
fn what_stands_on_a_lost_store_can_be_removed_overlay2() {
    gone("overlay2");
}

#[test]
fn what_stands_on_a_lost_store_can_be_removed_vfs() {
    gone("vfs");
}
