//! Plans: what somebody in another mount namespace does to see a tree. The
//! suite carries them out itself, with the kernel's mount interface alone.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::Path;

use graphdriver_api::{Access, DraftId, ErrorKind, IdMap, IdRange, MountPlan, MountRequest};
use rustix::fs::{CWD, OFlags};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountFlags, MoveMountFlags, OpenTreeFlags,
    UnmountFlags, fsconfig_create, fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen,
    mount_remount, move_mount, open_tree, unmount,
};

use super::mounts::{join, writable};
use crate::suite::case::cases;
use crate::suite::context::Context;
use crate::suite::files::Files;
use crate::suite::host::in_own_namespace;
use crate::suite::stop::{Verdict, When, ensure, errno, refused, same};
use crate::suite::store::{Store, same_tree};

cases! { plans:
    Law a_plan_shows_what_a_mount_shows,
        Contract("How somebody in another mount namespace can mount the draft.");
    Law what_a_plan_writes_is_in_the_draft,
        Contract("What somebody in another mount namespace does to see a draft's tree.");
    Law a_plan_changes_nothing, Contract("Changes nothing. Cost: a record a layer.");
    Law read_only_stays_read_only,
        Contract("Read-only, whatever the draft is (EROFS on writing).");
    Law an_id_map_is_refused, Contract("`Unsupported` (an id map, which a plan can't hold;");
    Law a_plan_is_data,
        Contract("What somebody in another mount namespace does to see a draft's tree.");
    Law in_another_namespace,
        Contract("How somebody in another mount namespace can mount the draft."), alone true;
    // The contract knows trees that no plan can describe.
    Behaviour of_a_long_chain, System("fsconfig(2): a parameter after another, each a string");
}

/// Carries a plan out at `target`, lets `what` work there, and unmounts.
fn carry_out<T>(
    plan: &MountPlan,
    target: &Path,
    what: impl FnOnce(&Files) -> Verdict<T>,
) -> Verdict<T> {
    match plan {
        MountPlan::Bind { source, access } => bind(source, *access, target)?,
        MountPlan::Mount { fs_type, source, options, access } => {
            let mounted = mount(fs_type, source, options, *access)?;
            attach(&mounted, target)?;
        }
    }
    let result = Files::of(target).and_then(|files| what(&files));
    unmount(target, UnmountFlags::empty()).when("unmount what the plan mounted")?;
    result
}

fn bind(source: &Path, access: Access, target: &Path) -> Verdict {
    ensure!(source.is_absolute(), "the source {source:?} isn't absolute");
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let tree = open_tree(CWD, source, flags).when(format_args!("open_tree {source:?}"))?;
    attach(&tree, target)?;
    if access == Access::ReadOnly {
        let flags = MountFlags::BIND | MountFlags::RDONLY;
        mount_remount(target, flags, c"").when("remount read-only")?;
    }
    Ok(())
}

fn attach(mounted: &OwnedFd, target: &Path) -> Verdict {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
    move_mount(mounted, "", CWD, target, flags).when(format_args!("move_mount to {target:?}"))
}

fn mount(
    fs_type: &str,
    source: &OsString,
    options: &[(String, Option<OsString>)],
    access: Access,
) -> Verdict<OwnedFd> {
    let fs = fsopen(fs_type, FsOpenFlags::FSOPEN_CLOEXEC).when(format_args!("fsopen {fs_type}"))?;
    fsconfig_set_string(&fs, "source", source.as_os_str()).when("fsconfig source")?;
    for (key, value) in options {
        let set = match value {
            Some(value) => fsconfig_set_string(&fs, key.as_str(), value.as_os_str()),
            None => fsconfig_set_flag(&fs, key.as_str()),
        };
        set.when(format_args!("fsconfig {key}={value:?}"))?;
    }
    fsconfig_create(&fs).when("create the file system")?;
    let attributes = match access {
        Access::ReadWrite => MountAttrFlags::empty(),
        Access::ReadOnly => MountAttrFlags::MOUNT_ATTR_RDONLY,
    };
    fsmount(&fs, FsMountFlags::FSMOUNT_CLOEXEC, attributes).when("fsmount")
}

