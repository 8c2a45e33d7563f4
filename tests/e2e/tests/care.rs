//! Looking after a store: twenty and more kinds of damage, each done by hand to
//! a store with images and a container; found, put right where that is
//! possible, named where it isn't; and what is intact as it was.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::process::Command;

use rusqlite::Connection;
use sapwood_e2e::Sapwood;
use sapwood_e2e::images::{Compression, Entry, Format, Image, busybox};
use sapwood_kit::mount::in_private_namespace;
use serde_json::Value;

const DRIVERS: [&str; 2] = ["overlay2", "vfs"];

/// A store with busybox, an image `pair:1` of two layers, and an exited
/// container `done` of busybox.
struct Store {
    sapwood: Sapwood,
    driver: &'static str,
    /// Chain IDs of `pair:1`, the lower first.
    pair: [String; 2],
    container: String,
}

fn archive(sapwood: &Sapwood, image: &Image, name: &str) -> String {
    let path = sapwood.scratch().join(name);
    image.write(&path, Format::Docker, Compression::None).unwrap();
    path.to_str().unwrap().to_owned()
}

impl Store {
    fn new(driver: &'static str) -> Self {
        let sapwood = Sapwood::on(driver);
        let bb = archive(&sapwood, &busybox("busybox").unwrap(), "busybox.tar");
        sapwood.ok(["load", "-q", "-i", &bb]);
        let pair = Image::new("pair:1")
            .layer(|l| {
                l.add(&Entry::dir("etc"))?;
                l.add(&Entry::file("etc/lower", vec![b'1'; 5000]))
            })
            .layer(|l| l.add(&Entry::file("upper", vec![b'2'; 3000])));
        let pair = archive(&sapwood, &pair, "pair.tar");
        sapwood.ok(["load", "-q", "-i", &pair]);
        sapwood.ok(["run", "--name", "done", "busybox", "sh", "-c", "echo changed > /changed"]);
        let mut store = Self {
            sapwood,
            driver,
            pair: [String::new(), String::new()],
            container: String::new(),
        };
        let db = store.db();
        let top: String =
            one(&db, "SELECT top FROM image JOIN tag ON tag.image = image.id WHERE tag = '1'");
        let lower: String = one(&db, &format!("SELECT parent FROM layer WHERE chain_id = '{top}'"));
        store.pair = [lower, top];
        store.container = one(&db, "SELECT id FROM container");
        store
    }

    fn engine(&self) -> PathBuf {
        self.sapwood.root().join("engine").join(self.driver)
    }

    fn node(&self, kind: &str, id: &str) -> PathBuf {
        self.sapwood.root().join(self.driver).join(kind).join(id)
    }

    fn layer(&self, id: &str) -> PathBuf {
        self.node("layers", id)
    }

    /// The directory with a node's files.
    fn tree(&self, kind: &str, id: &str) -> PathBuf {
        self.node(kind, id).join(if self.driver == "vfs" { "tree" } else { "diff" })
    }

    fn db(&self) -> Connection {
        let db = Connection::open(self.engine().join("metadata.db")).unwrap();
        db.pragma_update(None, "foreign_keys", false).unwrap();
        db
    }

    fn sql(&self, text: &str) {
        let db = self.db();
        db.execute_batch(text).unwrap();
        // As if no trigger had been there.
        db.execute("DELETE FROM copy_due", ()).unwrap();
    }

    fn copy(&self, kind: &str, id: &str) -> PathBuf {
        let stem = id.split_once(':').map_or(id, |(_, hex)| hex);
        self.engine().join(kind).join(format!("{stem}.json"))
    }

    fn image(&self, tag: &str) -> String {
        one(&self.db(), &format!("SELECT image FROM tag WHERE tag = '{tag}'"))
    }

