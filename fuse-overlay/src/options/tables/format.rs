//! How layers hold what a plain directory can't.

use super::{Known, flag, value};
use crate::options::{RedirectDir, Xino};

pub(super) const OPTIONS: &[Known] = &[
    value(
        "redirect_dir",
        "on|off|follow|nofollow",
        "rename directories of lower layers by a redirect; follow those there are",
        |d, v| {
            let modes = [
                ("on", RedirectDir::On),
                ("off", RedirectDir::Off),
                ("follow", RedirectDir::Follow),
                ("nofollow", RedirectDir::NoFollow),
            ];
            v.one_of(&modes, "on, off, follow or nofollow")
                .map(|mode| d.union.redirect_dir = Some(mode))
        },
    ),
    value("metacopy", "on|off", "copy no content for a change of attributes alone", |d, v| {
        v.on_off().map(|on| d.union.metacopy = Some(on))
    }),
    value("index", "on|off", "keep the names of one file together when it is copied up", |d, v| {
        v.on_off().map(|on| d.union.index = Some(on))
    }),
    value("xino", "on|off|auto", "inode numbers that stay over remounts", |d, v| {
        let modes = [("on", Xino::On), ("off", Xino::Off), ("auto", Xino::Auto)];
        v.one_of(&modes, "on, off or auto").map(|mode| d.union.xino = mode)
    }),
    flag("static_nlink", "show one link for every directory, count none", |d| {
        d.union.static_nlink = true;
    }),
    flag("userxattr", "use attributes user.overlay.*, not trusted.overlay.*", |d| {
        d.union.userxattr = true;
    }),
    // Only what is so anyhow: to ignore the other values would be to promise
    // something.
    value("nfs_export", "off", "always off: a FUSE mount isn't exported by handles", |_, v| {
        v.one_of(
            &[("off", ())],
            "off: a FUSE mount can't be exported by handles, the kernel's overlay can",
        )
    }),
    value("verity", "off", "always off: digests of lower files aren't checked", |_, v| {
        v.one_of(
            &[("off", ())],
            "off: digests of lower files are checked by the kernel's overlay only",
        )
    }),
];
