//! The table of docs/architecture.md: rooms, and what each may depend on.

use crate::workspace::Crate;

/// A part of the workspace whose crates live under the same rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    /// The contract.
    Api,
    /// The suite that every driver must pass, and its model.
    Conformance,
    /// System calls: the fence around `unsafe`.
    Sys,
    /// What drivers share.
    Kit,
    /// Each storage driver.
    Driver,
    /// The crate that names every driver.
    Registry,
    /// The union file system.
    FuseOverlay,
    /// Images, containers, networks, volumes.
    Engine,
    /// The program.
    Cli,
    /// Tests of the whole, and the means for them.
    Tests,
    /// Measurements.
    Bench,
}

use Room::{Api, Bench, Cli, Conformance, Driver, Engine, FuseOverlay, Kit, Registry, Sys, Tests};

/// What the crates of one room may depend on inside the workspace.
#[derive(Debug)]
pub struct Row {
    /// The room.
    pub room: Room,
    /// Where its crates lie: a folder, or with `/*` the folders in it that no row above names.
    pub place: &'static str,
    /// Rooms that its libraries and programs may use.
    pub uses: &'static [Room],
    /// Rooms that only its tests may use, beyond those.
    pub tests_use: &'static [Room],
    /// Said to whom the table refuses something.
    pub why: &'static str,
}

const EVERYTHING: &[Room] =
    &[Api, Conformance, Sys, Kit, Driver, Registry, FuseOverlay, Engine, Cli, Tests, Bench];

/// The table. Order matters for places: the first that fits counts.
pub const ROWS: &[Row] = &[
    Row {
        room: Api,
        place: "graphdriver-api",
        uses: &[],
        tests_use: &[],
        why: "the contract is pure types: everything else stands on it",
    },
    Row {
        room: Conformance,
        place: "graphdriver-api/conformance",
        uses: &[Api],
        tests_use: &[],
        why: "the suite knows the contract alone: it must hold for drivers not yet written",
    },
    Row {
        room: Sys,
        place: "drivers/sys",
        uses: &[],
        tests_use: &[],
        why: "system calls without policy: whoever audits `unsafe` reads this crate alone",
    },
    Row {
        room: Kit,
        place: "drivers/kit",
        uses: &[Api, Sys],
        tests_use: &[],
        why: "the kit doesn't know which driver calls it",
    },
    Row {
        room: Registry,
        place: "drivers/registry",
        uses: &[Api, Driver],
        tests_use: &[Conformance],
        why: "the registry names drivers and opens them, nothing else",
    },
    Row {
        room: Driver,
        place: "drivers/*",
        uses: &[Api, Kit, Sys],
        tests_use: &[Conformance],
        why: "a driver knows the contract, the kit and its own root, and no other driver",
    },
    Row {
        room: FuseOverlay,
        place: "fuse-overlay",
        // One fence around `unsafe` in the workspace, not two: decision 0014.
        uses: &[Sys],
        tests_use: &[],
        why: "the union file system knows layers as directories, nothing of ids or drivers",
    },
    Row {
        room: Engine,
        place: "engine",
        // The kit for the format of archives, and for reading trees by
        // descriptor: decision 0010.
        uses: &[Api, Kit, Sys],
        tests_use: &[],
        why: "the engine sees drivers only as `dyn GraphDriver`",
    },
    Row {
        room: Cli,
        place: "cli",
        uses: &[Api, Engine, Registry],
        tests_use: &[],
        why: "the program puts engine and registry together and prints",
    },
    Row {
        room: Tests,
        place: "tests/*",
        uses: EVERYTHING,
        tests_use: &[],
        why: "tests may use everything",
    },
    Row { room: Bench, place: "bench", uses: EVERYTHING, tests_use: &[], why: "as tests" },
];

/// What a single crate may use beyond its row: folder, room, reason.
pub const EXCEPTIONS: &[(&str, Room, &str)] = &[(
    "drivers/fuse",
    FuseOverlay,
    "it starts that program, and shares the type of its mount options",
)];

/// Crates from outside that only some rooms may use, and why.
pub const EXTERNALS: &[(&str, &[Room], &str)] = &[
    ("libc", &[Sys], "its calls are unsafe: wrap them in drivers/sys, or use rustix"),
    ("fuser", &[FuseOverlay], "one adapter keeps the protocol's library exchangeable"),
    ("libcontainer", &[Engine], "one monitor process keeps the runtime exchangeable"),
    ("libseccomp", &[Engine], "filters of system calls are the built-in runtime's business"),
    ("rusqlite", &[Engine, Tests, Bench], "one store knows the schema"),
    ("clap", &[Cli, FuseOverlay, Tests, Bench], "libraries take values, not command lines"),
    ("anyhow", &[Cli, Tests, Bench], "a library's errors have kinds that callers can match"),
    ("eyre", &[Cli, Tests, Bench], "a library's errors have kinds that callers can match"),
];

/// The only crates from outside that a room may use, tests apart.
pub const ONLY_EXTERNALS: &[(Room, &[&str], &str)] = &[
    (Api, &["serde"], "the contract does no I/O and logs nothing"),
    (Sys, &["libc", "rustix", "bitflags"], "whoever audits `unsafe` reads this crate alone"),
];

/// The drivers, as people name them.
pub const DRIVER_NAMES: &[&str] =
    &["vfs", "overlay2", "fuse", "btrfs", "zfs", "devicemapper", "aufs"];

/// Where such a name is part of the format of layers, which every driver has to read.
pub const NO_NAMES: &[&str] = &[".wh..wh.aufs"];

/// The row for a crate, if any.
#[must_use]
pub fn row_of(krate: &Crate) -> Option<&'static Row> {
    ROWS.iter().find(|row| match row.place.strip_suffix('*') {
        Some(parent) => krate.folder.strip_prefix(parent).is_some_and(|name| !name.contains('/')),
        None => krate.folder == row.place,
    })
}
