//! Every way of mounting an overlay, with and without ids, on this kernel.
//! They need root. Everything is mounted in private mount namespaces.

use std::fs;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};

use graphdriver_api::{IdMap, IdRange, Op};
use rustix::io::Errno;

use super::*;
use crate::idmap::{IdMaps, Mapped};

/// A root with directories for layers in it.
struct Root(tempfile::TempDir, fs::File);

impl Root {
    fn new(dirs: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for name in dirs {
            fs::create_dir_all(dir.path().join(name)).unwrap();
        }
        let opened = fs::File::open(dir.path()).unwrap();
        Self(dir, opened)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// An overlay of `lowers` beneath `up`.
    fn writable<'a>(&'a self, lowers: &'a [Lower<'a>]) -> Overlay<'a> {
        let upper = Upper { root: None, dir: Path::new("up"), work: Path::new("work") };
        Overlay { upper: Some(upper), ..self.read_only(lowers) }
    }

    fn read_only<'a>(&'a self, lowers: &'a [Lower<'a>]) -> Overlay<'a> {
        Overlay {
            path: self.0.path(),
            root: self.1.as_fd(),
            lenders: &[],
            lowers,
            upper: None,
            options: &[("index", Some("off"))],
            ids: None,
            detached_layers: true,
        }
    }
}

fn lower(dir: &str) -> Lower<'_> {
    Path::new(dir).into()
}

/// The ways that this kernel knows: what it doesn't can't be tested here, and is
/// in another kernel's run of this suite.
fn ways() -> Vec<Way> {
    let root = Root::new(&["a", "b"]);
    let works = |way: &Way| root.read_only(&["a", "b"].map(lower)).mount(*way).is_ok();
    let ways: Vec<_> = Way::ALL.into_iter().filter(works).collect();
    eprintln!("this kernel knows {ways:?}");
    assert!(ways.contains(&Way::Page), "no kernel lacks mount(2)");
    ways
}

fn privately(work: impl FnOnce() + Send) {
    in_private_namespace(|| {
        work();
        Ok(())
    })
    .unwrap();
}

/// Where a test looks at a mount that stands nowhere.
fn seen(mount: &Detached, name: &str) -> PathBuf {
    Path::new("/proc/self/fd").join(mount.as_fd().as_raw_fd().to_string()).join(name)
}

fn shifted() -> Mapped {
    let ranges = vec![IdRange { on_disk: 0, shown: 100_000, count: 65_536 }];
    let map = IdMap { uids: ranges.clone(), gids: ranges };
    IdMaps::default().get(Op::Mount, &map).unwrap()
}

#[test]
fn each_way_shows_the_merged_tree_and_takes_changes() {
    for way in ways() {
        let root = Root::new(&["a", "b", "up", "work"]);
        fs::write(root.path("a/top"), "a").unwrap();
        fs::write(root.path("b/top"), "b").unwrap();
        fs::write(root.path("b/below"), "b").unwrap();
        let lowers = ["a", "b"].map(lower);
        let mount = root.writable(&lowers).mount(way).unwrap();
        assert_eq!(fs::read(seen(&mount, "top")).unwrap(), b"a", "{way:?}");
        fs::write(seen(&mount, "below"), "changed").unwrap();
        drop(mount);
        assert_eq!(fs::read(root.path("up/below")).unwrap(), b"changed", "{way:?}");
        assert_eq!(fs::read(root.path("b/below")).unwrap(), b"b", "{way:?}");
        let view = root.read_only(&lowers).mount(way).unwrap();
        assert_eq!(fs::read(seen(&view, "below")).unwrap(), b"b", "{way:?}");
        let refused = fs::write(seen(&view, "below"), "x").unwrap_err();
        assert_eq!(Errno::from_io_error(&refused), Some(Errno::ROFS), "{way:?}");
    }
}

