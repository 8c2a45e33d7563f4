//! A store with an image that runs, and commands on it that are to go wrong.

#![allow(dead_code, unreachable_pub, reason = "each test binary uses its part")]

pub mod disk;
pub mod scenarios;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use sapwood_crash::{Fault, Inventory, Points, Trees, faulty, inventory, layers, leftovers};
use sapwood_e2e::Sapwood;
use sapwood_e2e::images::{
    Compression, Entry, Format, Image, LayerWriter, Owner, TheirStore, busybox,
};

/// Nothing here takes longer; what does, hangs.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// How many files a message names.
const SHOWN: usize = 8;

/// The image that is there, and the one that comes and goes.
pub const BOX: &str = "box:1";
pub const BIG: &str = "big:1";
/// The image that another store has, whose lower layer is [`BOX`]'s.
pub const LENT: &str = "lent:1";

/// A store, archives beside it, and how it looked with only [`BOX`] in it.
pub struct Bench {
    pub sapwood: Sapwood,
    pub driver: &'static str,
    /// The archives' folder: not on the store's medium.
    pub archives: tempfile::TempDir,
    /// Every layer's tree as a clean load made it.
    reference: Trees,
    /// The store between two commands that were tried.
    rest: Inventory,
}

/// How a command ended that something was to happen to.
#[derive(Debug)]
pub struct Ended {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
    pub points: Points,
}

impl Ended {
    pub fn was_killed(&self) -> bool {
        self.status.signal() == Some(9)
    }
}

impl Bench {
    pub fn on(driver: &'static str) -> Self {
        // A process that is killed leaves the same on any medium; this one
        // flushes fast.
        let sapwood = match Path::new("/dev/shm").is_dir() {
            true => Sapwood::on_at(driver, Path::new("/dev/shm")),
            false => Sapwood::on(driver),
        };
        Self::with(sapwood, driver)
    }

    pub fn with(sapwood: Sapwood, driver: &'static str) -> Self {
        let archives = tempfile::tempdir().unwrap();
        let write = |image: Image, name: &str, format, compression| {
            image.write(&archives.path().join(name), format, compression).unwrap();
        };
        write(busybox(BOX).unwrap(), "box.tar", Format::Docker, Compression::None);
        write(big(), "big.tar", Format::Docker, Compression::None);
        write(big(), "big.oci.tar", Format::OciTar, Compression::Gzip);
        TheirStore::write(&big(), &archives.path().join("theirs"), Owner::Docker).unwrap();
        let mut bench =
            Self { sapwood, driver, archives, reference: Trees::new(), rest: Inventory::new() };
        bench.load("big.tar");
        bench.load("box.tar");
        bench.reference = bench.layers();
        bench.sapwood.ok(["rmi", BIG]);
        bench.rest = inventory(&bench.sapwood.root()).unwrap();
        bench
    }

    pub fn load(&self, archive: &str) {
        self.sapwood.ok(["load", "-q", "-i", &self.archive(archive)]);
    }

    /// The folder of a store that has [`LENT`], made the first time.
    pub fn lender(&self) -> String {
        let (root, archive) = (self.archive("lender"), self.archive("lent.tar"));
        if !Path::new(&root).is_dir() {
            let image = busybox(LENT).unwrap().layer(|layer| {
                layer.add(&Entry::dir("etc"))?;
                layer.add(&Entry::file("lent", "1".repeat(9000)))
            });
            let image = image.layer(|layer| layer.add(&Entry::whiteout("mnt")));
            image.write(Path::new(&archive), Format::Docker, Compression::None).unwrap();
            let mut load = Command::new(sapwood_e2e::binary());
            load.args(["--root", &root, "--runroot", &self.archive("lender-run")]);
            load.args(["--storage-driver", self.driver, "load", "-q", "-i", &archive]);
            assert!(load.status().unwrap().success());
        }
        root
    }

    pub fn archive(&self, name: &str) -> String {
        self.archives.path().join(name).to_str().unwrap().to_owned()
    }

    pub fn driver_root(&self) -> PathBuf {
        self.sapwood.root().join(self.driver)
    }

    pub fn layers(&self) -> Trees {
        layers(&self.driver_root()).unwrap()
    }

    /// The names of all images.
    pub fn images(&self) -> BTreeSet<String> {
        let list = self.sapwood.json(["images", "--format", "json"]);
        let name = |image: &serde_json::Value| {
            let part = |key: &str| image[key].as_str().unwrap_or("").to_owned();
            format!("{}:{}", part("Repository"), part("Tag"))
        };
        list.as_array().unwrap().iter().map(name).collect()
    }

