//! Mounts that show other owners than the disk has.

use std::thread;

use graphdriver_api::{DraftId, ErrorKind, IdMap, IdRange, LayerId, MountRequest};
use nix::unistd::{Gid, Uid, setfsgid, setfsuid};
use rustix::fs::OFlags;
use rustix::io::Errno;

use super::mounts::{join, writable};
use crate::suite::case::cases;
use crate::suite::context::Context;
use crate::suite::files::Files;
use crate::suite::stop::{Verdict, When, errno, refused, refused_as, same};
use crate::suite::store::{Store, same_tree};

cases! { idmaps:
    Law show_mapped_owners, Contract("Ownership as a mount shows it (mount_setattr(2), `MOUNT_ATTR_IDMAP`)."),
        needs [IdMaps];
    Law store_what_is_created_unmapped, Contract("Nothing on disk is rewritten."), needs [IdMaps];
    Law ids_outside_every_range_overflow,
        Contract("Ids outside every range appear as the overflow id, and creating a file as such an id fails with EOVERFLOW."),
        needs [IdMaps];
    Law of_several_ranges, Contract("Ranges don't overlap on either side; at most 340."), needs [IdMaps];
    Law keep_owners_through_the_first_change, Contract("Nothing on disk is rewritten."), needs [IdMaps];
    Law of_views_and_read_only_mounts, Contract("Ownership as the mount shows it"), needs [IdMaps];
    Law one_layer_under_two_maps, Contract("Nothing on disk is rewritten."), needs [IdMaps];
    Law that_make_no_sense_are_refused,
        Contract("How many ids; never 0, and neither end passes `u32::MAX`."), needs [IdMaps];
    Law refused_where_they_are_not_honoured,
        Contract("`Unsupported` (an id map without the trait)"), needs [NoIdMaps];
}

fn range(on_disk: u32, shown: u32, count: u32) -> IdRange {
    IdRange { on_disk, shown, count }
}

/// Users and groups by maps of their own, so that neither is taken for the
/// other.
fn map() -> IdMap {
    IdMap { uids: vec![range(0, 100_000, 65_536)], gids: vec![range(0, 200_000, 65_536)] }
}

fn mapped(map: IdMap) -> MountRequest {
    MountRequest { id_map: Some(map), ..writable() }
}

fn base(store: &Store) -> Verdict<LayerId> {
    store.layer("l", None, |files| {
        files.dir("home")?;
        files.write("home/f", b"1")?;
        files.chown("home/f", 5, 6)?;
        files.symlink("f", "home/link")?;
        files.chown("home/link", 7, 8)?;
        files.write("far", b"")?;
        files.chown("far", 70_000, 70_001)
    })
}

fn nodes(cx: &Context<'_>) -> Verdict<(Store, LayerId, DraftId)> {
    let store = cx.open()?;
    let l = base(&store)?;
    let d = store.on("d", &l)?;
    Ok((store, l, d))
}

fn owner(files: &Files, path: &str) -> Verdict<(u32, u32)> {
    let stat = files.stat(path)?;
    Ok((stat.st_uid, stat.st_gid))
}

fn show_mapped_owners(cx: &Context<'_>) -> Verdict {
    let (store, _, d) = nodes(cx)?;
    store.during(&d, &mapped(map()), |files| {
        same("the root", owner(files, ".")?, (100_000, 200_000))?;
        same("a file", owner(files, "home/f")?, (100_005, 200_006))?;
        same("a link", owner(files, "home/link")?, (100_007, 200_008))
    })?;
    store.look(&d, |files| same("without a map", owner(files, "home/f")?, (5, 6)))
}

/// Runs `what` as another user, in a thread of its own: file-system ids belong
/// to a thread.
pub(super) fn as_user<T: Send>(uid: u32, gid: u32, what: impl FnOnce() -> T + Send) -> Verdict<T> {
    thread::scope(|scope| {
        let user = scope.spawn(|| {
            setfsgid(Gid::from_raw(gid));
            setfsuid(Uid::from_raw(uid));
            what()
        });
        user.join().map_err(|_| crate::suite::stop::Stop::failed("a thread panicked"))
    })
}

fn store_what_is_created_unmapped(cx: &Context<'_>) -> Verdict {
    let (store, _, d) = nodes(cx)?;
    store.edit(&d, |files| files.chown("home", 5, 6))?;
    store.during(&d, &mapped(map()), |files| {
        as_user(100_005, 200_006, || -> Verdict {
            files.write("home/new", b"by 5")?;
            files.dir("home/dir")?;
            files.symlink("new", "home/soft")?;
            files.append("home/f", b"more")
        })?
        .when("as the user who is 5 on disk")?;
        same("shown", owner(files, "home/new")?, (100_005, 200_006))?;
        files.chown("home/f", 100_009, 200_010)
    })?;
    store.look(&d, |files| {
        for path in ["home/new", "home/dir", "home/soft"] {
            same(format!("{path} on disk"), owner(files, path)?, (5, 6))?;
        }
        same("what was given away", owner(files, "home/f")?, (9, 10))
    })
}

