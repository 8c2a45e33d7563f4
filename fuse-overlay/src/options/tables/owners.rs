//! Whose files are, and who may do what with them.

use super::{Known, flag, maybe, value};
use crate::options::XattrPermissions;

const TRIPLES: &str = "CONTAINER:HOST:LENGTH[:...]";

pub(super) const OPTIONS: &[Known] = &[
    value("uidmapping", TRIPLES, "users of the layers, and as whom they are shown", |d, v| {
        v.id_map().map(|map| d.union.uid_map = map)
    }),
    value("gidmapping", TRIPLES, "groups of the layers, and as which they are shown", |d, v| {
        v.id_map().map(|map| d.union.gid_map = map)
    }),
    flag("squash_to_root", "show every file as root's", |d| d.squash_to_root = true),
    value("squash_to_uid", "UID", "show every file as this user's", |d, v| {
        v.id().map(|id| d.union.squash.uid = Some(id))
    }),
    value("squash_to_gid", "GID", "show every file as this group's", |d, v| {
        v.id().map(|id| d.union.squash.gid = Some(id))
    }),
    value(
        "xattr_permissions",
        "0|1|2",
        "keep owner and mode in an attribute: 1 security.*, 2 user.containers.*",
        |d, v| {
            let modes = [
                ("0", XattrPermissions::Off),
                ("1", XattrPermissions::Privileged),
                ("2", XattrPermissions::Containers),
            ];
            v.one_of(&modes, "0, 1 or 2").map(|mode| d.union.xattr_permissions = mode)
        },
    ),
    maybe("noxattrs", "0|1", "show no extended attributes, let none be set", |d, v| {
        v.switch().map(|off| d.union.xattrs = !off)
    }),
    flag("noacl", "know nothing of access lists", |d| d.union.acl = false),
    flag("default_permissions", "have the kernel check permissions; always so here", |_| ()),
];
