//! Archives whose layers are harmless, and whose manifests and members aren't.

use sha2::{Digest, Sha256};

use super::layers::Outcome::{self, Either, Refused};
use super::tar::Tar;
use super::{EVIL, Target};

/// An archive's parts, each of which can be made worse.
struct Parts {
    manifest: String,
    config: String,
    layer: Vec<u8>,
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

fn config(diff_ids: &str) -> String {
    format!(
        r#"{{"architecture":"amd64","os":"linux","rootfs":{{"type":"layers","diff_ids":[{diff_ids}]}}}}"#
    )
}

fn manifest(tags: &str, layers: &str) -> String {
    format!(r#"[{{"Config":"config.json","RepoTags":[{tags}],"Layers":[{layers}]}}]"#)
}

impl Parts {
    fn new() -> Self {
        let layer = Tar::new().dir("etc").file("etc/y").end();
        Self {
            manifest: manifest(&format!("{EVIL:?}"), r#""layer.tar""#),
            config: config(&format!(r#""sha256:{}""#, digest(&layer))),
            layer,
        }
    }

    /// With this manifest.
    fn manifest(text: impl Into<String>) -> Vec<u8> {
        Self { manifest: text.into(), ..Self::new() }.pack()
    }

    fn tags(tags: &str) -> Vec<u8> {
        Self::manifest(manifest(tags, r#""layer.tar""#))
    }

    fn layers(layers: &str) -> Vec<u8> {
        Self::manifest(manifest(&format!("{EVIL:?}"), layers))
    }

    fn config(text: impl Into<String>) -> Vec<u8> {
        Self { config: text.into(), ..Self::new() }.pack()
    }

    fn diff_ids(ids: &str) -> Vec<u8> {
        Self::config(config(ids))
    }

    fn pack(&self) -> Vec<u8> {
        let with_config =
            self.with_manifest().entry(b'0', b"config.json", b"", self.config.as_bytes());
        with_config.entry(b'0', b"layer.tar", b"", &self.layer).end()
    }

    fn with_manifest(&self) -> Tar {
        Tar::new().entry(b'0', b"manifest.json", b"", self.manifest.as_bytes())
    }

    /// All but the layer, which is an entry of another kind.
    fn with_layer(&self, kind: u8, link: &[u8]) -> Vec<u8> {
        let tar = self.with_manifest().entry(b'0', b"config.json", b"", self.config.as_bytes());
        tar.entry(kind, b"layer.tar", link, b"").end()
    }
}

/// What it is, what becomes of it, and how it is made.
type Row = (&'static str, Outcome, fn() -> Vec<u8>);

const ROWS: &[Row] = &[
    ("a layer that is a link to a file of the host", Refused("isn't in it"), || {
        Parts::new().with_layer(b'2', b"/etc/passwd")
    }),
    ("a layer that is a link out of the archive", Refused("isn't in it"), || {
        Parts::new().with_layer(b'2', b"../canary/secret")
    }),
    ("a layer that is a link to itself", Refused("links lead in a circle"), || {
        Parts::new().with_layer(b'2', b"layer.tar")
    }),
    ("a layer that is a hard link to nothing", Refused("isn't in it"), || {
        Parts::new().with_layer(b'1', b"/etc/passwd")
    }),
    ("a layer that is a folder", Refused("isn't in it"), || Parts::new().with_layer(b'5', b"")),
    ("a layer that is a device", Refused("isn't in it"), || Parts::new().with_layer(b'3', b"")),
    ("a manifest that is a link", Refused("there is no image in it"), || {
        Tar::new().entry(b'2', b"manifest.json", b"/etc/passwd", b"").end()
    }),
    ("a layer by a path above", Refused("isn't in it"), || Parts::layers(r#""../canary/secret""#)),
    ("a layer by an absolute path", Refused("isn't in it"), || Parts::layers(r#""/etc/passwd""#)),
    ("a layer without a name", Refused("isn't in it"), || Parts::layers(r#""""#)),
    ("a layer with a zero byte in its name", Refused("isn't in it"), || {
        Parts::layers(r#""layer.tar\u0000""#)
    }),
    ("more layers than diff IDs", Refused("names 1 layers, and it has 2"), || {
        Parts::layers(r#""layer.tar","layer.tar""#)
    }),
    ("fewer layers than diff IDs", Refused("names 1 layers, and it has 0"), || Parts::layers("")),
    ("no diff ID", Refused("names 0 layers, and it has 1"), || Parts::diff_ids("")),
    ("a diff ID of something else", Refused("its digest is"), || {
        Parts::diff_ids(&format!(r#""sha256:{}""#, digest(b"else")))
    }),
    ("a diff ID of a broken algorithm", Refused("begins with sha256:"), || {
        Parts::diff_ids(r#""md5:d41d8cd98f00b204e9800998ecf8427e""#)
    }),
    ("a diff ID that is a path", Refused("64 hexadecimal digits"), || {
        Parts::diff_ids(r#""sha256:../../../canary""#)
    }),
    ("a diff ID in capitals", Refused("lower-case"), || {
        Parts::diff_ids(&format!(r#""sha256:{}""#, digest(&Parts::new().layer).to_uppercase()))
    }),
    ("a name with an escape of a terminal", Refused("is no name"), || {
        Parts::tags(r#""evil:\u001b[2J""#)
    }),
    ("a name that is a path", Refused("is no name"), || Parts::tags(r#""../../canary:1""#)),
    ("a name that is an image's ID", Refused("is no name"), || {
        Parts::tags(&format!("{:?}", digest(b"x")))
    }),
    ("a name of 4,000 letters", Refused("is no name"), || {
        Parts::tags(&format!("{:?}", "x".repeat(4000)))
    }),
    ("a manifest that is no list", Refused("expected a sequence"), || {
        Parts::manifest(r#"{"Config":"config.json"}"#)
    }),
    ("a manifest that is nothing", Refused("can't be understood"), || Parts::manifest("")),
    ("a manifest of no images", Refused("names 0 images"), || Parts::manifest("[]")),
    ("a manifest of brackets", Refused("can't be understood"), || {
        Parts::manifest("[".repeat(100_000))
    }),
    ("a manifest that is too long", Refused("limit manifest-bytes"), || {
        Parts::manifest(format!("[{}]", " ".repeat(32 << 20)))
    }),
    ("a manifest that isn't text", Refused("can't be understood"), || {
        let parts = Parts::new();
        let tar = Tar::new().entry(b'0', b"manifest.json", b"", b"[\"\xff\xfe\"]");
        tar.entry(b'0', b"layer.tar", b"", &parts.layer).end()
    }),
    ("a configuration that says everything twice", Refused("duplicate field"), || {
        let once = config(&format!(r#""sha256:{}""#, digest(&Parts::new().layer)));
        Parts::config(once.replace(r#""os":"linux""#, r#""os":"linux","os":"plan9","rootfs":{}"#))
    }),
    ("a configuration of brackets", Refused("isn't a JSON object"), || {
        Parts::config("[".repeat(100_000))
    }),
    ("a configuration that isn't there", Refused("isn't in it"), || {
        Parts::manifest(
            manifest(&format!("{EVIL:?}"), r#""layer.tar""#).replace("config.json", "x"),
        )
    }),
    ("a configuration for another system", Refused("it is for windows"), || {
        let own = config(&format!(r#""sha256:{}""#, digest(&Parts::new().layer)));
        Parts::config(own.replace("linux", "windows"))
    }),
    ("two manifests", Either, || {
        let parts = Parts::new();
        let tar = parts.with_manifest().entry(b'0', b"manifest.json", b"", b"[]");
        let tar = tar.entry(b'0', b"config.json", b"", parts.config.as_bytes());
        tar.entry(b'0', b"layer.tar", b"", &parts.layer).end()
    }),
    ("two layers of one name", Either, || {
        let parts = Parts::new();
        let tar = parts.with_manifest().entry(b'0', b"config.json", b"", parts.config.as_bytes());
        let tar = tar.entry(b'0', b"layer.tar", b"", b"something else");
        tar.entry(b'0', b"layer.tar", b"", &parts.layer).end()
    }),
    ("the same image twice", Either, || {
        let one = manifest(&format!("{EVIL:?}"), r#""layer.tar""#);
        let one = one.trim_matches(['[', ']']);
        Parts::manifest(format!("[{one},{one}]").replace("\"layer.tar\"}", "\"layer.tar\"]}"))
    }),
];

fn harm_nobody(driver: &str) {
    let target = Target::without_evil(driver);
    let mut wrong = Vec::new();
    for (what, expected, make) in ROWS {
        let archive = target.write("image.tar", &make());
        wrong.extend(target.wrong(what, &["load", "-q", "-i", &archive], *expected));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn manifests_harm_nobody_vfs() {
    harm_nobody("vfs");
}

#[test]
fn manifests_harm_nobody_overlay2() {
    harm_nobody("overlay2");
}
