//! Commands that change a store, each with what comes before and after it.

use std::process::Command;

use super::{BIG, BOX, Bench, LENT};

/// What `import` makes, and `commit`.
const IMPORTED: &str = "imported:1";
const COMMITTED: &str = "committed:1";

/// The archive that `save` makes.
const SAVED: &str = "saved.tar";

/// One of them.
pub struct Scenario {
    /// Which.
    pub name: &'static str,
    /// Has the store as the command needs it.
    pub prepare: fn(&Bench),
    /// The command.
    pub args: fn(&Bench) -> Vec<String>,
    /// Does again what was cut off, if it wasn't done; it has to work.
    pub repeat: fn(&Bench, &Command),
    /// Takes away what it made.
    pub undo: fn(&Bench),
}

impl Scenario {
    pub fn command(&self, bench: &Bench) -> Command {
        let mut command = bench.sapwood.command();
        command.args((self.args)(bench));
        command
    }

    pub fn named(name: &str) -> &'static Self {
        ALL.iter().find(|scenario| scenario.name == name).unwrap()
    }
}

fn words(args: &[&str]) -> Vec<String> {
    args.iter().map(|arg| (*arg).to_owned()).collect()
}

fn nothing(_: &Bench) {}

/// Runs it as it is.
fn again(bench: &Bench, command: &Command) {
    let ended = bench.with_fault(command, 0, sapwood_crash::Fault::None);
    assert!(ended.status.success(), "again: {}", ended.stderr);
}

fn again_if(there: bool, bench: &Bench, command: &Command) {
    if there {
        again(bench, command);
    }
}

fn remove_big(bench: &Bench) {
    for name in [BIG, IMPORTED] {
        if bench.images().contains(name) {
            bench.sapwood.ok(["rmi", name]);
        }
    }
}

fn remove_container(bench: &Bench) {
    if bench.images().contains(COMMITTED) {
        bench.sapwood.ok(["rmi", COMMITTED]);
    }
    if bench.container("tried").is_some() {
        bench.sapwood.ok(["rm", "tried"]);
    }
    // And the layer between it and its image, which comes with the first.
    if bench.images().contains(BOX) {
        bench.sapwood.ok(["rmi", BOX]);
    }
    bench.load("box.tar");
}

fn make_container(bench: &Bench) {
    bench.sapwood.ok(["run", "--name", "tried", BOX, "sh", "-c", "echo x > /file; rm -r /home"]);
}

/// The option that names a store with one image, which is made the first time.
fn lent(bench: &Bench) -> String {
    format!("--storage-opt=additionalimagestore={}", bench.lender())
}

fn remove_borrowed(bench: &Bench) {
    if bench.container("tried").is_some() {
        bench.sapwood.ok(["rm", "tried"]);
    }
    // It has no name here, and so is one that nobody needs.
    bench.sapwood.ok(["image", "prune", "-f"]);
    // What it stood on is as if nothing ever had.
    remove_container(bench);
}

fn make_again(bench: &Bench, command: &Command) {
    if bench.container("tried").is_some() {
        bench.sapwood.ok(["rm", "tried"]);
    }
    again(bench, command);
}

pub const ALL: &[Scenario] = &[
    Scenario {
        name: "load",
        prepare: nothing,
        args: |bench| words(&["load", "-q", "-i", &bench.archive("big.tar")]),
        repeat: again,
        undo: remove_big,
    },
    Scenario {
        name: "load-piped",
        prepare: nothing,
        args: |_| words(&["load", "-q"]),
        repeat: again,
        undo: remove_big,
    },
    Scenario {
        name: "rmi",
        prepare: |bench| bench.load("big.tar"),
        args: |_| words(&["rmi", BIG]),
        repeat: |bench, command| again_if(bench.images().contains(BIG), bench, command),
        undo: |bench| {
            // Cleans up what an interrupted removal has left.
            bench.load("big.tar");
            remove_big(bench);
        },
    },
    Scenario {
        name: "run",
        prepare: nothing,
        args: |_| words(&["run", "--name", "tried", BOX, "sh", "-c", "echo x > /file"]),
        repeat: make_again,
        undo: remove_container,
    },
    Scenario {
        name: "run-rm",
        prepare: nothing,
        args: |_| words(&["run", "--rm", "--name", "tried", BOX, "sh", "-c", "echo x > /file"]),
        repeat: make_again,
        undo: remove_container,
    },
    Scenario {
        name: "rm",
        prepare: make_container,
        args: |_| words(&["rm", "tried"]),
        repeat: |bench, command| again_if(bench.container("tried").is_some(), bench, command),
        undo: remove_container,
    },
    Scenario {
        name: "import",
        prepare: nothing,
        args: |bench| words(&["import", &bench.archive("box.tar"), IMPORTED]),
        // Its configuration has the time in it: another one is another image.
        repeat: |bench, command| again_if(!bench.images().contains(IMPORTED), bench, command),
        undo: remove_big,
    },
    Scenario {
        name: "commit",
        prepare: make_container,
        args: |_| words(&["commit", "-m", "made", "tried", COMMITTED]),
        // As with `import`.
        repeat: |bench, command| again_if(!bench.images().contains(COMMITTED), bench, command),
        undo: remove_container,
    },
    Scenario {
        name: "save",
        prepare: |bench| bench.load("big.tar"),
        args: |bench| words(&["save", "-o", &bench.archive(SAVED), BIG]),
        repeat: again,
        undo: |bench| {
            bench.assert_saved_alone(SAVED);
            remove_big(bench);
        },
    },
    Scenario {
        name: "prune",
        prepare: |bench| {
            make_container(bench);
            bench.load("big.tar");
        },
        args: |_| words(&["system", "prune", "-a", "-f"]),
        repeat: again,
        undo: |bench| {
            assert!(bench.images().is_empty());
            bench.load("box.tar");
        },
    },
    Scenario {
        name: "import-from",
        prepare: nothing,
        args: |bench| words(&["image", "import-from", "-q", &bench.archive("theirs")]),
        repeat: again,
        undo: remove_big,
    },
    Scenario {
        name: "run-lent",
        prepare: nothing,
        args: |bench| {
            let mut args = vec![lent(bench)];
            args.extend(words(&["run", "--name", "tried", LENT, "sh", "-c", "rm /lent"]));
            args
        },
        repeat: make_again,
        undo: remove_borrowed,
    },
];
