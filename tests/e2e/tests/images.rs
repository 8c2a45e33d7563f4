//! The images that other tests start from, held against other people's tools.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

use sapwood_e2e::images::{Compression, Entry, Format, Image, busybox, many_layers, realistic};
use serde_json::Value;

/// An image with all that an ordinary unpacker must get right.
fn colourful() -> Image {
    let long = format!("dir/{}", "n".repeat(250));
    Image::new("colourful:1")
        .layer(move |layer| {
            layer.add(&Entry::dir("dir").mode(0o1777).owner(12, 3_000_000))?;
            layer.add(&Entry::file("dir/file", "one").mode(0o4755).mtime(1_000_000_000, 5))?;
            layer.add(&Entry::file("dir/gone", "two"))?;
            layer.add(&Entry::file(&long, "long"))?;
            layer.add(&Entry::hard_link("dir/second", "dir/file"))?;
            layer.add(&Entry::symlink("dir/link", "../dir/file"))?;
            layer.add(&Entry::char_device("null", 1, 3))?;
            layer.add(&Entry::fifo("fifo"))?;
            layer.add(&Entry::file("attr", "").xattr("user.origin", "here"))
        })
        .layer(|layer| layer.add(&Entry::whiteout("dir/gone")))
}

fn runs(command: &mut Command) -> Option<Vec<u8>> {
    let name = command.get_program().to_owned();
    match command.output() {
        Ok(output) => {
            let words = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{}: {words}", name.display());
            Some(output.stdout)
        }
        Err(error) => {
            let why = format!("{}: {error}: apt-get install skopeo umoci", name.display());
            sapwood_vm::not_run(&why).unwrap();
            None
        }
    }
}

const FORMATS: [(Format, &str); 3] = [
    (Format::Docker, "docker-archive"),
    (Format::OciTar, "oci-archive"),
    (Format::OciFolder, "oci"),
];

#[test]
fn every_format_is_readable_to_skopeo() {
    let folder = tempfile::tempdir().unwrap();
    for (format, transport) in FORMATS {
        for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
            let path = folder.path().join(format!("{transport}-{compression:?}"));
            colourful().write(&path, format, compression).unwrap();
            let source = format!("{transport}:{}", path.display());
            let copy = folder.path().join(format!("copy-{transport}-{compression:?}"));
            let target = format!("dir:{}", copy.display());
            // It verifies each blob's digest and each layer's diff ID while it copies.
            let Some(_) = runs(Command::new("skopeo").args(["copy", "-q", &source, &target]))
            else {
                return;
            };
            let manifest: Value =
                serde_json::from_slice(&fs::read(copy.join("manifest.json")).unwrap()).unwrap();
            assert_eq!(manifest["layers"].as_array().unwrap().len(), 2, "{source}");
        }
    }
}

/// umoci unpacks as the OCI image-spec says; needs root to own what it makes.
#[test]
fn attributes_arrive_in_umocis_hands() {
    if !rustix::process::geteuid().is_root() {
        return sapwood_vm::not_run("needs root: run as root").unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let (layout, bundle) = (folder.path().join("layout"), folder.path().join("bundle"));
    colourful().write(&layout, Format::OciFolder, Compression::Gzip).unwrap();
    let image = format!("{}:colourful:1", layout.display());
    let bundle_name = bundle.to_str().unwrap();
    let Some(_) = runs(Command::new("umoci").args(["unpack", "--image", &image, bundle_name]))
    else {
        return;
    };
    let root = bundle.join("rootfs");
    let dir = fs::metadata(root.join("dir")).unwrap();
    assert_eq!((dir.mode() & 0o7777, dir.uid(), dir.gid()), (0o1777, 12, 3_000_000));
    let file = fs::metadata(root.join("dir/second")).unwrap();
    assert_eq!((file.mode() & 0o7777, file.nlink()), (0o4755, 2));
    assert_eq!((file.mtime(), file.mtime_nsec()), (1_000_000_000, 5));
    assert!(!root.join("dir/gone").try_exists().unwrap());
    assert_eq!(fs::read(root.join(format!("dir/{}", "n".repeat(250)))).unwrap(), b"long");
    assert_eq!(fs::metadata(root.join("null")).unwrap().rdev(), rustix::fs::makedev(1, 3));
    let mut value = [0; 8];
    let length = rustix::fs::getxattr(root.join("attr"), "user.origin", &mut value).unwrap();
    assert_eq!(&value[..length], b"here");
}

#[test]
fn the_same_recipe_makes_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = |name: &str| {
        let path = folder.path().join(name);
        colourful().write(&path, Format::Docker, Compression::Gzip).unwrap();
        fs::read(path).unwrap()
    };
    assert!(bytes("one") == bytes("two"));
}

/// The sizes of its layers are what a realistic image is for.
#[test]
fn realistic_images_have_the_size_that_was_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("image.tar");
    let Some(image) = made(realistic("r:1", 5, 20_000_000)) else { return };
    image.write(&path, Format::Docker, Compression::None).unwrap();
    let length = fs::metadata(&path).unwrap().len();
    assert!((20_000_000..26_000_000).contains(&length), "{length}");
}

/// busybox may be missing, or not be the static one.
fn made(image: Result<Image, sapwood_e2e::images::Error>) -> Option<Image> {
    match image {
        Ok(image) => Some(image),
        Err(error) => {
            sapwood_vm::not_run(&error.to_string()).unwrap();
            None
        }
    }
}

#[test]
fn busybox_runs_in_its_own_tree() {
    if !rustix::process::geteuid().is_root() {
        return sapwood_vm::not_run("needs root: run as root").unwrap();
    }
    let Some(image) = made(busybox("busybox:1")) else { return };
    let folder = tempfile::tempdir().unwrap();
    let root = unpack_one_layer(&image, folder.path());
    let script = "id -un && stat -c %a /tmp && ls /bin/sh /usr/bin/awk";
    let root = root.to_str().unwrap();
    let output = runs(Command::new("chroot").args([root, "/bin/sh", "-c", script])).unwrap();
    assert_eq!(String::from_utf8_lossy(&output), "root\n1777\n/bin/sh\n/usr/bin/awk\n");
}

/// By GNU tar, from the largest blob of the layout.
fn unpack_one_layer(image: &Image, folder: &Path) -> std::path::PathBuf {
    let (layout, root) = (folder.join("layout"), folder.join("root"));
    image.write(&layout, Format::OciFolder, Compression::None).unwrap();
    fs::create_dir(&root).unwrap();
    let blobs = fs::read_dir(layout.join("blobs/sha256")).unwrap().map(|blob| blob.unwrap());
    let layer = blobs.max_by_key(|blob| blob.metadata().unwrap().len()).unwrap().path();
    runs(Command::new("tar").arg("-xpf").arg(layer).arg("-C").arg(&root)).unwrap();
    root
}

#[test]
fn two_hundred_layers_are_two_hundred() {
    let Some(image) = made(many_layers("many:1", 200)) else { return };
    let folder = tempfile::tempdir().unwrap();
    let layout = folder.path().join("layout");
    image.write(&layout, Format::OciFolder, Compression::None).unwrap();
    let source = format!("oci:{}", layout.display());
    let Some(config) = runs(Command::new("skopeo").args(["inspect", "--config", &source])) else {
        return;
    };
    let config: Value = serde_json::from_slice(&config).unwrap();
    assert_eq!(config["rootfs"]["diff_ids"].as_array().unwrap().len(), 200);
}
