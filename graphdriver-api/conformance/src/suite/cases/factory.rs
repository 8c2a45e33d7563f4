//! What exists of a driver before it is opened, and what it says of itself.

use std::path::PathBuf;

use graphdriver_api::{
    Base, DraftSpec, DriverOptions, Error, ErrorKind, MountRequest, NodeId, Op, Quota, Suitability,
};

use crate::suite::archive::{Item, archive};
use crate::suite::case::cases;
use crate::suite::context::Context;
use crate::suite::host::mounts_below;
use crate::suite::stop::{Stop, Verdict, When, ensure, refused, refused_as, same};
use crate::suite::store::{draft, layer};

cases! { factory:
    Law probing_leaves_nothing_behind, Contract("Leaves nothing behind.");
    Law probing_a_used_root_leaves_it_alone, Contract("Leaves nothing behind.");
    Law a_probe_agrees_with_opening, Contract("`Prerequisite` (what [`probe`](Self::probe) would have said)");
    Law unknown_options_are_refused,
        Contract("`InvalidArgument` (an unknown option or value: lists what there is)");
    Law options_explain_themselves,
        Contract("An option that a driver understands, for help texts and for errors that list what there is.");
    Law names_are_constant, Contract("The name by which users choose it");
    Law opening_makes_the_root, Contract("which is made if it isn't there");
    Law a_foreign_root_is_corrupt, Contract("`Corrupt` (not this driver's root, or of a newer format)");
    Law has_data_knows, Contract("Whether there are nodes in `root`, without opening it: nothing is made, mended or mounted.");
    Law has_data_never_guesses, Contract("Never `Ok(false)` for want of knowing.");
    Law status_is_for_people, Contract("What a person would want to know");
    Law limits_are_enforced_or_refused, Contract("`Unsupported` unless the driver has"), needs [NoQuota];
    Law limits_are_in_force, Contract("A limit to enforce from the start;"), needs [Quota];
    Law errors_are_one_line_with_all_that_is_known,
        Contract("`Display` is one line without the source; [`Error::report`] is one line with every source.");
    Law errors_name_the_operation, Contract("The operation that failed.");
    Law stat_never_guesses, Contract("`NotFound` only if the node is really not there");
}

/// Every path beneath a directory of the host, and what is mounted there.
fn everything(cx: &Context<'_>) -> Verdict<Vec<PathBuf>> {
    let mut found = mounts_below(cx.dir())?;
    let mut dirs = vec![cx.dir().to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(&dir)? {
            let entry = entry?;
            found.push(entry.path());
            if entry.file_type()?.is_dir() {
                dirs.push(entry.path());
            }
        }
    }
    found.sort();
    Ok(found)
}

fn suitable(cx: &Context<'_>, root: &std::path::Path) -> Verdict {
    match cx.factory().probe(root, cx.options()) {
        Suitability::Suitable(_) => Ok(()),
        Suitability::Unsuitable { reason, .. } => {
            Err(Stop::failed(format!("unsuitable: {reason}")))
        }
    }
}

fn probing_leaves_nothing_behind(cx: &Context<'_>) -> Verdict {
    let before = everything(cx)?;
    suitable(cx, &cx.root())?;
    same("after probing a root that isn't there", everything(cx)?, before)?;
    suitable(cx, &cx.root().join("further/down"))?;
    let room = cx.room("empty")?;
    let before = everything(cx)?;
    suitable(cx, &room)?;
    same("after probing an empty root", everything(cx)?, before)
}

fn probing_a_used_root_leaves_it_alone(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let l = store.layer("l", None, |files| files.write("f", b"1"))?;
    store.on("d", &l)?;
    let before = (everything(cx)?, store.list()?);
    suitable(cx, &cx.root())?;
    same("files", everything(cx)?, before.0)?;
    same("nodes", store.list()?, before.1)
}

