//! Layer archives in the manners of many producers, and in some of nobody's:
//! a number gives an archive, the same one always.

use crate::archives::tar::Item;

/// Numbers that look like chance (splitmix64).
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    fn content(&mut self) -> Vec<u8> {
        let len = match self.below(8) {
            0 => 0,
            1 => 1,
            2 => 511,
            3 => 512,
            4 => 513,
            5 => 70_000 + self.below(300_000),
            _ => self.below(5000),
        };
        let mut bytes: Vec<u8> = (0..len).map(|_| self.next() as u8).collect();
        if self.one_in(4) && len > 70_000 {
            bytes[1000..67_000].fill(0);
        }
        bytes
    }
}

/// A layer; the lowest one has what the others assume. What `strange` ones have
/// beyond others isn't in the tree when they are unpacked.
pub(crate) fn layer(chance: &mut Chance, lowest: bool, strange: bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    if lowest {
        for item in [Item::dir("usr/"), Item::dir("usr/bin/"), Item::symlink("bin", "usr/bin")] {
            bytes.extend(item.bytes());
        }
        bytes.extend(Item::file("gone", "g").bytes());
    }
    if chance.one_in(3) {
        bytes.extend(with_data(b'g', "global", b"20 comment=of a git\n").bytes());
    }
    let mut files: Vec<String> = Vec::new();
    for n in 0..6 + chance.below(14) {
        entry(chance, n, strange, &mut files, &mut bytes);
    }
    end(chance, &mut bytes);
    bytes
}

fn entry(
    chance: &mut Chance,
    n: usize,
    strange: bool,
    files: &mut Vec<String>,
    bytes: &mut Vec<u8>,
) {
    let content = chance.content();
    let name = match chance.below(8) {
        0 => format!("bin/through-{n}"),
        1 => format!("./usr/bin/plain-{n}"),
        2 => format!("{}{n}", "deep/".repeat(30)),
        3 => format!("/rooted-{n}"),
        _ => format!("file-{n}"),
    };
    match chance.below(if strange { 17 } else { 13 }) {
        0 => bytes.extend(Item::dir(format!("dir-{n}/")).bytes()),
        1 => bytes.extend(Item::symlink(format!("link-{n}"), "nowhere").bytes()),
        2 => bytes.extend(Item::file("usr/.wh.nothing", content).bytes()),
        3 if !files.is_empty() => {
            let to = files[chance.below(files.len())].clone();
            // A size that says nothing: no bytes follow.
            bytes.extend(Item::link(format!("hard-{n}"), to).size(7).bytes());
        }
        4 => bytes.extend(gnu_long(&name, &content)),
        5 => bytes.extend(gnu_sparse(&format!("gnu-sparse-{n}"))),
        6 => bytes.extend(pax_sparse_1(&format!("pax-sparse-{n}"))),
        7 => bytes.extend(pax_sparse_0(&format!("old-sparse-{n}"), chance.one_in(2))),
        8 => bytes.extend(Item::new(b'6', format!("fifo-{n}")).bytes()),
        9 => {
            files.push(name.clone());
            let item = Item::file(&name, &content).pax("comment", vec![b'c'; chance.below(3000)]);
            bytes.extend(item.mtime(5, 123_000_000).bytes());
        }
        10 => {
            // GNU's way of large numbers, blanks in front of others, and a
            // name of the owner.
            let mut size = vec![0x80, 0, 0, 0];
            size.extend((content.len() as u64).to_be_bytes());
            let item = Item::file(&name, &content).patch(124, size).patch(100, b"   644 \0");
            bytes.extend(item.patch(265, b"somebody").bytes());
        }
        13 => twice(bytes, &name, &content, &name),
        14 => twice(bytes, &format!("bin/t{n}"), &content, &format!("usr/bin/t{n}")),
        15 => {
            // In a layer below it may be a file already.
            let dir = format!("was-dir-{:x}", chance.next());
            bytes.extend(Item::file(format!("{dir}/f"), &content).bytes());
            bytes.extend(Item::file(dir, b"now a file").bytes());
        }
        16 => {
            bytes.extend(Item::file(&name, &content).bytes());
            bytes.extend(Item::symlink(&name, "elsewhere").bytes());
        }
        _ => {
            files.push(name.clone());
            bytes.extend(Item::file(&name, &content).bytes());
        }
    }
    // Whatever fills up the last block.
    if chance.one_in(3) {
        let filling = bytes.len().next_multiple_of(512);
        bytes.resize(filling, 0);
        let odd = Item::file(format!("odd-{n}"), [b'o'; 100]).bytes();
        let start = bytes.len() + odd.len() - 412;
        bytes.extend(odd);
        bytes[start..].fill(0xee);
    }
}

