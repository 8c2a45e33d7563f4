//! What was found and decided, in words.

use std::borrow::Cow;

use graphdriver_api::Fact;

use crate::options::Switch;
use crate::probe::{Finding, Probe, way_name};
use crate::settings::{Settings, max_depth};

const ON: &str = "on";
const OFF: &str = "off";

/// Everything about this host and this opening, in the order of interest.
pub(crate) fn facts(settings: &Settings, probe: &Probe) -> Vec<Fact> {
    let depth = max_depth(probe).map_or(0, std::num::NonZeroU32::get);
    vec![
        Fact::new("backing file system", probe.backing.clone(), ""),
        Fact::new("d_type", ON, "the file system tells the types of names in a directory"),
        Fact::new("mounts", way_name(probe.way), way_reason(probe)),
        Fact::new("maximum depth", depth.to_string(), depth_reason(probe)),
        switched(
            "redirect_dir",
            settings.redirect_dir,
            settings.options.redirect_dir,
            &probe.redirect_dir,
        ),
        switched("metacopy", settings.metacopy, settings.options.metacopy, &probe.metacopy),
        unused("index", &probe.index, "an index stays behind when a draft becomes a layer"),
        volatile(settings, probe),
        unused(
            "userxattr",
            &probe.userxattr,
            "trusted.* attributes work, which no container can set",
        ),
        Fact::new("xino", OFF, "all layers are on one file system, whose inode numbers serve"),
        found("null uuid", &probe.null_uuid),
        found("id maps", &probe.id_maps),
        found("mapped layers without a place", &detached(probe)),
        found("writers are noticed", &probe.in_use),
        Fact::new("native diff", ON, "renamed directories and copied attributes are followed"),
    ]
}

fn way_reason(probe: &Probe) -> String {
    match probe.way_reason.as_str() {
        "" => "found by mounting".to_owned(),
        why => format!("found by mounting; not {why}"),
    }
}

fn depth_reason(probe: &Probe) -> String {
    let most = probe.max_lowers;
    format!("{most} layers can be mounted here; one place is for the draft itself")
}

/// A feature that is used or not, by wish and by what was found.
fn switched(name: &'static str, on: bool, wish: Switch, finding: &Finding) -> Fact {
    let value = if on { ON } else { OFF };
    let why: Cow<'static, str> = match (on, wish) {
        (true, _) => finding.reason.clone().into(),
        (false, Switch::Off) => not_wished(name, finding).into(),
        (false, _) if finding.works => "it needs redirect_dir".into(),
        (false, _) => finding.reason.clone().into(),
    };
    Fact::new(name, value, why)
}

fn not_wished(name: &str, finding: &Finding) -> String {
    let could = if finding.works { "the kernel could" } else { "the kernel couldn't either" };
    format!("not asked for (overlay2.{name}); {could}")
}

/// A feature that this driver never uses.
fn unused(name: &'static str, finding: &Finding, why: &str) -> Fact {
    let could = match finding.works {
        true => "the kernel could".to_owned(),
        false => format!("nor could the kernel: {}", finding.reason),
    };
    Fact::new(name, OFF, format!("{why}; {could}"))
}

fn volatile(settings: &Settings, probe: &Probe) -> Fact {
    match settings.volatile {
        true => Fact::new("volatile", "on request", probe.volatile.reason.clone()),
        false => switched("volatile", false, settings.options.volatile, &probe.volatile),
    }
}

fn found(name: &'static str, finding: &Finding) -> Fact {
    Fact::new(name, if finding.works { ON } else { OFF }, finding.reason.clone())
}

fn detached(probe: &Probe) -> Finding {
    let reason = match probe.detached_layers {
        true => "the kernel takes layers of mounts that stand nowhere",
        false => "they are mounted in a namespace of their own",
    };
    Finding { works: probe.detached_layers, reason: reason.to_owned() }
}
