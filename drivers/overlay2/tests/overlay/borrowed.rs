//! Layers of another root, on another file system.

use std::ffi::CString;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use graphdriver_api::{Base, DriverFactory, ErrorKind, MountPlan, MountRequest};
use rustix::fs::CWD;
use rustix::mount::{MountFlags, mount};
use sapwood_driver_overlay2::Overlay2Factory;
use sapwood_kit::mount::Detached;

use crate::support::{Driver, World, edit, given, layer, make, prepare, tree_of, world};

/// A lender on a tmpfs of its own.
fn lender(w: &World, options: &[(&str, &str)]) -> (std::path::PathBuf, Driver) {
    let place = w.dir.path().join("lender");
    fs::create_dir(&place).unwrap();
    Detached::tmpfs(16 << 20).unwrap().attach(CWD, &place).unwrap();
    let root = place.join("root");
    let driver = Overlay2Factory.open(&root, &given(options)).unwrap();
    (root, driver)
}

fn borrow(w: &Driver, id: &str, from: &Path) -> graphdriver_api::Result<()> {
    w.borrowing().unwrap().borrow(&layer(id), from)
}

/// A layer whose files have their content in the one beneath can be read only where
/// that is mounted so; also when the one beneath is our own.
#[test]
fn content_in_a_layer_below_is_found() {
    world(|w| {
        let (root, theirs) = lender(w, &[("overlay2.metacopy", "on")]);
        let write = |path: &Path| fs::write(path.join("big"), vec![7; 100_000]).unwrap();
        let low = make(&theirs, "low", None, write);
        make(&theirs, "top", Some(&low), |path| {
            fs::set_permissions(path.join("big"), fs::Permissions::from_mode(0o640)).unwrap();
        });
        let copied_up = fs::metadata(root.join("layers/top/diff/big")).unwrap();
        assert_eq!(copied_up.blocks(), 0, "the content was copied up: this shows nothing");
        let own = w.open();
        borrow(&own, "low", &root).unwrap();
        borrow(&own, "top", &root).unwrap();
        assert_eq!(tree_of(&own, &layer("top")), tree_of(&theirs, &layer("top")));
        let draft = prepare(&own, "d", Base::Layer(&layer("top")));
        edit(&own, &draft, |path| {
            assert_eq!(fs::read(path.join("big")).unwrap(), vec![7; 100_000]);
            assert_eq!(fs::metadata(path.join("big")).unwrap().mode() & 0o777, 0o640);
        });
    });
}

/// The number of a file stays when it is first changed, over two file systems too.
#[test]
fn inode_numbers_stay() {
    world(|w| {
        let (root, theirs) = lender(w, &[]);
        make(&theirs, "low", None, |path| fs::write(path.join("f"), "1").unwrap());
        let own = w.open();
        borrow(&own, "low", &root).unwrap();
        let draft = prepare(&own, "d", Base::Layer(&layer("low")));
        edit(&own, &draft, |path| {
            let number = |name: &str| fs::metadata(path.join(name)).unwrap().ino();
            let before = number("f");
            fs::write(path.join("f"), "2").unwrap();
            assert_eq!(number("f"), before);
        });
        assert_eq!(fs::read(root.join("layers/low/diff/f")).unwrap(), b"1");
    });
}

#[test]
fn a_plan_names_where_they_lie() {
    world(|w| {
        let (root, theirs) = lender(w, &[]);
        make(&theirs, "low", None, |path| fs::write(path.join("f"), "1").unwrap());
        let own = w.open();
        borrow(&own, "low", &root).unwrap();
        let draft = prepare(&own, "d", Base::Layer(&layer("low")));
        let plan = own.mount_plan(&draft, &MountRequest::default()).unwrap();
        let MountPlan::Mount { options, .. } = plan else { panic!("{plan:?}") };
        let expected = root.join("layers/low/diff");
        let lowers = options.iter().filter(|(name, _)| name.starts_with("lowerdir"));
        let values: Vec<_> = lowers.filter_map(|(_, value)| value.clone()).collect();
        assert!(values.iter().any(|v| v == expected.as_os_str()), "{values:?}");
    });
}

/// An overlay doesn't show whiteouts and attributes of the layers that it shows.
#[test]
fn a_lender_on_an_overlay_is_refused() {
    world(|w| {
        let (root, theirs) = lender(w, &[]);
        make(&theirs, "low", None, |path| fs::write(path.join("f"), "1").unwrap());
        let (shown, empty) = (w.dir.path().join("shown"), w.dir.path().join("empty"));
        fs::create_dir(&shown).unwrap();
        fs::create_dir(&empty).unwrap();
        let options = format!("lowerdir={}:{}", root.display(), empty.display());
        let options = CString::new(options).unwrap();
        mount("overlay", &shown, "overlay", MountFlags::empty(), options.as_c_str()).unwrap();
        let refused = borrow(&w.open(), "low", &shown).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Unsupported);
        assert!(refused.report().contains("on an overlay"), "{}", refused.report());
    });
}