/// A draft on two layers, and a view of the upper one.
fn nodes(store: &Store) -> Verdict<[DraftId; 2]> {
    let l1 = store.layer("l1", None, |files| {
        files.dir("dir")?;
        files.write("dir/one", b"1")?;
        files.write("both", b"first")
    })?;
    let l2 = store.layer("l2", Some(&l1), |files| {
        files.write("both", b"second")?;
        files.unlink("dir/one")
    })?;
    let (d, v) = (store.on("d", &l2)?, store.view_of("v", &l2)?);
    store.edit(&d, |files| files.write("dir/own", b"3"))?;
    Ok([d, v])
}

fn a_plan_shows_what_a_mount_shows(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let target = cx.room("target")?;
    for node in nodes(&store)? {
        let by_mount = store.tree(&node)?;
        for request in [writable(), MountRequest::read_only()] {
            let plan = store.mount_plan(&node, &request)?;
            let by_plan = carry_out(&plan, &target, Files::snapshot)?;
            same_tree(format!("{node}, {:?}", request.access), &by_plan, &by_mount)?;
        }
    }
    Ok(())
}

fn what_a_plan_writes_is_in_the_draft(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let [d, _] = nodes(&store)?;
    let plan = store.mount_plan(&d, &writable())?;
    let tree = carry_out(&plan, &cx.room("target")?, |files| {
        files.write("both", b"by the plan")?;
        files.rename("dir/own", "own")?;
        files.unlink("own")?;
        files.snapshot()
    })?;
    same_tree("the draft", &store.tree(&d)?, &tree)?;
    let l = store.committed(&d, "l")?;
    same_tree("the layer", &store.tree(&l)?, &tree)
}

fn a_plan_changes_nothing(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let [d, v] = nodes(&store)?;
    let before = (store.list()?, store.tree(&d)?);
    let plan = store.mount_plan(&d, &writable())?;
    same("a second plan", store.mount_plan(&d, &writable())?, plan)?;
    store.mount_plan(&v, &writable())?;
    same("the nodes", store.list()?, before.0)?;
    same_tree("the draft", &store.tree(&d)?, &before.1)
}

fn read_only_stays_read_only(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let target = cx.room("target")?;
    let [d, v] = nodes(&store)?;
    for (node, request) in [(&d, MountRequest::read_only()), (&v, writable())] {
        let plan = store.mount_plan(node, &request)?;
        let (MountPlan::Bind { access, .. } | MountPlan::Mount { access, .. }) = &plan;
        same(format!("{node}: the plan's access"), *access, Access::ReadOnly)?;
        carry_out(&plan, &target, |files| {
            errno("writing", files.open("both", OFlags::WRONLY), Errno::ROFS)?;
            errno("creating", files.mknod("n", rustix::fs::FileType::Fifo, 0, 0), Errno::ROFS)
        })?;
    }
    Ok(())
}

fn an_id_map_is_refused(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let [d, _] = nodes(&store)?;
    let range = IdRange { on_disk: 0, shown: 100_000, count: 65_536 };
    let map = IdMap { uids: vec![range], gids: vec![range] };
    let request = MountRequest { id_map: Some(map), ..writable() };
    refused("a plan", store.mount_plan(&d, &request), ErrorKind::Unsupported).map(drop)
}

fn a_plan_is_data(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    for node in nodes(&store)? {
        let plan = store.mount_plan(&node, &writable())?;
        let text = serde_json::to_string(&plan)?;
        same("a plan read back", serde_json::from_str::<MountPlan>(&text)?, plan)?;
    }
    Ok(())
}

fn in_another_namespace(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let [d, _] = nodes(&store)?;
    let target = cx.room("target")?;
    let expected = store.tree(&d)?;
    let plan = store.mount_plan(&d, &writable())?;
    drop(store);
    let apart = in_own_namespace(move || carry_out(&plan, &target, Files::snapshot));
    same_tree("the plan's tree", &join(apart)?, &expected)
}

fn of_a_long_chain(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let limit = store.traits().max_depth.map_or(60, |max| max.get().min(60));
    let mut parent = None;
    for i in 0..limit {
        let write = |files: &Files| files.write(format!("f{i}"), b"");
        parent =
            Some(store.layer(&format!("layer-with-a-long-name-{i}"), parent.as_ref(), write)?);
    }
    let base = super::super::store::base(parent.as_ref());
    let d = store.draft("d", base)?;
    let plan = store.mount_plan(&d, &writable())?;
    let names = carry_out(&plan, &cx.room("target")?, |files| files.names("."))?;
    same("files of all layers", names.len(), limit as usize)
}
