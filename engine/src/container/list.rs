//! `ps`: which containers there are, and how they are.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::SystemTime;

use super::Containers;
use super::error::Result;
use super::records::{self, Phase, Record};
use super::state::Life;
use super::value::ValueError;

/// A container, as it is now.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// 64 hex digits.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The image as the user named it.
    pub image: String,
    /// The image's id.
    pub image_id: String,
    /// The words that it runs.
    pub command: Vec<String>,
    /// When it was made.
    pub created: SystemTime,
    /// How it is.
    pub status: Status,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
}

/// How a container is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It is about to run.
    Created,
    /// It runs.
    Running {
        /// Its first process, on the host.
        pid: i32,
        /// Since when.
        since: SystemTime,
    },
    /// It has ended.
    Exited {
        /// Its exit status.
        status: u8,
        /// When that was noted.
        at: SystemTime,
    },
}

impl Status {
    /// The word that filters and JSON know.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Running { .. } => "running",
            Self::Exited { .. } => "exited",
        }
    }
}

/// One `--filter`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filter {
    /// `name=TEXT`: the name contains it.
    Name(String),
    /// `id=TEXT`: the id begins with it.
    Id(String),
    /// `status=WORD`.
    Status(String),
    /// `label=NAME` or `label=NAME=VALUE`.
    Label(String, Option<String>),
}

impl FromStr for Filter {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        match text.split_once('=') {
            Some(("name", value)) => Ok(Self::Name(value.to_owned())),
            Some(("id", value)) => Ok(Self::Id(value.to_owned())),
            Some(("status", value @ ("created" | "running" | "exited"))) => {
                Ok(Self::Status(value.to_owned()))
            }
            Some(("label", value)) => Ok(match value.split_once('=') {
                Some((name, value)) => Self::Label(name.to_owned(), Some(value.to_owned())),
                None => Self::Label(value.to_owned(), None),
            }),
            _ => Err(ValueError::new(format!(
                "--filter {text}: there are name=, id=, label= and status= with created, running or exited"
            ))),
        }
    }
}

impl Filter {
    fn accepts(&self, container: &Summary) -> bool {
        match self {
            Self::Name(part) => container.name.contains(part.as_str()),
            Self::Id(start) => container.id.starts_with(start.as_str()),
            Self::Status(word) => container.status.as_str() == word,
            Self::Label(name, value) => container
                .labels
                .get(name)
                .is_some_and(|have| value.as_ref().is_none_or(|wanted| wanted == have)),
        }
    }

    /// What part of the container the filter is about: of several filters on
    /// one part, one is enough, and labels all count.
    fn subject(&self) -> Option<u8> {
        match self {
            Self::Name(_) => Some(0),
            Self::Id(_) => Some(1),
            Self::Status(_) => Some(2),
            Self::Label(..) => None,
        }
    }
}

/// Whether a container passes: every label, and one filter of each other kind.
pub(super) fn passes(container: &Summary, filters: &[Filter]) -> bool {
    filters.iter().all(|filter| match filter.subject() {
        None => filter.accepts(container),
        subject => {
            filters.iter().any(|other| other.subject() == subject && other.accepts(container))
        }
    })
}

impl Containers<'_> {
    /// The containers that pass all filters, the newest first; only running
    /// ones unless `all`, or unless a filter asks for a status.
    ///
    /// # Errors
    /// The store or the driver fails.
    pub fn list(&self, all: bool, filters: &[Filter]) -> Result<Vec<Summary>> {
        self.recover()?;
        let all = all || filters.iter().any(|f| matches!(f, Filter::Status(_)));
        let mut found = Vec::new();
        for record in self.engine.store().read(records::all)? {
            let summary = self.summary(record)?;
            if (all || matches!(summary.status, Status::Running { .. }))
                && passes(&summary, filters)
            {
                found.push(summary);
            }
        }
        Ok(found)
    }

    pub(super) fn summary(&self, record: Record) -> Result<Summary> {
        let status = self.status(&record)?;
        let Record { id, name, image, created, details, .. } = record;
        Ok(Summary {
            id,
            name,
            image: details.image_name,
            image_id: image,
            command: details.command,
            created,
            status,
            labels: details.labels,
        })
    }

    /// How a container is, asked of its lock and not of its record.
    fn status(&self, record: &Record) -> Result<Status> {
        if record.phase == Phase::Exited {
            let end = record.details.end;
            let (status, at) = end.map_or((0, record.created), |end| (end.status, end.at));
            return Ok(Status::Exited { status, at });
        }
        Ok(match self.state.life(&record.id)? {
            Life::Alive(Some(running)) => {
                Status::Running { pid: running.process.pid, since: running.since }
            }
            _ => Status::Created,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container(name: &str, labels: &[(&str, &str)]) -> Summary {
        Summary {
            id: "abc".into(),
            name: name.into(),
            image: String::new(),
            image_id: String::new(),
            command: vec![],
            created: SystemTime::UNIX_EPOCH,
            status: Status::Exited { status: 0, at: SystemTime::UNIX_EPOCH },
            labels: labels.iter().map(|(n, v)| ((*n).into(), (*v).into())).collect(),
        }
    }

    #[test]
    fn filters() {
        let web = container("web-1", &[("tier", "front"), ("team", "a")]);
        for (filters, expected) in [
            (&[][..], true),
            (&["name=web"], true),
            (&["name=db"], false),
            (&["name=db", "name=web"], true),
            (&["label=tier"], true),
            (&["label=tier=front"], true),
            (&["label=tier=back"], false),
            (&["label=tier", "label=none"], false),
            (&["status=exited"], true),
            (&["status=running", "status=exited"], true),
            (&["status=running"], false),
            (&["id=ab", "name=web"], true),
            (&["id=b"], false),
        ] {
            let parsed: Vec<Filter> = filters.iter().map(|f| f.parse().unwrap()).collect();
            assert_eq!(passes(&web, &parsed), expected, "{filters:?}");
        }
        for bad in ["", "name", "status=odd", "color=red"] {
            assert!(bad.parse::<Filter>().is_err(), "{bad}");
        }
    }
}
