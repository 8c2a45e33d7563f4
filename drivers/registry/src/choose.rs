//! From a wish, the disk and the host to an open driver.

use std::path::Path;
use std::sync::Arc;

use graphdriver_api::choice::{Candidate, Choice, Refusal, Wish, choose};
use graphdriver_api::{DriverOptions, Error, ErrorKind, GraphDriver, Op, Result, Suitability};

use crate::error::OpenError;
use crate::{DRIVERS, Entry, driver_root};

/// What every driver says of itself here. Probes them all.
///
/// # Errors
/// `Io` if a driver's directory can't be looked at: "nothing there" is known,
/// never guessed. `Corrupt` if it is somebody else's. `InvalidArgument` for an
/// option that no driver has.
pub fn candidates(root: &Path, options: &DriverOptions) -> Result<Vec<Candidate>> {
    let place = Place { entries: &DRIVERS, root, options };
    place.check_options()?;
    let all = DRIVERS.iter();
    all.map(|entry| Ok(place.probed(entry, entry.factory.has_data(&place.own(entry))?))).collect()
}

/// Chooses a driver and opens it.
///
/// The rules of the choice are [`choose`]'s. Options are the chosen driver's:
/// one that it doesn't know is an error.
///
/// Cost: what [`open`](graphdriver_api::DriverFactory::open) of the chosen one
/// costs, and a look at the others' directories. Drivers are probed only to
/// find one for an empty root, in order until one works.
///
/// # Errors
/// See [`OpenError`].
pub fn open_chosen(
    root: &Path,
    wish: Wish<'_>,
    options: &DriverOptions,
) -> Result<(Choice, Arc<dyn GraphDriver>), OpenError> {
    Place { entries: &DRIVERS, root, options }.open(wish)
}

/// Where a driver is wanted, and which there are.
#[derive(Debug, Clone, Copy)]
struct Place<'a> {
    entries: &'a [Entry],
    root: &'a Path,
    options: &'a DriverOptions,
}

impl Place<'_> {
    fn open(&self, wish: Wish<'_>) -> Result<(Choice, Arc<dyn GraphDriver>), OpenError> {
        self.check_options()?;
        let candidates = self.needed(wish)?;
        let choice = choose(wish, &candidates)?;
        let entry = self.entries.iter().find(|entry| entry.factory.name() == choice.name);
        // `choose` answers with one of the candidates, which are ours.
        let entry = entry.ok_or_else(|| Refusal(format!("there is no driver {}", choice.name)))?;
        match entry.factory.open(&self.own(entry), self.options) {
            Ok(driver) => Ok((choice, driver)),
            Err(e) if e.kind() == ErrorKind::Prerequisite => {
                Err(self.refused_after_all(wish, candidates, entry).unwrap_or_else(|| e.into()))
            }
            Err(e) => Err(e.into()),
        }
    }

    /// A driver that was taken to work and doesn't is refused in the words of
    /// the choice, which say what becomes of the layers here.
    fn refused_after_all(
        &self,
        wish: Wish<'_>,
        mut candidates: Vec<Candidate>,
        entry: &Entry,
    ) -> Option<OpenError> {
        let found = candidates.iter_mut().find(|found| found.name == entry.factory.name())?;
        found.suitability = entry.factory.probe(&self.own(entry), self.options);
        choose(wish, &candidates).err().map(OpenError::Refused)
    }

    /// The candidates, of which only those are probed that can be chosen and
    /// whose `open` won't say the same by itself.
    ///
    /// A driver that has data, and a named one, is opened in any case, and
    /// `open` fails with the probe's reason if it doesn't work: probing first
    /// would cost every command a mount.
    fn needed(&self, wish: Wish<'_>) -> Result<Vec<Candidate>> {
        let unprobed = self
            .entries
            .iter()
            .map(|entry| self.unprobed(entry, wish))
            .collect::<Result<Vec<_>>>()?;
        match wish {
            Wish::Any if unprobed.iter().all(|found| !found.has_data) => {
                Ok(self.first_that_works())
            }
            _ => Ok(unprobed),
        }
    }

    /// On an empty root, drivers are probed in order until one works.
    fn first_that_works(&self) -> Vec<Candidate> {
        let mut probed = Vec::new();
        for entry in self.entries {
            let found = self.probed(entry, false);
            let works = matches!(found.suitability, Suitability::Suitable(_));
            let done = works && found.automatic;
            probed.push(found);
            if done {
                break;
            }
        }
        probed
    }

    fn unprobed(&self, entry: &Entry, wish: Wish<'_>) -> Result<Candidate> {
        let has_data = match (entry.factory.has_data(&self.own(entry)), wish) {
            // What is wrong with another's directory doesn't stop a named
            // driver; that something is there must be told.
            (Err(_), Wish::Named(name, _)) if name != entry.factory.name() => true,
            (found, _) => found?,
        };
        Ok(candidate(entry, has_data, Suitability::Suitable(Vec::new())))
    }

    fn probed(&self, entry: &Entry, has_data: bool) -> Candidate {
        candidate(entry, has_data, entry.factory.probe(&self.own(entry), self.options))
    }

    fn own(&self, entry: &Entry) -> std::path::PathBuf {
        driver_root(self.root, entry.factory.name())
    }

    /// Refuses an option that no driver has: else a slip of the pen would make
    /// every driver look as if it didn't work here.
    fn check_options(&self) -> Result<()> {
        let known = || self.entries.iter().flat_map(|entry| entry.factory.options());
        let unknown =
            self.options.0.iter().find(|(name, _)| !known().any(|option| option.name == name));
        let Some((name, _)) = unknown else { return Ok(()) };
        let names: Vec<_> = known().map(|option| option.name).collect();
        let message =
            format!("there is no storage option {name:?}; there are {}", names.join(", "));
        Err(Error::new(ErrorKind::InvalidArgument, Op::Open, message))
    }
}

fn candidate(entry: &Entry, has_data: bool, suitability: Suitability) -> Candidate {
    Candidate { name: entry.factory.name(), suitability, has_data, automatic: entry.automatic }
}

#[cfg(test)]
mod tests;
