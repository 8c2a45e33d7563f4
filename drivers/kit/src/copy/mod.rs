//! Copies of whole trees: every kind of file, every attribute, every hole and
//! every hard link, by descriptor and in parallel.
//!
//! A file's content is shared where the file system can (FICLONE), else copied
//! inside the kernel (copy_file_range(2)), else read and written. The result
//! depends on the source alone, not on how the work was spread over threads.
//!
//! | File | What |
//! |---|---|
//! | `tree` | the walk: directories, batches of their entries, and how they end |
//! | `pool` | the threads that do it, and the first error |
//! | `entry` | one file of any kind, with its attributes |
//! | `links` | files with several names |
//! | `content` | bytes and holes |

mod content;
mod entry;
mod links;
mod pool;
#[cfg(test)]
mod tests;
mod tree;

use std::num::NonZeroUsize;
use std::os::fd::BorrowedFd;
use std::thread::available_parallelism;

use graphdriver_api::{Op, Result};

use crate::at::Time;

/// More threads than this don't make one disk faster.
const MOST_THREADS: usize = 8;

/// What was copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Copied {
    /// Names, directories included, the root not.
    pub entries: u64,
    /// Bytes of content, holes not included, a hard-linked file once.
    pub bytes: u64,
    /// The copy was complete by then, in the clock of its file system: a file
    /// in it whose ctime is *earlier* hasn't been touched since. One with this
    /// very ctime may have been, because a clock's tick is long.
    pub baseline: Time,
}

/// Copies what is in the directory `from`, and its own attributes, to the empty
/// directory `to`. `op` is the call of the contract that errors name.
///
/// The source must be at rest: a layer, not a draft. Access times are copied;
/// those of the source stay what they are, symbolic links' excepted. Not copied are inode flags (chattr(1))
/// and project ids. Nothing is flushed.
///
/// The thread's file mode creation mask has no influence. Cost: some ten system
/// calls a file, spread over as many threads as there are processors, up to 8
/// (or `threads`). Memory grows with the directories that wait, and with the
/// files that have several names; descriptors are few, however deep the tree.
///
/// # Errors
/// The first failure, naming the path relative to the root. `to` then holds a
/// part of the tree.
pub fn copy_tree(
    op: Op,
    from: BorrowedFd<'_>,
    to: BorrowedFd<'_>,
    threads: Option<NonZeroUsize>,
) -> Result<Copied> {
    let threads = threads.or_else(|| available_parallelism().ok());
    tree::copy(op, from, to, threads.map_or(1, NonZeroUsize::get).min(MOST_THREADS))
}
