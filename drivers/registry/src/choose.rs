//! From a wish, the disk and the host to an open driver.

use std::path::Path;
use std::sync::Arc;

use graphdriver_api::choice::{Candidate, Choice, Wish, choose};
use graphdriver_api::{DriverOptions, Error, GraphDriver, Op, Result, Suitability};

use crate::error::OpenError;
use crate::{DRIVERS, Entry, driver_root};

/// What every driver says of itself here. Probes them all.
///
/// # Errors
/// `Io` if a driver's directory can't be looked at: "nothing there" is known,
/// never guessed.
pub fn candidates(root: &Path, options: &DriverOptions) -> Result<Vec<Candidate>> {
    DRIVERS.iter().map(|entry| candidate(entry, root, options, true)).collect()
}

/// Chooses a driver and opens it.
///
/// The rules of the choice are [`choose`]'s. Options are the chosen driver's:
/// one that it doesn't know is an error.
///
/// # Errors
/// See [`OpenError`].
pub fn open_chosen(
    root: &Path,
    wish: Wish<'_>,
    options: &DriverOptions,
) -> Result<(Choice, Arc<dyn GraphDriver>), OpenError> {
    let choice = choose(wish, &needed(root, wish, options)?)?;
    for entry in &DRIVERS {
        if entry.factory.name() == choice.name {
            let driver = entry.factory.open(&driver_root(root, choice.name), options)?;
            return Ok((choice, driver));
        }
    }
    // `choose` answers with one of the candidates.
    Err(Error::new(
        graphdriver_api::ErrorKind::NotFound,
        Op::Open,
        format!("there is no storage driver {:?}", choice.name),
    )
    .into())
}

/// The candidates, of which only those are probed that can be chosen and whose
/// `open` won't say the same by itself.
///
/// A driver that has data, and a named one, is opened in any case, and `open`
/// fails with the probe's reason if it doesn't work: probing first would cost
/// every command a mount.
fn needed(root: &Path, wish: Wish<'_>, options: &DriverOptions) -> Result<Vec<Candidate>> {
    let unprobed: Vec<_> = DRIVERS
        .iter()
        .map(|entry| candidate(entry, root, options, false))
        .collect::<Result<_>>()?;
    let fresh = unprobed.iter().all(|c| !c.has_data);
    if matches!(wish, Wish::Any) && fresh {
        return first_that_works(root, options);
    }
    Ok(unprobed)
}

/// On an empty root, drivers are probed in order until one works.
fn first_that_works(root: &Path, options: &DriverOptions) -> Result<Vec<Candidate>> {
    let mut probed = Vec::new();
    for entry in &DRIVERS {
        let candidate = candidate(entry, root, options, true)?;
        let works = matches!(candidate.suitability, Suitability::Suitable(_));
        let done = works && candidate.automatic;
        probed.push(candidate);
        if done {
            break;
        }
    }
    Ok(probed)
}

fn candidate(
    entry: &Entry,
    root: &Path,
    options: &DriverOptions,
    probe: bool,
) -> Result<Candidate> {
    let name = entry.factory.name();
    let own = driver_root(root, name);
    let suitability =
        if probe { entry.factory.probe(&own, options) } else { Suitability::Suitable(Vec::new()) };
    Ok(Candidate { name, suitability, has_data: entry.factory.has_data(&own)?, automatic: entry.automatic })
}
