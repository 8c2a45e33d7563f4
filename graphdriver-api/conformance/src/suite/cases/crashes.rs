//! A process is killed at work; whoever opens the driver next finds whole
//! nodes, and can go on.

use std::io::{BufRead, BufReader, Read};
use std::process::Child;

use graphdriver_api::{
    Base, DraftSpec, ErrorKind, MountState, NodeId, NodeInfo, NodeKind, NodeRef,
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::mounts::writable;
use super::recovery::{Everything, everything, populate, unchanged};
use crate::snapshot::Snapshot;
use crate::suite::archive::{Item, unended};
use crate::suite::case::cases;
use crate::suite::child::{Part, say};
use crate::suite::context::Context;
use crate::suite::edits::write_base;
use crate::suite::host::mounts_below;
use crate::suite::stop::{Stop, Verdict, When, ensure, refused, same};
use crate::suite::store::{Store, draft, files, layer, same_tree};

cases! { crashes:
    Law a_dead_holders_mount_is_taken_away,
        Contract("mounts without a holder are unmounted"), needs [OnDisk];
    Law killed_while_unpacking,
        Contract("After an error, or a crash: the draft is `unpacking` for ever and can only be removed."),
        needs [OnDisk];
    Law killed_after_a_commit,
        Contract("A committed layer is complete by construction: whenever it is there, all its bytes are."),
        needs [OnDisk];
    Law killed_at_any_moment,
        Contract("the next `open` shows the state before the call or after it, never one in between"),
        needs [OnDisk];
    Law without_descriptors_nothing_is_absent,
        Contract("an error of the medium is `Io`, never read as absence"), needs [OnDisk];
}

pub(super) const PARTS: &[Part] = &[
    ("mount-and-wait", mount_and_wait),
    ("unpack-for-ever", unpack_for_ever),
    ("commit-and-wait", commit_and_wait),
    ("work-for-ever", work_for_ever),
    ("starve", starve),
];

/// A child at work, killed when it is dropped.
struct Killed(Child);

impl Killed {
    /// Starts a part and waits until it has said a word.
    fn at_work(
        cx: &Context<'_>,
        part: &str,
    ) -> Verdict<(Self, BufReader<std::process::ChildStdout>)> {
        let mut child = cx.child(part)?.spawn().when("start a child")?;
        let out = child.stdout.take().ok_or_else(|| Stop::failed("a child without output"))?;
        let (this, mut out) = (Self(child), BufReader::new(out));
        let mut line = String::new();
        out.read_line(&mut line)?;
        ensure!(!line.is_empty(), "the child ({part}) ended before it was at work");
        Ok((this, out))
    }

    /// SIGKILL, and waits for the end.
    fn kill(mut self) -> Verdict {
        self.0.kill().when("kill a child")?;
        self.0.wait().map(drop).when("wait for a child")
    }
}

impl Drop for Killed {
    fn drop(&mut self) {
        // Only on the way out of a case that has failed already.
        drop(self.0.kill().and_then(|()| self.0.wait()));
    }
}

/// Says that work has begun, and waits for an end that doesn't come.
fn say_and_wait(word: &str) -> Verdict {
    say(word)?;
    let mut nothing = Vec::new();
    std::io::stdin().read_to_end(&mut nothing).map(drop).when("wait")
}

fn a_dead_holders_mount_is_taken_away(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let l = store.layer("l", None, write_base)?;
    let (d, v) = (store.on("d", &l)?, store.view_of("v", &l)?);
    drop(store);
    let before = mounts_below(cx.dir())?;
    let (child, _out) = Killed::at_work(cx, "mount-and-wait")?;
    let alive = cx.open()?;
    same("its state, with the holder alive", alive.stat((&d).into())?.mount, MountState::Held)?;
    refused("mount", alive.mount(&d, &writable()), ErrorKind::Busy)?;
    drop(alive);
    child.kill()?;
    let store = cx.open()?;
    same("mounts that recovery took away", store.status()?.recovered.mounts, 2)?;
    same("mounts", mounts_below(cx.dir())?, before)?;
    same("the draft's state", store.stat((&d).into())?.mount, MountState::Unmounted)?;
    same("what was written", store.look(&d, |files| files.read("f"))?, b"by the dead")?;
    store.look(&v, |files| files.read("f")).when("the view")?;
    store.committed(&d, "after").map(drop)
}

fn mount_and_wait(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let guard = store.mount(&draft("d")?, &writable())?;
    let view = store.mount(&draft("v")?, &writable())?;
    files(&guard)?.write("f", b"by the dead")?;
    say_and_wait("mounted")?;
    drop((guard, view));
    Ok(())
}

fn killed_while_unpacking(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    populate(&store)?;
    let before = everything(&store)?;
    drop(store);
    let (child, _out) = Killed::at_work(cx, "unpack-for-ever")?;
    let watching = cx.open()?;
    let d = draft("endless")?;
    ensure!(watching.stat((&d).into())?.unpacking, "a draft that is unpacked isn't unpacking");
    drop(watching);
    child.kill()?;
    let store = cx.open()?;
    let mut found = store.list()?;
    if let Some(at) = found.iter().position(|info| info.id == NodeId::Draft(d.clone())) {
        ensure!(found.remove(at).unpacking, "a half-unpacked draft isn't unpacking any more");
        let result = store.commit(&d, &layer("half")?, None);
        refused("committing it", result, ErrorKind::WrongState)?;
        refused("mounting it", store.mount(&d, &writable()), ErrorKind::WrongState)?;
    }
    same("the other nodes", found, before.0.clone())?;
    store.remove((&d).into())?;
    store.reclaim()?;
    unchanged(&everything(&store)?, &before)
}

/// An archive that never ends, and says so when it is being read.
struct Endless {
    block: Vec<u8>,
    given: usize,
}

impl Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let at = self.given % self.block.len();
        let count = buffer.len().min(self.block.len() - at);
        buffer[..count].copy_from_slice(&self.block[at..at + count]);
        let before = self.given / (64 << 10);
        self.given += count;
        if before == 0 && self.given / (64 << 10) > 0 {
            say("unpacking").map_err(|_| std::io::Error::other("nobody listens"))?;
        }
        Ok(count)
    }
}

