use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};

use tempfile::TempDir;

use super::*;
use crate::at::xattr::{self, Target};
use crate::at::{Meta, set_times_at};
use crate::copy::copy_tree;

/// Two trees, the second a copy of the first until `edit`.
struct Two {
    old: TempDir,
    new: TempDir,
    baseline: Time,
}

fn two(base: impl FnOnce(&Path), edit: impl FnOnce(&Path)) -> Two {
    let (old, new) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    base(old.path());
    let (from, to) = (File::open(old.path()).unwrap(), File::open(new.path()).unwrap());
    let baseline = copy_tree(Op::Prepare, from.as_fd(), to.as_fd(), None).unwrap().baseline;
    edit(new.path());
    Two { old, new, baseline }
}

impl Two {
    /// `A`, `C` or `D`, the path, and the name to link to; with and without a
    /// baseline, which mustn't differ.
    fn found(&self) -> Vec<String> {
        let with = self.find(Some(self.baseline));
        assert_eq!(with, self.find(None));
        with
    }

    fn find(&self, baseline: Option<Time>) -> Vec<String> {
        let (old, new) =
            (File::open(self.old.path()).unwrap(), File::open(self.new.path()).unwrap());
        lines(&Trees { old: Some(old.as_fd()), new: new.as_fd(), baseline })
    }
}

fn lines(trees: &Trees<'_>) -> Vec<String> {
    let mut lines = Vec::new();
    find(Op::Changes, trees, &mut |found| {
        let letter = match found.kind {
            ChangeKind::Added => 'A',
            ChangeKind::Modified => 'C',
            ChangeKind::Deleted => 'D',
        };
        assert_eq!(found.now.is_none(), found.kind == ChangeKind::Deleted);
        let link = found.link.map_or_else(String::new, |to| format!(" -> {}", to.display()));
        lines.push(format!("{letter} {}{link}", found.path.display()));
        Ok(ControlFlow::Continue(()))
    })
    .unwrap();
    lines
}

/// A mutation that leaves the times of `path` and its directory as they were.
fn unnoticed(root: &Path, path: &str, edit: impl FnOnce(&Path)) {
    let dir = root.join(path).parent().unwrap().to_owned();
    let keep: BTreeMap<_, _> = [root.join(path), dir]
        .into_iter()
        .map(|p| (p.clone(), fs::symlink_metadata(&p).ok()))
        .collect();
    edit(&root.join(path));
    for (path, meta) in keep {
        let Some(meta) = meta else { continue };
        let time = Time { sec: meta.mtime(), nsec: meta.mtime_nsec().try_into().unwrap() };
        let dir = File::open(path.parent().unwrap()).unwrap();
        set_times_at(&dir, path.file_name().unwrap(), time, time).unwrap();
    }
}

fn write(root: &Path, path: &str) {
    fs::write(root.join(path), path).unwrap();
}

#[test]
fn equal_trees_do_not_differ() {
    let all = |root: &Path| {
        fs::create_dir(root.join("d")).unwrap();
        write(root, "d/f");
        symlink("f", root.join("d/l")).unwrap();
        fs::hard_link(root.join("d/f"), root.join("d/g")).unwrap();
    };
    assert_eq!(two(all, |_| {}).found(), Vec::<String>::new());
}

#[test]
fn a_change_within_a_tick_that_leaves_size_and_time_is_found() {
    let two = two(
        |root| write(root, "f"),
        |root| unnoticed(root, "f", |path| fs::write(path, "g").unwrap()),
    );
    assert_eq!(two.found(), ["C f"]);
}

#[test]
fn a_baseline_spares_what_has_not_been_touched_since() {
    let two = two(|root| write(root, "f"), |_| {});
    // The older file changes under the comparison's feet, which the contract
    // rules out; only so can be seen that it isn't read.
    fs::write(two.old.path().join("f"), "g").unwrap();
    let f = Meta::at(File::open(two.new.path()).unwrap(), OsStr::new("f")).unwrap();
    let (old, time) = (File::open(two.old.path()).unwrap(), f.mtime);
    set_times_at(&old, OsStr::new("f"), time, time).unwrap();
    let later = Time { sec: f.ctime.sec + 1, nsec: 0 };
    assert_eq!(two.find(Some(later)), Vec::<String>::new());
    assert_eq!(two.find(Some(f.ctime)), ["C f"], "the same tick");
    assert_eq!(two.find(None), ["C f"]);
}

