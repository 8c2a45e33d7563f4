//! Histories as text: one operation a line, to be printed when one fails and
//! read again to repeat it.
//!
//! ```text
//! child
//! mkdir a 0755
//! create a/b 0644
//! write a/b 4096 7*300
//! rename a/b c exchange
//! setxattr c user.x 00ff
//! commit
//! child 0
//! roundtrip 0 deferred
//! ```
//!
//! Names have bytes other than printable ASCII, blanks and backslashes as
//! `\xNN`, and many equal bytes as `\r{n*255}`; `7*300` are 300 bytes made of
//! the seed 7; `#` begins a comment.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::op::{Action, Fill, Op};
use crate::snapshot::Timestamp;
use crate::tree::Rename;

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path, action) => file(f, &Name(path.as_os_str()), action),
            Self::Remount => f.write_str("remount"),
            Self::Persist => f.write_str("persist"),
            Self::Reopen => f.write_str("reopen"),
            Self::Commit => f.write_str("commit"),
            Self::Discard => f.write_str("discard"),
            Self::Child(None) => f.write_str("child"),
            Self::Child(Some(layer)) => write!(f, "child {layer}"),
            Self::RoundTrip { layer, deferred: false } => write!(f, "roundtrip {layer}"),
            Self::RoundTrip { layer, deferred: true } => write!(f, "roundtrip {layer} deferred"),
        }
    }
}

fn file(f: &mut fmt::Formatter<'_>, path: &Name<'_>, action: &Action) -> fmt::Result {
    match action {
        Action::Create(mode) => write!(f, "create {path} {mode:04o}"),
        Action::Mkdir(mode) => write!(f, "mkdir {path} {mode:04o}"),
        Action::Symlink(target) => write!(f, "symlink {path} {}", Name(target)),
        Action::CharDevice(major, minor) => write!(f, "char {path} {major} {minor}"),
        Action::BlockDevice(major, minor) => write!(f, "block {path} {major} {minor}"),
        Action::Fifo(mode) => write!(f, "fifo {path} {mode:04o}"),
        Action::Socket(mode) => write!(f, "socket {path} {mode:04o}"),
        Action::Write(offset, fill) => write!(f, "write {path} {offset} {fill}"),
        Action::Append(fill) => write!(f, "append {path} {fill}"),
        Action::Rewrite(fill) => write!(f, "rewrite {path} {fill}"),
        Action::MapWrite(offset, fill) => write!(f, "mapwrite {path} {offset} {fill}"),
        Action::Truncate(len) => write!(f, "truncate {path} {len}"),
        Action::Punch(offset, len) => write!(f, "punch {path} {offset} {len}"),
        Action::Link(new) => write!(f, "link {path} {}", Name(new.as_os_str())),
        Action::Rename(new, how) => {
            let how = match how {
                Rename::Replace => "replace",
                Rename::NoReplace => "noreplace",
                Rename::Exchange => "exchange",
            };
            write!(f, "rename {path} {} {how}", Name(new.as_os_str()))
        }
        Action::Unlink => write!(f, "unlink {path}"),
        Action::Rmdir => write!(f, "rmdir {path}"),
        Action::Chmod(mode) => write!(f, "chmod {path} {mode:04o}"),
        Action::Chown(uid, gid) => write!(f, "chown {path} {uid} {gid}"),
        Action::SetTime(None) => write!(f, "settime {path} now"),
        Action::SetTime(Some(time)) => write!(f, "settime {path} {} {}", time.sec, time.nsec),
        Action::SetXattr(name, value) => {
            write!(f, "setxattr {path} {} x", Name(name))?;
            value.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
        }
        Action::RemoveXattr(name) => write!(f, "removexattr {path} {}", Name(name)),
    }
}

impl fmt::Display for Fill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}*{}", self.seed, self.len)
    }
}

struct Name<'a>(&'a OsStr);

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for run in self.0.as_bytes().chunk_by(|a, b| a == b) {
            match run {
                [byte, ..] if run.len() >= MANY => {
                    write!(f, "\\r{{{}*{}}}", Byte(*byte), run.len())?;
                }
                _ => run.iter().try_for_each(|byte| write!(f, "{}", Byte(*byte)))?,
            }
        }
        Ok(())
    }
}

/// From how many on equal bytes are counted.
const MANY: usize = 16;

struct Byte(u8);

impl fmt::Display for Byte {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            b'\\' | b'#' => write!(f, "\\x{:02x}", self.0),
            b'!'..=b'~' => write!(f, "{}", char::from(self.0)),
            byte => write!(f, "\\x{byte:02x}"),
        }
    }
}

/// Writes a history as text.
#[must_use]
pub fn to_text(history: &[Op]) -> String {
    history.iter().map(|op| format!("{op}\n")).collect()
}

/// Reads a history.
///
/// # Errors
/// The first line that is no operation, in words.
pub fn from_text(text: &str) -> Result<Vec<Op>, String> {
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    let numbered = lines.enumerate().filter(|(_, line)| !line.is_empty());
    numbered
        .map(|(number, line)| {
            parse(line).ok_or_else(|| format!("line {}: no operation: {line:?}", number + 1))
        })
        .collect()
}