fn with_data(flag: u8, name: &str, data: &[u8]) -> Item {
    Item { data: data.to_vec(), ..Item::new(flag, name) }
}

fn twice(bytes: &mut Vec<u8>, first: &str, content: &[u8], second: &str) {
    bytes.extend(Item::file(first, content).bytes());
    bytes.extend(Item::file(second, b"the second counts").bytes());
}

fn gnu_long(name: &str, content: &[u8]) -> Vec<u8> {
    let long = format!("{}{}\0", "long/".repeat(40), name.trim_matches('/').replace('/', "-"));
    let mut bytes = with_data(b'L', "././@LongLink", long.as_bytes()).bytes();
    bytes.extend(Item::file("cut off", content).patch(257, b"ustar  \0").bytes());
    bytes
}

/// Two parts in the header, and more in a block after it.
fn gnu_sparse(name: &str) -> Vec<u8> {
    let number = |n: u64| format!("{n:011o}\0");
    let mut descriptors = String::new();
    for at in [0, 8192, 16_384, 24_576] {
        descriptors += &(number(at) + &number(512));
    }
    let item = Item { data: Vec::new(), ..Item::new(b'S', name) };
    let item = item.size(5 * 512).patch(257, b"ustar  \0").patch(386, descriptors);
    let mut bytes = item.patch(482, [1]).patch(483, number(40_960)).bytes();
    let mut more = vec![0; 512];
    let last = number(32_768) + &number(512);
    more[..24].copy_from_slice(last.as_bytes());
    bytes.extend(more);
    bytes.extend((0..5 * 512).map(|n| (n % 251) as u8));
    bytes
}

fn pax_sparse_1(name: &str) -> Vec<u8> {
    let mut data = b"2\n0\n600\n50000\n100\n".to_vec();
    data.resize(512, 0);
    data.extend([b's'; 700]);
    Item::file(format!("GNUSparseFile.1/{name}"), data)
        .pax("GNU.sparse.major", "1")
        .pax("GNU.sparse.minor", "0")
        .pax("GNU.sparse.name", name)
        .pax("GNU.sparse.realsize", "60000")
        .bytes()
}

fn pax_sparse_0(name: &str, one: bool) -> Vec<u8> {
    let item = Item::file(name, [b'z'; 30]).pax("GNU.sparse.size", "9000");
    let item = item.pax("GNU.sparse.numblocks", "2");
    let item = match one {
        true => item.pax("GNU.sparse.map", "0,10,5000,20"),
        false => item
            .pax("GNU.sparse.offset", "0")
            .pax("GNU.sparse.numbytes", "10")
            .pax("GNU.sparse.offset", "5000")
            .pax("GNU.sparse.numbytes", "20"),
    };
    item.bytes()
}

fn end(chance: &mut Chance, bytes: &mut Vec<u8>) {
    let zeros = match chance.below(7) {
        0 => 0,
        1 => 512,
        2 => 10 << 20,
        3 => bytes.len().next_multiple_of(20 * 512) - bytes.len() + 20 * 512,
        4 => {
            // Something behind the end that nobody reads.
            bytes.resize(bytes.len() + 1024, 0);
            bytes.extend(b"and then some");
            0
        }
        5 => {
            // The last block isn't filled up.
            bytes.extend(Item::file("last", [b'l'; 700]).bytes());
            bytes.truncate(bytes.len() - 324);
            0
        }
        _ => 1024,
    };
    bytes.resize(bytes.len() + zeros, 0);
}
