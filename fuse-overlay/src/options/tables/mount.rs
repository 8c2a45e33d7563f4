//! What the kernel is told about the mount. Where two say opposite things, the
//! last one counts, as everywhere with mount(8).

use super::{Known, flag, maybe, value};
use crate::options::draft::Draft;
use crate::options::value::Value;
use crate::options::{AccessTime, Label, UsageError};

const LABEL: &str = "LABEL";

pub(super) const OPTIONS: &[Known] = &[
    flag("ro", "nothing can be changed", |d| d.read_only = true),
    flag("rw", "the opposite, if there is an upperdir", |d| d.read_only = false),
    flag("dev", "devices work as such", |d| d.flags.dev = true),
    flag("nodev", "the opposite; so unless said", |d| d.flags.dev = false),
    flag("suid", "set-user-ID bits count; so unless said", |d| d.flags.suid = true),
    flag("nosuid", "the opposite", |d| d.flags.suid = false),
    flag("exec", "programs can be run; so unless said", |d| d.flags.exec = true),
    flag("noexec", "the opposite", |d| d.flags.exec = false),
    flag("noatime", "reads change no time of access; so unless said", |d| {
        d.flags.access_time = AccessTime::Never;
    }),
    flag("atime", "they do by the kernel's rule, which is relatime", |d| {
        d.flags.access_time = AccessTime::Relative;
    }),
    flag("relatime", "they do where it is older than the last change", |d| {
        d.flags.access_time = AccessTime::Relative;
    }),
    flag("norelatime", "as atime", |d| d.flags.access_time = AccessTime::Relative),
    flag("strictatime", "they always do", |d| d.flags.access_time = AccessTime::Always),
    flag("nostrictatime", "as atime", |d| d.flags.access_time = AccessTime::Relative),
    flag("nodiratime", "not of directories", |d| d.flags.nodiratime = true),
    flag("diratime", "the opposite; so unless said", |d| d.flags.nodiratime = false),
    flag("lazytime", "times are written out later", |d| d.flags.lazytime = true),
    flag("nolazytime", "the opposite; so unless said", |d| d.flags.lazytime = false),
    // With a value it is a name of fuse-overlayfs's for `fsync`.
    maybe("sync", "0|1", "every write is a flush; with a value, as fsync", sync),
    flag("async", "the opposite; so unless said", |d| d.flags.sync = false),
    flag("dirsync", "every change of a directory is a flush", |d| d.flags.dirsync = true),
    flag("nosymfollow", "follow no symbolic links", |d| d.flags.nosymfollow = true),
    flag("allow_other", "everybody may look in; so unless said, if root mounts", |d| {
        d.allow_other = true;
    }),
    flag("allow_root", "root may look in", |d| d.allow_root = true),
    flag("auto_unmount", "unmount if the program dies (by fusermount3)", |d| d.auto_unmount = true),
    value("fsname", "NAME", "the first field in /proc/mounts; the SOURCE unless said", |d, v| {
        d.fsname = Some(v.text());
        Ok(())
    }),
    value("subtype", "NAME", "behind `fuse.` in /proc/mounts; fuse-overlay unless said", |d, v| {
        d.subtype = Some(v.text());
        Ok(())
    }),
    value("max_read", "BYTES", "the largest read that the kernel asks for", |d, v| {
        v.bytes().map(|bytes| d.max_read = Some(bytes))
    }),
    value("context", LABEL, "SELinux's label of every file", label),
    value("fscontext", LABEL, "SELinux's label of the file system", label),
    value("defcontext", LABEL, "SELinux's label of files that have none", label),
    value("rootcontext", LABEL, "SELinux's label of the mount's root", label),
];

fn sync(draft: &mut Draft, value: &Value<'_>) -> Result<(), UsageError> {
    match value.bytes {
        Some(_) => value.switch().map(|on| draft.fsync = Some(on)),
        None => {
            draft.flags.sync = true;
            Ok(())
        }
    }
}

fn label(draft: &mut Draft, value: &Value<'_>) -> Result<(), UsageError> {
    draft.labels.retain(|label| label.option != value.option);
    draft.labels.push(Label { option: value.option, value: value.text() });
    Ok(())
}