/// Files that are untouched, alike in all that stat(2) tells, and at each
/// other's place because their directories were moved.
#[test]
fn directories_that_changed_places_are_found_with_a_baseline_too() {
    let two = two(
        |root| {
            for (dir, content) in [("v1", "one"), ("v2", "two")] {
                fs::create_dir_all(root.join("top").join(dir)).unwrap();
                let path = format!("top/{dir}/f");
                fs::write(root.join(&path), content).unwrap();
            }
            let at = File::open(root.join("top")).unwrap();
            for name in ["v1/f", "v2/f", "v1", "v2"] {
                set_times_at(&at, OsStr::new(name), Time::default(), Time::default()).unwrap();
            }
        },
        |_| {},
    );
    // The copy is over for certain.
    let tick = |root: &Path| Meta::of(File::open(root).unwrap()).unwrap().ctime;
    let probe = tempfile::tempdir().unwrap();
    let mut baseline = tick(probe.path());
    while baseline <= tick(&two.new.path().join("top/v2")) || baseline <= two.baseline {
        fs::write(probe.path().join("x"), "").unwrap();
        fs::remove_file(probe.path().join("x")).unwrap();
        baseline = tick(probe.path());
    }
    assert_eq!(two.find(Some(baseline)), Vec::<String>::new());
    unnoticed(two.new.path(), "top/v1", |v1| {
        let (v2, aside) = (v1.with_file_name("v2"), v1.with_file_name("aside"));
        fs::rename(v1, &aside).unwrap();
        fs::rename(&v2, v1).unwrap();
        fs::rename(&aside, v2).unwrap();
    });
    assert_eq!(two.find(Some(baseline)), ["C top/v1/f", "C top/v2/f"]);
    assert_eq!(two.find(None), ["C top/v1/f", "C top/v2/f"]);
}

#[test]
fn an_archive_links_to_nothing_outside_of_it() {
    let two =
        two(|root| write(root, "m"), |root| fs::hard_link(root.join("m"), root.join("z")).unwrap());
    let (old, new) = (File::open(two.old.path()).unwrap(), File::open(two.new.path()).unwrap());
    let trees = Trees { old: Some(old.as_fd()), new: new.as_fd(), baseline: None };
    let mut found = Vec::new();
    find(Op::Diff, &trees, &mut |f| {
        found.push((f.path.to_owned(), f.kind, f.link.map(Path::to_owned)));
        Ok(ControlFlow::Continue(()))
    })
    .unwrap();
    let expected = [
        (".", ChangeKind::Modified, None),
        ("m", ChangeKind::Modified, None),
        ("z", ChangeKind::Added, Some("m".into())),
    ];
    assert_eq!(found, expected.map(|(path, kind, link)| (path.into(), kind, link)));
}

