//! Checking a root that isn't open. What damage is, each driver's own tests
//! know; here is what holds for all: a sound root has none, and looking takes
//! nothing.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use graphdriver_api::{Base, Care, Finding, MountRequest, NodeInfo, Severity};

use super::recovery::populate;
use crate::suite::case::cases;
use crate::suite::context::Context;
use crate::suite::stop::{Stop, Verdict, ensure, same};

cases! { care:
    Law a_sound_root_has_no_findings,
        Contract("Tells everything in `root` that isn't as the driver left it"), needs [Care];
    Law what_others_are_doing_is_no_finding,
        Contract("what they are in the middle of is no finding."), needs [Care];
    Law looking_changes_nothing, Contract("Changes nothing, and mounts nothing"), needs [Care, OnDisk];
    Law where_nothing_is_nothing_is_found,
        Contract("A root that isn't there has neither nodes nor findings."), needs [Care];
    Law usage_is_that_of_the_open_driver,
        Contract("found without opening the root."), needs [Care];
    Law what_is_no_more_so_is_gone, Contract("It wasn't so any more."), needs [Care];
}

fn care<'a>(cx: &Context<'a>) -> Verdict<&'a dyn Care> {
    cx.factory().care().ok_or_else(|| Stop::failed("it can't be checked"))
}

pub(super) fn check(cx: &Context<'_>) -> Verdict<(Vec<NodeInfo>, Vec<Finding>)> {
    let mut found = Vec::new();
    let nodes = care(cx)?.check(&cx.root(), &mut |finding| {
        found.push(finding);
        ControlFlow::Continue(())
    })?;
    Ok((nodes, found))
}

fn a_sound_root_has_no_findings(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    populate(&store)?;
    let listed = store.list()?;
    for _ in 0..2 {
        let (nodes, found) = check(cx)?;
        same("findings", found, Vec::new())?;
        same("the nodes", &nodes, &listed)?;
    }
    drop(store);
    same("findings, closed", check(cx)?.1, Vec::new())
}

fn what_others_are_doing_is_no_finding(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let d = store.draft("d", Base::Scratch)?;
    let mut guard = store.mount(&d, &MountRequest::default())?;
    same("findings while it is mounted", check(cx)?.1, Vec::new())?;
    guard.unmount()?;
    store.remove((&d).into())?;
    let found = check(cx)?.1;
    let left = found.iter().all(|finding| finding.severity == Severity::Leftover);
    ensure!(left, "a removed draft is more than a leftover: {found:?}");
    Ok(())
}

/// Every path with its length.
pub(super) fn everything(dir: &Path) -> Verdict<Vec<(PathBuf, u64)>> {
    let (mut found, mut dirs) = (Vec::new(), vec![dir.to_owned()]);
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(&dir)? {
            let entry = entry?;
            let meta = entry.metadata()?;
            found.push((entry.path(), meta.len()));
            if meta.is_dir() {
                dirs.push(entry.path());
            }
        }
    }
    found.sort();
    Ok(found)
}

fn looking_changes_nothing(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    populate(&store)?;
    store.remove((&crate::suite::store::draft("v")?).into())?;
    drop(store);
    let before = everything(&cx.root())?;
    check(cx)?;
    same("what lies in the root", everything(&cx.root())?, before)
}

fn where_nothing_is_nothing_is_found(cx: &Context<'_>) -> Verdict {
    same("nodes and findings", check(cx)?, (Vec::new(), Vec::new()))?;
    ensure!(!cx.root().try_exists()?, "checking made the root");
    Ok(())
}

fn usage_is_that_of_the_open_driver(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    populate(&store)?;
    for info in store.list()? {
        let node = info.id.as_ref();
        same(info.id.to_string(), care(cx)?.usage(&cx.root(), node)?, store.usage(node)?)?;
    }
    Ok(())
}

fn what_is_no_more_so_is_gone(cx: &Context<'_>) -> Verdict {
    use graphdriver_api::{Remedy, Repaired};
    let store = cx.open()?;
    populate(&store)?;
    let finding = Finding {
        code: "never-so".into(),
        severity: Severity::Wrong,
        node: None,
        path: "nowhere".into(),
        what: String::new(),
        remedy: Remedy::Mend,
        repair: "".into(),
    };
    let repaired = care(cx)?.repair(&cx.root(), &finding, cx.dir())?;
    same("what became of it", repaired, Repaired::Gone)?;
    same("findings", check(cx)?.1, Vec::new())
}
