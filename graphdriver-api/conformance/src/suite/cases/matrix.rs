//! Every operation on a draft in every state that a draft can be in: what is
//! answered, and that a refusal changes nothing.

use graphdriver_api::ErrorKind::{AlreadyExists, Busy, NotFound, WrongState};
use graphdriver_api::{
    Base, DraftId, DraftSpec, ErrorKind, LayerId, MountGuard, MountRequest, MountTicket, NodeInfo,
    Result,
};

use crate::suite::archive::{Item, archive};
use crate::suite::case::cases;
use crate::suite::context::Context;
use crate::suite::stop::{Stop, Verdict, When, ensure, same};
use crate::suite::store::{Store, collect, draft, layer};

cases! { matrix:
    Law prepare, Contract("`draft` is not in use; the base layer is committed");
    Law view, Contract("Makes a read-only draft that shows `layer`'s tree.");
    Law commit, Contract("`Busy` (mounted), `WrongState` (a view; unpacking),");
    Law remove,
        Contract("`HasChildren` (a layer with drafts, views or layers on it), `Busy` (mounted).");
    Law stat, Contract("Mounted, it is `Busy` for everything but looking");
    Law usage, Contract("The space a node holds by itself.");
    Law mount_plan, Contract("`NotFound`, `Busy` (mounted), `WrongState` (deferred, unpacking),");
    Law mount,
        Contract("`NotFound`, `Busy` (mounted, here or elsewhere), `WrongState` (deferred, unpacking)");
    Law apply, Contract("the draft is a draft, and unmounted");
    Law changes,
        Contract("`NotFound`, `WrongState` (deferred); an error from the sink ends the walk and is \
         returned.");
    Law diff, Contract("As [`changes`](Self::changes);");
    Law poison_is_for_ever, Contract("Its draft can be removed, and nothing else.");
}

/// What a draft's id can stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Absent,
    Draft,
    Mounted,
    Persisted,
    View,
    MountedView,
    Unpacking,
    Deferred,
}

use State::{Absent, Deferred, Draft, Mounted, MountedView, Persisted, Unpacking, View};

const STATES: [State; 8] =
    [Absent, Draft, Mounted, Persisted, View, MountedView, Unpacking, Deferred];

/// A draft in some state, held there.
struct Staged {
    id: DraftId,
    guard: Option<MountGuard>,
    ticket: Option<MountTicket>,
}

/// What may be answered: `None` is success.
type Answers = &'static [Option<ErrorKind>];

const YES: Answers = &[None];

/// Carries out `operation` in every state that this driver has, each on a new
/// draft, and compares the answer; then that a refusal left things as they
/// were.
fn in_every_state(
    cx: &Context<'_>,
    operation: impl Fn(&Store, &DraftId) -> Result<()>,
    answers: impl Fn(State) -> Answers,
) -> Verdict {
    let store = cx.open()?;
    let base = store.layer("base", None, |files| files.write("f", b"1"))?;
    for state in STATES {
        let Some(mut staged) = stage(&store, &base, state).when(format_args!("{state:?}"))? else {
            continue;
        };
        let before = look(&store, &staged.id)?;
        let result = operation(&store, &staged.id);
        let expected = answers(state);
        let found = result.as_ref().err().map(graphdriver_api::Error::kind);
        ensure!(
            expected.contains(&found),
            "{state:?}: expected {expected:?} (None is success), got {result:?}"
        );
        if found.is_some() {
            same(format!("{state:?} after the refusal"), look(&store, &staged.id)?, before)?;
        }
        staged.end(&store)?;
    }
    Ok(())
}

