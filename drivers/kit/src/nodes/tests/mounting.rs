//! Mounts and their holders. They need root; each runs in a private mount
//! namespace.

use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::process::{Command, Stdio};
use std::sync::Arc;

use graphdriver_api::{MountGuard, MountState, MountTicket};
use rustix::io::Errno;

use super::*;
use crate::fault::{Failure, inject};
use crate::mount::{Detached, in_private_namespace};

fn privately(test: impl FnOnce() + Send) {
    in_private_namespace(|| {
        test();
        Ok(())
    })
    .unwrap();
}

fn mount(store: &Arc<NodeStore>, id: &str) -> Result<MountGuard> {
    let id = draft(id);
    let lease = store.lease(Op::Mount, &id, Use::Mount)?;
    let tree = store.open_here(Op::Mount, (&id).into(), "tree")?;
    let copied = Detached::copy_of(tree).map_err(|e| {
        graphdriver_api::Error::io(Op::Mount, "copy the mount", std::io::Error::from(e))
    })?;
    store.attach(lease, copied)
}

fn state(store: &NodeStore, id: &str) -> MountState {
    store.stat((&draft(id)).into()).unwrap().mount
}

fn with_draft(test: impl FnOnce(&Path, &Arc<NodeStore>) + Send) {
    let dir = tempfile::tempdir().unwrap();
    privately(|| {
        let store = Arc::new(open(dir.path()));
        prepare(&store, "a", Base::Scratch).unwrap();
        test(dir.path(), &store);
        remove_all(&store, dir.path());
    });
}

#[test]
fn a_mount_shows_the_tree_until_it_is_unmounted() {
    with_draft(|root, store| {
        let mut guard = mount(store, "a").unwrap();
        assert_eq!(guard.path().unwrap(), store.path().join("mounts/a"));
        assert_eq!(std::fs::read_to_string(guard.path().unwrap().join("name")).unwrap(), "a");
        write(guard.root().unwrap(), "new", "x").unwrap();
        assert_eq!(state(store, "a"), MountState::Held);
        assert_eq!(kind(mount(store, "a")), ErrorKind::Busy);
        assert_eq!(kind(store.remove((&draft("a")).into())), ErrorKind::Busy);
        assert_eq!(kind(commit(store, "a", "A", None)), ErrorKind::Busy);
        // Somebody else's store leaves it alone.
        assert_eq!(open(root).recovered().mounts, 0);
        guard.unmount().unwrap();
        guard.unmount().unwrap();
        assert_eq!(state(store, "a"), MountState::Unmounted);
        assert!(store.was_mounted(Op::Commit, &draft("a")).unwrap());
        assert!(root.join("drafts/a/tree/new").try_exists().unwrap());
        drop(mount(store, "a").unwrap());
        assert_eq!(state(store, "a"), MountState::Unmounted);
    });
}

#[test]
fn a_mount_in_use_is_never_taken_for_ended() {
    with_draft(|root, store| {
        let mut guard = mount(store, "a").unwrap();
        let user = std::fs::File::create(guard.path().unwrap().join("open")).unwrap();
        let error = guard.unmount().unwrap_err();
        assert_eq!((error.kind(), error.op()), (ErrorKind::Busy, Op::Unmount));
        // The guard still holds it.
        assert!(write(guard.root().unwrap(), "more", "x").is_ok());
        drop(guard);
        // What a failed drop leaves keeps the draft busy.
        assert_eq!(state(store, "a"), MountState::Held);
        assert_eq!(kind(store.remove((&draft("a")).into())), ErrorKind::Busy);
        assert_eq!(open(root).recovered().mounts, 0);
        assert_eq!(kind(mount(store, "a")), ErrorKind::Busy);
        drop(user);
        assert_eq!(open(root).recovered().mounts, 1);
        assert_eq!(state(store, "a"), MountState::Unmounted);
    });
}

#[test]
fn a_mount_left_standing_is_adopted_by_its_ticket() {
    with_draft(|root, store| {
        let ticket = mount(store, "a").unwrap().persist().unwrap().unwrap();
        assert_eq!(ticket.path, store.path().join("mounts/a"));
        assert_eq!(state(store, "a"), MountState::Persisted(ticket.clone()));
        let store = &Arc::new(open(root));
        assert_eq!(store.recovered().mounts, 0);
        assert_eq!(kind(mount(store, "a")), ErrorKind::Busy);
        assert_eq!(kind(store.remove((&draft("a")).into())), ErrorKind::Busy);
        let other = MountTicket { driver: "other".into(), ..ticket.clone() };
        assert_eq!(kind(store.adopt(&other)), ErrorKind::InvalidArgument);
        let other = MountTicket { token: "x".into(), ..ticket.clone() };
        assert_eq!(kind(store.adopt(&other)), ErrorKind::NotFound);
        let guard = store.adopt(&ticket).unwrap();
        assert_eq!(state(store, "a"), MountState::Held);
        assert_eq!(kind(store.adopt(&ticket)), ErrorKind::Busy);
        let mut guard = { guard }.persist().unwrap().map(|t| store.adopt(&t).unwrap()).unwrap();
        guard.unmount().unwrap();
        assert_eq!(state(store, "a"), MountState::Unmounted);
        assert_eq!(kind(store.adopt(&ticket)), ErrorKind::NotFound);
    });
}

