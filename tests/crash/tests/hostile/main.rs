//! Archives that mean harm or are damaged, given to `load` and to `import` on
//! each driver: each is refused in one line that says why, or unpacked without
//! harm. Nothing beside the store is touched, and nothing is left in it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod layers;
mod manifests;
mod packed;
mod tar;

use std::fs;
use std::path::PathBuf;

use layers::{LAYERS, Outcome};
use sapwood_crash::Inventory;
use sapwood_e2e::Sapwood;
use sha2::{Digest, Sha256};

/// What a hostile archive's image is called.
pub(crate) const EVIL: &str = "evil:1";

const CHECK: [&str; 3] = ["storage", "check", "--content"];

/// A store with an image, and a folder that nothing may touch.
pub(crate) struct Target {
    pub(crate) sapwood: Sapwood,
    pub(crate) rest: Inventory,
    canary: PathBuf,
}

impl Target {
    pub(crate) fn on(driver: &str) -> Self {
        let sapwood = Sapwood::on(driver);
        let canary = sapwood.scratch().join("canary");
        fs::create_dir(&canary).unwrap();
        fs::write(canary.join("secret"), "untouched").unwrap();
        let this = Self { sapwood, rest: Inventory::new(), canary };
        let good = this.write("good.tar", &docker(&tar::Tar::new().dir("etc").file("etc/x").end()));
        this.sapwood.ok(["load", "-q", "-i", &good]);
        // Makes what every layer has once something was made on it.
        this.sapwood.ok(CHECK);
        let rest = this.inventory();
        Self { rest, ..this }
    }

    /// The same, where the image that is there hasn't the hostile one's name.
    pub(crate) fn without_evil(driver: &str) -> Self {
        let target = Self::on(driver);
        target.sapwood.ok(["tag", EVIL, "good:1"]);
        target.sapwood.ok(["rmi", EVIL]);
        let rest = target.inventory();
        Self { rest, ..target }
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.sapwood.scratch().join(name);
        fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    }

    pub(crate) fn inventory(&self) -> Inventory {
        sapwood_crash::inventory(&self.sapwood.root()).unwrap()
    }

    /// Runs a command that brings the image [`EVIL`], or doesn't.
    #[track_caller]
    pub(crate) fn judge(&self, what: &str, args: &[&str], expected: Outcome) {
        if let Some(wrong) = self.wrong(what, args, expected) {
            panic!("{wrong}");
        }
    }

    /// What is wrong with how such a command ended, and what it left.
    pub(crate) fn wrong(&self, what: &str, args: &[&str], expected: Outcome) -> Option<String> {
        let done = self.sapwood.output(args);
        let said = String::from_utf8_lossy(&done.stderr);
        let what = format!("{what}, {}: {}: {said}", args[0], done.status);
        let as_expected = match (done.status.code(), expected) {
            (Some(0), Outcome::Unpacked | Outcome::Either) => {
                // Whatever it is in the tree, it is what the archive says.
                self.sapwood.ok(CHECK);
                self.sapwood.ok(["rmi", EVIL]);
                true
            }
            (Some(1), Outcome::Refused(words)) => said.contains(words),
            (Some(1), Outcome::Either) => true,
            _ => false,
        };
        let is_told_well = said.lines().count() <= 1 && !said.contains('\u{1b}');
        if !as_expected || !is_told_well {
            return Some(format!("{expected:?}, but {what}"));
        }
        let secret = fs::read_to_string(self.canary.join("secret")).unwrap();
        if secret != "untouched" || fs::read_dir(&self.canary).unwrap().count() != 1 {
            return Some(format!("the canary was touched by {what}"));
        }
        let now = self.inventory();
        let new: Vec<_> = now.keys().filter(|path| !self.rest.contains_key(*path)).collect();
        (!new.is_empty()).then(|| format!("left over by {what}: {new:?}"))
    }
}

/// A docker-archive of an image of one layer, with the right digests.
pub(crate) fn docker(layer: &[u8]) -> Vec<u8> {
    let diff_id: String = Sha256::digest(layer).iter().map(|b| format!("{b:02x}")).collect();
    let config = format!(
        r#"{{"architecture":"amd64","os":"linux","config":{{}},"rootfs":{{"type":"layers","diff_ids":["sha256:{diff_id}"]}}}}"#
    );
    let manifest =
        format!(r#"[{{"Config":"config.json","RepoTags":["{EVIL}"],"Layers":["layer.tar"]}}]"#);
    tar::Tar::new()
        .entry(b'0', b"manifest.json", b"", manifest.as_bytes())
        .entry(b'0', b"config.json", b"", config.as_bytes())
        .entry(b'0', b"layer.tar", b"", layer)
        .end()
}

fn harm_nobody(driver: &str) {
    let target = Target::without_evil(driver);
    let out = target.canary.to_str().unwrap().to_owned();
    let mut wrong = Vec::new();
    for (what, expected, make) in LAYERS {
        let layer = make(&out);
        let alone = target.write("layer.tar", &layer);
        let whole = target.write("image.tar", &docker(&layer));
        let import: &[&str] = &["import", &alone, EVIL];
        let load: &[&str] = &["load", "-q", "-i", &whole];
        wrong.extend([import, load].into_iter().filter_map(|c| target.wrong(what, c, *expected)));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn layers_harm_nobody_vfs() {
    harm_nobody("vfs");
}

#[test]
fn layers_harm_nobody_overlay2() {
    harm_nobody("overlay2");
}

#[test]
fn there_are_sixty_kinds_of_layers() {
    let mut names: Vec<_> = LAYERS.iter().map(|(name, ..)| name).collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), LAYERS.len());
    assert!(names.len() >= 60, "{}", names.len());
}