#[test]
fn each_attribute_counts() {
    type Edit = (&'static str, fn(&Path));
    let edits: [Edit; 5] = [
        ("mode", |p| fs::set_permissions(p, fs::Permissions::from_mode(0o4755)).unwrap()),
        ("owner", |p| std::os::unix::fs::lchown(p, Some(7), None).unwrap()),
        ("group", |p| std::os::unix::fs::lchown(p, None, Some(7)).unwrap()),
        ("content", |p| fs::write(p, "x").unwrap()),
        ("attribute", |p| {
            let file = File::open(p).unwrap();
            xattr::set(Target::open(&file), OsStr::new("user.a"), b"1").unwrap();
        }),
    ];
    for (what, edit) in edits {
        let two = two(|root| write(root, "f"), |root| unnoticed(root, "f", edit));
        assert_eq!(two.found(), ["C f"], "{what}");
    }
}

#[test]
fn names_come_in_path_order_and_nothing_beneath_what_is_gone() {
    let base = |root: &Path| {
        for dir in ["a", "gone", "gone/sub", "tofile"] {
            fs::create_dir(root.join(dir)).unwrap();
        }
        for file in ["a/x", "gone/sub/f", "tofile/f", "todir"] {
            write(root, file);
        }
    };
    let edit = |root: &Path| {
        fs::remove_dir_all(root.join("gone")).unwrap();
        fs::remove_dir_all(root.join("tofile")).unwrap();
        write(root, "tofile");
        fs::remove_file(root.join("todir")).unwrap();
        fs::create_dir(root.join("todir")).unwrap();
        write(root, "todir/new");
        write(root, "a-b");
        unnoticed(root, "a/x", |p| fs::write(p, "x/a").unwrap());
    };
    let found = two(base, edit).found();
    let expected = ["C .", "C a/x", "A a-b", "D gone", "C todir", "A todir/new", "C tofile"];
    assert_eq!(found, expected);
}

#[test]
fn an_added_name_links_to_what_is_there_already() {
    let two = two(
        |root| write(root, "m"),
        |root| {
            fs::hard_link(root.join("m"), root.join("a")).unwrap();
            fs::hard_link(root.join("m"), root.join("z")).unwrap();
        },
    );
    assert_eq!(two.found(), ["C .", "A a -> m", "A z -> m"]);
}

#[test]
fn a_modified_file_is_told_under_all_its_names() {
    let two = two(
        |root| {
            write(root, "b");
            fs::hard_link(root.join("b"), root.join("c")).unwrap();
        },
        |root| {
            fs::write(root.join("c"), "other").unwrap();
            fs::hard_link(root.join("c"), root.join("a")).unwrap();
        },
    );
    assert_eq!(two.found(), ["C .", "A a", "C b -> a", "C c -> a"]);
}

#[test]
fn a_link_that_was_split_or_joined_is_found() {
    let split = two(
        |root| {
            write(root, "a");
            fs::hard_link(root.join("a"), root.join("b")).unwrap();
        },
        |root| {
            unnoticed(root, "b", |path| {
                fs::remove_file(path).unwrap();
                fs::write(path, "a").unwrap();
            });
        },
    );
    assert_eq!(split.found(), ["C a", "C b"]);
    let joined = two(
        |root| {
            write(root, "a");
            fs::copy(root.join("a"), root.join("b")).unwrap();
        },
        |root| {
            unnoticed(root, "b", |path| {
                fs::remove_file(path).unwrap();
                fs::hard_link(path.with_file_name("a"), path).unwrap();
            });
        },
    );
    assert_eq!(joined.find(None), ["C a", "C b -> a"]);
}

#[test]
fn without_a_parent_everything_is_added() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("d")).unwrap();
    write(dir.path(), "d/f");
    let root = File::open(dir.path()).unwrap();
    let trees = Trees { old: None, new: root.as_fd(), baseline: None };
    assert_eq!(lines(&trees), ["C .", "A d", "A d/f"]);
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    crate::at::set_times(&root, Time::default(), Time::default()).unwrap();
    assert_eq!(lines(&trees), ["A d", "A d/f"]);
}

#[test]
fn sparse_files_are_compared_by_what_is_in_them() {
    const SIZE: u64 = 1 << 42;
    let sparse = |path: &Path, at: u64| {
        let file = File::create(path).unwrap();
        file.set_len(SIZE).unwrap();
        file.write_all_at(b"x", at).unwrap();
        let time = fs::FileTimes::new().set_modified(std::time::SystemTime::UNIX_EPOCH);
        file.set_times(time).unwrap();
    };
    let equal =
        two(|r| sparse(&r.join("f"), SIZE - 1), |r| unnoticed(r, "f", |p| sparse(p, SIZE - 1)));
    assert_eq!(equal.found(), Vec::<String>::new());
    let moved = two(|r| sparse(&r.join("f"), SIZE - 1), |r| unnoticed(r, "f", |p| sparse(p, 5)));
    assert_eq!(moved.found(), ["C f"]);
}

#[test]
fn the_sink_can_end_the_walk_and_fail_it() {
    let two = two(|_| {}, |root| ["a", "b"].iter().for_each(|f| write(root, f)));
    let (old, new) = (File::open(two.old.path()).unwrap(), File::open(two.new.path()).unwrap());
    let trees = Trees { old: Some(old.as_fd()), new: new.as_fd(), baseline: None };
    let mut count = 0;
    changes(Op::Changes, &trees, &mut |_| {
        count += 1;
        Ok(if count == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })
    .unwrap();
    assert_eq!(count, 2);
    let busy = || graphdriver_api::Error::new(graphdriver_api::ErrorKind::Busy, Op::Diff, "");
    let failed = changes(Op::Changes, &trees, &mut |_| Err(busy())).unwrap_err();
    assert_eq!(failed.kind(), graphdriver_api::ErrorKind::Busy);
}

/// A tree of changes beside two trees: what an overlay's upper directory is.
fn upper(edit: impl FnOnce(&Path)) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    edit(dir.path());
    dir
}

