//! Trees with every kind of file, and random changes to them. The same seed
//! makes the same tree.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, lchown, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};
use sapwood_kit::at::xattr::{self, Target};

use super::tree::touch;

/// Small numbers, the same after the same seed (xorshift).
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(crate) fn roll(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % below.max(1)
    }

    fn pick<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        of.get(self.roll(of.len()))
    }
}

/// What another program can't hold, and is therefore left out.
#[derive(Clone, Copy, Default)]
pub(crate) struct Without {
    pub(crate) nanoseconds: bool,
    pub(crate) early_times: bool,
    pub(crate) xattrs: bool,
    pub(crate) odd_names: bool,
    pub(crate) large_ids: bool,
    pub(crate) long_names: bool,
    /// In the names of attributes.
    pub(crate) equals_signs: bool,
}

/// Makes and changes files beneath a root.
pub(crate) struct Editor {
    root: PathBuf,
    dice: Dice,
    without: Without,
    seed: u64,
    count: usize,
}

impl Editor {
    pub(crate) fn new(root: &Path, seed: u64, without: Without) -> Self {
        Self { root: root.to_owned(), dice: Dice::new(seed), without, seed, count: 0 }
    }

    /// Makes so many random changes; the directories get random times.
    pub(crate) fn edit(&mut self, changes: usize) {
        for _ in 0..changes {
            self.change();
        }
        for dir in self.dirs() {
            if self.dice.roll(2) == 0 {
                self.time(&dir);
            }
        }
    }

    fn change(&mut self) {
        match self.dice.roll(20) {
            0..=6 => {
                let at = self.new_name();
                self.make(&at);
            }
            7 | 8 => self.rewrite(),
            9 => self.on_some(Editor::attributes),
            10 => self.on_some(Editor::time),
            11 | 12 => self.on_some(|_, path| remove(path)),
            13 => self.on_some(|editor, path| {
                remove(path);
                editor.make(path);
            }),
            14 => self.rename(),
            15 => self.on_some(|editor, path| {
                let to = editor.new_name();
                if !path.is_dir() || path.is_symlink() {
                    fs::hard_link(path, to).unwrap();
                }
            }),
            16 => self.on_some(Editor::xattr),
            17 => self.tick(),
            18 => self.on_some(Editor::split),
            _ => {
                let at = self.new_name();
                self.make_dir(&at);
            }
        }
    }

    /// Everything but the root, in path order.
    fn paths(&self) -> Vec<PathBuf> {
        let (mut paths, mut rest) = (Vec::new(), vec![self.root.clone()]);
        while let Some(dir) = rest.pop() {
            for entry in fs::read_dir(&dir).unwrap() {
                let entry = entry.unwrap();
                if entry.file_type().unwrap().is_dir() {
                    rest.push(entry.path());
                }
                paths.push(entry.path());
            }
        }
        paths.sort();
        paths
    }

    fn dirs(&self) -> Vec<PathBuf> {
        let mut dirs = self.paths();
        dirs.retain(|path| path.is_dir() && !path.is_symlink());
        dirs.push(self.root.clone());
        dirs
    }

    fn on_some(&mut self, change: impl FnOnce(&mut Self, &Path)) {
        let paths = self.paths();
        if let Some(path) = self.dice.pick(&paths).cloned() {
            change(self, &path);
        }
    }

    fn new_name(&mut self) -> PathBuf {
        let dirs = self.dirs();
        let dir = self.dice.pick(&dirs).cloned().unwrap();
        self.count += 1;
        let word = ["f", "Zz", "a.b", "x y", ".h", "a-b"][self.dice.roll(6)];
        let name = format!("{word}-{}-{}", self.seed, self.count);
        let mut name = name.into_bytes();
        if !self.without.long_names && self.dice.roll(12) == 0 {
            name.resize(255, b'n');
        }
        if !self.without.odd_names && self.dice.roll(12) == 0 {
            name.truncate(240);
            name.extend(b"\xff\n\t\\\"\x01\xc3\xa4");
        }
        dir.join(OsStr::from_bytes(&name))
    }

    fn make(&mut self, at: &Path) {
        match self.dice.roll(12) {
            0..=4 => self.write(at),
            5 => self.make_dir(at),
            6 | 7 => {
                let targets = ["../x", "/etc/passwd", "nowhere", "a/b/../../c"];
                let very = "t/".repeat(90);
                let target = self.dice.pick(&targets).copied().unwrap();
                let long = self.dice.roll(5) == 0 && !self.without.long_names;
                symlink(if long { &very } else { target }, at).unwrap();
            }
            8 => mknod(at, FileType::Fifo, (0, 0)),
            9 => mknod(at, FileType::CharacterDevice, (1, 3 + self.dice.roll(300) as u32)),
            10 => mknod(at, FileType::BlockDevice, (7 + self.dice.roll(300) as u32, 1)),
            _ => self.sparse(at),
        }
        self.attributes(at);
        if self.dice.roll(3) == 0 {
            self.xattr(at);
        }
        self.time(at);
    }

    fn write(&mut self, at: &Path) {
        let len = [0, 1, 100, 511, 512, 513, 5000, 70_000, 300_000][self.dice.roll(9)];
        let start = self.dice.roll(256);
        let content: Vec<u8> = (0..len).map(|i| ((i * 7 + start) % 251) as u8).collect();
        fs::write(at, content).unwrap();
    }

