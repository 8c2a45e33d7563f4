//! From an errno to the contract's error: what was being done, and to what.

use std::io;
use std::path::Path;

use graphdriver_api::{Error, Op};

/// Says what was being done when a call failed.
pub trait Context<T>: Sized {
    /// Turns an error of the operating system into the contract's, whose kind
    /// follows from it. `doing` begins with a verb ("open the directory");
    /// `path` is relative to the node's tree, or absolute on the host.
    ///
    /// # Errors
    /// The same one, in other words.
    fn doing(self, op: Op, doing: &'static str, path: impl AsRef<Path>) -> Result<T, Error> {
        self.failing(op, doing).map_err(|e| e.with_path(path))
    }

    /// As [`doing`](Self::doing), with a path that is only put together if it
    /// is needed.
    ///
    /// # Errors
    /// The same one, in other words.
    fn doing_to<P: AsRef<Path>>(
        self,
        op: Op,
        doing: &'static str,
        path: impl FnOnce() -> P,
    ) -> Result<T, Error> {
        self.failing(op, doing).map_err(|e| e.with_path(path()))
    }

    /// As [`doing`](Self::doing), where the caller adds the path.
    ///
    /// # Errors
    /// The same one, in other words.
    fn failing(self, op: Op, doing: &'static str) -> Result<T, Error>;
}

impl<T, E: Into<io::Error>> Context<T> for Result<T, E> {
    fn failing(self, op: Op, doing: &'static str) -> Result<T, Error> {
        self.map_err(|e| Error::io(op, doing, e))
    }
}

#[cfg(test)]
mod tests {
    use graphdriver_api::ErrorKind;
    use rustix::io::Errno;

    use super::*;

    #[test]
    fn an_errno_becomes_one_line() {
        let failed: Result<(), Errno> = Err(Errno::NOSPC);
        let error = failed.doing_to(Op::Apply, "write the file", || "usr/bin/x").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NoSpace);
        assert_eq!(
            error.report(),
            "apply: write the file (\"usr/bin/x\"): No space left on device (os error 28)"
        );
    }
}
