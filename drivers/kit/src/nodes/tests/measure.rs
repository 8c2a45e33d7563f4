//! What the store costs: `cargo nextest run -p sapwood-kit --run-ignored only
//! --no-capture the_store_is_measured`, on the file system of `TMPDIR`.

use std::time::{Duration, Instant};

use super::*;

fn timed<T>(call: impl FnOnce() -> T) -> (Duration, T) {
    let start = Instant::now();
    let value = call();
    (start.elapsed(), value)
}

fn show(what: &str, mut times: Vec<Duration>) {
    times.sort();
    let at = |part: usize| times[(times.len() - 1) * part / 100];
    println!("{what:40} median {:>9.1?}  p95 {:>9.1?}", at(50), at(95));
}

fn empty_draft(store: &NodeStore, id: &str, base: Base<'_>) {
    let id = draft(id);
    let making = store.begin(Op::Prepare, &id, base, Kind::Draft).unwrap();
    for name in ["upper", "work"] {
        rustix::fs::mkdirat(making.dir(), name, Mode::RWXU).unwrap();
    }
    making.publish(&Value::Null).unwrap();
}

#[test]
#[ignore = "measures"]
fn the_store_is_measured() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    empty_draft(&store, "base", Base::Scratch);
    commit(&store, "base", "base", None).unwrap();
    let base = layer("base");
    let cycle = |times: &mut [Vec<Duration>; 4]| {
        let id = draft("d");
        times[0].push(timed(|| empty_draft(&store, "d", Base::Layer(&base))).0);
        times[1].push(timed(|| store.stat((&id).into()).unwrap()).0);
        times[2].push(timed(|| store.lease(Op::Mount, &id, Use::Mount).unwrap()).0);
        times[3].push(timed(|| store.remove((&id).into()).unwrap()).0);
    };
    let mut times = [const { Vec::new() }; 4];
    (0..200).for_each(|_| cycle(&mut times));
    let whats = ["prepare", "stat", "lease", "remove a draft"];
    whats.into_iter().zip(times).for_each(|(what, times)| show(what, times));
    show("reclaim 200 drafts", vec![timed(|| store.reclaim().unwrap()).0]);

    let mut commits = Vec::new();
    for n in 0..500 {
        let beneath = layer(&if n == 0 { "base".to_owned() } else { format!("l{}", n - 1) });
        let deep = NodeStore::open(dir.path(), Layout { max_depth: None, ..LAYOUT }).unwrap();
        empty_draft(&deep, "d", Base::Layer(&beneath));
        commits.push(timed(|| commit(&deep, "d", &format!("l{n}"), None).unwrap()).0);
    }
    show("commit (little to flush)", commits);
    let top = store.get(Op::Plan, (&layer("l499")).into()).unwrap();
    let chains =
        (0..20).map(|_| timed(|| assert_eq!(store.chain(Op::Plan, &top).unwrap().len(), 500)).0);
    show("chain of 500 layers", chains.collect());
    for n in 0..500 {
        empty_draft(&store, &format!("d{n}"), Base::Layer(&base));
    }
    show("open with 1,000 nodes", (0..20).map(|_| timed(|| open(dir.path())).0).collect());
    show("list 1,000 nodes", (0..20).map(|_| timed(|| store.list().unwrap()).0).collect());
    let refused = (0..20).map(|_| timed(|| store.remove((&base).into()).unwrap_err()).0);
    show("refuse to remove a layer, 501 children", refused.collect());
}