    /// Exit status, codes of findings, codes of leftovers.
    fn check(&self, args: &[&str]) -> (i32, BTreeSet<String>, BTreeSet<String>) {
        let words = ["storage", "check", "--format", "json"].iter().chain(args);
        let done = self.sapwood.output(words);
        let text = String::from_utf8(done.stdout).unwrap();
        let said = String::from_utf8(done.stderr).unwrap();
        let report: Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {said}"));
        let codes = |key: &str| {
            let lists = report.as_array().unwrap().iter();
            let all = lists.flat_map(|r| r[key].as_array().unwrap().clone());
            all.map(|f| f["code"].as_str().unwrap().to_owned()).collect()
        };
        (done.status.code().unwrap(), codes("findings"), codes("leftovers"))
    }

    /// What people see of what is intact.
    fn seen(&self) -> String {
        let images = self.sapwood.ok(["images", "--no-trunc"]);
        // Those that came in the same second may change places.
        let images: BTreeSet<_> = images.lines().collect();
        let containers = self.sapwood.ok(["ps", "-a", "--no-trunc", "--format", "json"]);
        format!("{images:?}{containers}")
    }
}

fn one(db: &Connection, query: &str) -> String {
    db.query_row(query, (), |row| row.get(0)).unwrap()
}

fn edit(path: &Path, change: impl Fn(&str) -> String) {
    let text = fs::read_to_string(path).unwrap();
    let changed = change(&text);
    assert_ne!(text, changed, "{path:?}");
    fs::write(path, changed).unwrap();
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// What becomes of a damage.
enum Fate {
    /// All is as before.
    Mended,
    /// This is told again and again, and named by the repair.
    Unsaved,
}

struct Damage {
    name: &'static str,
    does: fn(&Store),
    found: &'static [&'static str],
    fate: Fate,
    /// Only content tells.
    content: bool,
}

