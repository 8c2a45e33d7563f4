//! Mounts that are left standing on purpose, and taken back.

use graphdriver_api::{Base, DraftId, ErrorKind, MountRequest, MountState, MountTicket};
use rustix::mount::{UnmountFlags, unmount};

use super::mounts::{path, writable};
use crate::suite::case::cases;
use crate::suite::child::{Part, say};
use crate::suite::context::Context;
use crate::suite::files::Files;
use crate::suite::stop::{Stop, Verdict, When, ensure, errno, refused, same};
use crate::suite::store::{Store, draft, files};

cases! { persistence:
    Law a_ticket_finds_the_mount,
        Contract("Takes back a mount that a process left standing."), needs [Persist];
    Law stat_has_the_ticket,
        Contract("The mount stands by itself; [`adopt`](GraphDriver::adopt) it with the ticket."), needs [Persist];
    Law opening_leaves_it_standing,
        Contract("Leaves the mount standing after this process."), needs [Persist];
    Law a_ticket_is_good_once,
        Contract("`Busy` if another process has adopted it."), needs [Persist];
    Law adopted_can_be_left_again,
        Contract("Leaves the mount standing after this process."), needs [Persist];
    Law unmounted_by_hand_is_not_found,
        Contract("`NotFound` if that mount isn't there any more (a reboot; unmounted by hand): the \
         draft is then free again."), needs [Persist];
    Law an_old_ticket_is_not_found,
        Contract("What tells this mount from another at the same place, in the driver's own form."), needs [Persist];
    Law another_drivers_ticket_is_refused,
        Contract("`InvalidArgument` for another driver's ticket;"), needs [Persist];
    Law a_ticket_for_no_draft_is_not_found,
        Contract("Takes back a mount that a process left standing."), needs [Persist];
    Law read_only_stays_read_only,
        Contract("Read-only, whatever the draft is (EROFS on writing)."), needs [Persist];
    Law an_adopted_mount_waits_for_open_files,
        Contract("`Busy` while somebody has a file or a working directory in the tree;"), needs [Persist];
    Law an_unmounted_guard_has_no_ticket, Contract("`None` if the guard was unmounted before.");
    Law from_another_process,
        Contract("Takes back a mount that a process left standing."), needs [Persist, OnDisk];
    Law adopted_elsewhere_is_busy,
        Contract("`Busy` if another process has adopted it."), needs [Persist, OnDisk];
}

pub(super) const PARTS: &[Part] = &[("persist", persist_here), ("adopt", adopt_there)];

/// Mounts a draft, writes `f`, and leaves the mount standing.
fn leave(store: &Store, d: &DraftId, request: &MountRequest) -> Verdict<MountTicket> {
    let mut guard = store.mount(d, request)?;
    let ticket = guard.persist()?.ok_or_else(|| Stop::failed("no ticket"))?;
    ensure!(guard.root().is_none() && guard.path().is_none(), "the guard still holds the mount");
    guard.unmount().when("an empty guard's unmount")?;
    Ok(ticket)
}

fn a_ticket_finds_the_mount(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let d = store.draft("d", Base::Scratch)?;
    let ticket = leave(&store, &d, &writable())?;
    same("the ticket's driver", ticket.driver.as_str(), cx.driver_name())?;
    same("the ticket's draft", &ticket.draft, &d)?;
    drop(store);
    Files::of(&ticket.path)?.write("f", b"meanwhile")?;
    let store = cx.open()?;
    let mut guard = store.adopt(&ticket)?;
    same("the adopted path", path(&guard)?, ticket.path.clone())?;
    same("what was written meanwhile", files(&guard)?.read("f")?, b"meanwhile")?;
    same("its state", store.stat((&d).into())?.mount, MountState::Held)?;
    guard.unmount()?;
    let l = store.committed(&d, "l")?;
    same("files in the layer", store.tree(&l)?.iter().count(), 2)
}

