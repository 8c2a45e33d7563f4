//! Caches, flushes and threads.

use super::{Known, flag, value};

pub(super) const OPTIONS: &[Known] = &[
    value("timeout", "SECONDS", "how long the kernel keeps names and attributes", |d, v| {
        v.seconds().map(|time| d.union.timeout = time)
    }),
    value("writeback", "0|1", "let the kernel gather writes; 1 unless said", |d, v| {
        v.switch().map(|on| d.union.writeback = on)
    }),
    value("fsync", "0|1", "flush when asked to; 1 unless said", |d, v| {
        v.switch().map(|on| d.fsync = Some(on))
    }),
    flag("volatile", "never flush, and mark the upper as torn if the host crashes", |d| {
        d.volatile = true;
    }),
    value("threaded", "0|1", "answer from several threads; 1 unless said", |d, v| {
        v.switch().map(|on| d.threaded = Some(on))
    }),
    value("max_threads", "N", "from no more than this many", |d, v| {
        v.count().map(|n| d.max_threads = Some(n))
    }),
    value("copy_up", "open|write", "when a file is copied up; write unless said", |d, v| {
        let on_open = v.one_of(&[("open", true), ("write", false)], "open or write")?;
        d.union.copy_up_on_open = on_open;
        Ok(())
    }),
    flag("debug", "as -d", |d| d.debug = true),
];