const fn damage(name: &'static str, found: &'static [&'static str], does: fn(&Store)) -> Damage {
    Damage { name, does, found, fate: Fate::Mended, content: false }
}

const fn lost(name: &'static str, found: &'static [&'static str], does: fn(&Store)) -> Damage {
    Damage { name, does, found, fate: Fate::Unsaved, content: false }
}

fn table() -> Vec<Damage> {
    vec![
        damage("a lost child marker", &["link-missing"], |s| {
            let link = format!("children/layer.{}", s.pair[1]);
            fs::remove_file(s.layer(&s.pair[0]).join(link)).unwrap();
        }),
        damage("an orphan folder", &["orphan-folder"], |s| {
            let ghost = s.layer(&"0".repeat(64));
            fs::create_dir(&ghost).unwrap();
            set_mode(&ghost, 0o700);
        }),
        damage("a wrong parent in the driver", &["parent-wrong"], |s| {
            let other: String = one(&s.db(), "SELECT base FROM container");
            edit(&s.layer(&s.pair[1]).join("layer.json"), |t| t.replace(&s.pair[0], &other));
        }),
        damage("a wrong parent in the records", &["layer-parent"], |s| {
            let (top, base) = (&s.pair[1], one(&s.db(), "SELECT base FROM container"));
            s.sql(&format!("UPDATE layer SET parent = '{base}' WHERE chain_id = '{top}'"));
        }),
        damage("a layer's row is gone", &["layer-unrecorded", "image-incomplete"], |s| {
            s.sql(&format!("DELETE FROM layer WHERE chain_id = '{}'", s.pair[1]));
        }),
        damage("an image's row is gone", &["image-unrecorded", "name-dangling"], |s| {
            let id = s.image("1");
            s.sql(&format!("DELETE FROM image WHERE id = '{id}'"));
        }),
        damage("a container's row is gone", &["container-unrecorded"], |s| {
            s.sql("DELETE FROM container");
        }),
        damage("the database is gone", &["database-missing"], |s| {
            for name in ["metadata.db", "metadata.db-wal", "metadata.db-shm"] {
                fs::remove_file(s.engine().join(name)).unwrap();
            }
        }),
        damage("a damaged database", &["database-damaged"], |s| {
            s.db().query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |_| Ok(())).unwrap();
            let path = s.engine().join("metadata.db");
            let mut bytes = fs::read(&path).unwrap();
            let pages = bytes.len() / 4096;
            bytes[4096..pages * 4096].fill(0x5a);
            fs::write(path, bytes).unwrap();
        }),
        damage("a database that is cut off", &["database-damaged"], |s| {
            s.db().query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |_| Ok(())).unwrap();
            let file =
                fs::File::options().write(true).open(s.engine().join("metadata.db")).unwrap();
            file.set_len(10_000).unwrap();
        }),
        damage("a layer's record is cut off", &["record-damaged"], |s| {
            fs::write(s.layer(&s.pair[0]).join("layer.json"), b"{\"kind\":").unwrap();
        }),
        damage("a container's draft has no record", &["record-missing"], |s| {
            fs::remove_file(s.node("drafts", &s.container).join("draft.json")).unwrap();
        }),
        lost("a missing upper", &["tree-missing"], |s| {
            fs::remove_dir_all(s.tree("layers", &s.pair[1])).unwrap();
        }),
        damage("the store's marker is gone", &["marker-missing"], |s| {
            fs::remove_file(s.sapwood.root().join("sapwood.json")).unwrap();
        }),
        damage("the store's marker is damaged", &["marker-damaged"], |s| {
            fs::write(s.sapwood.root().join("sapwood.json"), b"{").unwrap();
        }),
        damage("the driver's marker is gone", &["format-missing"], |s| {
            fs::remove_file(s.sapwood.root().join(s.driver).join("format")).unwrap();
        }),
        damage("a configuration of another digest", &["image-config"], |s| {
            let id = s.image("1");
            s.sql(&format!("UPDATE image SET config = x'7b7d' WHERE id = '{id}'"));
        }),
        damage("a name that means nothing", &["name-dangling"], |s| {
            s.sql("INSERT INTO tag VALUES ('docker.io/library/ghost', 'x', 'sha256:00')");
        }),
        lost("a container's draft is gone", &["container-without-tree"], |s| {
            fs::remove_dir_all(s.node("drafts", &s.container)).unwrap();
            fs::remove_dir(s.node("mounts", &s.container)).unwrap();
        }),
        damage("a container's record is cut off", &["container-record"], |s| {
            s.sql("UPDATE container SET record = '{\"image_name\":'");
        }),
        damage("a stray file in the store", &["stray"], |s| {
            fs::write(s.sapwood.root().join("notes"), b"x").unwrap();
        }),
        damage("a stray file among the records", &["stray"], |s| {
            fs::write(s.engine().join("notes"), b"x").unwrap();
        }),
        damage("a stray file among the layers", &["stray"], |s| {
            fs::write(s.layer("notes"), b"x").unwrap();
        }),
        damage("a layer's root belongs to another", &["owner"], |s| {
            chown(s.layer(&s.pair[0]), Some(4711), Some(4711)).unwrap();
        }),
        damage("a layer's root is open to all", &["owner"], |s| {
            set_mode(&s.layer(&s.pair[0]), 0o777);
        }),
        damage("a copy of a record is gone", &["copy"], |s| {
            fs::remove_file(s.copy("images", &s.image("1"))).unwrap();
        }),
        damage("a copy of a record is cut off", &["copy"], |s| {
            fs::write(s.copy("containers", &s.container), b"{").unwrap();
        }),
        damage("an account that is wrong", &["layer-account"], |s| {
            s.sql(&format!("UPDATE layer SET content = 1 WHERE chain_id = '{}'", s.pair[0]));
        }),
        lost("a file of a layer is shorter", &["layer-account"], |s| {
            let file = s.tree("layers", &s.pair[0]).join("etc/lower");
            fs::File::options().write(true).open(file).unwrap().set_len(0).unwrap();
        }),
        lost("an outline is gone", &["outline-missing"], |s| {
            fs::remove_file(s.engine().join("outlines").join(&s.pair[1])).unwrap();
        }),
        Damage {
            content: true,
            ..lost("a file of a layer is another", &["layer-content"], |s| {
                fs::write(s.tree("layers", &s.pair[0]).join("etc/lower"), vec![b'x'; 5000])
                    .unwrap();
            })
        },
    ]
}