fn stat_has_the_ticket(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let d = store.draft("d", Base::Scratch)?;
    let ticket = leave(&store, &d, &writable())?;
    let expected = MountState::Persisted(ticket.clone());
    same("the draft's state", store.stat((&d).into())?.mount, expected.clone())?;
    drop(store);
    let store = cx.open()?;
    same("opened again", store.stat((&d).into())?.mount, expected)?;
    let text = serde_json::to_string(&ticket)?;
    let ticket: MountTicket = serde_json::from_str(&text)?;
    Ok(store.adopt(&ticket)?.unmount()?)
}

fn opening_leaves_it_standing(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let d = store.draft("d", Base::Scratch)?;
    let ticket = leave(&store, &d, &writable())?;
    drop(store);
    for round in 0..3_u8 {
        let store = cx.open()?;
        same("mounts that recovery took away", store.status()?.recovered.mounts, 0)?;
        Files::of(&ticket.path)?.write("f", [round])?;
        refused("a second mount", store.mount(&d, &writable()), ErrorKind::Busy)?;
        refused("commit", store.committed_as(&d, "l")?, ErrorKind::Busy)?;
    }
    let store = cx.open()?;
    store.adopt(&ticket)?.unmount()?;
    same("the file", store.look(&d, |files| files.read("f"))?, [2])
}

fn a_ticket_is_good_once(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let d = store.draft("d", Base::Scratch)?;
    let ticket = leave(&store, &d, &writable())?;
    let mut guard = store.adopt(&ticket)?;
    refused("a second adoption", store.adopt(&ticket), ErrorKind::Busy)?;
    refused("by another handle", cx.open()?.adopt(&ticket), ErrorKind::Busy)?;
    guard.unmount()?;
    refused("after unmounting", store.adopt(&ticket), ErrorKind::NotFound)?;
    store.edit(&d, |files| files.write("f", b"1"))
}

fn adopted_can_be_left_again(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let d = store.draft("d", Base::Scratch)?;
    let mut ticket = leave(&store, &d, &writable())?;
    for round in 0..3_u8 {
        let mut guard = store.adopt(&ticket)?;
        files(&guard)?.write("f", [round])?;
        ticket = guard.persist()?.ok_or_else(|| Stop::failed("no second ticket"))?;
    }
    store.adopt(&ticket)?.unmount()?;
    same("the file", store.look(&d, |files| files.read("f"))?, [2])
}

fn unmounted_by_hand_is_not_found(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let d = store.draft("d", Base::Scratch)?;
    let ticket = leave(&store, &d, &writable())?;
    unmount(&ticket.path, UnmountFlags::empty()).when("unmount by hand")?;
    refused("adopt", store.adopt(&ticket), ErrorKind::NotFound)?;
    same("the draft's state", store.stat((&d).into())?.mount, MountState::Unmounted)?;
    store.edit(&d, |files| files.write("f", b"1"))?;
    store.committed(&d, "l").map(drop)
}

fn an_old_ticket_is_not_found(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let d = store.draft("d", Base::Scratch)?;
    let old = leave(&store, &d, &writable())?;
    store.adopt(&old)?.unmount()?;
    let new = leave(&store, &d, &writable())?;
    ensure!(old != new, "two mounts have the same ticket: {old:?}");
    refused("the old ticket", store.adopt(&old), ErrorKind::NotFound)?;
    store.adopt(&new).when("the new ticket")?.unmount()?;
    let mut guard = store.mount(&d, &writable())?;
    refused("a ticket of before, mounted", store.adopt(&new), ErrorKind::NotFound)?;
    files(&guard)?.write("f", b"the mount still stands")?;
    Ok(guard.unmount()?)
}

fn another_drivers_ticket_is_refused(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let d = store.draft("d", Base::Scratch)?;
    let ticket = leave(&store, &d, &writable())?;
    let foreign = MountTicket { driver: "another".into(), ..ticket.clone() };
    refused("another driver's", store.adopt(&foreign), ErrorKind::InvalidArgument)?;
    Ok(store.adopt(&ticket)?.unmount()?)
}

