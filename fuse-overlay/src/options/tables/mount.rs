//! What the kernel is told about the mount. Where two say opposite things, the
//! last one counts, as everywhere with mount(8).

use super::{Known, flag, maybe, value};
use crate::options::draft::Draft;
use crate::options::value::Value;
use crate::options::{AccessTime, Label, UsageError};

const LABEL: &str = "LABEL";

pub(super) const OPTIONS: &[Known] = &[
    flag("ro", "nothing can be changed", |d, _| ok(d.read_only = true)),
    flag("rw", "the opposite, if there is an upperdir", |d, _| ok(d.read_only = false)),
    flag("dev", "devices work as such", |d, _| ok(d.flags.dev = true)),
    flag("nodev", "the opposite; so unless said", |d, _| ok(d.flags.dev = false)),
    flag("suid", "set-user-ID bits count; so unless said", |d, _| ok(d.flags.suid = true)),
    flag("nosuid", "the opposite", |d, _| ok(d.flags.suid = false)),
    flag("exec", "programs can be run; so unless said", |d, _| ok(d.flags.exec = true)),
    flag("noexec", "the opposite", |d, _| ok(d.flags.exec = false)),
    flag("noatime", "reads change no time of access; so unless said", access_time::<NEVER>),
    flag("atime", "they do by the kernel's rule, which is relatime", access_time::<RELATIVE>),
    flag("relatime", "they do where it is older than the last change", access_time::<RELATIVE>),
    flag("norelatime", "as atime", access_time::<RELATIVE>),
    flag("strictatime", "they always do", access_time::<ALWAYS>),
    flag("nostrictatime", "as atime", access_time::<RELATIVE>),
    flag("nodiratime", "not of directories", |d, _| ok(d.flags.nodiratime = true)),
    flag("diratime", "the opposite; so unless said", |d, _| ok(d.flags.nodiratime = false)),
    flag("lazytime", "times are written out later", |d, _| ok(d.flags.lazytime = true)),
    flag("nolazytime", "the opposite; so unless said", |d, _| ok(d.flags.lazytime = false)),
    // With a value it is a name of fuse-overlayfs's for `fsync`.
    maybe("sync", "0|1", "every write is a flush; with a value, as fsync", sync),
    flag("async", "the opposite; so unless said", |d, _| ok(d.flags.sync = false)),
    flag("dirsync", "every change of a directory is a flush", |d, _| ok(d.flags.dirsync = true)),
    flag("nosymfollow", "follow no symbolic links", |d, _| ok(d.flags.nosymfollow = true)),
    flag("allow_other", "everybody may look in; so unless said, if root mounts", |d, _| {
        ok(d.allow_other = true)
    }),
    flag("allow_root", "root may look in", |d, _| ok(d.allow_root = true)),
    flag("auto_unmount", "unmount if the program dies (by fusermount3)", |d, _| {
        ok(d.auto_unmount = true)
    }),
    value("fsname", "NAME", "the first field in /proc/mounts; the SOURCE unless said", |d, v| {
        ok(d.fsname = Some(v.text()))
    }),
    value("subtype", "NAME", "behind `fuse.` in /proc/mounts; fuse-overlay unless said", |d, v| {
        ok(d.subtype = Some(v.text()))
    }),
    value("max_read", "BYTES", "the largest read that the kernel asks for", |d, v| {
        v.bytes().map(|bytes| d.max_read = Some(bytes))
    }),
    value("context", LABEL, "SELinux's label of every file", label),
    value("fscontext", LABEL, "SELinux's label of the file system", label),
    value("defcontext", LABEL, "SELinux's label of files that have none", label),
    value("rootcontext", LABEL, "SELinux's label of the mount's root", label),
];

/// For setters that can't fail.
fn ok((): ()) -> Result<(), UsageError> {
    Ok(())
}

const NEVER: u8 = 0;
const RELATIVE: u8 = 1;
const ALWAYS: u8 = 2;

fn access_time<const WHEN: u8>(draft: &mut Draft, _: &Value<'_>) -> Result<(), UsageError> {
    draft.flags.access_time = match WHEN {
        NEVER => AccessTime::Never,
        RELATIVE => AccessTime::Relative,
        _ => AccessTime::Always,
    };
    Ok(())
}

fn sync(draft: &mut Draft, value: &Value<'_>) -> Result<(), UsageError> {
    match value.bytes {
        Some(_) => value.switch().map(|on| draft.fsync = Some(on)),
        None => ok(draft.flags.sync = true),
    }
}

fn label(draft: &mut Draft, value: &Value<'_>) -> Result<(), UsageError> {
    draft.labels.retain(|label| label.option != value.option);
    draft.labels.push(Label { option: value.option, value: value.text() });
    Ok(())
}
