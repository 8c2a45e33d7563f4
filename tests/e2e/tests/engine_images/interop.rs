//! What other people's tools write is loaded, and has the id that they say.

use std::fs::File;
use std::path::Path;
use std::process::Command;

use sapwood_e2e::images::{Compression, Format};
use serde_json::Value;

use crate::fixture::{Fixture, three_layers};

/// What a tool prints; `None`, told as not run, where it isn't installed.
fn tool(name: &str, args: &[&str]) -> Option<String> {
    match Command::new(name).args(args).output() {
        Ok(done) => {
            let said = String::from_utf8_lossy(&done.stderr);
            assert!(done.status.success(), "{name} {args:?}: {said}");
            Some(String::from_utf8(done.stdout).unwrap())
        }
        Err(e) => {
            sapwood_vm::not_run(&format!("{name}: {e}: apt-get install {name}")).unwrap();
            None
        }
    }
}

/// The only image that the archive at `path` brings, by its id.
#[track_caller]
fn load(f: &Fixture, path: &str) -> String {
    let loaded = f.engine.load(File::open(path).unwrap(), path, &sapwood_engine::image::Silent);
    let loaded = loaded.unwrap_or_else(|e| panic!("{}", e.report()));
    assert_eq!(loaded.len(), 1, "{path}");
    loaded[0].id.to_string()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn skopeos_copies_are_loaded() {
    let f = Fixture::new();
    let layout = f.archive(&three_layers("x:1"), Format::OciFolder, Compression::Gzip);
    let from = format!("oci:{}:x:1", text(&layout));
    let rows: [(&str, &str, &[&str]); 4] = [
        ("docker-archive", "a.tar", &[]),
        ("oci-archive", "b.tar", &[]),
        ("oci", "c", &[]),
        ("oci", "d", &["--dest-compress-format", "zstd"]),
    ];
    for (transport, name, options) in rows {
        let path = f.path(name);
        let to = format!("{transport}:{}:copied:1", text(&path));
        let args = [&["copy", "-q"], options, &[&from, &to]].concat();
        if tool("skopeo", &args).is_none() {
            return;
        }
        let id = load(&f, text(&path));
        let said = tool("skopeo", &["inspect", "--raw", &to]).unwrap();
        assert_eq!(json(&said)["config"]["digest"], *id, "{to}");
        assert_eq!(f.engine.image("copied:1").unwrap().id.to_string(), id);
    }
    assert_eq!(f.nodes().len(), 3, "the same layers in every form");
}

#[test]
fn podman_loads_and_saves_the_same_images() {
    if !rustix::process::geteuid().is_root() {
        return sapwood_vm::not_run("needs root: run as root").unwrap();
    }
    let f = Fixture::new();
    let (root, run) = (f.path("podman"), f.path("podman-run"));
    let podman = |args: &[&str]| {
        let own = ["--root", text(&root), "--runroot", text(&run), "--storage-driver", "vfs"];
        tool("podman", &[&own, args].concat())
    };
    let ours = f.archive(&three_layers("localhost/x:1"), Format::Docker, Compression::None);
    if podman(&["load", "-q", "-i", text(&ours)]).is_none() {
        return;
    }
    let shown = podman(&["inspect", "--format", "{{.Id}}", "localhost/x:1"]).unwrap();
    assert_eq!(load(&f, text(&ours)), format!("sha256:{}", shown.trim()));
    for (format, transport) in
        [("docker-archive", "docker-archive"), ("oci-archive", "oci-archive"), ("oci-dir", "oci")]
    {
        let path = f.path(format);
        podman(&["save", "-q", "--format", format, "-o", text(&path), "localhost/x:1"]).unwrap();
        let id = load(&f, text(&path));
        let name = format!("{transport}:{}", text(&path));
        if let Some(raw) = tool("skopeo", &["inspect", "--raw", &name]) {
            assert_eq!(json(&raw)["config"]["digest"], *id, "{format}");
        }
    }
    // Skopeo's own kind of folder, which no engine reads.
    let dir = f.path("docker-dir");
    podman(&["save", "-q", "--format", "docker-dir", "-o", text(&dir), "localhost/x:1"]).unwrap();
    f.refuses(&dir, &["skopeo's own format"]);
    // Podman keeps several images in one archive.
    podman(&["tag", "localhost/x:1", "localhost/y:1"]).unwrap();
    let both = f.path("both.tar");
    let names = ["localhost/x:1", "localhost/y:1"];
    podman(&[&["save", "-q", "-m", "-o", text(&both)], &names[..]].concat()).unwrap();
    load(&f, text(&both));
    assert_eq!(f.engine.image(names[1]).unwrap().id, f.engine.image(names[0]).unwrap().id);
}

#[test]
fn umocis_layouts_are_loaded() {
    if !rustix::process::geteuid().is_root() {
        return sapwood_vm::not_run("needs root: run as root").unwrap();
    }
    let f = Fixture::new();
    let layout = f.path("layout");
    let image = format!("{}:v1", text(&layout));
    if tool("umoci", &["init", "--layout", text(&layout)]).is_none() {
        return;
    }
    tool("umoci", &["new", "--image", &image]);
    let bundle = f.path("bundle");
    tool("umoci", &["unpack", "--image", &image, text(&bundle)]);
    std::fs::create_dir(bundle.join("rootfs/etc")).unwrap();
    std::fs::write(bundle.join("rootfs/etc/file"), "content").unwrap();
    tool("umoci", &["repack", "--image", &image, text(&bundle)]);
    tool("umoci", &["config", "--image", &image, "--config.cmd", "/bin/true"]);
    let id = load(&f, text(&layout));
    let raw = tool("skopeo", &["inspect", "--raw", &format!("oci:{image}")]);
    if let Some(raw) = raw {
        assert_eq!(json(&raw)["config"]["digest"], *id);
    }
    let image = f.engine.image(&id).unwrap();
    assert!(image.names.is_empty(), "a tag alone names no image");
    assert_eq!(image.config.run_config()["Cmd"][0], "/bin/true");
    assert_eq!(f.nodes().len(), 1);
}

#[test]
fn buildahs_images_are_loaded() {
    if !rustix::process::geteuid().is_root() {
        return sapwood_vm::not_run("needs root: run as root").unwrap();
    }
    let f = Fixture::new();
    let (root, run) = (f.path("buildah"), f.path("buildah-run"));
    let buildah = |args: &[&str]| {
        let own = ["--root", text(&root), "--runroot", text(&run), "--storage-driver", "vfs"];
        tool("buildah", &[&own, args].concat())
    };
    let Some(container) = buildah(&["from", "scratch"]) else { return };
    std::fs::write(f.path("file"), "content").unwrap();
    buildah(&["copy", "-q", container.trim(), text(&f.path("file")), "/etc/file"]).unwrap();
    let id = buildah(&["commit", "-q", container.trim(), "localhost/built:1"]).unwrap();
    let path = f.path("built.tar");
    let to = format!("oci-archive:{}:localhost/built:1", text(&path));
    buildah(&["push", "-q", "localhost/built:1", &to]).unwrap();
    assert_eq!(load(&f, text(&path)), format!("sha256:{}", id.trim()));
    assert!(f.engine.image("localhost/built:1").is_ok());
}