fn a_probe_agrees_with_opening(cx: &Context<'_>) -> Verdict {
    suitable(cx, &cx.root())?;
    cx.open()?;
    // On a file system without anything that a driver could use, the probe
    // says so, and opening is refused with the same words.
    let nowhere = PathBuf::from("/proc/self/fdinfo");
    let Suitability::Unsuitable { reason, .. } = cx.factory().probe(&nowhere, cx.options()) else {
        return Err(Stop::failed("probing a root in /proc says that it would work"));
    };
    ensure!(!reason.is_empty() && !reason.contains('\n'), "the reason is no clause: {reason:?}");
    let opened = cx.factory().open(&nowhere.join("root"), cx.options());
    let kinds = [ErrorKind::Prerequisite, ErrorKind::Io];
    refused_as("opening there", opened, &kinds).map(drop)
}

fn unknown_options_are_refused(cx: &Context<'_>) -> Verdict {
    let mut options = cx.options().clone();
    options.0.push(("no-such-option".into(), "1".into()));
    let error =
        refused("open", cx.factory().open(&cx.root(), &options), ErrorKind::InvalidArgument)?;
    let report = error.report();
    ensure!(report.contains("no-such-option"), "it isn't named: {report}");
    for help in cx.factory().options() {
        ensure!(report.contains(help.name), "{} isn't listed: {report}", help.name);
    }
    let probed = cx.factory().probe(&cx.root(), &options);
    ensure!(matches!(probed, Suitability::Unsuitable { .. }), "a probe takes unknown options");
    for help in cx.factory().options() {
        let wrong = DriverOptions(vec![(help.name.into(), "no such value \u{1}".into())]);
        let result = cx.factory().open(&cx.root(), &wrong);
        let error = refused(help.name, result, ErrorKind::InvalidArgument)?;
        ensure!(error.report().contains(help.name), "{} isn't named: {error}", help.name);
    }
    same("what a refused open has made", cx.root().try_exists()?, false)
}

fn options_explain_themselves(cx: &Context<'_>) -> Verdict {
    for help in cx.factory().options() {
        let prefix = format!("{}.", cx.driver_name());
        ensure!(help.name.starts_with(&prefix), "{} doesn't begin with {prefix}", help.name);
        ensure!(!help.values.is_empty() && !help.help.is_empty(), "{} has no help", help.name);
    }
    let summary = cx.factory().summary();
    ensure!(!summary.is_empty() && !summary.contains('\n'), "the summary is no line: {summary:?}");
    Ok(())
}

fn names_are_constant(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    same("the driver's name", store.name(), cx.driver_name())?;
    let traits = store.traits().clone();
    store.layer("l", None, |files| files.write("f", b"1"))?;
    same("the traits", store.traits(), &traits)?;
    drop(store);
    same("the traits, opened again", cx.open()?.traits(), &traits)
}

fn opening_makes_the_root(cx: &Context<'_>) -> Verdict {
    same("the root, before", cx.root().try_exists()?, false)?;
    let store = cx.open()?;
    ensure!(std::fs::metadata(cx.root())?.is_dir(), "the root isn't there");
    same("nodes", store.list()?.len(), 0)?;
    let status = store.status()?;
    let clean = (status.recovered.half_made, status.recovered.mounts, status.awaiting_reclaim);
    same("what recovery did", clean, (0, 0, 0))
}

fn a_foreign_root_is_corrupt(cx: &Context<'_>) -> Verdict {
    let room = cx.room("foreign")?;
    std::fs::write(room.join("somebody's file"), b"precious")?;
    let result = cx.factory().open(&room, cx.options());
    refused("open", result, ErrorKind::Corrupt)?;
    let names: Vec<_> = std::fs::read_dir(&room)?.collect::<Result<_, _>>()?;
    same("files there", names.len(), 1)?;
    refused("has_data", cx.factory().has_data(&room), ErrorKind::Corrupt).map(drop)
}

