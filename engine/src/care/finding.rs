//! What a check tells.

use std::borrow::Cow;
use std::fmt;
use std::path::PathBuf;

use graphdriver_api::{Remedy, Severity};
use serde::Serialize;

use crate::store::copies::{ContainerCopy, ImageCopy, Kind};
use crate::store::layers::LayerRow;

/// One difference between records, driver and disk.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finding {
    /// Short and stable (`layer-missing`); docs/store.md lists them.
    pub code: Cow<'static, str>,
    /// How bad it is.
    pub severity: Severity,
    /// What it is about, if it is about one thing.
    pub subject: Option<Subject>,
    /// Where.
    pub path: PathBuf,
    /// What is so, one clause.
    pub what: String,
    /// What repairing would do.
    pub remedy: Remedy,
    /// The same in words.
    pub repair: Cow<'static, str>,
    /// How.
    #[serde(skip)]
    pub(super) action: Action,
}

/// A thing that a person knows.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Subject {
    /// What it is.
    pub kind: SubjectKind,
    /// Its whole id.
    pub id: String,
    /// What it is called: an image's name, the images that have a layer.
    pub name: Option<String>,
}

/// What a thing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SubjectKind {
    /// An image.
    Image,
    /// A layer.
    Layer,
    /// A container, or its draft.
    Container,
    /// Another draft.
    Draft,
}

impl fmt::Display for Subject {
    /// "image busybox:latest (beefc0ffee00)".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            SubjectKind::Image => "image",
            SubjectKind::Layer => "layer",
            SubjectKind::Container => "container",
            SubjectKind::Draft => "draft",
        };
        let short = short(&self.id);
        match (&self.name, self.kind) {
            (Some(name), SubjectKind::Layer) => write!(f, "layer {short} of {name}"),
            (Some(name), _) => write!(f, "{kind} {name} ({short})"),
            (None, _) => write!(f, "{kind} {short}"),
        }
    }
}

/// The first twelve digits of an id; other names whole.
fn short(id: &str) -> &str {
    let hex = id.split_once(':').map_or(id, |(_, hex)| hex);
    match crate::image::is_hex(hex) {
        true => hex.get(..12).unwrap_or(hex),
        false => hex,
    }
}

/// How a finding is put right.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Action {
    /// The driver does it.
    Driver(graphdriver_api::Finding),
    /// Write the store's marker.
    WriteMarker,
    /// Make the database again.
    Rebuild,
    /// Open the store, which finishes what was begun.
    Open,
    /// Settle dead containers.
    Settle,
    /// Take away what nothing needs.
    Collect,
    /// Move the file at the finding's path to the quarantine.
    SetAside,
    /// Record the image as its copy says.
    RestoreImage(Box<ImageCopy>),
    /// Record the container as its copy says.
    RestoreContainer(Box<ContainerCopy>),
    /// Record a layer.
    RecordLayer(LayerRow),
    /// Correct the parent in a layer's row.
    SetParent(String, Option<String>),
    /// Take a name away that means nothing.
    DropName(&'static str, String),
    /// Write a copy again.
    WriteCopy(Kind, String),
    /// Count a layer again, if its content can be verified.
    Recount(String),
    /// Nothing; with leave to remove what is damaged, this image.
    ForgetImage(String),
    /// The same for a container.
    ForgetContainer(String),
    /// The same for the images that have this layer.
    ForgetLayer(String),
    /// The same for a draft that is nobody's.
    RemoveDraft(String),
    /// Nothing.
    Nothing,
}

impl Finding {
    pub(super) fn new(
        code: &'static str,
        severity: Severity,
        path: impl Into<PathBuf>,
        what: impl Into<String>,
    ) -> Self {
        Self {
            code: code.into(),
            severity,
            subject: None,
            path: path.into(),
            what: what.into(),
            remedy: Remedy::Nothing,
            repair: "nothing: it can't be put right from what is here".into(),
            action: Action::Nothing,
        }
    }

    pub(super) fn wrong(
        code: &'static str,
        path: impl Into<PathBuf>,
        what: impl Into<String>,
    ) -> Self {
        Self::new(code, Severity::Wrong, path, what)
    }

    pub(super) fn lost(
        code: &'static str,
        path: impl Into<PathBuf>,
        what: impl Into<String>,
    ) -> Self {
        Self::new(code, Severity::Lost, path, what)
    }

    pub(super) fn leftover(
        code: &'static str,
        path: impl Into<PathBuf>,
        what: impl Into<String>,
    ) -> Self {
        Self::new(code, Severity::Leftover, path, what)
    }

    pub(super) fn about(mut self, subject: Subject) -> Self {
        self.subject = Some(subject);
        self
    }

    /// Can be put right, with nothing lost.
    pub(super) fn mend(mut self, action: Action, repair: &'static str) -> Self {
        self.remedy = Remedy::Mend;
        self.repair = repair.into();
        self.action = action;
        self
    }

    /// Is moved to the quarantine.
    pub(super) fn set_aside(mut self) -> Self {
        self.remedy = Remedy::SetAside;
        self.repair = "move it to the quarantine".into();
        self.action = Action::SetAside;
        self
    }

    /// Can't be put right here; what helps, and what leave to remove it means.
    pub(super) fn hopeless(mut self, action: Action, advice: &'static str) -> Self {
        self.repair = advice.into();
        self.action = action;
        self
    }
}
