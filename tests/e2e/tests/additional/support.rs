//! A store that is lent, and one that borrows.

use std::ffi::OsStr;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use rustix::mount::{MountFlags, UnmountFlags, mount_bind, mount_remount, unmount};
use sapwood_e2e::Sapwood;
use sapwood_e2e::images::{Compression, Entry, Format, Image, busybox};
use sapwood_kit::mount::in_private_namespace;
use serde_json::Value;

/// A store with an image, shown read-only at a place of its own, and another that
/// is told of it.
pub(crate) struct World {
    pub(crate) lender: Sapwood,
    pub(crate) own: Sapwood,
    pub(crate) lent: PathBuf,
}

/// An image of two layers, the upper of which hides something.
pub(crate) fn image(name: &str) -> Image {
    busybox(name).unwrap().layer(|layer| {
        layer.add(&Entry::dir("etc"))?;
        layer.add(&Entry::file("etc/motd", "theirs\n"))?;
        layer.add(&Entry::file("set-uid", "x").mode(0o4755).owner(7, 8))?;
        layer.add(&Entry::whiteout("mnt"))
    })
}

/// Runs a test on such stores, in a mount namespace of its own.
pub(crate) fn world(driver: &str, test: impl FnOnce(&World) + Send) {
    let lender = Sapwood::on(driver);
    let archive = lender.scratch().join("image.tar");
    image("busybox").write(&archive, Format::Docker, Compression::Gzip).unwrap();
    lender.ok(["load".as_ref(), "-q".as_ref(), "-i".as_ref(), archive.as_os_str()]);
    let own = Sapwood::on(driver);
    let lent = own.scratch().join("lent");
    std::fs::create_dir(&lent).unwrap();
    let world = World { lender, own, lent };
    let failed = in_private_namespace(|| {
        world.mount();
        Ok(catch_unwind(AssertUnwindSafe(|| test(&world))).err())
    });
    if let Some(panic) = failed.unwrap() {
        resume_unwind(panic);
    }
}

impl World {
    /// Shows the lender at its place, for reading only.
    pub(crate) fn mount(&self) {
        mount_bind(self.lender.root(), &self.lent).unwrap();
        mount_remount(&self.lent, MountFlags::BIND | MountFlags::RDONLY, "").unwrap();
    }

    /// Takes that away.
    pub(crate) fn unmount(&self) {
        unmount(&self.lent, UnmountFlags::empty()).unwrap();
    }

    fn option(&self) -> String {
        format!("--storage-opt=additionalimagestore={}", self.lent.display())
    }

    fn with_option<'a>(&self, args: &[&'a str], option: &'a str) -> Vec<&'a str> {
        [&[option], args].concat()
    }

    #[track_caller]
    pub(crate) fn ok(&self, args: &[&str]) -> String {
        let option = self.option();
        self.own.ok(self.with_option(args, &option))
    }

    #[track_caller]
    pub(crate) fn json(&self, args: &[&str]) -> Value {
        serde_json::from_str(&self.ok(args)).unwrap()
    }

    pub(crate) fn output(&self, args: &[&str]) -> Output {
        let option = self.option();
        self.own.output(self.with_option(args, &option))
    }

    /// The one line that a command says that has to fail.
    #[track_caller]
    pub(crate) fn fails(&self, args: &[&str]) -> String {
        let option = self.option();
        self.own.fails(self.with_option(args, &option)).1
    }

    /// What `images` shows: each name, and whether it is in the other store only.
    #[track_caller]
    pub(crate) fn images(&self) -> Vec<(String, bool)> {
        let rows = self.json(&["images", "--format", "json"]);
        let name = |row: &Value| row["Repository"].as_str().unwrap_or("<none>").to_owned();
        let rows = rows.as_array().unwrap().iter();
        rows.map(|row| (name(row), row["ReadOnly"].as_bool().unwrap())).collect()
    }

    /// Nodes of our own driver that have a tree here.
    pub(crate) fn own_trees(&self, driver: &str) -> Vec<String> {
        let tree = if driver == "vfs" { "tree" } else { "diff" };
        let layers = self.own.root().join(driver).join("layers");
        let names = std::fs::read_dir(layers).unwrap().map(|e| e.unwrap().path());
        let with_tree = names.filter(|path| path.join(tree).is_dir());
        with_tree.map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect()
    }
}

/// Everything in a folder, as one number: names, content, modes, owners, times of
/// change, extended attributes.
pub(crate) fn fingerprint(dir: &Path) -> String {
    let args = [
        "--create",
        "--sort=name",
        "--format=posix",
        "--pax-option=delete=atime,exthdr.name=%d/%f",
        "--xattrs",
        "--xattrs-include=*",
        "--directory",
    ];
    let done = Command::new("tar").args(args).arg(dir).arg(".").output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    digest(&done.stdout)
}

pub(crate) fn digest(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What `save` writes of an image.
pub(crate) fn saved(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    digest(&output.stdout)
}

pub(crate) fn text(path: &(impl AsRef<OsStr> + ?Sized)) -> &str {
    path.as_ref().to_str().unwrap()
}
