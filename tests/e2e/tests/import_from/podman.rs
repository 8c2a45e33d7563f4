//! Stores that Podman and Buildah have made.

use std::fs;

use rustix::process::geteuid;
use sapwood_e2e::Sapwood;

use crate::theirs::{Work, ids, is_clean, ours, works};
use crate::tools::{fenced, not_run, tool};

const NAME: &str = "localhost/rich:1";

fn store(work: &Work, program: &str, driver: &str, args: &[&str]) -> Option<String> {
    let (root, run) = (work.at("store"), work.at("run"));
    let own = ["--root", &root, "--runroot", &run, "--storage-driver", driver];
    fenced(program, &[&own, args].concat())
}

/// Loads, tags, builds on it; then all comes over.
fn comes_over(driver: &str, onto: &str) {
    if !geteuid().is_root() {
        return not_run("needs root: run as root");
    }
    let work = Work::new();
    let podman = |args: &[&str]| store(&work, "podman", driver, args);
    if podman(&["load", "-q", "-i", &work.seed(NAME)]).is_none() {
        return;
    }
    podman(&["tag", NAME, "localhost/rich:two", "quay.io/other/name:x"]);
    let context = work.path("context");
    fs::create_dir(&context).unwrap();
    let steps = format!(
        "FROM {NAME}\n\
         RUN rm -r /deep && mkdir /deep && echo new >/deep/file && ln /deep/file /deep/hard\n\
         COPY Containerfile /copied\nLABEL a=b\n"
    );
    fs::write(context.join("Containerfile"), steps).unwrap();
    let built = ["build", "-q", "--isolation", "chroot", "--network", "host", "-t", "built:1"];
    podman(&[&built[..], &[context.to_str().unwrap()]].concat());

    let sapwood = Sapwood::on(onto);
    let said = sapwood.ok(["image", "import-from", &work.at("store")]);
    for name in ["localhost/built:1", NAME, "localhost/rich:two", "quay.io/other/name:x"] {
        assert!(said.contains(&format!("Imported image: {name}\n")), "{said}");
        let theirs = ids(&podman(&["inspect", "--type", "image", name]).unwrap());
        assert_eq!(ours(&sapwood, name), theirs, "{name}");
    }
    assert_eq!(said.lines().count(), 4, "{said}");
    works(&sapwood, NAME);
    let said =
        sapwood.ok(["run", "--rm", "localhost/built:1", "sh", "-c", "cat /deep/*; ls /deep"]);
    assert_eq!(said, "new\nnew\nfile\nhard\n");
    is_clean(&sapwood);
    let again = sapwood.ok(["image", "import-from", &work.at("store")]);
    assert_eq!(again.lines().filter(|l| l.starts_with("Already here: ")).count(), 4, "{again}");
    is_clean(&sapwood);
    let digests = podman(&["inspect", "--format", "{{.Digest}}", NAME]).unwrap();
    assert!(sapwood.ok(["inspect", NAME]).contains(digests.trim()), "the manifest is kept");
}

#[test]
fn images_of_podmans_overlay_come_over() {
    comes_over("overlay", "overlay2");
}

#[test]
fn images_of_podmans_vfs_come_over() {
    comes_over("vfs", "vfs");
}

/// Whatever goes and comes there meanwhile: an import is whole, or an error in
/// one line that leaves nothing.
#[test]
fn a_store_that_changes_meanwhile_does_no_harm() {
    if !geteuid().is_root() {
        return not_run("needs root: run as root");
    }
    let work = Work::new();
    let seed = work.seed(NAME);
    let podman = |args: &[&str]| store(&work, "podman", "overlay", args);
    if podman(&["load", "-q", "-i", &seed]).is_none() {
        return;
    }
    let (sapwood, path) = (Sapwood::on("vfs"), work.at("store"));
    std::thread::scope(|scope| {
        let changing = scope.spawn(|| {
            for _ in 0..8 {
                podman(&["rmi", "-f", NAME]).unwrap();
                podman(&["load", "-q", "-i", &seed]).unwrap();
            }
        });
        while !changing.is_finished() {
            let done = sapwood.output(["image", "import-from", &path]);
            let said = String::from_utf8(done.stderr).unwrap();
            match done.status.code() {
                Some(0) => drop(sapwood.ok(["rmi", NAME])),
                Some(1) => assert_eq!(said.lines().count(), 1, "{said}"),
                status => panic!("{status:?}: {said}"),
            }
            is_clean(&sapwood);
        }
    });
    sapwood.ok(["image", "import-from", &path]);
    works(&sapwood, NAME);
}

/// Such a layer can't be given back by anybody: at least it is said why.
#[test]
fn a_layer_with_sparse_files_is_refused_with_the_reason() {
    if !geteuid().is_root() {
        return not_run("needs root: run as root");
    }
    let work = Work::new();
    let tree = work.path("tree");
    fs::create_dir(&tree).unwrap();
    let file = fs::File::create(tree.join("holes")).unwrap();
    file.set_len(3 << 20).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, b"data", 1 << 20).unwrap();
    let archive = work.at("tree.tar");
    tool("tar", &["-S", "--format=posix", "-C", tree.to_str().unwrap(), "-cf", &archive, "."]);
    let podman = |args: &[&str]| store(&work, "podman", "vfs", args);
    if podman(&["import", "-q", &archive, "sparse:1"]).is_none() {
        return;
    }
    let sapwood = Sapwood::on("vfs");
    let (_, said) = sapwood.fails(["image", "import-from", &work.at("store")]);
    assert!(said.contains("\"./holes\" was sparse in the layer's archive"), "{said}");
    is_clean(&sapwood);
    assert_eq!(sapwood.ok(["images", "-q"]), "");
}

#[test]
fn images_of_buildah_come_over() {
    if !geteuid().is_root() {
        return not_run("needs root: run as root");
    }
    let work = Work::new();
    let buildah = |args: &[&str]| store(&work, "buildah", "vfs", args);
    let Some(container) = buildah(&["from", "scratch"]) else { return };
    fs::write(work.path("file"), "content").unwrap();
    buildah(&["copy", "-q", container.trim(), &work.at("file"), "/etc/file"]).unwrap();
    let id = buildah(&["commit", "-q", container.trim(), "localhost/built:1"]).unwrap();
    let nameless = buildah(&["commit", "-q", container.trim()]).unwrap();
    let sapwood = Sapwood::on("overlay2");
    // By the beginning of an ID, and by a name without its host.
    let said = sapwood.ok(["image", "import-from", &work.at("store"), &nameless[..9], "built:1"]);
    assert!(said.contains("Imported image: localhost/built:1\n"), "{said}");
    assert_eq!(ours(&sapwood, "localhost/built:1").0, id.trim());
    assert_eq!(ours(&sapwood, nameless.trim()).0, nameless.trim());
    is_clean(&sapwood);
}
