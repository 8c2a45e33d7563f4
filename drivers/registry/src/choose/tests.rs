//! The choice, with drivers that only say what they are told to, and count what
//! they are asked; and once with the real ones.

use std::sync::atomic::{AtomicUsize, Ordering};

use graphdriver_api::choice::Origin;
use graphdriver_api::{DriverFactory, OptionHelp};

use super::*;

/// A driver that has data where its directory has a file `data`, and doesn't
/// work where `broken` is set.
#[derive(Debug)]
struct Told {
    name: &'static str,
    broken: bool,
    probed: AtomicUsize,
}

impl Told {
    const fn new(name: &'static str, broken: bool) -> Self {
        Self { name, broken, probed: AtomicUsize::new(0) }
    }
}

impl DriverFactory for Told {
    fn name(&self) -> &'static str {
        self.name
    }

    fn summary(&self) -> &'static str {
        "does what it is told"
    }

    fn options(&self) -> &'static [OptionHelp] {
        const OPTION: OptionHelp = OptionHelp { name: "told.x", values: "any", help: "Nothing." };
        if self.name == "a" { &[OPTION] } else { &[] }
    }

    fn probe(&self, _: &Path, _: &DriverOptions) -> Suitability {
        self.probed.fetch_add(1, Ordering::Relaxed);
        match self.broken {
            true => Suitability::Unsuitable { reason: "it is broken".into(), remedy: None },
            false => Suitability::Suitable(Vec::new()),
        }
    }

    fn has_data(&self, root: &Path) -> Result<bool> {
        if root.join("foreign").try_exists().unwrap() {
            return Err(Error::new(ErrorKind::Corrupt, Op::Probe, "it isn't mine"));
        }
        Ok(root.join("data").try_exists().unwrap())
    }

    fn open(&self, _: &Path, _: &DriverOptions) -> Result<Arc<dyn GraphDriver>> {
        let kind = if self.broken { ErrorKind::Prerequisite } else { ErrorKind::Io };
        Err(Error::new(kind, Op::Open, format!("{} was opened", self.name)))
    }
}

/// What came of a wish, and how often each of the drivers a, b, c was probed.
fn outcome(broken: &str, files: &[&str], wish: Wish<'_>) -> (String, [usize; 3]) {
    let dir = tempfile::tempdir().unwrap();
    for file in files {
        let path = dir.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "").unwrap();
    }
    let told: &'static [Told; 3] =
        Box::leak(Box::new(["a", "b", "c"].map(|name| Told::new(name, broken.contains(name)))));
    let entries = told.each_ref().map(|factory| Entry { factory, automatic: factory.name != "c" });
    let options = DriverOptions::default();
    let place = Place { entries: &entries, root: dir.path(), options: &options };
    let line = place.open(wish).map(|_| ()).unwrap_err().to_string();
    (line, told.each_ref().map(|told| told.probed.load(Ordering::Relaxed)))
}

/// Which drivers are broken, the files there are, the wish; the words that come
/// of it, and how often each driver is probed.
type Row = (&'static str, &'static [&'static str], Wish<'static>, &'static str, [usize; 3]);

#[test]
fn only_what_the_choice_depends_on_is_probed() {
    let b = Wish::Named("b", Origin::Flag);
    let rows: [Row; 9] = [
        ("", &[], Wish::Any, "open: a was opened", [1, 0, 0]),
        ("a", &[], Wish::Any, "open: b was opened", [1, 1, 0]),
        ("ab", &[], Wish::Any, "no storage driver works here: a: it is broken", [1, 1, 1]),
        ("", &["b/data"], Wish::Any, "open: b was opened", [0, 0, 0]),
        ("b", &["b/data"], Wish::Any, "belong to b, which doesn't work any more", [0, 1, 0]),
        ("", &["a/data", "b/data"], Wish::Any, "layers of a and b lie here", [0, 0, 0]),
        ("", &["a/data"], b, "open: b was opened", [0, 0, 0]),
        ("b", &[], b, "storage driver b, asked for by --storage-driver, doesn't", [0, 1, 0]),
        ("", &["a/foreign"], b, "open: b was opened", [0, 0, 0]),
    ];
    for (broken, files, wish, words, probed) in rows {
        let (line, found) = outcome(broken, files, wish);
        assert!(line.contains(words), "{files:?} {wish:?}: {line}");
        assert_eq!(found, probed, "{files:?} {wish:?}: {line}");
    }
}

#[test]
fn a_directory_that_cant_be_looked_at_is_no_empty_one() {
    let (line, probed) = outcome("", &["b/foreign"], Wish::Any);
    assert!(line.contains("it isn't mine"), "{line}");
    assert_eq!(probed, [0, 0, 0]);
}

#[test]
fn an_option_that_nobody_has_is_refused_with_what_there_is() {
    let dir = tempfile::tempdir().unwrap();
    let options = DriverOptions(vec![("overlay2.metacpy".into(), "on".into())]);
    for error in [
        candidates(dir.path(), &options).unwrap_err(),
        match open_chosen(dir.path(), Wish::Any, &options) {
            Err(OpenError::Driver(e)) => e,
            other => panic!("{other:?}"),
        },
    ] {
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert!(error.to_string().contains("there are overlay2.redirect_dir"), "{error}");
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

/// Needs root, as the drivers do.
#[test]
fn the_real_drivers_are_opened_beside_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let options = DriverOptions::default();
    let open = |wish| open_chosen(dir.path(), wish, &options);
    let (choice, overlay2) = open(Wish::Any).unwrap();
    assert_eq!((choice.name, overlay2.name()), ("overlay2", "overlay2"));
    let (choice, vfs) = open(Wish::Named("vfs", Origin::Config)).unwrap();
    assert_eq!((choice.name, choice.hidden), ("vfs", vec![]));
    let draft = graphdriver_api::DraftId::new("d").unwrap();
    vfs.prepare(&draft, graphdriver_api::Base::Scratch, &Default::default()).unwrap();
    assert_eq!(open(Wish::Any).unwrap().0.name, "vfs");
    let (choice, _) = open(Wish::Named("overlay2", Origin::Flag)).unwrap();
    assert_eq!(choice.hidden, ["vfs"]);
    let all = candidates(dir.path(), &options).unwrap();
    assert_eq!(
        all.iter().map(|c| (c.name, c.has_data)).collect::<Vec<_>>(),
        [("overlay2", false), ("vfs", true)]
    );
}
