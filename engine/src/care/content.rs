//! Whether the content of layers is what it was: every byte is read, put
//! together to the archive that the layer came as, and its digest compared.

use std::io;

use graphdriver_api::LayerId;
use serde::Serialize;

use super::finding::{Action, Finding};
use super::{Subject, SubjectKind};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::store::layers;

/// A layer whose content couldn't be compared, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unverified {
    /// Its chain ID.
    pub layer: String,
    /// Why.
    pub why: String,
}

impl Engine {
    /// Verifies the content of every layer that came with an image. `told` is
    /// called before each.
    ///
    /// Cost: a mount a layer, and reading all files once.
    ///
    /// # Errors
    /// The store's. What is wrong with a layer is a finding.
    pub fn verify(&self, told: &dyn Fn(&str)) -> Result<(Vec<Finding>, Vec<Unverified>)> {
        let (mut found, mut unverified) = (Vec::new(), Vec::new());
        for chain in self.store().read(layers::with_diff_id)? {
            told(&chain);
            let Ok(layer) = LayerId::new(chain.as_str()) else { continue };
            let has_outline = self.has_outline(&chain)?;
            match (self.reassemble(&layer, &mut io::sink()), has_outline) {
                // Without an outline too: then the driver wrote the same bytes
                // anew.
                (Ok(_), _) => {}
                (Err(e), true) if e.is_damage() => found.push(self.damaged(&chain, &e)),
                // A medium that fails, or no memory, is no damage of the layer.
                (Err(e), _) => unverified.push(Unverified { layer: chain, why: e.report() }),
            }
        }
        // What looking took.
        self.driver().reclaim()?;
        Ok((found, unverified))
    }

    fn has_outline(&self, chain: &str) -> Result<bool> {
        let path = self.store().dir().join("outlines").join(chain);
        path.try_exists().map_err(|e| Error::io("look at", path, e))
    }

    fn damaged(&self, chain: &str, error: &Error) -> Finding {
        let path = self.root().path().join(self.driver().name()).join("layers").join(chain);
        let subject = Subject { kind: SubjectKind::Layer, id: chain.to_owned(), name: None };
        Finding::lost("layer-content", path, error.report()).about(subject).hopeless(
            Action::ForgetLayer(chain.to_owned()),
            "nothing: remove the images that have it, and load them again",
        )
    }
}