/// What stat tells, or that nothing is there.
fn look(store: &Store, id: &DraftId) -> Verdict<Option<NodeInfo>> {
    match store.stat(id.into()) {
        Ok(info) => Ok(Some(info)),
        Err(error) if error.kind() == NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// `None` where the driver has no such state.
fn stage(store: &Store, base: &LayerId, state: State) -> Verdict<Option<Staged>> {
    let id = draft(&format!("{state:?}"))?;
    let mut staged = Staged { id: id.clone(), guard: None, ticket: None };
    let prepare = |base: Base<'_>| store.prepare(&id, base, &DraftSpec::default());
    match state {
        Absent => {}
        Deferred if !store.traits().rebase => return Ok(None),
        Deferred => prepare(Base::Deferred)?,
        View | MountedView => store.view(&id, base)?,
        Draft | Mounted | Persisted | Unpacking => prepare(Base::Layer(base))?,
    }
    match state {
        Mounted | MountedView => {
            staged.guard = Some(store.mount(&id, &MountRequest::default())?);
        }
        Persisted => return staged.persist(store),
        Unpacking => {
            let answer = store.try_unpack(&id, b"this is no archive").err().map(|e| e.kind());
            same("unpacking what is no archive", answer, Some(ErrorKind::BadDiff))?;
        }
        _ => {}
    }
    Ok(Some(staged))
}

impl Staged {
    fn persist(mut self, store: &Store) -> Verdict<Option<Self>> {
        let mut guard = store.mount(&self.id, &MountRequest::default())?;
        match guard.persist() {
            Ok(ticket) => self.ticket = ticket,
            Err(error) if error.kind() == ErrorKind::Unsupported => return Ok(None),
            Err(error) => return Err(error.into()),
        }
        Ok(Some(self))
    }

    fn end(&mut self, store: &Store) -> Verdict {
        if let Some(mut guard) = self.guard.take() {
            guard.unmount()?;
        }
        if let Some(ticket) = self.ticket.take() {
            store.adopt(&ticket)?.unmount()?;
        }
        Ok(())
    }
}

fn prepare(cx: &Context<'_>) -> Verdict {
    let operation =
        |store: &Store, id: &DraftId| store.prepare(id, Base::Scratch, &DraftSpec::default());
    in_every_state(cx, operation, |state| match state {
        Absent => YES,
        _ => &[Some(AlreadyExists)],
    })
}

fn view(cx: &Context<'_>) -> Verdict {
    let base = layer("base")?;
    in_every_state(
        cx,
        |store, id| store.view(id, &base),
        |state| match state {
            Absent => YES,
            _ => &[Some(AlreadyExists)],
        },
    )
}

fn commit(cx: &Context<'_>) -> Verdict {
    let free = |id: &DraftId| layer(&format!("layer-of-{id}"));
    let operation = |store: &Store, id: &DraftId| match free(id) {
        Ok(layer) => store.commit(id, &layer, None),
        Err(_) => Ok(()),
    };
    in_every_state(cx, operation, |state| match state {
        Absent => &[Some(NotFound)],
        Draft | Deferred => YES,
        Mounted | Persisted => &[Some(Busy)],
        // Both are so.
        MountedView => &[Some(Busy), Some(WrongState)],
        View | Unpacking => &[Some(WrongState)],
    })
}

fn remove(cx: &Context<'_>) -> Verdict {
    in_every_state(
        cx,
        |store, id| store.remove(id.into()),
        |state| match state {
            Mounted | Persisted | MountedView => &[Some(Busy)],
            _ => YES,
        },
    )
}

fn looking(state: State) -> Answers {
    if state == Absent { &[Some(NotFound)] } else { YES }
}

fn stat(cx: &Context<'_>) -> Verdict {
    in_every_state(cx, |store, id| store.stat(id.into()).map(drop), looking)
}

fn usage(cx: &Context<'_>) -> Verdict {
    in_every_state(cx, |store, id| store.usage(id.into()).map(drop), looking)
}

fn mount_plan(cx: &Context<'_>) -> Verdict {
    let operation =
        |store: &Store, id: &DraftId| store.mount_plan(id, &MountRequest::default()).map(drop);
    in_every_state(cx, operation, to_mount)
}

fn mount(cx: &Context<'_>) -> Verdict {
    let operation = |store: &Store, id: &DraftId| {
        store.mount(id, &MountRequest::default()).and_then(|mut guard| guard.unmount())
    };
    in_every_state(cx, operation, to_mount)
}

fn to_mount(state: State) -> Answers {
    match state {
        Absent => &[Some(NotFound)],
        Draft | View => YES,
        Mounted | Persisted | MountedView => &[Some(Busy)],
        Unpacking | Deferred => &[Some(WrongState)],
    }
}

fn apply(cx: &Context<'_>) -> Verdict {
    let tar = archive(&[Item::file("new", b"1")]);
    in_every_state(
        cx,
        |store, id| store.try_unpack(id, &tar).map(drop),
        |state| match state {
            Absent => &[Some(NotFound)],
            Draft | Deferred => YES,
            Mounted | Persisted => &[Some(Busy)],
            MountedView => &[Some(Busy), Some(WrongState)],
            View | Unpacking => &[Some(WrongState)],
        },
    )
}

fn to_compare(state: State) -> Answers {
    match state {
        Absent => &[Some(NotFound)],
        Deferred => &[Some(WrongState)],
        // Law 10 says that nothing but removing is possible; looking harms
        // nobody, and the method's own list of errors has no word of it.
        Unpacking => &[Some(WrongState), None],
        _ => YES,
    }
}

fn changes(cx: &Context<'_>) -> Verdict {
    let operation = |store: &Store, id: &DraftId| {
        store.changes(id.into(), &mut |_| Ok(std::ops::ControlFlow::Continue(())))
    };
    in_every_state(cx, operation, to_compare)
}

fn diff(cx: &Context<'_>) -> Verdict {
    let operation =
        |store: &Store, id: &DraftId| store.diff(id.into(), &mut std::io::sink()).map(drop);
    in_every_state(cx, operation, to_compare)
}

fn poison_is_for_ever(cx: &Context<'_>) -> Verdict {
    let store = cx.open()?;
    let base = store.layer("base", None, |files| files.write("f", b"1"))?;
    let staged = stage(&store, &base, Unpacking)?;
    let id = staged.ok_or_else(|| Stop::failed("no draft to poison"))?.id;
    drop(store);
    let store = cx.open()?;
    ensure!(store.stat((&id).into())?.unpacking, "opened again, it isn't unpacking any more");
    let found = store.list()?.iter().filter(|info| info.unpacking).count();
    same("drafts that list tells are unpacking", found, 1)?;
    let good = archive(&[Item::file("f", b"2")]);
    let kinds = [
        store.try_unpack(&id, &good).map(drop),
        store.commit(&id, &layer("l")?, None),
        store.mount(&id, &MountRequest::read_only()).map(drop),
        store.mount_plan(&id, &MountRequest::read_only()).map(drop),
    ]
    .map(|result| result.err().map(|error| error.kind()));
    same("apply, commit, mount and plan", kinds, [Some(WrongState); 4])?;
    store.remove((&id).into())?;
    let again = store.on(id.as_str(), &base)?;
    same(
        "changes of a new draft of that id",
        collect(|sink| store.changes((&again).into(), sink))?,
        vec![],
    )
}