    /// The container of that name, as `ps` tells it.
    pub fn container(&self, name: &str) -> Option<serde_json::Value> {
        let list = self.sapwood.json(["ps", "-a", "--format", "json"]);
        list.as_array().unwrap().iter().find(|c| c["name"] == name).cloned()
    }

    /// Runs `sapwood ARGS` to its end, with something that happens.
    pub fn with_fault(&self, command: &Command, nth: usize, fault: Fault) -> Ended {
        let trace = self.archives.path().join("trace");
        let mut command = faulty(command, nth, fault, &trace).unwrap();
        let done = give_input(&mut command, self).output().unwrap();
        ended(&done, &trace)
    }

    /// Runs it and kills it after a time: its engine, or all its processes.
    pub fn kill_after(&self, command: &Command, time: Duration) -> Ended {
        let trace = self.archives.path().join("trace");
        let mut command = faulty(command, 0, Fault::None, &trace).unwrap();
        let command = give_input(&mut command, self).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        wait_at_most(&child, time);
        child.kill().unwrap();
        ended(&child.wait_with_output().unwrap(), &trace)
    }

    /// After a command that ended badly, `ps` and `images` have looked, and
    /// nothing may be left but whole nodes; and all of these are as they were.
    pub fn assert_sound(&self, before: &Trees, what: &str) {
        self.assert_layers_sound(before, what);
        let recorded = self.images();
        let removes = what.contains("rmi") || what.contains("prune");
        assert!(recorded.contains(BOX) || removes, "{what}: {recorded:?}");
    }

    /// The same where nobody knows which images are there.
    pub fn assert_sound_without_images(&self, what: &str) {
        self.assert_layers_sound(&Trees::new(), what);
    }

    fn assert_layers_sound(&self, before: &Trees, what: &str) {
        self.settle(what);
        self.assert_checked(what);
        let now = self.layers();
        for (id, tree) in &now {
            if let Some(before) = before.get(id) {
                assert_eq!(tree, before, "{what}: the layer {id:?} has changed");
            } else if let Some(clean) = self.reference.get(id) {
                let (tree, clean) = (&tree.same_when_remade, &clean.same_when_remade);
                assert_eq!(tree, clean, "{what}: the layer {id:?} is another");
            }
        }
        let recorded = self.images();
        if recorded.contains(BIG) && recorded.contains(BOX) {
            let missing: Vec<_> =
                self.reference.keys().filter(|layer| !now.contains_key(*layer)).collect();
            assert!(missing.is_empty(), "{what}: recorded without {missing:?}");
        }
    }

    /// Has the next command look, and waits for the end of containers whose
    /// engine is gone: their monitors clean up in their own time.
    fn settle(&self, what: &str) {
        eventually(what, || {
            let list = self.sapwood.json(["ps", "-a", "--format", "json"]);
            list.as_array().unwrap().iter().all(|c| c["status"] != "running").then_some(())
        });
    }

    /// A check finds nothing wrong. What is left over may be, for a while.
    fn assert_checked(&self, what: &str) {
        let check = self.sapwood.output(["storage", "check"]);
        let told = String::from_utf8_lossy(&check.stdout);
        assert!(check.status.success(), "{what}: {told}");
    }

    /// The store is as it was before anything was tried, to the last block.
    pub fn assert_at_rest(&self, what: &str) {
        let run_root = self.sapwood.scratch().join("run");
        let left = leftovers(&self.driver_root(), &run_root, &self.tried()).unwrap();
        assert!(left.is_empty(), "{what}: left over: {left:?}");
        self.assert_checked(what);
        let now = inventory(&self.sapwood.root()).unwrap();
        if now != self.rest {
            let differs = |(path, size): &(&PathBuf, &u64)| self.rest.get(*path) != Some(size);
            let changed: Vec<_> = now.iter().filter(differs).take(SHOWN).collect();
            let is_gone = |path: &&PathBuf| !now.contains_key(*path);
            let gone: Vec<_> = self.rest.keys().filter(is_gone).take(SHOWN).collect();
            panic!("{what}: new or changed: {changed:?}, gone: {gone:?}");
        }
    }