/// What crashes leave: nothing wrong, and gone after `storage gc`.
fn leftovers() -> Vec<Damage> {
    vec![
        damage("a half-made layer", &["half-made"], |s| {
            fs::create_dir(s.node("making", "unpack-0-0")).unwrap();
        }),
        damage("work that ended early", &["work-unfinished"], |s| {
            s.sql("INSERT INTO unfinished VALUES ('0123')");
        }),
        damage("a ticket of a mount that is gone", &["ticket-stale"], |s| {
            let (id, driver) = (&s.container, s.driver);
            let ticket =
                format!(r#"{{"driver":"{driver}","draft":"{id}","path":"/x","token":"x"}}"#);
            fs::write(s.node("tickets", id), ticket).unwrap();
        }),
        damage("a mount point of nothing", &["mount-point"], |s| {
            fs::create_dir(s.node("mounts", "gone")).unwrap();
        }),
        damage("removed, not deleted", &["trash"], |s| {
            fs::create_dir(s.node("trash", "x.0")).unwrap();
        }),
        damage("a copy not put in place", &["copy-pending"], |s| {
            let hex = s.image("1").split_once(':').unwrap().1.to_owned();
            let pending = s.engine().join("pending").join(format!("image-{hex}.new"));
            fs::rename(s.copy("images", &hex), pending).unwrap();
        }),
    ]
}

fn set(codes: &[&str]) -> BTreeSet<String> {
    codes.iter().map(|code| (*code).to_owned()).collect()
}

fn tried(driver: &'static str, damage: &Damage) {
    let store = Store::new(driver);
    let what = format!("{driver}: {}", damage.name);
    let args: &[&str] = if damage.content { &["--content"] } else { &[] };
    assert_eq!(store.check(args), (0, set(&[]), set(&[])), "{what}: before");
    let before = store.seen();
    (damage.does)(&store);
    assert_eq!(store.check(args), (1, set(damage.found), set(&[])), "{what}: found");
    let repair = store.sapwood.output(["storage", "repair"]);
    let said = String::from_utf8_lossy(&repair.stdout).into_owned();
    let errors = String::from_utf8_lossy(&repair.stderr).into_owned();
    match damage.fate {
        Fate::Mended => {
            assert_eq!(repair.status.code(), Some(0), "{what}: {said}{errors}");
            assert_eq!(store.check(args).1, set(&[]), "{what}: {said}");
            assert_eq!(store.seen(), before, "{what}: {said}");
        }
        Fate::Unsaved => {
            // What is lost is named, and what is intact still runs.
            let named = damage.content || said.contains("NOT SAVED") || said.contains("moved to");
            assert!(named, "{what}: {said}{errors}");
            let out = store.sapwood.ok(["run", "--rm", "busybox", "echo", "runs"]);
            assert_eq!(out, "runs\n", "{what}");
            store.sapwood.output(["storage", "repair", "--prune-damaged"]);
            if !damage.content {
                assert_eq!(store.check(args).1, set(&[]), "{what}: pruned: {said}");
            }
        }
    }
}

#[test]
fn each_damage_is_found_and_mended_or_named() {
    let mut failed = Vec::new();
    for driver in DRIVERS {
        for damage in table() {
            // One that fails doesn't keep the others from being tried.
            if catch_unwind(AssertUnwindSafe(|| tried(driver, &damage))).is_err() {
                failed.push(format!("{driver}: {}", damage.name));
            }
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
}

#[test]
fn what_crashes_leave_is_nothing_wrong_and_goes() {
    for driver in DRIVERS {
        for damage in leftovers() {
            let store = Store::new(driver);
            let (what, before) = (format!("{driver}: {}", damage.name), store.seen());
            (damage.does)(&store);
            assert_eq!(store.check(&[]), (0, set(&[]), set(damage.found)), "{what}: found");
            store.sapwood.ok(["storage", "gc"]);
            assert_eq!(store.check(&[]), (0, set(&[]), set(&[])), "{what}: left");
            assert_eq!(store.seen(), before, "{what}");
        }
    }
}

/// As a process leaves it that was killed with a mount in the host's namespace.
#[test]
fn a_mount_without_a_holder_is_a_leftover_that_goes() {
    let failed = in_private_namespace(|| {
        let run = || {
            for driver in DRIVERS {
                let store = Store::new(driver);
                let point = store.node("mounts", &store.container);
                let bind =
                    Command::new("mount").arg("--bind").arg("/proc/sys").arg(&point).status();
                assert!(bind.unwrap().success());
                assert_eq!(store.check(&[]), (0, set(&[]), set(&["mount-stale"])), "{driver}");
                store.sapwood.ok(["storage", "gc"]);
                assert_eq!(store.check(&[]), (0, set(&[]), set(&[])), "{driver}");
                assert!(fs::read_dir(&point).unwrap().next().is_none(), "{driver}: still mounted");
            }
        };
        Ok(catch_unwind(AssertUnwindSafe(run)).err())
    });
    if let Some(panic) = failed.unwrap() {
        resume_unwind(panic);
    }
}

/// Without its database a store is no new one: nothing takes its layers for
/// nobody's.
#[test]
fn a_store_without_its_database_is_refused_until_it_is_mended() {
    for driver in DRIVERS {
        let store = Store::new(driver);
        let before = store.seen();
        for name in ["metadata.db", "metadata.db-wal", "metadata.db-shm"] {
            fs::remove_file(store.engine().join(name)).unwrap();
        }
        for command in [&["images"][..], &["ps", "-a"], &["storage", "gc"], &["system", "df"]] {
            let (status, said) = store.sapwood.fails(command);
            assert_eq!(status, 1);
            assert!(said.contains("storage repair"), "{said}");
        }
        store.sapwood.ok(["storage", "repair"]);
        assert_eq!(store.seen(), before);
        let out = store.sapwood.ok(["run", "--rm", "busybox", "echo", "runs"]);
        assert_eq!(out, "runs\n");
    }
}

#[test]
fn looking_changes_nothing() {
    let list = |root: &Path| {
        let mut all = BTreeSet::new();
        let mut dirs = vec![root.to_owned()];
        while let Some(dir) = dirs.pop() {
            for entry in fs::read_dir(dir).unwrap() {
                let entry = entry.unwrap();
                let meta = entry.metadata().unwrap();
                let shm = entry.file_name() == "metadata.db-shm";
                let changed = (!shm).then(|| meta.modified().unwrap());
                all.insert((entry.path(), meta.len(), changed));
                if meta.is_dir() {
                    dirs.push(entry.path());
                }
            }
        }
        all
    };
    for driver in DRIVERS {
        let store = Store::new(driver);
        fs::create_dir(store.node("making", "m")).unwrap();
        fs::create_dir(store.node("trash", "x.0")).unwrap();
        fs::remove_file(store.layer(&store.pair[1]).join("layer.json")).unwrap();
        // Both journals are there, as every command leaves them.
        let db = store.db();
        db.execute_batch("BEGIN; SELECT count(*) FROM layer; COMMIT").unwrap();
        let before = list(&store.sapwood.root());
        store.check(&[]);
        store.sapwood.output(["storage", "repair", "--dry-run"]);
        let after = list(&store.sapwood.root());
        let changed: Vec<_> = after.symmetric_difference(&before).collect();
        assert!(changed.is_empty(), "{driver}: {changed:?}");
    }
}
