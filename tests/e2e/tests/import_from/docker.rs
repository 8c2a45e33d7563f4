//! Stores that Docker has made, while its daemon runs and afterwards.

use std::fs;

use rustix::process::geteuid;
use sapwood_e2e::Sapwood;

use crate::theirs::{Work, ids, is_clean, ours, works};
use crate::tools::{Docker, not_run};

const NAME: &str = "rich:1";

fn comes_over(driver: &str, onto: &str) {
    if !geteuid().is_root() {
        return not_run("needs root: run as root");
    }
    let work = Work::new();
    let Some(docker) = Docker::start(work.dir(), driver) else { return };
    docker.run(&["load", "-q", "-i", &work.seed(NAME)]);
    docker.run(&["tag", NAME, "rich:two"]);
    docker.run(&["tag", NAME, "quay.io/other/name:x"]);
    let context = work.path("context");
    fs::create_dir(&context).unwrap();
    let steps = format!(
        "FROM {NAME}\n\
         RUN rm -r /deep && mkdir /deep && echo new >/deep/file && ln /deep/file /deep/hard\n\
         COPY Dockerfile /copied\nLABEL a=b\n"
    );
    fs::write(context.join("Dockerfile"), steps).unwrap();
    let context = context.to_str().unwrap();
    docker.run(&["build", "-q", "--network", "none", "-t", "built:1", context]);

    let sapwood = Sapwood::on(onto);
    let store = work.at("docker");
    let said = sapwood.ok(["image", "import-from", &store]);
    let names = ["built:1", "quay.io/other/name:x", NAME, "rich:two"];
    let theirs = names.map(|name| ids(&docker.run(&["inspect", "--type", "image", name])));
    drop(docker);
    for (name, theirs) in names.iter().zip(theirs) {
        assert!(said.contains(&format!("Imported image: {name}\n")), "{said}");
        assert_eq!(ours(&sapwood, name), theirs, "{name}");
    }
    assert_eq!(said.lines().count(), 4, "the steps between have no names: {said}");
    works(&sapwood, NAME);
    let said = sapwood.ok(["run", "--rm", "built:1", "sh", "-c", "cat /deep/*; ls /deep"]);
    assert_eq!(said, "new\nnew\nfile\nhard\n");
    is_clean(&sapwood);

    let other = Sapwood::on("vfs");
    let said = other.ok(["image", "import-from", "-a", &store]);
    assert!(said.contains("Imported image ID: sha256:"), "{said}");
    assert_eq!(ours(&other, NAME), ours(&sapwood, NAME), "without the daemon too");
    let again = other.ok(["image", "import-from", "-a", &store]);
    assert!(again.lines().all(|line| line.starts_with("Already here")), "{again}");
    is_clean(&other);
}

#[test]
fn images_of_dockers_overlay2_come_over() {
    comes_over("overlay2", "overlay2");
}

#[test]
fn images_of_dockers_vfs_come_over() {
    comes_over("vfs", "overlay2");
}

#[test]
fn images_of_dockers_fuse_overlayfs_come_over() {
    if !std::path::Path::new("/usr/bin/fuse-overlayfs").is_file() {
        return not_run("fuse-overlayfs isn't installed: apt-get install fuse-overlayfs");
    }
    comes_over("fuse-overlayfs", "overlay2");
}