    /// The archive of that name is whole, goes, and nothing else came with it.
    pub fn assert_saved_alone(&self, name: &str) {
        let fresh = Sapwood::on(self.driver);
        fresh.ok(["load", "-q", "-i", &self.archive(name)]);
        fs::remove_file(self.archive(name)).unwrap();
        let others = fs::read_dir(self.archives.path()).unwrap().map(|e| e.unwrap().file_name());
        let strange = |name: &OsString| name.as_encoded_bytes().starts_with(b".");
        assert_eq!(others.filter(strange).collect::<Vec<_>>(), Vec::<OsString>::new());
    }

    /// The ids of containers that were begun and noted by their name.
    fn tried(&self) -> Vec<String> {
        fs::read_to_string(self.archives.path().join("ids"))
            .map(|text| text.lines().map(str::to_owned).collect())
            .unwrap_or_default()
    }

    /// Notes the containers that have a folder now, so that their control
    /// groups can be looked for later.
    pub fn note_containers(&self) {
        let mut ids = self.tried();
        for store in folders(&self.sapwood.scratch().join("run")) {
            ids.extend(
                folders(&store).iter().filter_map(|f| Some(f.file_name()?.to_str()?.into())),
            );
        }
        fs::write(self.archives.path().join("ids"), ids.join("\n")).unwrap();
    }
}

fn folders(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect()
}

fn ended(done: &Output, trace: &Path) -> Ended {
    Ended {
        status: done.status,
        stdout: String::from_utf8_lossy(&done.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&done.stderr).into_owned(),
        points: Points::read(trace).unwrap(),
    }
}

/// `load` without `-i` reads the archive from its input.
fn give_input<'c>(command: &'c mut Command, bench: &Bench) -> &'c mut Command {
    let piped = command.get_args().last().is_some_and(|last| last == "-q");
    match piped {
        true => command.stdin(File::open(bench.archive("big.oci.tar")).unwrap()),
        false => command.stdin(Stdio::null()),
    }
}

/// Waits for a process's end, but no longer than `time`.
fn wait_at_most(child: &Child, time: Duration) {
    let pid = Pid::from_child(child);
    let handle = pidfd_open(pid, PidfdFlags::empty()).unwrap();
    let mut fds = [PollFd::new(&handle, PollFlags::IN)];
    let time = Timespec {
        tv_sec: time.as_secs().try_into().unwrap(),
        tv_nsec: time.subsec_nanos().into(),
    };
    match poll(&mut fds, Some(&time)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => {}
        Err(e) => panic!("{}", io::Error::from(e)),
    }
}

/// Lets that much time pass: for moments that nothing else determines.
pub fn pause(time: Duration) {
    let time = Timespec {
        tv_sec: time.as_secs().try_into().unwrap(),
        tv_nsec: time.subsec_nanos().into(),
    };
    poll(&mut [], Some(&time)).unwrap();
}

/// What `look` finds, as soon as it finds it.
#[track_caller]
pub fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < DEADLINE, "{what}: it never happened");
        std::thread::yield_now();
    }
}

/// Four layers with every kind of entry, the lower two of which any other image
/// might have.
fn big() -> Image {
    Image::new(BIG)
        .layer(|layer| {
            layer.add(&Entry::dir("etc"))?;
            layer.add(&Entry::file("etc/config", "one").owner(3, 4).mtime(1_700_000_000, 5))?;
            layer.add(&Entry::file("etc/other", vec![b'x'; 70_000]).xattr("user.a", "b"))?;
            some_files(layer, "first")
        })
        .layer(|layer| {
            layer.add(&Entry::hard_link("etc/same", "etc/config"))?;
            layer.add(&Entry::symlink("etc/link", "config"))?;
            layer.add(&Entry::fifo("etc/fifo"))?;
            some_files(layer, "second")
        })
        .layer(|layer| {
            layer.add(&Entry::whiteout("etc/other"))?;
            layer.add(&Entry::opaque("first"))?;
            layer.add(&Entry::char_device("etc/null", 1, 3))?;
            layer.add(&Entry::file("etc/config", "three").mode(0o4755))
        })
        .layer(|layer| layer.add(&Entry::file("top", vec![7; 200_000])))
}

fn some_files(layer: &mut LayerWriter<'_>, folder: &str) -> io::Result<()> {
    layer.add(&Entry::dir(folder))?;
    (0..4).try_for_each(|n| layer.add(&Entry::file(format!("{folder}/{n}"), vec![n; 3000])))
}
