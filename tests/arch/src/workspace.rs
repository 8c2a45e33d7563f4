//! What the rules look at: crates, their dependencies, manifests and sources.

use serde::Deserialize;

/// A workspace: the real one, or a fixture.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Workspace {
    /// The text of the root's Cargo.toml.
    #[serde(default)]
    pub manifest: String,
    /// The members.
    #[serde(rename = "crate", default)]
    pub crates: Vec<Crate>,
}

/// One member.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Crate {
    /// The package's name.
    pub name: String,
    /// Where it lies below the root, with `/` between: `drivers/kit`.
    pub folder: String,
    /// The text of its Cargo.toml.
    #[serde(default)]
    pub manifest: String,
    /// What it depends on.
    #[serde(default)]
    pub dependencies: Vec<Dependency>,
    /// Its Rust files, those of its tests and build script among them.
    #[serde(rename = "source", default)]
    pub sources: Vec<Source>,
}

/// One dependency of a crate, by its real name, even if the crate renames it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dependency {
    /// The package's name.
    pub name: String,
    /// For what it is needed.
    #[serde(default)]
    pub kind: Kind,
}

/// For what a dependency is needed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// For the library or the program.
    #[default]
    Normal,
    /// For tests, benches and examples.
    Dev,
    /// For the build script.
    Build,
}

/// A Rust file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Where it lies below the root.
    pub path: String,
    /// What is in it.
    pub text: String,
}
