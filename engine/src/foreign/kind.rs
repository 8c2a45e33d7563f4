//! Whose store a folder is, and which of their drivers keeps its layers.

use super::ground::Ground;
use crate::archive::Problem;

type Result<T> = std::result::Result<T, Problem>;

/// Who wrote a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// Docker (moby), with the image store that its own drivers have.
    Docker,
    /// Podman, Buildah, Skopeo and CRI-O: containers/storage.
    Podman,
}

/// Where one of their drivers keeps images, and each layer's files as files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) owner: Owner,
    /// The folder in which its images are listed.
    lists: &'static str,
    /// What stands before and behind a layer's name in the path of its files.
    around: (&'static str, &'static str),
}

impl Layout {
    /// The directory with the files of the layer that the driver calls `id`.
    /// Where those of the layers below are in it too, that doesn't matter: the
    /// record says which are read.
    pub(super) fn tree(&self, id: &str) -> String {
        let (before, behind) = self.around;
        format!("{before}{id}{behind}")
    }

    /// What its owner calls the driver.
    pub(super) fn driver(&self) -> &'static str {
        let name = match self.owner {
            Owner::Docker => self.lists.strip_prefix(DOCKERS),
            Owner::Podman => self.lists.strip_suffix(PODMANS),
        };
        name.unwrap_or(self.lists)
    }

    fn is(&self, owner: Owner, driver: &str) -> bool {
        self.owner == owner && self.driver() == driver
    }
}

/// How the folders are called that list images: `image/DRIVER`, `DRIVER-images`.
const DOCKERS: &str = "image/";
const PODMANS: &str = "-images";

/// Those that are read; of several that have images, the first is.
const LAYOUTS: [Layout; 5] = [
    Layout { owner: Owner::Podman, lists: "overlay-images", around: ("overlay/", "/diff") },
    Layout { owner: Owner::Podman, lists: "vfs-images", around: ("vfs/dir/", "") },
    Layout { owner: Owner::Docker, lists: "image/overlay2", around: ("overlay2/", "/diff") },
    Layout {
        owner: Owner::Docker,
        lists: "image/fuse-overlayfs",
        around: ("fuse-overlayfs/", "/diff"),
    },
    Layout { owner: Owner::Docker, lists: "image/vfs", around: ("vfs/dir/", "") },
];

/// Where containerd keeps content, beneath its own root.
const CONTAINERD: &str = "io.containerd.content.v1.content";

/// What to do about images that are elsewhere.
const SAVE: &str = "`docker save` writes archives of them that `sapwood load` takes";

/// What the folder is.
pub(super) fn recognise(ground: &Ground) -> Result<Layout> {
    let found = drivers(ground)?;
    let there = |layout: &&Layout| found.iter().any(|(owner, name)| layout.is(*owner, name));
    let look = |layout: &Layout| has_no_images(ground, layout).map(|none| (none, *layout));
    let looked: Vec<_> = LAYOUTS.iter().filter(there).map(look).collect::<Result<_>>()?;
    if let Some((_, first)) = looked.iter().find(|(none, _)| !none) {
        tell_others(first, &looked);
        return Ok(*first);
    }
    refuse_containerd(ground)?;
    let unread = |(owner, name): &&(Owner, String)| !LAYOUTS.iter().any(|l| l.is(*owner, name));
    match (found.iter().find(unread), looked.first()) {
        (Some((owner, driver)), _) => Err(Problem::new(format!(
            "its images are kept by {owner:?}'s driver {driver}, which isn't read; overlay2, \
             overlay, fuse-overlayfs and vfs are. Save them there, and load the archives"
        ))),
        (None, Some((_, empty))) => Ok(*empty),
        (None, None) => Err(Problem::new(
            "it isn't a store of Docker's or Podman's: neither image/overlay2 nor overlay-images \
             is in it. Give the folder that `docker info` calls \"Docker Root Dir\", or `podman \
             info` \"graphRoot\"",
        )),
    }
}