impl Two {
    /// The same, looking only where `upper` says; in it, directories with an
    /// attribute `user.opaque` don't merge.
    fn found_within(&self, upper: &TempDir) -> Vec<String> {
        let open = |dir: &TempDir| File::open(dir.path()).unwrap();
        let (old, new, upper) = (open(&self.old), open(&self.new), open(upper));
        let trees = Trees { old: Some(old.as_fd()), new: new.as_fd(), baseline: None };
        let merges = |dir: std::os::fd::BorrowedFd<'_>| {
            let mark = xattr::has(Target::Open(dir), OsStr::new("user.opaque"));
            mark.map(|opaque| !opaque)
        };
        let touched = Touched { root: upper.as_fd(), merges: &merges };
        let mut lines = Vec::new();
        find_touched(Op::Changes, &trees, touched, &mut |found| {
            // Directories' times may or may not have changed within a tick.
            if !found.now.is_some_and(|now| now.meta.is_dir()) {
                lines.push(format!("{:?} {}", found.kind, found.path.display()));
            }
            Ok(ControlFlow::Continue(()))
        })
        .unwrap();
        lines
    }
}

#[test]
fn only_what_was_touched_is_looked_at() {
    let base = |root: &Path| {
        for dir in ["a/b", "c", "gone"] {
            fs::create_dir_all(root.join(dir)).unwrap();
        }
        for file in ["a/b/x", "a/b/y", "a/z", "c/f", "gone/f"] {
            write(root, file);
        }
    };
    let two = two(base, |root| {
        fs::write(root.join("a/b/x"), "changed").unwrap();
        fs::remove_dir_all(root.join("gone")).unwrap();
        // Not in the tree of changes below: so nobody is to see it.
        fs::write(root.join("c/f"), "changed behind our back").unwrap();
        fs::write(root.join("a/unseen"), "").unwrap();
    });
    let upper = upper(|root| {
        fs::create_dir_all(root.join("a/b")).unwrap();
        for name in ["a/b/x", "gone", "never-there"] {
            write(root, name);
        }
    });
    let found = two.found_within(&upper);
    assert_eq!(found, ["Modified a/b/x", "Deleted gone"]);
}

#[test]
fn in_what_does_not_merge_everything_is_looked_at() {
    let base = |root: &Path| {
        fs::create_dir_all(root.join("d/sub")).unwrap();
        write(root, "d/old");
        write(root, "d/sub/deep");
    };
    let two = two(base, |root| {
        fs::remove_file(root.join("d/old")).unwrap();
        fs::remove_file(root.join("d/sub/deep")).unwrap();
        write(root, "d/sub/new");
    });
    let upper = upper(|root| {
        fs::create_dir_all(root.join("d/sub")).unwrap();
        let dir = File::open(root.join("d")).unwrap();
        xattr::set(Target::open(&dir), OsStr::new("user.opaque"), b"y").unwrap();
    });
    let found = two.found_within(&upper);
    assert_eq!(found, ["Deleted d/old", "Deleted d/sub/deep", "Added d/sub/new"]);
}

#[test]
fn names_elsewhere_of_a_touched_file_are_found() {
    let base = |root: &Path| {
        fs::create_dir(root.join("d")).unwrap();
        write(root, "d/a");
        fs::hard_link(root.join("d/a"), root.join("other")).unwrap();
    };
    // As a copy-up does it: one name becomes a file of its own.
    let two = two(base, |root| {
        fs::remove_file(root.join("d/a")).unwrap();
        write(root, "d/a");
    });
    let upper = upper(|root| {
        fs::create_dir(root.join("d")).unwrap();
        write(root, "d/a");
    });
    assert_eq!(two.found_within(&upper), ["Modified d/a", "Modified other"]);
}
