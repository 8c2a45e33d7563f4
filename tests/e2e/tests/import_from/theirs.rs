//! What is compared: an image as its own engine shows it, and as it is here.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use sapwood_e2e::Sapwood;
use sapwood_e2e::images::{Compression, Entry, Format, Image, busybox};
use serde_json::Value;

/// A folder for an engine's store and for archives.
pub(crate) struct Work(tempfile::TempDir);

impl Work {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn dir(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir().join(name)
    }

    pub(crate) fn at(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// An archive of everything that an image can have and that both engines
    /// keep.
    pub(crate) fn seed(&self, name: &str) -> String {
        rich(name).write(&self.path("seed.tar"), Format::Docker, Compression::None).unwrap();
        self.at("seed.tar")
    }
}

/// One that runs, with what is hard to carry over.
pub(crate) fn rich(name: &str) -> Image {
    // VFS_CAP_REVISION_2, effective, CAP_NET_RAW.
    const CAPABILITY: [u8; 20] = [1, 0, 0, 2, 0, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let long = format!("deep/{}/{}", "d".repeat(120), "n".repeat(220));
    let raw = OsStr::from_bytes(b"deep/caf\xe9-\xff");
    let mut holes = vec![7; 300_000];
    holes[4096..200_000].fill(0);
    busybox(name)
        .unwrap()
        .layer(move |layer| {
            layer.add(&Entry::dir("deep"))?;
            layer.add(&Entry::dir(format!("deep/{}", "d".repeat(120))))?;
            layer.add(&Entry::file(&long, "long"))?;
            layer.add(&Entry::file(raw, "not UTF-8"))?;
            layer.add(&Entry::file("deep/holes", holes.clone()))?;
            layer.add(&Entry::file("deep/empty", ""))?;
            let ping = Entry::file("deep/ping", "ping").xattr("security.capability", CAPABILITY);
            layer.add(&ping.mode(0o755))?;
            layer.add(&Entry::file("deep/setuid", "s").mode(0o4755).owner(1000, 70_000))?;
            layer.add(&Entry::hard_link("deep/same", "deep/holes"))?;
            layer.add(&Entry::symlink("through", "deep"))?;
            layer.add(&Entry::file("through/link", "reached by a link"))?;
            layer.add(&Entry::fifo("deep/fifo"))?;
            layer.add(&Entry::file("deep/<&>\u{2028}\"\\", "what JSON escapes").mtime(5, 678))
        })
        .layer(|layer| {
            layer.add(&Entry::whiteout("deep/empty"))?;
            layer.add(&Entry::dir("etc"))?;
            layer.add(&Entry::opaque("etc"))?;
            layer.add(&Entry::file("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n"))?;
            layer.add(&Entry::file("etc/kept", "kept"))
        })
}

/// An image's id and its diff IDs, as `docker inspect` and `podman inspect`
/// have them.
pub(crate) fn ids(inspected: &str) -> (String, Value) {
    let shown: Value = serde_json::from_str(inspected).unwrap();
    let id = shown[0]["Id"].as_str().unwrap();
    let id = id.strip_prefix("sha256:").unwrap_or(id).to_owned();
    (id, shown[0]["RootFS"]["Layers"].clone())
}

/// The same of an image that is here.
#[track_caller]
pub(crate) fn ours(sapwood: &Sapwood, image: &str) -> (String, Value) {
    ids(&sapwood.ok(["inspect", image]))
}

/// That nothing here is damaged, contents included, and nothing left over.
#[track_caller]
pub(crate) fn is_clean(sapwood: &Sapwood) {
    sapwood.ok(["storage", "check", "--content"]);
    let nodes = sapwood.ok(["storage", "ls", "--format", "json"]);
    assert!(!nodes.contains("unpack-"), "{nodes}");
}

/// Runs the rich image, and saves it as it came.
#[track_caller]
pub(crate) fn works(sapwood: &Sapwood, image: &str) {
    let script = "cat /deep/link /etc/kept; ls /etc/group /deep/empty 2>&1; stat -c %h /deep/same; \
                  cat /deep/caf*; stat -c %a /deep/setuid; wc -c </deep/holes";
    let done = sapwood.output(["run", "--rm", image, "sh", "-c", script]);
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    let expected = "reached by a linkkeptls: /etc/group: No such file or directory\n\
                    ls: /deep/empty: No such file or directory\n2\nnot UTF-84755\n300000\n";
    assert_eq!(said, expected, "{}", String::from_utf8_lossy(&done.stderr));
    let saved = sapwood.scratch().join("saved");
    sapwood.ok(["save", "--format", "oci-dir", "-o", saved.to_str().unwrap(), image]);
    for layer in ours(sapwood, image).1.as_array().unwrap() {
        let hex = layer.as_str().unwrap().strip_prefix("sha256:").unwrap();
        assert!(saved.join("blobs/sha256").join(hex).is_file(), "{layer} isn't saved as it came");
    }
    fs::remove_dir_all(saved).unwrap();
}
