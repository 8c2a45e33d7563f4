//! Options that do nothing, or that can't be honoured, with the reasons.

/// Accepted without a word: they tell mount(8), fstab(5) or systemd something,
/// and mount(8) gives them to its helpers all the same. What `user`, `users`,
/// `owner` and `group` imply (nosuid, nodev, noexec) mount(8) adds itself.
pub const FOR_MOUNT: &[&str] = &[
    "defaults", "auto", "noauto", "user", "nouser", "users", "nousers", "owner", "noowner",
    "group", "nogroup", "_netdev", "nofail", "comment", "loud", "silent", "uhelper", "helper",
];

/// Beginnings of names that are taken likewise.
pub const FOR_MOUNT_PREFIXES: &[&str] = &["x-", "X-"];

const THREADS_ARE_OURS: &str =
    "threads wait for requests and aren't started for each; max_threads= limits them";
const ONE_TIMEOUT: &str = "names and attributes are kept equally long; timeout= says how long";
const AGREED: &str = "it is agreed on with the kernel, as large as the kernel allows";
const CACHED: &str = "content stays cached while nothing changes it, without being told so";
const NO_SPLICE: &str = "data is copied or read by the kernel itself, never spliced";
const NEW_PROTOCOL: &str = "the protocol has long done this of itself";
const KEPT_BY_LAYERS: &str = "inode numbers come from the layers; xino= says how";

/// Accepted, and said once that nothing changes, and why.
pub const NO_EFFECT: &[(&str, &str)] = &[
    // fuse-overlayfs's
    ("fast_ino", "no inode number is found by looking at a directory's other names"),
    ("fast_ino_check", "no inode number is found by looking at a directory's other names"),
    ("ino32_t", "inode numbers have 64 bits: shortened, two files could look like one"),
    // libfuse's
    ("clone_fd", "each thread has its own descriptor always"),
    ("max_idle_threads", THREADS_ARE_OURS),
    ("entry_timeout", ONE_TIMEOUT),
    ("attr_timeout", ONE_TIMEOUT),
    ("negative_timeout", ONE_TIMEOUT),
    ("ac_attr_timeout", ONE_TIMEOUT),
    ("max_write", AGREED),
    ("max_readahead", AGREED),
    ("max_background", AGREED),
    ("congestion_threshold", AGREED),
    ("kernel_cache", CACHED),
    ("auto_cache", CACHED),
    ("noauto_cache", CACHED),
    ("splice_read", NO_SPLICE),
    ("splice_write", NO_SPLICE),
    ("splice_move", NO_SPLICE),
    ("no_splice_read", NO_SPLICE),
    ("no_splice_write", NO_SPLICE),
    ("no_splice_move", NO_SPLICE),
    ("async_read", NEW_PROTOCOL),
    ("atomic_o_trunc", NEW_PROTOCOL),
    ("big_writes", NEW_PROTOCOL),
    ("large_read", NEW_PROTOCOL),
    ("nonempty", "a mount point need not be empty"),
    ("use_ino", KEPT_BY_LAYERS),
    ("readdir_ino", KEPT_BY_LAYERS),
    ("noforget", KEPT_BY_LAYERS),
    ("remember", KEPT_BY_LAYERS),
    ("hard_remove", "a file that is removed while it is open needs no hidden name"),
    // overlayfs's
    ("uuid", "statfs(2) tells no UUID for a FUSE mount"),
    // mount(8)'s
    ("iversion", "the kernel keeps no version of a FUSE mount's inodes"),
    ("noiversion", "the kernel keeps no version of a FUSE mount's inodes"),
    ("mand", "Linux has no mandatory locks any more"),
    ("nomand", "Linux has no mandatory locks any more"),
];

const NOT_YOURS: &str = "the program gives this to the kernel itself; leave it away";
const NO_DEVICE: &str = "this file system lies on directories, not on a device; leave it away";

/// Known, and refused: to ignore one would be to promise something.
pub const REFUSED: &[(&str, &str)] = &[
    ("plugins", "there are no plugins here; give directories to lowerdir"),
    ("datadir+", "layers of data alone aren't known here; mount composefs by the kernel's overlay"),
    ("uid", "owners are those of the layers; squash_to_uid=UID shows one owner"),
    ("gid", "groups are those of the layers; squash_to_gid=GID shows one group"),
    ("umask", "modes are those of the layers; change them there"),
    ("blkdev", NO_DEVICE),
    ("blksize", NO_DEVICE),
    ("fd", NOT_YOURS),
    ("rootmode", NOT_YOURS),
    ("user_id", NOT_YOURS),
    ("group_id", NOT_YOURS),
    ("setuid", "only mount.fuse3 knows it; mount with -t fuse, or run the program as that user"),
    ("drop_privileges", "only mount.fuse3 knows it; mount with -t fuse"),
    ("remount", "flags are changed with `mount -o remount,bind,...`, layers by mounting anew"),
    ("bind", "mount(8) does this itself; run it without -t"),
    ("direct_io", "it would break shared mappings; the cache is coherent without it"),
];