fn unpack_for_ever(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let d = store.draft("endless", Base::Layer(&layer("top")?))?;
    let items = [Item::dir("d"), Item::file("d/new", vec![1; 5000]), Item::empty(".wh.g")];
    let mut source = Endless { block: unended(&items), given: 0 };
    store.apply(&d, &mut source, &graphdriver_api::Limits::default())?;
    Ok(())
}

fn killed_after_a_commit(cx: &Context<'_>) -> Verdict {
    drop(cx.open()?);
    let (child, _out) = Killed::at_work(cx, "commit-and-wait")?;
    child.kill()?;
    let store = cx.open()?;
    let l = layer("l")?;
    let d = store.draft("d", Base::Scratch)?;
    store.edit(&d, write_base)?;
    same_tree("the layer of the dead", &store.tree(&l)?, &store.tree(&d)?)?;
    refused("its draft", store.stat((&draft("made")?).into()), ErrorKind::NotFound).map(drop)
}

fn commit_and_wait(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let d = store.draft("made", Base::Scratch)?;
    store.edit(&d, write_base)?;
    store.committed(&d, "l")?;
    say_and_wait("committed")
}

fn killed_at_any_moment(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    populate(&store)?;
    let before = everything(&store)?;
    drop(store);
    for lines in [0, 1, 3, 6, 11] {
        let (child, mut out) = Killed::at_work(cx, "work-for-ever")?;
        let mut line = String::new();
        for _ in 0..lines {
            out.read_line(&mut line)?;
        }
        child.kill()?;
        whole_and_clean(cx, &before).when(format_args!("killed after {lines} lines"))?;
    }
    Ok(())
}

