//! Archives of Docker, podman, buildah, umoci and skopeo: loaded, saved, loaded
//! again; and what is saved is loaded by them. Every id has to be the same.

use std::fs;
use std::path::{Path, PathBuf};

use sapwood_e2e::Sapwood;
use sapwood_e2e::images::{Compression, Entry, Format, Image};
use serde_json::Value;

use crate::tools::{Docker, not_run, tool};

const NAME: &str = "localhost/made/by:1";

/// A folder for tools and their stores.
struct Work(tempfile::TempDir);

impl Work {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn at(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Something to begin with, of our own making.
    fn seed(&self) -> String {
        let path = self.path("seed.tar");
        let image = Image::new(NAME)
            .layer(|layer| {
                layer.add(&Entry::dir("usr"))?;
                layer.add(&Entry::dir("usr/bin"))?;
                layer.add(&Entry::symlink("bin", "usr/bin"))?;
                layer.add(&Entry::file("usr/bin/tool", vec![7; 70_000]).mode(0o4755))?;
                layer.add(&Entry::hard_link("usr/bin/alias", "usr/bin/tool"))?;
                layer.add(&Entry::file("n".repeat(180), "long"))
            })
            .layer(|layer| {
                layer.add(&Entry::whiteout("usr/bin/alias"))?;
                layer.add(&Entry::file("etc-passwd", "me"))
            });
        image.write(&path, Format::Docker, Compression::None).unwrap();
        self.at("seed.tar")
    }
}

fn podman(work: &Work, args: &[&str]) -> Option<String> {
    let (root, run) = (work.at("podman"), work.at("podman-run"));
    let own = ["--root", &root, "--runroot", &run, "--storage-driver", "vfs"];
    tool("podman", &[&own, args].concat())
}

/// The ids of all images with their diff IDs.
fn images(sapwood: &Sapwood) -> Vec<(String, Value)> {
    let ids = sapwood.ok(["images", "-q", "--no-trunc"]);
    let of = |id: &str| {
        let shown = sapwood.json(["inspect", id]);
        (id.to_owned(), shown[0]["RootFS"].clone())
    };
    let mut images: Vec<_> = ids.lines().map(of).collect();
    images.sort_by(|a, b| a.0.cmp(&b.0));
    images.dedup();
    images
}

/// Loads what somebody wrote, saves it in every format, and loads that; gives
/// the docker-archive.
#[track_caller]
fn there_and_back(work: &Work, archive: &str) -> String {
    let first = Sapwood::on("overlay2");
    first.ok(["load", "-q", "-i", archive]);
    let expected = images(&first);
    assert!(expected.iter().all(|(_, rootfs)| rootfs["Layers"].is_array()), "{expected:?}");
    let names = first.ok(["images", "-q", "--no-trunc"]);
    let named = first.json(["inspect", names.lines().next().unwrap()]);
    let given = match named[0]["RepoTags"].as_array().and_then(|tags| tags.first()) {
        Some(tag) => tag.as_str().unwrap().to_owned(),
        None => expected[0].0.clone(),
    };
    for format in ["oci-dir", "oci-archive", "docker-archive"] {
        let path = work.at(&format!("saved.{format}"));
        first.ok(["save", "--format", format, "-o", &path, &given]);
        let second = Sapwood::on("vfs");
        second.ok(["load", "-q", "-i", &path]);
        assert_eq!(images(&second), expected, "{format}");
        assert_eq!(second.ok(["images"]).lines().count(), 2, "{format}");
        if format != "docker-archive" {
            remove(Path::new(&path));
        }
    }
    work.at("saved.docker-archive")
}

fn remove(path: &Path) {
    if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }.unwrap();
}

#[test]
fn of_our_own_making() {
    let work = Work::new();
    let seed = work.seed();
    there_and_back(&work, &seed);
}

