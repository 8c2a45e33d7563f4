//! Every kind of damage to a layer's tree, on each driver.

use std::ffi::OsStr;
use std::fs;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileExt, PermissionsExt, lchown, symlink};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};
use sapwood_kit::at::xattr::{self, Target};

use crate::archives::{Item, archive, open, tree::touch};
use crate::store::{DRIVERS, Store, twice};

/// What is done to the upper layer's tree, and exactly what is found.
#[derive(Clone, Copy)]
struct Damage {
    name: &'static str,
    does: fn(&Path),
    found: &'static [(&'static str, &'static str)],
    /// The one driver in whose trees there is such a thing.
    only: Option<&'static str>,
}

const fn damage(
    name: &'static str,
    found: &'static [(&'static str, &'static str)],
    does: fn(&Path),
) -> Damage {
    Damage { name, does, found, only: None }
}

const fn only(driver: &'static str, damage: Damage) -> Damage {
    Damage { only: Some(driver), ..damage }
}

fn with_xattr(path: &Path, change: impl FnOnce(Target<'_>) -> rustix::io::Result<()>) {
    let dir = open(path.parent().unwrap());
    change(Target::Entry(dir.as_fd(), path.file_name().unwrap())).unwrap();
}

fn set(path: &Path, name: &str, value: &[u8]) {
    with_xattr(path, |file| xattr::set(file, OsStr::new(name), value));
}

fn unset(path: &Path, name: &str) {
    with_xattr(path, |file| {
        assert!(xattr::has(file, OsStr::new(name))?);
        xattr::remove(file, OsStr::new(name))
    });
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn overwrite(path: &Path, at: u64, bytes: &[u8]) {
    let file = fs::File::options().write(true).open(path).unwrap();
    file.write_all_at(bytes, at).unwrap();
}

fn device(path: &Path, kind: FileType, minor: u32) {
    fs::remove_file(path).unwrap();
    mknodat(CWD, path, kind, Mode::from_raw_mode(0o644), makedev(1, minor)).unwrap();
    chmod(path, 0o644);
}

fn again(path: &Path) {
    let content = fs::read(path).unwrap();
    fs::remove_file(path).unwrap();
    fs::write(path, content).unwrap();
    touch(path, 1, 0);
}

const ATTRIBUTES: &str = "layer-attributes";
const CONTENT: &str = "layer-content";
const EXTRA: &str = "layer-extra";
const GONE: &str = "layer-incomplete";

fn table() -> Vec<Damage> {
    vec![
        damage("mode", &[(ATTRIBUTES, r#""file": it has mode 0666, not 0644"#)], |tree| {
            chmod(&tree.join("file"), 0o666);
        }),
        damage(
            "setuid",
            &[(ATTRIBUTES, r#""usr/bin/tool": it has mode 0755, not 4755"#)],
            |tree| {
                chmod(&tree.join("usr/bin/tool"), 0o755);
            },
        ),
        damage("a directory's mode", &[(ATTRIBUTES, r#""e": it has mode 0777, not 0755"#)], |t| {
            chmod(&t.join("e"), 0o777);
        }),
        damage("the root's mode", &[(ATTRIBUTES, r#"".": it has mode 0777, not 0755"#)], |tree| {
            chmod(tree, 0o777);
        }),
        damage(
            "owner",
            &[(ATTRIBUTES, r#""file": it belongs to 0:1000, not 1000:1000"#)],
            |tree| {
                lchown(tree.join("file"), Some(0), None).unwrap();
            },
        ),
        damage("a link's owner", &[(ATTRIBUTES, r#""link": it belongs to 7:7, not 0:0"#)], |t| {
            lchown(t.join("link"), Some(7), Some(7)).unwrap();
        }),
        damage(
            "an attribute is gone",
            &[(ATTRIBUTES, r#""file": it lacks the attribute "user.note""#)],
            |tree| unset(&tree.join("file"), "user.note"),
        ),
        damage(
            "an attribute is another",
            &[(ATTRIBUTES, r#""file": its attribute "user.note" has another value"#)],
            |tree| set(&tree.join("file"), "user.note", b"2"),
        ),
        damage(
            "an attribute more",
            &[(ATTRIBUTES, r#""d": it has an attribute "user.more" that isn't its own"#)],
            |tree| set(&tree.join("d"), "user.more", b""),
        ),
        damage(
            "a capability is gone",
            &[(ATTRIBUTES, r#""cap": it lacks the attribute "security.capability""#)],
            |tree| unset(&tree.join("cap"), "security.capability"),
        ),
        damage(
            "a link leads elsewhere",
            &[(ATTRIBUTES, r#""link": it leads to "cap", not "file""#)],
            |tree| {
                fs::remove_file(tree.join("link")).unwrap();
                symlink("cap", tree.join("link")).unwrap();
            },
        ),
        damage(
            "a device of another number",
            &[(ATTRIBUTES, r#""null": it is device 1:5, not 1:3"#)],
            |tree| device(&tree.join("null"), FileType::CharacterDevice, 5),
        ),
        damage(
            "another type",
            &[(ATTRIBUTES, r#""null": it is a block device, not a character device"#)],
            |tree| device(&tree.join("null"), FileType::BlockDevice, 3),
        ),
        damage("a file more", &[(EXTRA, r#""e/new": a file that doesn't belong there"#)], |tree| {
            fs::write(tree.join("e/new"), "").unwrap();
        }),
        damage(
            "a tree more",
            &[(EXTRA, r#""tree": a directory that doesn't belong there"#)],
            |tree| {
                fs::create_dir_all(tree.join("tree/of/many")).unwrap();
                fs::write(tree.join("tree/of/many/files"), "x").unwrap();
            },
        ),
        damage("a link is gone", &[(GONE, r#""link": a symbolic link is gone"#)], |tree| {
            fs::remove_file(tree.join("link")).unwrap();
        }),
        damage("an empty file is gone", &[(GONE, r#""empty": a file is gone"#)], |tree| {
            fs::remove_file(tree.join("empty")).unwrap();
        }),
        damage(
            "a file is gone",
            &[(CONTENT, r#"its file "e/f" is damaged: it isn't there any more"#)],
            |tree| fs::remove_file(tree.join("e/f")).unwrap(),
        ),
        damage(
            "bytes",
            &[(
                CONTENT,
                r#"its file "e/f" is damaged: its bytes aren't those that it was loaded with"#,
            )],
            |tree| overwrite(&tree.join("e/f"), 3, b"T"),
        ),
        damage("a sparse file's bytes", &[(CONTENT, r#""sparse": it has other bytes"#)], |tree| {
            overwrite(&tree.join("sparse"), 300_000, b"L");
        }),
        damage("a sparse file's holes", &[(CONTENT, r#""sparse": it has other bytes"#)], |tree| {
            overwrite(&tree.join("sparse"), 150_000, b"x");
        }),
        damage(
            "a name of a file is a file of its own",
            &[(ATTRIBUTES, r#""two": it isn't the same file as "one" any more"#)],
            |tree| again(&tree.join("two")),
        ),
        only(
            "overlay2",
            damage("no whiteout", &[(EXTRA, r#""gone": a file that doesn't belong there"#)], |t| {
                fs::remove_file(t.join("gone")).unwrap();
            }),
        ),
        only(
            "overlay2",
            damage("a whiteout more", &[(GONE, r#""usr/bin/lower": a file is gone"#)], |tree| {
                let path = tree.join("usr/bin/lower");
                let mode = Mode::empty();
                mknodat(CWD, path, FileType::CharacterDevice, mode, 0).unwrap();
            }),
        ),
        only(
            "overlay2",
            damage(
                "a directory that hides what is beneath",
                &[(GONE, r#""usr/bin/lower": a file is gone"#)],
                |tree| set(&tree.join("usr/bin"), "trusted.overlay.opaque", b"y"),
            ),
        ),
        only(
            "vfs",
            damage(
                "what was hidden",
                &[(EXTRA, r#""gone": a file that doesn't belong there"#)],
                |t| {
                    fs::write(t.join("gone"), "gone").unwrap();
                },
            ),
        ),
        only(
            "vfs",
            damage(
                "the copy of a file beneath",
                &[(CONTENT, r#""usr/bin/lower": it has other bytes"#)],
                |tree| overwrite(&tree.join("usr/bin/lower"), 0, b"L"),
            ),
        ),
        only(
            "vfs",
            damage(
                "the mode of a copy",
                &[(ATTRIBUTES, r#""usr/bin/lower": it has mode 0777, not 0755"#)],
                |tree| chmod(&tree.join("usr/bin/lower"), 0o777),
            ),
        ),
    ]
}

fn tried(store: &Store, damage: &Damage) {
    assert!(store.found(1).is_empty());
    store.keeping_times(1, damage.does);
    let expected: Vec<_> =
        damage.found.iter().map(|(code, what)| ((*code).to_owned(), (*what).to_owned())).collect();
    assert_eq!(store.found(1), expected, "{}: {}", store.driver, damage.name);
}

#[test]
fn each_damage_is_found_and_nothing_else() {
    let mut failed = Vec::new();
    for driver in DRIVERS {
        for damage in table().iter().filter(|d| d.only.is_none_or(|only| only == driver)) {
            // One that fails doesn't keep the others from being tried.
            let try_it = || tried(&Store::new(driver), damage);
            if catch_unwind(AssertUnwindSafe(try_it)).is_err() {
                failed.push(format!("{driver}: {}", damage.name));
            }
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
}

#[test]
fn a_changed_time_is_found() {
    for driver in DRIVERS {
        let store = Store::new(driver);
        touch(&store.tree(1).join("d/new"), 5, 123_456_788);
        let what = r#""d/new": it has modification time 5.123456788, not 5.123456789"#;
        assert_eq!(store.found(1), [(ATTRIBUTES.to_owned(), what.to_owned())], "{driver}");
    }
}

/// An upper directory of which no entry needed to know what is beneath.
#[test]
fn an_opaque_mark_that_is_gone_is_found() {
    let lower = archive(&[Item::dir("d/"), Item::file("d/hidden", "hidden")]);
    let upper = archive(&[Item::dir("d/"), Item::file("d/.wh..wh..opq", "")]);
    let store = Store::of("overlay2", &[lower, upper]);
    assert!(store.found(1).is_empty());
    store.keeping_times(1, |tree| unset(&tree.join("d"), "trusted.overlay.opaque"));
    let what = r#""d/hidden": a file that doesn't belong there"#;
    assert_eq!(store.found(1), [(EXTRA.to_owned(), what.to_owned())]);
}

/// Where the outline holds all bytes, because the archive brings a path twice.
#[test]
fn what_the_outline_holds_itself_is_compared_too() {
    for driver in DRIVERS {
        let store = Store::of(driver, &[twice(), twice()]);
        assert!(store.found(0).is_empty());
        for path in ["held", "dup"] {
            let store = Store::of(driver, &[twice(), twice()]);
            store.keeping_times(1, |tree| overwrite(&tree.join(path), 0, b"x"));
            let what = format!("{path:?}: it has other bytes");
            assert_eq!(store.found(1), [(CONTENT.to_owned(), what)], "{driver}");
        }
    }
}

/// Layers above one that is damaged are no worse for it, even where they have
/// their own copies of what is damaged there.
#[test]
fn damage_is_told_of_the_layer_that_has_it() {
    for driver in DRIVERS {
        let store = Store::new(driver);
        store.keeping_times(0, |tree| {
            chmod(&tree.join("usr/bin/lower"), 0o4777);
            chmod(&tree.join("usr"), 0o777);
            overwrite(&tree.join("gone"), 0, b"x");
            fs::write(tree.join("usr/more"), "x").unwrap();
        });
        let codes: Vec<_> = store.found(0).into_iter().map(|(code, _)| code).collect();
        assert_eq!(codes, [ATTRIBUTES, ATTRIBUTES, CONTENT, EXTRA], "{driver}");
    }
}
