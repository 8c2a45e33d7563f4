//! Which drivers have a part of a store, found without opening any.

use graphdriver_api::choice::{Origin, Wish};
use graphdriver_api::{Care, DriverFactory};
use sapwood_engine::care::Site;
use sapwood_engine::store::Root;
use sapwood_engine::{Engine, Error};

use crate::failure::Failure;
use crate::settings::Settings;

/// The exit status where a check couldn't be made: 1 says that something was
/// found.
pub(super) const NOT_CHECKED: u8 = 125;

/// The drivers whose part is to be looked after: the one that was asked for,
/// or else all that have one.
pub fn all(settings: &Settings) -> Result<Vec<Site<'_>>, Failure> {
    let names: &'static [&'static str] = names();
    let mut sites = Vec::new();
    for factory in sapwood_registry::factories() {
        let Some(care) = factory.care().filter(|_| is_meant(settings, factory)) else { continue };
        sites.push(site(settings, factory.name(), care, names));
    }
    if let (Some((name, origin)), true) = (&settings.driver, sites.is_empty())
        && !names.contains(&name.as_str())
    {
        let known = names.join(", ");
        let message = format!(
            "there is no storage driver {name:?} (asked for by {origin}); there are {known}"
        );
        return Err(not_checked(&Failure::new(message)));
    }
    Ok(sites)
}

fn names() -> &'static [&'static str] {
    static NAMES: std::sync::OnceLock<Vec<&'static str>> = std::sync::OnceLock::new();
    NAMES.get_or_init(|| sapwood_registry::factories().map(DriverFactory::name).collect())
}

fn is_meant(settings: &Settings, factory: &dyn DriverFactory) -> bool {
    match &settings.driver {
        Some((name, _)) => name == factory.name(),
        None => {
            let there = |path: std::path::PathBuf| path.try_exists().unwrap_or(true);
            there(settings.root.join(factory.name()))
                || there(settings.root.join("engine").join(factory.name()))
        }
    }
}

fn site<'a>(
    settings: &'a Settings,
    driver: &'static str,
    care: &'a dyn Care,
    drivers: &'static [&'static str],
) -> Site<'a> {
    Site { root: &settings.root, driver, care, run_root: &settings.runroot, drivers }
}

/// Opens the driver of a site and its records, as commands do.
pub fn open(settings: &Settings, site: &Site<'_>) -> Result<Engine, Error> {
    let root = Root::open(site.root)?;
    let wish = Wish::Named(site.driver, Origin::Flag);
    let (_, driver) = sapwood_registry::open_chosen(root.path(), wish, &settings.options)
        .map_err(|e| Error::Invalid(e.to_string()))?;
    Engine::open(root, driver)
}

/// A failure that isn't mistaken for a finding.
pub fn not_checked(failure: &Failure) -> Failure {
    Failure::new(failure.message.clone()).with_status(NOT_CHECKED)
}