fn a_ticket_for_no_draft_is_not_found(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let (d, other) = (store.draft("d", Base::Scratch)?, store.draft("other", Base::Scratch)?);
    let ticket = leave(&store, &d, &writable())?;
    let wrong = [
        ("an absent draft", MountTicket { draft: draft("absent")?, ..ticket.clone() }),
        ("another draft", MountTicket { draft: other, ..ticket.clone() }),
        ("another token", MountTicket { token: "forged".into(), ..ticket.clone() }),
        ("another path", MountTicket { path: cx.room("elsewhere")?, ..ticket.clone() }),
    ];
    for (what, wrong) in wrong {
        refused(what, store.adopt(&wrong), ErrorKind::NotFound)?;
    }
    Ok(store.adopt(&ticket)?.unmount()?)
}

fn read_only_stays_read_only(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let l = store.layer("l", None, |files| files.write("f", b"1"))?;
    let v = store.view_of("v", &l)?;
    let d = store.on("d", &l)?;
    for (node, request) in [(v, writable()), (d, MountRequest::read_only())] {
        let ticket = leave(&store, &node, &request)?;
        let mut guard = store.adopt(&ticket)?;
        let write = files(&guard)?.open("f", rustix::fs::OFlags::WRONLY);
        errno("writing", write, rustix::io::Errno::ROFS)?;
        guard.unmount()?;
    }
    Ok(())
}

fn an_adopted_mount_waits_for_open_files(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let d = store.draft("d", Base::Scratch)?;
    let ticket = leave(&store, &d, &writable())?;
    let user = Files::of(&ticket.path)?;
    let mut guard = store.adopt(&ticket)?;
    refused("unmount", guard.unmount(), ErrorKind::Busy)?;
    drop(user);
    guard.unmount()?;
    store.committed(&d, "l").map(drop)
}

fn an_unmounted_guard_has_no_ticket(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let d = store.draft("d", Base::Scratch)?;
    let mut guard = store.mount(&d, &writable())?;
    guard.unmount()?;
    same("the ticket", guard.persist()?, None)
}

fn from_another_process(cx: &Context<'_>) -> Verdict {
    drop(cx.open()?.draft("d", Base::Scratch)?);
    let said = cx.play("persist")?;
    let ticket: MountTicket = serde_json::from_slice(&said)?;
    let store = cx.open()?;
    let d = draft("d")?;
    let expected = MountState::Persisted(ticket.clone());
    same("its state", store.stat((&d).into())?.mount, expected)?;
    let mut guard = store.adopt(&ticket)?;
    same("what the other wrote", files(&guard)?.read("f")?, b"by another")?;
    Ok(guard.unmount()?)
}

fn persist_here(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let mut guard = store.mount(&draft("d")?, &writable())?;
    files(&guard)?.write("f", b"by another")?;
    let ticket = guard.persist()?.ok_or_else(|| Stop::failed("no ticket"))?;
    say(&serde_json::to_string(&ticket)?)
}

fn adopted_elsewhere_is_busy(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let d = store.draft("d", Base::Scratch)?;
    let ticket = leave(&store, &d, &writable())?;
    let text = serde_json::to_string(&ticket)?;
    std::fs::write(cx.room("ticket")?.join("ticket"), text)?;
    let mut guard = store.adopt(&ticket)?;
    same("what another process gets", cx.play("adopt")?, b"Busy\n")?;
    guard.unmount()?;
    same("and afterwards", cx.play("adopt")?, b"NotFound\n")
}

fn adopt_there(cx: &Context<'_>) -> Verdict {
    let text = std::fs::read_to_string(cx.room("ticket")?.join("ticket"))?;
    let ticket: MountTicket = serde_json::from_str(&text)?;
    match cx.open()?.adopt(&ticket) {
        Err(error) => say(&format!("{:?}", error.kind())),
        Ok(mut guard) => {
            guard.unmount()?;
            say("adopted")
        }
    }
}