#[test]
fn ids_are_mapped_in_each_way_and_nothing_on_disk_is() {
    for (way, detached_layers) in ways().into_iter().flat_map(|way| [(way, true), (way, false)]) {
        let root = Root::new(&["a", "up", "work"]);
        fs::create_dir(root.path("a/dir")).unwrap();
        fs::write(root.path("a/dir/file"), "").unwrap();
        chown(root.path("a/dir/file"), Some(1000), Some(1001)).unwrap();
        let (lowers, ids) = ([lower("a")], shifted());
        let overlay = Overlay { ids: Some(&ids), detached_layers, ..root.writable(&lowers) };
        let mount = overlay.mount(way).unwrap();
        let shown = fs::metadata(seen(&mount, "dir/file")).unwrap();
        assert_eq!((shown.uid(), shown.gid()), (101_000, 101_001), "{way:?}");
        // Copied up by the mount's own ids, owned as before.
        chown(seen(&mount, "dir/file"), Some(100_007), None).unwrap();
        let outside = fs::write(seen(&mount, "by-host-root"), "").unwrap_err();
        assert_eq!(Errno::from_io_error(&outside), Some(Errno::OVERFLOW), "{way:?}");
        drop(mount);
        let stored = fs::metadata(root.path("up/dir/file")).unwrap();
        assert_eq!((stored.uid(), stored.gid()), (7, 1001), "{way:?}");
        assert_eq!(fs::metadata(root.path("up/dir")).unwrap().uid(), 0, "{way:?}");
    }
}

/// Layers of two roots, the second on a file system of its own.
#[test]
fn layers_of_another_root_are_stacked_in_each_way() {
    for (way, mapped) in ways().into_iter().flat_map(|way| [(way, false), (way, true)]) {
        privately(|| {
            let (root, other) = (Root::new(&["a", "up", "work"]), Root::new(&[]));
            let tmpfs = Detached::tmpfs(1 << 20).unwrap();
            tmpfs.attach(rustix::fs::CWD, other.0.path()).unwrap();
            fs::create_dir_all(other.path("b/dir")).unwrap();
            fs::write(other.path("b/dir/file"), "theirs").unwrap();
            chown(other.path("b/dir/file"), Some(1000), Some(1001)).unwrap();
            let opened = fs::File::open(other.0.path()).unwrap();
            let lenders = [Place { path: other.0.path(), root: opened.as_fd() }];
            let lowers = [lower("a"), Lower { lender: Some(0), dir: Path::new("b") }];
            let ids = mapped.then(shifted);
            let overlay =
                Overlay { lenders: &lenders, ids: ids.as_ref(), ..root.writable(&lowers) };
            let mount = overlay.mount(way).unwrap();
            let shown = fs::metadata(seen(&mount, "dir/file")).unwrap();
            assert_eq!(shown.uid(), if mapped { 101_000 } else { 1000 }, "{way:?}");
            chown(seen(&mount, "dir/file"), Some(100_007), None).unwrap();
            drop(mount);
            let stored = fs::metadata(root.path("up/dir/file")).unwrap();
            assert_eq!(stored.uid(), if mapped { 7 } else { 100_007 }, "{way:?}");
            assert_eq!(fs::metadata(other.path("b/dir/file")).unwrap().uid(), 1000, "{way:?}");
            // Nothing on the way there may lead elsewhere.
            std::os::unix::fs::symlink("b", other.path("link")).unwrap();
            let lowers = [lower("a"), Lower { lender: Some(0), dir: Path::new("link/dir") }];
            let overlay = Overlay { lenders: &lenders, ..root.writable(&lowers) };
            assert_eq!(overlay.mount(way).unwrap_err().errno(), Errno::LOOP, "{way:?}");
        });
    }
}

