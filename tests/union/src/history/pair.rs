//! Two unions over the same layers: a subject's, and the kernel's.

use crate::bench::Bench;
use crate::differences::Differences;
use crate::failure::{Failure, Outcome};
use crate::history::apply::Hands;
use crate::history::op::Op;
use crate::snapshot::Snapshot;
use crate::subject::Subject;
use crate::tree::Tree;

/// Trees are compared after so many operations.
const LOOK: usize = 10;

/// How a history ended.
#[derive(Debug)]
pub enum Ended {
    /// With the same trees.
    Alike,
    /// Early, at a difference that is declared, with its reason.
    Declared(String),
}

/// A subject's union and the kernel's.
#[derive(Debug)]
pub struct Pair {
    one: Bench,
    other: Bench,
    differences: Differences,
    succeeded: usize,
}

impl Pair {
    /// Both unions, mounted over layers that are the same for each.
    ///
    /// # Errors
    /// Those of [`Bench::mount`].
    pub fn new(subject: &Subject, kernel: &Subject) -> Outcome<Self> {
        let differences = Differences::declared()?;
        let mut pair = Self {
            one: Bench::new(subject)?,
            other: Bench::new(kernel)?,
            differences,
            succeeded: 0,
        };
        for bench in [&mut pair.one, &mut pair.other] {
            layers(bench)?;
            bench.mount()?;
        }
        Ok(pair)
    }

    /// How many operations succeeded: a history of refusals proves little.
    #[must_use]
    pub fn succeeded(&self) -> usize {
        self.succeeded
    }

    /// Does a history to both, and compares.
    ///
    /// # Errors
    /// The first difference, with the operation; a lower layer that was written;
    /// a daemon that doesn't end.
    pub fn run(&mut self, history: &[Op]) -> Outcome<Ended> {
        if let Some(reason) = self.play(history)? {
            self.one.unmount()?;
            self.other.unmount()?;
            self.lowers()?;
            return Ok(Ended::Declared(reason));
        }
        self.trees_are_alike("at the end")?;
        self.one.remount()?;
        self.other.remount()?;
        self.trees_are_alike("after a remount")?;
        self.one.unmount()?;
        self.other.unmount()?;
        self.lowers()?;
        Ok(Ended::Alike)
    }

    /// After a [`run`](Self::run): each mounts what the other wrote, and both
    /// trees are still the same.
    ///
    /// # Errors
    /// The first difference; what a mount says.
    pub fn swap(&mut self) -> Outcome {
        let (one, other) = (self.one.subject().clone(), self.other.subject().clone());
        let count_links = self.differences.compares_link_counts(one.kind());
        let before = |bench: &Bench| Snapshot::of(&bench.tree().path(""));
        self.one.mount()?;
        let expected = before(&self.one)?;
        self.one.unmount()?;
        for (bench, by) in [(&mut self.one, &other), (&mut self.other, &one)] {
            bench.mount_with(by, "")?;
            let found = before(bench)?;
            bench.unmount()?;
            if let Some(difference) = expected.unlike(&found, count_links) {
                let (by, of) = (by.kind().name(), bench.subject().kind().name());
                return Err(Failure::new(format!("{by} mounts what {of} wrote: {difference}")));
            }
        }
        self.lowers()
    }

    fn play(&mut self, history: &[Op]) -> Outcome<Option<String>> {
        let (mut one, mut other) = (Hands::on(self.one.tree()), Hands::on(self.other.tree()));
        let count_links = self.differences.compares_link_counts(self.one.subject().kind());
        for (index, op) in history.iter().enumerate() {
            if *op == Op::Remount {
                drop((one, other));
                self.one.remount()?;
                self.other.remount()?;
                (one, other) = (Hands::on(self.one.tree()), Hands::on(self.other.tree()));
                self.trees_are_alike(&format!("after operation {index}, a remount"))?;
                continue;
            }
            let answer = |answer| if count_links { answer } else { without_links(answer) };
            let (found, expected) = (answer(one.apply(op)), answer(other.apply(op)));
            if found != expected {
                let answers = format!("{found:?}, the kernel {expected:?}");
                let kind = self.one.subject().kind();
                return match self.differences.tolerates(kind, &op.name(), &answers) {
                    Some(reason) => Ok(Some(reason)),
                    None => Err(Failure::new(format!("operation {index}, {op:?}: {answers}"))),
                };
            }
            self.succeeded += usize::from(found.is_ok());
            if index % LOOK == LOOK - 1 {
                self.trees_are_alike(&format!("after operation {index}, {op:?}"))?;
            }
        }
        Ok(None)
    }

    fn trees_are_alike(&self, when: &str) -> Outcome {
        let (one, other) = (self.one.tree().path(""), self.other.tree().path(""));
        let count_links = self.differences.compares_link_counts(self.one.subject().kind());
        match Snapshot::of(&other)?.unlike(&Snapshot::of(&one)?, count_links) {
            None => Ok(()),
            Some(difference) => Err(Failure::new(format!("trees {when}: {difference}"))),
        }
    }

    fn lowers(&self) -> Outcome {
        self.one.lowers_are_untouched()?;
        self.other.lowers_are_untouched()
    }
}

/// The answer to `Stat` without the number of links, which stands at its end.
fn without_links<E>(answer: Result<String, E>) -> Result<String, E> {
    answer.map(|told| told.split(" links ").next().unwrap_or_default().to_owned())
}

/// Two lowers and an upper that overlap in every way, with times long past.
fn layers(bench: &mut Bench) -> Outcome {
    let lowest = bench.lower(1)?;
    for dir in ["a/a/a", "a/b", "b/a", "c/c"] {
        lowest.dirs(dir)?;
    }
    files(&lowest, &["a/c", "a/a/b", "a/a/a/c", "b/b", "d"], b"lowest")?;
    lowest.link("a/c", "b/c")?;
    lowest.symlink("../a/c", "c/a")?;
    past(&lowest, &["a/a/a", "a/a", "a/b", "a", "b/a", "b", "c/c", "c/a", "c"])?;
    let low = bench.lower(0)?;
    for dir in ["a/a", "b/d", "c"] {
        low.dirs(dir)?;
    }
    files(&low, &["a/d", "a/a/d", "b/a"], b"lower")?;
    low.whiteout("a/b")?;
    low.set_xattr("c", "trusted.overlay.opaque", b"y")?;
    low.truncate("a/d", 20_000)?;
    past(&low, &["a/a", "a/d", "a", "b/d", "b", "c"])?;
    let upper = bench.upper();
    upper.dirs("a/a")?;
    files(&upper, &["a/a/c", "c"], b"upper")?;
    past(&upper, &["a/a", "a"])?;
    for root in [lowest, low, upper] {
        root.set_mtime("", 500_000)?;
    }
    Ok(())
}

fn files(tree: &Tree, names: &[&str], content: &[u8]) -> Outcome {
    for (index, name) in names.iter().enumerate() {
        tree.file(name, &content.repeat(index * 100 + 1))?;
        tree.chmod(name, 0o640)?;
        tree.set_xattr(name, "user.one", name.as_bytes())?;
    }
    past(tree, names)
}

fn past(tree: &Tree, names: &[&str]) -> Outcome {
    names.iter().enumerate().try_for_each(|(i, name)| tree.set_mtime(name, 1_000_000 + i as i64))
}
