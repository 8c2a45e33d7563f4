//! Writes tar archives that no tool would write.

/// An archive in the making.
#[derive(Default)]
pub(crate) struct Tar(Vec<u8>);

const BLOCK: usize = 512;

impl Tar {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// An entry as its header says it; the content is filled up to a block.
    pub(crate) fn entry(self, kind: u8, name: &[u8], link: &[u8], content: &[u8]) -> Self {
        let size = format!("{:011o}", content.len());
        self.header(kind, name, link, size.as_bytes()).content(content)
    }

    /// A header alone, with whatever stands for the size.
    pub(crate) fn header(mut self, kind: u8, name: &[u8], link: &[u8], size: &[u8]) -> Self {
        let mut block = [0; BLOCK];
        put(&mut block, 0..100, name);
        put(&mut block, 100..108, if kind == b'5' { b"0000755" } else { b"0000644" });
        put(&mut block, 108..116, b"0000000");
        put(&mut block, 116..124, b"0000000");
        put(&mut block, 124..136, size);
        put(&mut block, 136..148, b"14000000000");
        block[156] = kind;
        put(&mut block, 157..257, link);
        put(&mut block, 257..265, b"ustar\x0000");
        put(&mut block, 329..337, b"0000001");
        put(&mut block, 337..345, b"0000003");
        seal(&mut block);
        self.0.extend(block);
        self
    }

    /// Changes the last header that was written.
    pub(crate) fn field(mut self, range: std::ops::Range<usize>, value: &[u8]) -> Self {
        let start = self.0.len() - BLOCK;
        let block: &mut [u8; BLOCK] = (&mut self.0[start..]).try_into().unwrap();
        block[range.clone()].fill(0);
        put(block, range, value);
        seal(block);
        self
    }

    pub(crate) fn content(mut self, content: &[u8]) -> Self {
        self.0.extend(content);
        self.0.resize(self.0.len().next_multiple_of(BLOCK), 0);
        self
    }

    pub(crate) fn file(self, name: impl AsRef<[u8]>) -> Self {
        self.entry(b'0', name.as_ref(), b"", b"overwritten")
    }

    pub(crate) fn dir(self, name: impl AsRef<[u8]>) -> Self {
        self.entry(b'5', name.as_ref(), b"", b"")
    }

    pub(crate) fn symlink(self, name: impl AsRef<[u8]>, to: impl AsRef<[u8]>) -> Self {
        self.entry(b'2', name.as_ref(), to.as_ref(), b"")
    }

    pub(crate) fn link(self, name: impl AsRef<[u8]>, to: impl AsRef<[u8]>) -> Self {
        self.entry(b'1', name.as_ref(), to.as_ref(), b"")
    }

    /// Records for the next entry.
    pub(crate) fn pax(self, records: &[(&str, &[u8])]) -> Self {
        let content: Vec<u8> = records.iter().flat_map(|(key, value)| record(key, value)).collect();
        self.entry(b'x', b"pax", b"", &content)
    }

    pub(crate) fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend(bytes);
        self
    }

    pub(crate) fn end(mut self) -> Vec<u8> {
        self.0.extend([0; 2 * BLOCK]);
        self.0
    }

    /// Without its end.
    pub(crate) fn cut(self, missing: usize) -> Vec<u8> {
        let length = self.0.len() - missing;
        self.0[..length].to_vec()
    }
}

fn put(block: &mut [u8; BLOCK], range: std::ops::Range<usize>, value: &[u8]) {
    let field = &mut block[range];
    let length = value.len().min(field.len());
    field[..length].copy_from_slice(&value[..length]);
}

fn seal(block: &mut [u8; BLOCK]) {
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    put(block, 148..156, format!("{sum:06o}\0 ").as_bytes());
}

/// "LENGTH KEY=VALUE\n", where the length counts itself.
fn record(key: &str, value: &[u8]) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let digits = |n: usize| n.to_string().len();
    let mut length = rest + digits(rest);
    length = rest + digits(length);
    let mut record = format!("{length} {key}=").into_bytes();
    record.extend(value);
    record.push(b'\n');
    record
}