#[test]
fn an_attached_mount_is_known_again_and_busy_while_open() {
    let root = Root::new(&["a", "b", "place"]);
    let lowers = ["a", "b"].map(lower);
    fs::write(root.path("a/file"), "").unwrap();
    let mount = root.read_only(&lowers).mount(Way::Page).unwrap();
    privately(|| {
        // Opened here: it has to be of this namespace.
        let here = fs::File::open(root.0.path()).unwrap();
        assert!(!is_mounted(&here, "place").unwrap());
        assert!(!is_mounted(&here, "nothing").unwrap());
        assert!(mounted_root(&here, "place").unwrap().is_none());
        let id = MountId::of(&mount).unwrap();
        mount.attach(&here, "place").unwrap();
        drop(mount);
        let (opened, found) = mounted_root(&here, "place").unwrap().unwrap();
        assert_eq!(found, id);
        let busy = unmount(&here, "place").unwrap_err();
        assert_eq!(Errno::from_io_error(&busy), Some(Errno::BUSY));
        drop(opened);
        unmount(&here, "place").unwrap();
        assert!(!is_mounted(&here, "place").unwrap());
        let gone = unmount(&here, "place").unwrap_err();
        assert_eq!(Errno::from_io_error(&gone), Some(Errno::INVAL));
    });
}

#[test]
fn a_copy_of_a_directory_can_be_made_read_only_and_is_another_mount() {
    use sapwood_sys::mount_attr::MountAttr;
    let root = Root::new(&["a"]);
    let dir = fs::File::open(root.path("a")).unwrap();
    let copy = Detached::copy_of(&dir).unwrap();
    fs::write(seen(&copy, "file"), "x").unwrap();
    copy.set(&MountAttr::new().read_only()).unwrap();
    let refused = fs::write(seen(&copy, "file"), "y").unwrap_err();
    assert_eq!(Errno::from_io_error(&refused), Some(Errno::ROFS));
    assert_eq!(fs::read(root.path("a/file")).unwrap(), b"x");
    assert_ne!(MountId::of(&copy).unwrap(), MountId::of(&dir).unwrap());
    assert!(copy.open_root().is_ok());
}

#[test]
fn errors_have_the_kernels_words_and_name_the_step() {
    let root = Root::new(&["a"]);
    let one = [lower("a")];
    for way in ways() {
        let lonely = root.read_only(&one).mount(way).unwrap_err();
        assert_eq!((lonely.doing(), lonely.errno()), ("create the overlay", Errno::INVAL));
        assert!(!lonely.reason().is_empty());
    }
    let missing = [lower("a"), lower("none")];
    for way in ways() {
        let missing = root.read_only(&missing).mount(way).unwrap_err();
        assert_eq!((missing.doing(), missing.errno()), ("open a layer's directory", Errno::NOENT));
    }
    let many = vec![lower("a"); 1500];
    let page = root.read_only(&many).mount(Way::Page);
    assert!(page.is_err_and(|e| matches!(e.errno(), Errno::TOOBIG | Errno::MFILE)));
}

#[test]
fn an_upper_may_be_a_tmpfs_that_stands_nowhere() {
    let root = Root::new(&["a"]);
    fs::write(root.path("a/file"), "below").unwrap();
    let tmpfs = Detached::tmpfs(1 << 20).unwrap();
    fs::create_dir(seen(&tmpfs, "up")).unwrap();
    fs::create_dir(seen(&tmpfs, "work")).unwrap();
    let upper = Upper { root: Some(tmpfs.as_fd()), dir: Path::new("up"), work: Path::new("work") };
    let lowers = [lower("a")];
    let overlay = Overlay { upper: Some(upper), ..root.read_only(&lowers) };
    for way in ways().into_iter().filter(|way| *way != Way::Page) {
        match overlay.mount(way) {
            Ok(mount) => fs::write(seen(&mount, "file"), "above").unwrap(),
            Err(e) => {
                eprintln!("this kernel takes no layers of such mounts: {e}");
                return;
            }
        }
        assert_eq!(fs::read(seen(&tmpfs, "up/file")).unwrap(), b"above");
        assert_eq!(fs::read(root.path("a/file")).unwrap(), b"below");
    }
}
