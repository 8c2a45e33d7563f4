//! Reads what a driver wrote: headers and records, as far as cases ask. Its
//! own reader, because attribute values may hold any byte, newlines too.

use super::super::stop::{Stop, Verdict, When, ensure};
use super::BLOCK;

/// An entry as it stands in an archive.
#[derive(Debug, Clone)]
pub(in super::super) struct Read {
    /// Its path, long names included.
    pub(in super::super) path: Vec<u8>,
    /// The header's type flag.
    pub(in super::super) kind: u8,
    /// Permission bits as written.
    pub(in super::super) mode: u32,
    /// The link's target, or nothing.
    pub(in super::super) link: Vec<u8>,
    /// The content.
    pub(in super::super) data: Vec<u8>,
    /// Its PAX records, in order.
    pub(in super::super) records: Vec<(Vec<u8>, Vec<u8>)>,
    /// The name of the owner and of the group.
    pub(in super::super) names: (Vec<u8>, Vec<u8>),
}

impl Read {
    /// The value of a PAX record.
    pub(in super::super) fn record(&self, key: &str) -> Option<&[u8]> {
        find(&self.records, key)
    }

    /// The path without the slash at the end, for a message or a list.
    pub(in super::super) fn name(&self) -> String {
        let path = self.path.strip_suffix(b"/").unwrap_or(&self.path);
        path.escape_ascii().to_string()
    }
}

type Records = Vec<(Vec<u8>, Vec<u8>)>;

fn find<'a>(records: &'a Records, key: &str) -> Option<&'a [u8]> {
    records.iter().find(|(k, _)| k == key.as_bytes()).map(|(_, value)| value.as_slice())
}

/// Every entry of an archive, which must have its end and nothing behind it.
pub(in super::super) fn entries(bytes: &[u8]) -> Verdict<Vec<Read>> {
    ensure!(bytes.len().is_multiple_of(BLOCK), "{} bytes are no blocks", bytes.len());
    let mut rest = bytes;
    let (mut read, mut records, mut long) = (Vec::new(), Records::new(), (None, None));
    loop {
        let header = take(&mut rest, BLOCK)?;
        if header.iter().all(|b| *b == 0) {
            ensure!(rest.len() >= BLOCK, "the archive ends with a single block of zeros");
            ensure!(rest.iter().all(|b| *b == 0), "there is something behind the archive's end");
            return Ok(read);
        }
        checksum(header)?;
        let size = size_of(header, &records)?;
        let data = take(&mut rest, size.next_multiple_of(BLOCK))?;
        let data = &data[..size];
        match header[156] {
            b'x' => records = parse(data)?,
            b'L' => long.0 = Some(cut(data)),
            b'K' => long.1 = Some(cut(data)),
            kind => {
                let records = std::mem::take(&mut records);
                read.push(entry(header, kind, data, records, std::mem::take(&mut long))?);
            }
        }
    }
}

fn entry(
    header: &[u8],
    kind: u8,
    data: &[u8],
    records: Records,
    long: (Option<Vec<u8>>, Option<Vec<u8>>),
) -> Verdict<Read> {
    let prefix = if header[257..263] == *b"ustar\0" { cut(&header[345..500]) } else { Vec::new() };
    let name = cut(&header[..100]);
    let short = if prefix.is_empty() { name } else { [&prefix[..], b"/", &name].concat() };
    let said = |key| find(&records, key).map(<[u8]>::to_vec);
    Ok(Read {
        path: said("path").or(long.0).unwrap_or(short),
        kind: if kind == 0 { b'0' } else { kind },
        mode: u32::try_from(octal(&header[100..108])?).when("a mode")?,
        link: said("linkpath").or(long.1).unwrap_or_else(|| cut(&header[157..257])),
        names: (cut(&header[265..297]), cut(&header[297..329])),
        data: data.to_vec(),
        records,
    })
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> Verdict<&'a [u8]> {
    let (taken, left) = rest
        .split_at_checked(count)
        .ok_or_else(|| Stop::failed(format!("the archive ends {count} bytes too early")))?;
    *rest = left;
    Ok(taken)
}

fn checksum(header: &[u8]) -> Verdict {
    let blank = (148..156).len() as u64 * u64::from(b' ');
    let others = header[..148].iter().chain(&header[156..]).map(|b| u64::from(*b));
    let (sum, said) = (others.sum::<u64>() + blank, octal(&header[148..156])?);
    ensure!(sum == said, "a header's checksum is {sum}, and it says {said}");
    Ok(())
}

fn size_of(header: &[u8], records: &Records) -> Verdict<usize> {
    let number = match find(records, "size") {
        Some(text) => decimal(text)?,
        None => octal(&header[124..136])?,
    };
    usize::try_from(number).when("a size")
}

/// Up to the first NUL.
fn cut(field: &[u8]) -> Vec<u8> {
    field.iter().copied().take_while(|b| *b != 0).collect()
}

fn octal(field: &[u8]) -> Verdict<u64> {
    if field[0] & 0x80 != 0 {
        let bytes = field[1..].iter();
        return Ok(bytes.fold(u64::from(field[0] & 0x7f), |n, b| n << 8 | u64::from(*b)));
    }
    let text = String::from_utf8_lossy(&cut(field)).trim().to_owned();
    u64::from_str_radix(&text, 8).when(format_args!("the number {text:?}"))
}

fn decimal(text: &[u8]) -> Verdict<u64> {
    let text = String::from_utf8_lossy(text);
    text.parse().when(format_args!("the number {text:?}"))
}

fn parse(mut data: &[u8]) -> Verdict<Records> {
    let mut records = Records::new();
    while !data.is_empty() {
        let blank = data.iter().position(|b| *b == b' ');
        let blank = blank.ok_or_else(|| Stop::failed("a record without a length"))?;
        let length = usize::try_from(decimal(&data[..blank])?).when("a record's length")?;
        let record = take(&mut data, length)?;
        let record = record.strip_suffix(b"\n").and_then(|r| r.get(blank + 1..));
        let record = record.ok_or_else(|| Stop::failed("a record that doesn't end as it says"))?;
        let equals = record.iter().position(|b| *b == b'=');
        let equals = equals.ok_or_else(|| Stop::failed("a record without a value"))?;
        records.push((record[..equals].to_vec(), record[equals + 1..].to_vec()));
    }
    Ok(records)
}
