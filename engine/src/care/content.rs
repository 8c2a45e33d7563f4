//! Whether layers are what they were: each is put together to the archive that
//! it came as, and its whole tree held against that.

use std::collections::HashMap;

use graphdriver_api::LayerId;
use serde::Serialize;

use super::finding::{Action, Finding};
use super::{Subject, SubjectKind};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::image::outline::{Damage, Sort, Verdict};
use crate::store::layers;

/// A layer that couldn't be compared, or not in everything, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unverified {
    /// Its chain ID.
    pub layer: String,
    /// Why.
    pub why: String,
}

impl Engine {
    /// Verifies every layer that came with an image: its files' bytes, their
    /// attributes and links, and that all of them are there and no others.
    /// `told` is called before each.
    ///
    /// A layer that differs in many places has so many findings, and one that
    /// counts the others. What a layer shows only because the one beneath it is
    /// damaged is that one's finding.
    ///
    /// Cost: reading all files once, and for each layer two mounts, a draft
    /// made on the layer beneath, and its files made in it without their bytes.
    ///
    /// # Errors
    /// The store's. What is wrong with a layer is a finding; where that can't
    /// be found out, it is unverified.
    pub fn verify(&self, told: &dyn Fn(&str)) -> Result<(Vec<Finding>, Vec<Unverified>)> {
        let mut all = Verifying { engine: self, found: Vec::new(), unverified: Vec::new() };
        let (mut damaged, none) = (HashMap::new(), Damage::default());
        for (chain, parent) in self.store().read(layers::with_diff_id)? {
            told(&chain);
            let beneath = parent.and_then(|parent| damaged.get(&parent)).unwrap_or(&none);
            let damage = all.layer(&chain, beneath);
            if !damage.is_untouched() {
                damaged.insert(chain, damage);
            }
        }
        Ok((all.found, all.unverified))
    }

    /// Whether a layer is in everything what it was.
    ///
    /// # Errors
    /// Whatever kept that from being found out; that it can't be found out at
    /// all, for want of an outline, is a no.
    pub(super) fn is_intact(&self, chain: &str) -> Result<bool> {
        let layer = layer_id(chain)?;
        match self.verify_layer(&layer, &Damage::default()) {
            Ok(Verdict { damage, .. }) if !damage.is_empty() => Ok(false),
            Ok(Verdict { unproven: None, .. }) => Ok(true),
            Ok(Verdict { unproven: Some(e), .. }) | Err(e) if e.is_damage() => Ok(false),
            Ok(Verdict { unproven: Some(e), .. }) | Err(e) => Err(e),
        }
    }
}

fn layer_id(chain: &str) -> Result<LayerId> {
    LayerId::new(chain).map_err(|e| Error::Invalid(e.to_string()))
}

/// What has been found so far.
struct Verifying<'a> {
    engine: &'a Engine,
    found: Vec<Finding>,
    unverified: Vec<Unverified>,
}

impl Verifying<'_> {
    /// Gives what differs, for the layers above.
    fn layer(&mut self, chain: &str, beneath: &Damage) -> Damage {
        let verdict = layer_id(chain).and_then(|layer| self.engine.verify_layer(&layer, beneath));
        match verdict {
            Ok(Verdict { damage, unproven }) => {
                self.tell(chain, &damage);
                self.cannot(chain, unproven);
                damage
            }
            Err(e) if e.is_damage() => {
                self.push(chain, "layer-content", e.report());
                Damage::default()
            }
            // A medium that fails, or no memory, is no damage of the layer.
            Err(e) => {
                self.cannot(chain, Some(e));
                Damage::default()
            }
        }
    }

    fn tell(&mut self, chain: &str, damage: &Damage) {
        for (sort, words) in damage.shown() {
            self.push(chain, code(*sort), words.clone());
        }
        if damage.more() > 0 {
            let words = format!("and {} more paths that differ", damage.more());
            self.push(chain, "layer-attributes", words);
        }
    }

    fn cannot(&mut self, chain: &str, why: Option<Error>) {
        let why = why.map(|e| Unverified { layer: chain.to_owned(), why: e.report() });
        self.unverified.extend(why);
    }

    fn push(&mut self, chain: &str, code: &'static str, what: String) {
        let driver = self.engine.driver().name();
        let path = self.engine.root().path().join(driver).join("layers").join(chain);
        let subject = Subject { kind: SubjectKind::Layer, id: chain.to_owned(), name: None };
        self.found.push(Finding::lost(code, path, what).about(subject).hopeless(
            Action::ForgetLayer(chain.to_owned()),
            "nothing: remove the images that have it, and load them again",
        ));
    }
}

fn code(sort: Sort) -> &'static str {
    match sort {
        Sort::Content => "layer-content",
        Sort::Missing => "layer-incomplete",
        Sort::Extra => "layer-extra",
        Sort::Attributes => "layer-attributes",
    }
}