fn has_data_knows(cx: &Context<'_>) -> Verdict {
    let has = || cx.factory().has_data(&cx.root());
    same("where nothing is", has()?, false)?;
    same("what that has made", cx.root().try_exists()?, false)?;
    let store = cx.open()?;
    same("opened and not used", has()?, false)?;
    let d = store.draft("d", Base::Scratch)?;
    same("with a draft", has()?, true)?;
    let l = store.committed(&d, "l")?;
    same("with a layer", has()?, true)?;
    store.remove((&l).into())?;
    same("with nothing any more", has()?, false)?;
    store.reclaim()?;
    store.draft("d", Base::Scratch)?;
    drop(store);
    let before = everything(cx)?;
    same("closed", has()?, true)?;
    same("files", everything(cx)?, before)
}

fn has_data_never_guesses(cx: &Context<'_>) -> Verdict {
    let room = cx.room("file")?.join("no-directory");
    std::fs::write(&room, b"")?;
    let kinds = [ErrorKind::Corrupt, ErrorKind::Io];
    refused_as("has_data of a file", cx.factory().has_data(&room), &kinds)?;
    refused_as("has_data below a file", cx.factory().has_data(&room.join("x")), &kinds).map(drop)
}

fn status_is_for_people(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let status = store.status()?;
    ensure!(!status.facts.is_empty(), "no facts at all");
    let mut names: Vec<_> = status.facts.iter().map(|fact| fact.name.as_ref()).collect();
    names.sort_unstable();
    let count = names.len();
    names.dedup();
    same("facts of different names", names.len(), count)?;
    for fact in &status.facts {
        let line = format!("{}: {} ({})", fact.name, fact.value, fact.reason);
        ensure!(!fact.name.is_empty() && !fact.value.is_empty(), "a fact says nothing: {line}");
        ensure!(!line.contains('\n'), "a fact is more than a line: {line:?}");
    }
    Ok(())
}

fn limits_are_enforced_or_refused(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let l = store.layer("l", None, |files| files.write("f", b"1"))?;
    let bytes = Quota { bytes: Some(1 << 20), inodes: None };
    let inodes = Quota { bytes: None, inodes: Some(100) };
    for (i, quota) in [bytes, inodes].into_iter().enumerate() {
        for (j, base) in [Base::Scratch, Base::Layer(&l)].into_iter().enumerate() {
            let d = draft(&format!("d{i}{j}"))?;
            let result =
                store.prepare(&d, base, &DraftSpec { quota: Some(quota), ..DraftSpec::default() });
            refused(format!("{quota:?}"), result, ErrorKind::Unsupported)?;
            refused("the draft", store.stat((&d).into()), ErrorKind::NotFound)?;
        }
    }
    Ok(())
}

fn limits_are_in_force(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let power = store.quota().ok_or_else(|| Stop::failed("the power has gone"))?;
    let limit = Quota { bytes: Some(4 << 20), inodes: None };
    let d = draft("d")?;
    store.prepare(&d, Base::Scratch, &DraftSpec { quota: Some(limit), ..DraftSpec::default() })?;
    let in_force = power.get(&d)?.bytes.unwrap_or(0);
    ensure!(in_force >= 4 << 20, "a limit of 4 MiB was rounded down to {in_force}");
    let result = store.edit(&d, |files| Ok(files.write("f", vec![1; 64 << 20]).is_err()))?;
    ensure!(result, "64 MiB were written under a limit of 4 MiB");
    power.set(&d, Quota::default())?;
    same("lifted", power.get(&d)?, Quota::default())?;
    store.edit(&d, |files| files.write("f", vec![1; 16 << 20])).when("without a limit")
}

