//! A file within an archive, read at its own pace: any number of members of
//! one archive can be read side by side.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use super::problem::{Problem, Result};

/// A run of bytes in an open file.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    file: Arc<File>,
    offset: u64,
    len: u64,
}

impl Member {
    pub(crate) fn new(file: Arc<File>, offset: u64, len: u64) -> Self {
        Self { file, offset, len }
    }

    /// Its length in bytes.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// A reader of its own, at the beginning.
    pub(crate) fn reader(&self) -> MemberReader {
        MemberReader { member: self.clone(), position: 0 }
    }

    /// All its bytes, unless there are more than `limit`.
    pub(crate) fn read_all(&self, limit: u64) -> Result<Vec<u8>> {
        if self.len > limit {
            let text = format!(
                "it has {} bytes, and more than {limit} are not read (limit manifest-bytes); \
                 --limit manifest-bytes=VALUE would allow more",
                self.len
            );
            return Err(Problem::new(text));
        }
        let mut bytes = Vec::new();
        self.reader().read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

/// Reads a member by position: the file's own position doesn't matter.
#[derive(Debug)]
pub(crate) struct MemberReader {
    member: Member,
    position: u64,
}

impl Read for MemberReader {
    /// An archive that was cut off, or shrinks while it is read, is an error
    /// and not an early end.
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let left = self.member.len - self.position;
        let want = usize::try_from(left).map_or(buf.len(), |left| buf.len().min(left));
        let Some(buf) = buf.get_mut(..want).filter(|b| !b.is_empty()) else { return Ok(0) };
        let got = self.member.file.read_at(buf, self.member.offset + self.position)?;
        if got == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it is cut off"));
        }
        self.position += got as u64;
        Ok(got)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn member(content: &[u8], offset: u64, len: u64) -> Member {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content).unwrap();
        Member::new(Arc::new(file), offset, len)
    }

    #[test]
    fn a_member_is_its_own_bytes_and_no_others() {
        let member = member(b"before-content-after", 7, 7);
        assert_eq!(member.read_all(7).unwrap(), b"content");
        assert!(member.read_all(6).unwrap_err().to_string().contains("more than 6"));
    }

    #[test]
    fn a_file_that_ends_too_early_is_an_error() {
        let error = member(b"short", 2, 10).read_all(100).unwrap_err().to_string();
        assert!(error.contains("cut off"), "{error}");
    }
}