/// Every node that is there can be used as what it is; what was there before
/// is as it was; all else can be removed.
fn whole_and_clean(cx: &Context<'_>, before: &Everything) -> Verdict {
    let store = cx.open()?;
    let known = |info: &&NodeInfo| before.0.iter().any(|b| b.id == info.id);
    let list = store.list()?;
    for info in list.iter().filter(|info| !known(info)) {
        same(format!("the mount of {}", info.id), &info.mount, &MountState::Unmounted)?;
        if !info.unpacking {
            let tree = store.tree(info.id.as_ref()).when(&info.id)?;
            whole(info, &tree)?;
        }
    }
    let mut rest: Vec<_> = list.iter().filter(|info| !known(info)).collect();
    // Children first: the deeper, the earlier; drafts before layers.
    rest.sort_by_key(|info| (std::cmp::Reverse(info.depth), info.kind == NodeKind::Layer));
    for info in rest {
        store.remove(info.id.as_ref()).when(&info.id)?;
    }
    store.reclaim()?;
    same("what awaits", store.status()?.awaiting_reclaim, 0)?;
    unchanged(&everything(&store)?, before)
}

/// A layer of [`work_for_ever`] has all of its files, or isn't there.
fn whole(info: &NodeInfo, tree: &Snapshot) -> Verdict {
    if info.kind == NodeKind::Layer {
        let count = tree.iter().filter(|(path, _)| path.starts_with("work")).count();
        same(format!("names in {}", info.id), count, 31)?;
    }
    Ok(())
}

fn work_for_ever(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let base = layer("top")?;
    for round in 0_u32.. {
        let d = store.on(&format!("work-{round}"), &base)?;
        store.edit(&d, |files| {
            files.dir("work")?;
            (0..30).try_for_each(|i| files.write(format!("work/{i}"), vec![7; 3000]))
        })?;
        let l = store.committed(&d, &format!("worked-{round}"))?;
        say("round")?;
        let v = store.view_of(&format!("view-{round}"), &l)?;
        store.look(&v, |files| files.names("work").map(drop))?;
        store.remove((&v).into())?;
        if round % 2 == 0 {
            store.remove((&l).into())?;
            store.reclaim()?;
        }
    }
    Ok(())
}

fn without_descriptors_nothing_is_absent(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    populate(&store)?;
    drop(store);
    cx.play("starve").map(drop)
}

/// Without a free descriptor, nothing can be opened (EMFILE): calls may fail,
/// but not say that something isn't there.
fn starve(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let nodes: Vec<_> = store.list()?.into_iter().map(|info| info.id).collect();
    let limit = getrlimit(Resource::Nofile);
    let used = std::fs::read_dir("/proc/self/fd")?.count() as u64;
    for free in 0..4 {
        // The directory that was just read took one itself.
        let tight = Rlimit { current: Some(used - 1 + free), maximum: limit.maximum };
        setrlimit(Resource::Nofile, tight).when("take descriptors away")?;
        let answers: Vec<_> = nodes.iter().map(|node| told(&store, node.as_ref())).collect();
        let list = store.list().map(|list| list.len());
        setrlimit(Resource::Nofile, limit).when("give descriptors back")?;
        let wrong = answers.into_iter().flatten().find(|kind| *kind == ErrorKind::NotFound);
        same(format!("with {free} descriptors, an answer"), wrong, None)?;
        if let Ok(count) = list {
            same(format!("with {free} descriptors, nodes listed"), count, nodes.len())?;
        }
    }
    let d = draft("new")?;
    store.prepare(&d, Base::Scratch, &DraftSpec::default()).when("with descriptors again")?;
    Ok(())
}

/// The kinds of error that looking at a node gives.
fn told(store: &Store, node: NodeRef<'_>) -> Vec<ErrorKind> {
    let answers = [store.stat(node).map(drop), store.usage(node).map(drop)];
    answers.into_iter().filter_map(Result::err).map(|error| error.kind()).collect()
}