fn ids_outside_every_range_overflow(cx: &Context<'_>) -> Verdict {
    let (store, _, d) = nodes(cx)?;
    store.edit(&d, |files| files.chmod("home", 0o777))?;
    let overflow = |name: &str| -> Verdict<u32> {
        let text = std::fs::read_to_string(format!("/proc/sys/kernel/{name}"))?;
        text.trim().parse().map_err(|_| crate::suite::stop::Stop::failed("no number"))
    };
    let expected = (overflow("overflowuid")?, overflow("overflowgid")?);
    store.during(&d, &mapped(map()), |files| {
        same("an owner without a mapping", owner(files, "far")?, expected)?;
        // This process is user 0, whom the map doesn't show.
        let flags = OFlags::WRONLY | OFlags::CREATE;
        errno("creating as 0", files.open("home/new", flags), Errno::OVERFLOW)?;
        let given = files.try_chown("home/f", 0, 0);
        same("giving to 0 fails", given.is_err(), true)
    })?;
    store.look(&d, |files| {
        same("on disk", owner(files, "far")?, (70_000, 70_001))?;
        same("names", files.names("home")?.len(), 2)
    })
}

fn of_several_ranges(cx: &Context<'_>) -> Verdict {
    let (store, _, d) = nodes(cx)?;
    let several = IdMap {
        uids: vec![range(0, 1000, 1), range(5, 5, 1), range(7, 30_000, 1), range(70_000, 6, 10)],
        gids: vec![range(6, 0, 1), range(8, 4_000_000_000, 1), range(70_001, 70_001, 1)],
    };
    store.during(&d, &mapped(several), |files| {
        same("one range", owner(files, "home/f")?, (5, 0))?;
        same("another", owner(files, "home/link")?, (30_000, 4_000_000_000))?;
        same("a third", owner(files, "far")?, (6, 70_001))
    })?;
    let many = (0..340).map(|i| range(i * 2, i * 3, 1)).collect::<Vec<_>>();
    let most = IdMap { uids: many.clone(), gids: many };
    store.during(&d, &mapped(most), |files| {
        same("an id in one of 340 ranges", owner(files, "home/link")?.1, 12)
    })
}

fn keep_owners_through_the_first_change(cx: &Context<'_>) -> Verdict {
    let (store, l, d) = nodes(cx)?;
    let before = store.tree(&l)?;
    store.during(&d, &mapped(map()), |files| {
        files
            .append("home/f", b"more")
            .or_else(|_| as_user(100_005, 200_006, || files.append("home/f", b"more"))?)?;
        same("shown", owner(files, "home/f")?, (100_005, 200_006))?;
        files.touch("home/link", 9, 9)?;
        files.touch("far", 9, 9).or(Ok(()))
    })?;
    store.look(&d, |files| {
        same("a file on disk", owner(files, "home/f")?, (5, 6))?;
        same("a link on disk", owner(files, "home/link")?, (7, 8))?;
        same("one that no range has", owner(files, "far")?, (70_000, 70_001))
    })?;
    same_tree("the layer", &store.tree(&l)?, &before)?;
    let top = store.committed(&d, "top")?;
    let tree = store.tree(&top)?;
    same("in the new layer", tree.get("home/f").map(|e| (e.uid, e.gid)), Some((5, 6)))
}

fn of_views_and_read_only_mounts(cx: &Context<'_>) -> Verdict {
    let (store, l, d) = nodes(cx)?;
    let v = store.view_of("v", &l)?;
    let read_only = MountRequest { id_map: Some(map()), ..MountRequest::read_only() };
    for (node, request) in [(&v, mapped(map())), (&d, read_only)] {
        store.during(node, &request, |files| {
            same("a file", owner(files, "home/f")?, (100_005, 200_006))?;
            errno("writing", files.open("home/f", OFlags::WRONLY), Errno::ROFS)
        })?;
    }
    Ok(())
}

fn one_layer_under_two_maps(cx: &Context<'_>) -> Verdict {
    let (store, l, d) = nodes(cx)?;
    let other = store.on("other", &l)?;
    let second =
        IdMap { uids: vec![range(0, 900_000, 65_536)], gids: vec![range(0, 900_000, 65_536)] };
    let mut one = store.mount(&d, &mapped(map()))?;
    let mut two = store.mount(&other, &mapped(second))?;
    let files = |guard| crate::suite::store::files(guard);
    same("under one", owner(&files(&one)?, "home/f")?, (100_005, 200_006))?;
    same("under the other", owner(&files(&two)?, "home/f")?, (900_005, 900_006))?;
    one.unmount()?;
    Ok(two.unmount()?)
}

fn that_make_no_sense_are_refused(cx: &Context<'_>) -> Verdict {
    let (store, _, d) = nodes(cx)?;
    let both = |ranges: Vec<IdRange>| IdMap { uids: ranges.clone(), gids: ranges };
    let many = (0..341).map(|i| range(i * 2, i * 2, 1)).collect::<Vec<_>>();
    let senseless = [
        ("a range of no ids", both(vec![range(0, 100_000, 0)])),
        ("beyond the last id", both(vec![range(1, u32::MAX - 5, 10)])),
        ("overlapping on disk", both(vec![range(0, 1000, 10), range(5, 5000, 10)])),
        ("overlapping as shown", both(vec![range(0, 1000, 10), range(50, 1005, 10)])),
        ("341 ranges", both(many)),
    ];
    for (what, map) in senseless {
        let result = store.mount(&d, &mapped(map));
        refused_as(what, result, &[ErrorKind::InvalidArgument]).when(what)?;
    }
    store.edit(&d, |files| files.write("still", b"usable"))
}

fn refused_where_they_are_not_honoured(cx: &Context<'_>) -> Verdict {
    let (store, _, d) = nodes(cx)?;
    refused("mount", store.mount(&d, &mapped(map())), ErrorKind::Unsupported)?;
    let edit = store.clone();
    join(thread::spawn(move || edit.edit(&d, |files| files.write("still", b"usable"))))
}