/// One error of each operation that can be made to fail by a caller's mistake.
fn mistakes(cx: &Context<'_>) -> Verdict<Vec<(Op, Error, Option<NodeId>)>> {
    let store = cx.open()?;
    let l = store.layer("l", None, |files| files.write("f", b"1"))?;
    let (d, v) = (store.on("d", &l)?, store.view_of("v", &l)?);
    let (absent, free) = (draft("absent")?, layer("free")?);
    let spec = DraftSpec::default();
    let request = MountRequest::default();
    let of = |id: &graphdriver_api::DraftId| Some(NodeId::Draft(id.clone()));
    let bad = archive(&[Item::file("../escape", b"")]);
    let mut sink = |_| Ok(std::ops::ControlFlow::Continue(()));
    let answers = [
        (Op::Prepare, store.prepare(&d, Base::Scratch, &spec).err(), of(&d)),
        (Op::View, store.view(&d, &l).err(), of(&d)),
        (Op::Commit, store.commit(&v, &free, None).err(), of(&v)),
        (Op::Remove, store.remove((&l).into()).err(), Some(NodeId::Layer(l.clone()))),
        (Op::Stat, store.stat((&absent).into()).err(), of(&absent)),
        (Op::Usage, store.usage((&absent).into()).err(), of(&absent)),
        (Op::Plan, store.mount_plan(&absent, &request).err(), of(&absent)),
        (Op::Mount, store.mount(&absent, &request).err(), of(&absent)),
        (Op::Apply, store.try_unpack(&d, &bad).err(), of(&d)),
        (Op::Changes, store.changes((&absent).into(), &mut sink).err(), of(&absent)),
        (Op::Diff, store.diff((&absent).into(), &mut std::io::sink()).err(), of(&absent)),
    ];
    let failed = |(op, error, node): (Op, Option<Error>, _)| {
        let error = error.ok_or_else(|| Stop::failed(format!("{op}: expected an error")))?;
        Ok((op, error, node))
    };
    answers.into_iter().map(failed).collect()
}

fn errors_are_one_line_with_all_that_is_known(cx: &Context<'_>) -> Verdict {
    for (op, error, node) in mistakes(cx)? {
        let (line, report) = (error.to_string(), error.report());
        ensure!(!line.contains('\n') && !report.contains('\n'), "{op}: two lines: {report:?}");
        ensure!(report.starts_with(&line), "{op}: the report isn't the line and more: {report}");
        let driver = format!("{}: ", cx.driver_name());
        ensure!(line.starts_with(&driver), "{op}: the driver isn't named: {line}");
        same(format!("{op}: its node"), error.node().cloned(), node.clone())?;
        let named = node.is_none_or(|node| line.contains(&node.to_string()));
        ensure!(named, "{op}: the node isn't named: {line}");
    }
    Ok(())
}

fn errors_name_the_operation(cx: &Context<'_>) -> Verdict {
    for (op, error, _) in mistakes(cx)? {
        same(format!("the operation of {error:?}"), error.op(), op)?;
    }
    let mut options = cx.options().clone();
    options.0.push(("no-such-option".into(), "1".into()));
    let opened = cx.factory().open(&cx.room("another")?, &options);
    let error = refused("open", opened, ErrorKind::InvalidArgument)?;
    same("the operation", error.op(), Op::Open)
}

fn stat_never_guesses(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let l = store.layer("l", None, |files| files.write("f", b"1"))?;
    let elsewhere = cx.dir().join("room-elsewhere");
    std::fs::rename(cx.root(), &elsewhere).when("move the root away")?;
    let answers = (store.stat((&l).into()), store.list());
    std::fs::rename(&elsewhere, cx.root()).when("move the root back")?;
    if let Err(error) = answers.0 {
        let absent = error.kind() == ErrorKind::NotFound;
        ensure!(!absent, "with the root moved away, a layer that is there isn't found: {error:?}");
    }
    if let Ok(list) = answers.1 {
        same("nodes listed with the root moved away", list.len(), 1)?;
    }
    same("moved back, its kind", store.stat((&l).into())?.kind, graphdriver_api::NodeKind::Layer)
}