#[test]
fn a_ticket_whose_mount_is_gone_frees_the_draft() {
    with_draft(|root, store| {
        for by_opening in [false, true] {
            let ticket = mount(store, "a").unwrap().persist().unwrap().unwrap();
            crate::mount::unmount(store.root(), "mounts/a").unwrap();
            if by_opening {
                assert_eq!(open(root).recovered().mounts, 1);
            }
            assert_eq!(kind(store.adopt(&ticket)), ErrorKind::NotFound);
            assert_eq!(state(store, "a"), MountState::Unmounted);
        }
        // Another mount in the same place isn't the one of the ticket.
        let ticket = mount(store, "a").unwrap().persist().unwrap().unwrap();
        crate::mount::unmount(store.root(), "mounts/a").unwrap();
        let tree = store.open_here(Op::Mount, (&draft("a")).into(), "tree").unwrap();
        Detached::copy_of(tree).unwrap().attach(store.root(), "mounts/a").unwrap();
        assert_eq!(kind(store.adopt(&ticket)), ErrorKind::NotFound);
        assert_eq!(open(root).recovered().mounts, 1);
    });
}

#[test]
fn a_ticket_of_another_namespace_is_left_alone() {
    with_draft(|root, store| {
        let (sender, receiver) = std::sync::mpsc::channel::<MountTicket>();
        let (end, ended) = std::sync::mpsc::channel::<()>();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                privately(move || {
                    let store = Arc::new(open(root));
                    sender.send(mount(&store, "a").unwrap().persist().unwrap().unwrap()).unwrap();
                    ended.recv().unwrap();
                });
            });
            let ticket = receiver.recv().unwrap();
            assert_eq!(open(root).recovered().mounts, 0);
            assert_eq!(state(store, "a"), MountState::Persisted(ticket.clone()));
            assert_eq!(kind(store.adopt(&ticket)), ErrorKind::Busy);
            end.send(()).unwrap();
        });
        // Its namespace ended with its thread; the descriptors of this process
        // don't keep it.
        if std::fs::metadata("/proc/self/ns/pid").unwrap().ino() == namespace::FIRST_PID_NAMESPACE {
            assert_eq!(open(root).recovered().mounts, 1);
        } else {
            rustix::fs::unlinkat(&store.tickets, "a", rustix::fs::AtFlags::empty()).unwrap();
        }
        assert_eq!(state(store, "a"), MountState::Unmounted);
        open(root);
    });
}

/// Mounts and waits to be killed; runs in a process of its own.
#[test]
#[ignore = "run by the test below, in a process that it kills"]
fn holder() {
    let Some(root) = std::env::var_os("SAPWOOD_TEST_ROOT") else { return };
    let store = Arc::new(open(Path::new(&root)));
    let _guard = mount(&store, "a").unwrap();
    println!("mounted");
    std::io::stdin().read_line(&mut String::new()).unwrap();
}

#[test]
fn a_dead_holders_mount_is_unmounted_by_the_next_open() {
    with_draft(|root, store| {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "nodes::tests::mounting::holder", "--ignored", "--nocapture"])
            .env("SAPWOOD_TEST_ROOT", root)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
        assert!(lines.map_while(std::io::Result::ok).any(|line| line.contains("mounted")));
        assert_eq!(state(store, "a"), MountState::Held);
        assert_eq!(open(root).recovered().mounts, 0);
        child.kill().unwrap();
        child.wait().unwrap();
        // Until then it stands, and nobody takes the draft for free.
        assert_eq!(kind(mount(store, "a")), ErrorKind::Busy);
        let user = std::fs::File::create(root.join("mounts/a/open")).unwrap();
        assert_eq!(open(root).recovered().mounts, 0);
        assert_eq!(kind(store.remove((&draft("a")).into())), ErrorKind::Busy);
        drop(user);
        assert_eq!(open(root).recovered().mounts, 1);
        assert_eq!(state(store, "a"), MountState::Unmounted);
        drop(mount(store, "a").unwrap());
    });
}

#[test]
fn every_point_of_a_mounts_life_fails_once() {
    let life = |store: &Arc<NodeStore>| -> Result<()> {
        let mut guard = mount(store, "a")?;
        let Some(ticket) = guard.persist()? else { return Ok(()) };
        let mut guard = store.adopt(&ticket)?;
        guard.unmount()
    };
    with_draft(|root, store| {
        let counting = inject("", 0, Failure::None);
        life(store).unwrap();
        let points = counting.passed().len();
        drop(counting);
        assert!(points >= 10, "{points} points");
        for nth in 1..=points {
            let injection = inject("", nth, Failure::Errno(Errno::NOSPC));
            let failed = life(store);
            drop(injection);
            assert_eq!(kind(failed), ErrorKind::NoSpace, "point {nth}");
            // What is left of it is either nothing, or a ticket to adopt.
            let store = Arc::new(open(root));
            if let MountState::Persisted(ticket) = state(&store, "a") {
                store.adopt(&ticket).unwrap().unmount().unwrap();
            }
            assert_eq!(state(&store, "a"), MountState::Unmounted, "point {nth}");
            drop(mount(&store, "a").unwrap());
        }
    });
}

#[test]
fn a_root_that_is_hidden_here_mounts_nothing() {
    with_draft(|root, store| {
        let cover = Detached::copy_of(OwnedFd::from(std::fs::File::open("/tmp").unwrap())).unwrap();
        let name = root.file_name().unwrap();
        cover.attach(std::fs::File::open(root.parent().unwrap()).unwrap(), name).unwrap();
        drop(cover);
        assert_eq!(kind(mount(store, "a")), ErrorKind::Prerequisite);
        assert_eq!(state(store, "a"), MountState::Unmounted);
        crate::mount::unmount(std::fs::File::open(root.parent().unwrap()).unwrap(), name).unwrap();
    });
}