fn parse(line: &str) -> Option<Op> {
    let mut words = line.split_whitespace();
    let verb = words.next()?;
    let op = match verb {
        "remount" => Op::Remount,
        "persist" => Op::Persist,
        "reopen" => Op::Reopen,
        "commit" => Op::Commit,
        "discard" => Op::Discard,
        "child" => match words.next() {
            None => Op::Child(None),
            Some(layer) => Op::Child(Some(layer.parse().ok()?)),
        },
        "roundtrip" => {
            let layer = number(words.next())?;
            match words.next() {
                None => Op::RoundTrip { layer, deferred: false },
                Some("deferred") => Op::RoundTrip { layer, deferred: true },
                Some(_) => return None,
            }
        }
        _ => Op::File(path(words.next())?, action(verb, &mut words)?),
    };
    words.next().is_none().then_some(op)
}

fn action<'a>(verb: &str, words: &mut impl Iterator<Item = &'a str>) -> Option<Action> {
    let mut next = || words.next();
    Some(match verb {
        "create" => Action::Create(octal(next())?),
        "mkdir" => Action::Mkdir(octal(next())?),
        "symlink" => Action::Symlink(name(next())?),
        "char" => Action::CharDevice(number(next())?, number(next())?),
        "block" => Action::BlockDevice(number(next())?, number(next())?),
        "fifo" => Action::Fifo(octal(next())?),
        "socket" => Action::Socket(octal(next())?),
        "write" => Action::Write(number(next())?, fill(next())?),
        "append" => Action::Append(fill(next())?),
        "rewrite" => Action::Rewrite(fill(next())?),
        "mapwrite" => Action::MapWrite(number(next())?, fill(next())?),
        "truncate" => Action::Truncate(number(next())?),
        "punch" => Action::Punch(number(next())?, number(next())?),
        "link" => Action::Link(path(next())?),
        "rename" => {
            let new = path(next())?;
            let how = match next()? {
                "replace" => Rename::Replace,
                "noreplace" => Rename::NoReplace,
                "exchange" => Rename::Exchange,
                _ => return None,
            };
            Action::Rename(new, how)
        }
        "unlink" => Action::Unlink,
        "rmdir" => Action::Rmdir,
        "chmod" => Action::Chmod(octal(next())?),
        "chown" => Action::Chown(number(next())?, number(next())?),
        "settime" => match next()? {
            "now" => Action::SetTime(None),
            sec => {
                let (sec, nsec) = (sec.parse().ok()?, number(next())?);
                Action::SetTime(Some(Timestamp { sec, nsec }))
            }
        },
        "setxattr" => Action::SetXattr(name(next())?, value(next())?),
        "removexattr" => Action::RemoveXattr(name(next())?),
        _ => return None,
    })
}

fn number<T: FromStr>(word: Option<&str>) -> Option<T> {
    word?.parse().ok()
}

fn octal(word: Option<&str>) -> Option<u32> {
    u32::from_str_radix(word?, 8).ok()
}

fn fill(word: Option<&str>) -> Option<Fill> {
    let (seed, len) = word?.split_once('*')?;
    Some(Fill { seed: seed.parse().ok()?, len: len.parse().ok()? })
}

fn value(word: Option<&str>) -> Option<Vec<u8>> {
    let digits = word?.strip_prefix('x')?.as_bytes();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect()
}

fn path(word: Option<&str>) -> Option<PathBuf> {
    name(word).map(|name| Path::new(&name).to_owned())
}

fn name(word: Option<&str>) -> Option<OsString> {
    let mut bytes = Vec::new();
    let mut rest = word?;
    while let Some((plain, escaped)) = rest.split_once('\\') {
        bytes.extend_from_slice(plain.as_bytes());
        rest = match escaped.strip_prefix("r{") {
            Some(counted) => {
                let (counted, behind) = counted.split_once('}')?;
                let (of, count) = counted.rsplit_once('*')?;
                let of = name(Some(of))?;
                bytes.extend(of.as_bytes().repeat(count.parse().ok()?));
                behind
            }
            None => {
                let (digits, behind) = escaped.strip_prefix('x')?.split_at_checked(2)?;
                bytes.push(u8::from_str_radix(digits, 16).ok()?);
                behind
            }
        };
    }
    bytes.extend_from_slice(rest.as_bytes());
    Some(OsString::from_vec(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_is_read_as_it_was_written() {
        let text = "\
child
create a 0644
mkdir a/\\xff\\x20b 2755
symlink s ../\\x5cx
char c 0 0
block b 7 300
fifo f 0600
socket k 0777
write a 4096 7*300
append a 255*1
rewrite a 0*9
mapwrite a 1 2*3
truncate a 1048576
punch a 10 20
link a b
rename a b replace
rename a b noreplace
rename a b exchange
unlink a
rmdir a/\\r{n*255}/b
rmdir \\r{\\xff*20}
chmod . 1777
chown a 0 4000000000
settime a now
settime a -1 500000000
setxattr a user.x x00ff
setxattr a user.empty x
removexattr a trusted.y
remount
persist
reopen
commit
child 3
discard
roundtrip 0
roundtrip 1 deferred
";
        let history = from_text(text).unwrap();
        assert_eq!(to_text(&history), text);
        assert_eq!(from_text("# none\n\n commit # at once\n").unwrap(), [Op::Commit]);
    }

    #[test]
    fn what_is_no_operation_is_told_by_line() {
        for bad in ["write a 1", "unlink a b", "chmod a 999", "jump", "create a\\xz 0644"] {
            let error = from_text(&format!("commit\n{bad}\n")).unwrap_err();
            assert!(error.starts_with("line 2: "), "{error}");
        }
    }
}