    fn make_dir(&mut self, at: &Path) {
        fs::create_dir(at).unwrap();
        for i in 0..self.dice.roll(4) {
            self.write(&at.join(format!("in-{i}")));
        }
        if self.dice.roll(3) == 0 {
            let deep = at.join("sub/sub/sub");
            fs::create_dir_all(&deep).unwrap();
            self.write(&deep.join("leaf"));
        }
    }

    fn sparse(&mut self, at: &Path) {
        let file = fs::File::create(at).unwrap();
        file.set_len(200_000 + self.dice.roll(3_000_000) as u64).unwrap();
        for _ in 0..self.dice.roll(4) {
            file.write_at(b"data in between", self.dice.roll(200_000) as u64).unwrap();
        }
    }

    fn rewrite(&mut self) {
        self.on_some(|editor, path| {
            if fs::symlink_metadata(path).unwrap().is_file() {
                editor.write(path);
                editor.time(path);
            }
        });
    }

    /// Other bytes within what any clock can tell: size and times stay.
    fn tick(&mut self) {
        self.on_some(|_, path| {
            let meta = fs::symlink_metadata(path).unwrap();
            if meta.is_file() && meta.len() > 0 {
                let file = fs::OpenOptions::new().read(true).write(true).open(path).unwrap();
                let mut byte = [0];
                file.read_exact_at(&mut byte, meta.len() - 1).unwrap();
                file.write_at(&[byte[0] ^ 1], meta.len() - 1).unwrap();
                drop(file);
                touch(path, meta.mtime(), meta.mtime_nsec() as u32);
            }
        });
    }

    /// Makes one of several names a file of its own, equal in all else.
    fn split(&mut self, path: &Path) {
        let meta = fs::symlink_metadata(path).unwrap();
        if meta.is_file() && meta.nlink() > 1 {
            let copy = path.with_file_name("being-split");
            super::tree::copy(path, &copy);
            fs::rename(copy, path).unwrap();
        }
    }

    fn rename(&mut self) {
        self.on_some(|editor, path| {
            let to = editor.new_name();
            if !to.starts_with(path) {
                fs::rename(path, to).unwrap();
            }
        });
    }

    fn attributes(&mut self, path: &Path) {
        let large = if self.without.large_ids { 2000 } else { 3_000_000_000 };
        let ids = [0, 0, 0, 1, 1000, 65_534, large];
        let mut id = || ids.get(self.dice.roll(ids.len())).copied();
        let (uid, gid) = (id(), id());
        lchown(path, uid, gid).unwrap();
        if !path.is_symlink() {
            let modes = [0o644, 0o755, 0o600, 0o4755, 0o2711, 0o1777, 0o000, 0o777];
            let mode = modes[self.dice.roll(modes.len())];
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        }
    }

    fn time(&mut self, path: &Path) {
        let sec = match self.dice.roll(8) {
            0 if !self.without.early_times => -(self.dice.roll(1_000_000) as i64) - 1,
            1 => 0,
            _ => 1_600_000_000 + self.dice.roll(100_000_000) as i64,
        };
        let nsec = if self.without.nanoseconds { 0 } else { self.dice.roll(1_000_000_000) };
        touch(
            path,
            sec,
            [0, nsec as u32, 1][self.dice.roll(if self.without.nanoseconds { 1 } else { 3 })],
        );
    }

    fn xattr(&mut self, path: &Path) {
        if self.without.xattrs {
            return;
        }
        let meta = fs::symlink_metadata(path).unwrap();
        let parent = super::open(path.parent().unwrap());
        let target = Target::Entry(std::os::fd::AsFd::as_fd(&parent), path.file_name().unwrap());
        let (capability, acl): (Vec<u8>, _) = (
            [0x0200_0001_u32, 1 << 13, 0, 0, 0].iter().flat_map(|w| w.to_le_bytes()).collect(),
            sapwood_kit::archive::acl::from_text(
                b"user::rwx,user:54321:r-x,group::r-x,mask::r-x,other::---",
            )
            .unwrap(),
        );
        let plain = meta.is_file() || meta.is_dir();
        let set = |name: &str, value: &[u8]| xattr::set(target, OsStr::new(name), value).unwrap();
        match self.dice.roll(6) {
            0 if meta.is_file() => set("security.capability", &capability),
            1 if plain => set("system.posix_acl_access", &acl),
            2 if meta.is_dir() => set("system.posix_acl_default", &acl),
            3 if plain && !self.without.equals_signs => set("user.with=equals", b"1"),
            4 => xattr::remove(target, OsStr::new("trusted.some")).unwrap(),
            _ if plain => set("user.some", b"\0\n=\xff"),
            _ => set("trusted.some", &[7; 600]),
        }
    }
}

pub(crate) fn remove(path: &Path) {
    if path.is_dir() && !path.is_symlink() {
        fs::remove_dir_all(path).unwrap();
    } else {
        fs::remove_file(path).unwrap();
    }
}

fn mknod(at: &Path, kind: FileType, (major, minor): (u32, u32)) {
    mknodat(CWD, at, kind, Mode::from_raw_mode(0o600), makedev(major, minor)).unwrap();
}