#[test]
fn of_skopeo() {
    let work = Work::new();
    let from = format!("docker-archive:{}", work.seed());
    for (transport, path) in [("docker-archive", "a.tar"), ("oci-archive", "b.tar"), ("oci", "c")] {
        let to = format!("{transport}:{}:{NAME}", work.at(path));
        if tool("skopeo", &["copy", "-q", &from, &to]).is_none() {
            return;
        }
        let saved = there_and_back(&work, &work.at(path));
        // Skopeo's OCI layouts have other configurations than its docker
        // archives, so both are compared as layouts.
        let id = |from: &str| -> Value {
            let copy = format!("oci:{}:again", work.at("copied"));
            tool("skopeo", &["copy", "-q", from, &copy]);
            let raw = tool("skopeo", &["inspect", "--raw", &copy]).unwrap();
            remove(&work.path("copied"));
            serde_json::from_str::<Value>(&raw).unwrap()["config"]["digest"].clone()
        };
        assert_eq!(id(&format!("docker-archive:{saved}")), id(&to), "{transport}");
    }
}

#[test]
fn of_podman() {
    let work = Work::new();
    if podman(&work, &["load", "-q", "-i", &work.seed()]).is_none() {
        return;
    }
    let id = |work: &Work| podman(work, &["inspect", "--format", "{{.Id}}", NAME]).unwrap();
    let before = id(&work);
    for format in ["docker-archive", "oci-archive", "oci-dir"] {
        let path = work.at(format);
        podman(&work, &["save", "-q", "--format", format, "-o", &path, NAME]);
        let saved = there_and_back(&work, &path);
        podman(&work, &["rmi", "-f", NAME]);
        podman(&work, &["load", "-q", "-i", &saved]);
        assert_eq!(id(&work), before, "{format}");
    }
}

#[test]
fn of_buildah() {
    let work = Work::new();
    let (root, run) = (work.at("buildah"), work.at("buildah-run"));
    let buildah = |args: &[&str]| {
        let own = ["--root", &root, "--runroot", &run, "--storage-driver", "vfs"];
        tool("buildah", &[&own, args].concat())
    };
    let Some(container) = buildah(&["from", "scratch"]) else { return };
    fs::write(work.path("file"), "content").unwrap();
    buildah(&["copy", "-q", container.trim(), &work.at("file"), "/etc/file"]);
    buildah(&["commit", "-q", container.trim(), NAME]);
    for (transport, path) in [("docker-archive", "a.tar"), ("oci-archive", "b.tar")] {
        let to = format!("{transport}:{}:{NAME}", work.at(path));
        buildah(&["push", "-q", NAME, &to]);
        there_and_back(&work, &work.at(path));
    }
}

#[test]
fn of_umoci() {
    let work = Work::new();
    let layout = work.at("layout");
    let image = format!("{layout}:v1");
    if tool("umoci", &["init", "--layout", &layout]).is_none() {
        return;
    }
    tool("umoci", &["new", "--image", &image]);
    fs::create_dir(work.path("more")).unwrap();
    fs::write(work.path("more/file"), [1; 3000]).unwrap();
    let bundle = work.at("bundle");
    tool("umoci", &["unpack", "--image", &image, &bundle]);
    fs::write(work.path("bundle/rootfs/first"), "1").unwrap();
    tool("umoci", &["repack", "--image", &image, &bundle]);
    tool("umoci", &["insert", "--image", &image, &work.at("more"), "/more"]);
    tool("umoci", &["insert", "--image", &image, "--whiteout", "/first"]);
    there_and_back(&work, &layout);
}

#[test]
fn of_docker() {
    if !rustix::process::geteuid().is_root() {
        return not_run("needs root: run as root");
    }
    let work = Work::new();
    let Some(docker) = Docker::start(work.0.path(), "vfs") else { return };
    docker.run(&["load", "-q", "-i", &work.seed()]);
    let id = |docker: &Docker| docker.run(&["inspect", "--format", "{{.Id}}", NAME]);
    let before = id(&docker);
    docker.run(&["save", "-o", &work.at("docker.tar"), NAME]);
    let saved = there_and_back(&work, &work.at("docker.tar"));
    docker.run(&["rmi", "-f", NAME]);
    docker.run(&["load", "-q", "-i", &saved]);
    assert_eq!(id(&docker), before);
}
