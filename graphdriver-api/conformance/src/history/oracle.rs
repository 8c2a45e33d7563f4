//! Does to a tree in memory what an operation says.

use std::collections::BTreeMap;
use std::path::Path;

use super::op::{Action, Kind, Op};
use crate::tree::{Body, Bytes, Node, Outcome, Rename, Tree};

/// Does it.
pub(super) fn perform(tree: &mut Tree, path: &Path, action: &Action) -> Outcome {
    match action {
        Action::Create(mode) => tree.make(path, Body::File(Bytes::default()), *mode),
        Action::Mkdir(mode) => tree.make(path, Body::Directory(BTreeMap::new()), *mode),
        Action::Symlink(target) => tree.make(path, Body::Symlink(target.clone()), 0o777),
        Action::CharDevice(major, minor) => {
            tree.make(path, Body::CharDevice(*major, *minor), 0o600)
        }
        Action::BlockDevice(major, minor) => {
            tree.make(path, Body::BlockDevice(*major, *minor), 0o600)
        }
        Action::Fifo(mode) => tree.make(path, Body::Fifo, *mode),
        Action::Socket(mode) => tree.make(path, Body::Socket, *mode),
        Action::Write(offset, fill) => tree.write(path, *offset, &fill.bytes()),
        Action::Append(fill) => tree.append(path, &fill.bytes()),
        Action::Rewrite(fill) => tree.rewrite(path, &fill.bytes()),
        Action::MapWrite(offset, fill) => tree.write_mapped(path, *offset, &fill.bytes()),
        Action::Truncate(len) => tree.truncate(path, *len),
        Action::Punch(from, len) => tree.punch(path, *from, from + len),
        Action::Link(new) => tree.link(path, new),
        Action::Rename(new, how) => tree.rename(path, new, *how),
        Action::Unlink => tree.unlink(path),
        Action::Rmdir => tree.rmdir(path),
        Action::Chmod(mode) => tree.chmod(path, *mode),
        Action::Chown(uid, gid) => tree.chown(path, *uid, *gid),
        Action::SetTime(time) => tree.set_mtime(path, *time),
        Action::SetXattr(name, value) => tree.set_xattr(path, name, value),
        Action::RemoveXattr(name) => tree.remove_xattr(path, name),
    }
}

/// What kind of operation it is, in the tree in which it is about to be done.
pub(super) fn kind(tree: Option<&Tree>, op: &Op) -> Kind {
    match op {
        Op::File(path, action) => action_kind(tree, path, action),
        Op::Remount => Kind::Remount,
        Op::Persist => Kind::Persist,
        Op::Reopen => Kind::Reopen,
        Op::Commit => Kind::Commit,
        Op::Discard => Kind::Discard,
        Op::Child(_) => Kind::Child,
        Op::RoundTrip { deferred: false, .. } => Kind::RoundTrip,
        Op::RoundTrip { deferred: true, .. } => Kind::RoundTripDeferred,
    }
}

fn action_kind(tree: Option<&Tree>, path: &Path, action: &Action) -> Kind {
    let find = |path: &Path| tree.and_then(|tree| tree.get(path).ok());
    match action {
        Action::Create(_) => Kind::Create,
        Action::Mkdir(_) => Kind::Mkdir,
        Action::Symlink(_) => Kind::Symlink,
        Action::CharDevice(..) => Kind::CharDevice,
        Action::BlockDevice(..) => Kind::BlockDevice,
        Action::Fifo(_) => Kind::Fifo,
        Action::Socket(_) => Kind::Socket,
        Action::Write(offset, _) => {
            let len = find(path).and_then(Node::bytes).map_or(0, Bytes::len);
            if *offset > len { Kind::WriteFar } else { Kind::Write }
        }
        Action::Append(_) => Kind::Append,
        Action::Rewrite(_) => Kind::Rewrite,
        Action::MapWrite(..) => Kind::MapWrite,
        Action::Truncate(_) => Kind::Truncate,
        Action::Punch(..) => Kind::Punch,
        Action::Link(_) => Kind::Link,
        Action::Rename(_, Rename::NoReplace) => Kind::RenameNoReplace,
        Action::Rename(_, Rename::Exchange) => Kind::Exchange,
        Action::Rename(new, Rename::Replace) => match (find(path), find(new)) {
            (Some(_), Some(_)) => Kind::RenameOver,
            (Some(old), None) if old.is_directory() => Kind::RenameDirectory,
            _ => Kind::RenameFile,
        },
        Action::Unlink => Kind::Unlink,
        Action::Rmdir => Kind::Rmdir,
        Action::Chmod(_) => Kind::Chmod,
        Action::Chown(..) => Kind::Chown,
        Action::SetTime(_) => Kind::SetTime,
        Action::SetXattr(..) => Kind::SetXattr,
        Action::RemoveXattr(_) => Kind::RemoveXattr,
    }
}
