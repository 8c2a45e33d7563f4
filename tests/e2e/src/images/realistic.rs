//! An image as large as those that people deploy, for measurements.

use std::io;

use crate::images::busybox::busybox;
use crate::images::entry::Entry;
use crate::images::error::Error;
use crate::images::image::Image;
use crate::images::layer::LayerWriter;

/// busybox and layers of packages on it: `layers` in all, of about `bytes` together.
///
/// Files are as large as in a Debian image: half are below 4 KiB, one in a hundred is above
/// 1 MiB and those hold half of the bytes. Content compresses to about 40 per cent. Each layer
/// also replaces some files of the one below and removes one.
///
/// # Errors
///
/// As [`busybox`].
pub fn realistic(name: &str, layers: usize, bytes: u64) -> Result<Image, Error> {
    let mut image = busybox(name)?;
    let upper = layers.saturating_sub(1);
    let share = bytes / u64::try_from(upper.max(1)).unwrap_or(u64::MAX);
    for number in 1..=upper {
        image = image.layer(move |layer| fill(layer, number, share));
    }
    Ok(image)
}

/// Files in a directory, as packages have them.
const FILES_A_PACKAGE: u64 = 40;

fn fill(layer: &mut LayerWriter<'_>, number: usize, share: u64) -> io::Result<()> {
    let mut random = Random(number as u64);
    let mut left = share;
    let mut count = 0;
    let base = format!("usr/lib/layer{number}");
    // As those who write layers do, each directory above a change as well.
    for dir in ["usr", "usr/lib", &base] {
        layer.add(&Entry::dir(dir))?;
    }
    if number > 1 {
        replace_below(layer, number - 1, &mut random)?;
    }
    while left > 0 {
        let package = format!("{base}/package{}", count / FILES_A_PACKAGE);
        if count % FILES_A_PACKAGE == 0 {
            layer.add(&Entry::dir(&package))?;
            layer.add(&Entry::symlink(format!("{package}/current"), "file0"))?;
        }
        let size = random.file_size().min(left);
        let path = format!("{package}/file{}", count % FILES_A_PACKAGE);
        layer.add(&Entry::file(path, random.content(size)))?;
        left -= size;
        count += 1;
    }
    Ok(())
}

/// What an upgrade does to the layer below.
fn replace_below(layer: &mut LayerWriter<'_>, below: usize, random: &mut Random) -> io::Result<()> {
    let package = format!("usr/lib/layer{below}/package0");
    layer.add(&Entry::dir(format!("usr/lib/layer{below}")))?;
    layer.add(&Entry::dir(&package))?;
    for file in 0..5 {
        layer.add(&Entry::file(format!("{package}/file{file}"), random.content(2048)))?;
    }
    layer.add(&Entry::whiteout(format!("{package}/file5")))
}

/// SplitMix64: the same numbers on every machine, whatever happens to a crate of random numbers.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn file_size(&mut self) -> u64 {
        const KIB: u64 = 1024;
        match self.below(100) {
            0..50 => 64 + self.below(4 * KIB),
            50..90 => 4 * KIB + self.below(28 * KIB),
            90..99 => 32 * KIB + self.below(200 * KIB),
            _ => 1024 * KIB + self.below(4096 * KIB),
        }
    }

    /// Random bytes and repetitions of them, in turn.
    fn content(&mut self, size: u64) -> Vec<u8> {
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let mut content = Vec::with_capacity(size + 64);
        while content.len() < size {
            let noise: Vec<u8> = (0..8).flat_map(|_| self.next().to_le_bytes()).collect();
            content.extend_from_slice(&noise);
            content.extend_from_slice(&noise.get(..32).unwrap_or_default().repeat(4));
        }
        content.truncate(size);
        content
    }
}