/// Every driver that has something in the folder.
fn drivers(ground: &Ground) -> Result<Vec<(Owner, String)>> {
    let mut found = Vec::new();
    for name in ground.names(".")?.iter() {
        let Some(lists) = name.name.to_str() else { continue };
        let Some(driver) = lists.strip_suffix(PODMANS) else { continue };
        for file in ["images.lock", "images.json"] {
            if ground.file(&format!("{lists}/{file}"))?.is_some() {
                found.push((Owner::Podman, driver.to_owned()));
            }
        }
    }
    for name in ground.names("image")?.iter() {
        let Some(driver) = name.name.to_str() else { continue };
        if ground.dir(&format!("{DOCKERS}{driver}/imagedb"))?.is_some() {
            found.push((Owner::Docker, driver.to_owned()));
        }
    }
    Ok(found)
}

fn has_no_images(ground: &Ground, layout: &Layout) -> Result<bool> {
    let lists = layout.lists;
    Ok(match layout.owner {
        Owner::Podman => ground.file(&format!("{lists}/images.json"))?.is_none(),
        Owner::Docker => ground.names(&format!("{lists}/imagedb/content/sha256"))?.is_empty(),
    })
}

/// Newer Dockers can leave their images to containerd; then their own store is
/// empty, and containerd's layers have no tar-split records.
fn refuse_containerd(ground: &Ground) -> Result<()> {
    for root in ["", "containerd/daemon/"] {
        if ground.dir(&format!("{root}{CONTAINERD}/blobs"))?.is_some() {
            return Err(Problem::new(format!(
                "its images are in containerd's image store, which isn't read; {SAVE}"
            )));
        }
    }
    Ok(())
}

/// The images of another driver would otherwise seem lost.
fn tell_others(first: &Layout, looked: &[(bool, Layout)]) {
    for (none, other) in looked {
        if !none && other != first {
            tracing::warn!(
                "there are images of {:?}'s driver {} too, which aren't read beside those of {}",
                other.owner,
                other.driver(),
                first.driver()
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn store(files: &[&str]) -> (tempfile::TempDir, Ground) {
        let dir = tempfile::tempdir().unwrap();
        for file in files {
            let path = dir.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let ground = Ground::open(dir.path()).unwrap();
        (dir, ground)
    }

    fn driver(files: &[&str]) -> (Owner, &'static str) {
        let (_dir, ground) = store(files);
        let layout = recognise(&ground).unwrap();
        (layout.owner, layout.driver())
    }

    #[track_caller]
    fn refused(files: &[&str], why: &str) {
        let (_dir, ground) = store(files);
        let error = recognise(&ground).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }

    #[test]
    fn stores_are_known_by_what_they_hold() {
        assert_eq!(driver(&["image/overlay2/imagedb/x"]), (Owner::Docker, "overlay2"));
        assert_eq!(driver(&["overlay-images/images.lock"]), (Owner::Podman, "overlay"));
        let of_two = ["image/overlay2/imagedb/x", "image/vfs/imagedb/content/sha256/x"];
        assert_eq!(driver(&of_two), (Owner::Docker, "vfs"), "the one that has images");
        let of_two =
            ["image/vfs/imagedb/content/sha256/x", "image/overlay2/imagedb/content/sha256/x"];
        assert_eq!(driver(&of_two), (Owner::Docker, "overlay2"));
    }

    #[test]
    fn what_is_not_read_is_named() {
        refused(&[], "neither image/overlay2 nor overlay-images");
        refused(&["image/x", "cat-images/cat.jpg"], "neither image/overlay2");
        refused(&["image/btrfs/imagedb/x"], "Docker's driver btrfs");
        refused(&["zfs-images/images.json"], "Podman's driver zfs");
        refused(&["image/btrfs/imagedb/x", "image/overlay2/imagedb/x"], "Docker's driver btrfs");
        let blobs = "io.containerd.content.v1.content/blobs/sha256/x";
        refused(&[blobs], "containerd's image store");
        let docker = format!("containerd/daemon/{blobs}");
        refused(&[&docker, "image/overlay2/imagedb/x"], "containerd's image store");
        refused(&[&docker, "image/overlay2/imagedb/x"], "docker save");
    }
}
