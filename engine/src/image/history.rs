//! How an image came to be, with the size of each step.

use super::config::HistoryEntry;
use super::find::load;
use crate::engine::Engine;
use crate::error::Result;
use crate::store::layers::{self, LayerRow};

/// A step of an image's making.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What the image says of it; empty for a layer of which it says nothing.
    pub entry: HistoryEntry,
    /// Bytes of file content of the layer that it made; 0 if it made none.
    pub size: u64,
}

impl Engine {
    /// The steps of the image that `given` means, the last one first. Layers
    /// of which the image tells no history come as steps without words, so
    /// that the sizes add up.
    ///
    /// # Errors
    /// As [`Engine::image`].
    pub fn history(&self, given: &str) -> Result<(super::Image, Vec<Step>)> {
        let (told, store) = self.looking(given, |c, row| {
            let image = load(c, row)?;
            let layers = match &image.top {
                Some(top) => layers::chain(c, top.as_str())?,
                None => Vec::new(),
            };
            let steps = join(&image.config.fields().history, &layers);
            Ok((image, steps))
        })?;
        let (mut image, steps) = told;
        // One that is here under another name is ours.
        if let Some(store) = store
            && self.own_image(&image.id.to_string())?.is_none()
        {
            image.store = Some(store.path().to_owned());
        }
        Ok((image, steps))
    }
}

/// Both lists tell of the same image: `history` from its beginning, `layers`
/// from its top.
fn join(history: &[HistoryEntry], layers: &[LayerRow]) -> Vec<Step> {
    let mut sizes = layers.iter().rev().map(|l| l.size);
    let mut steps: Vec<Step> = history
        .iter()
        .map(|entry| Step {
            entry: entry.clone(),
            size: if entry.empty_layer { 0 } else { sizes.next().unwrap_or(0) },
        })
        .collect();
    steps.extend(sizes.map(|size| Step { entry: HistoryEntry::default(), size }));
    steps.reverse();
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(size: u64) -> LayerRow {
        LayerRow { chain_id: String::new(), diff_id: String::new(), parent: None, size }
    }

    fn entry(created_by: &str, empty_layer: bool) -> HistoryEntry {
        HistoryEntry { created_by: created_by.to_owned(), empty_layer, ..HistoryEntry::default() }
    }

    #[test]
    fn steps_get_the_sizes_of_the_layers_that_they_made() {
        let history = [entry("ADD", false), entry("ENV", true), entry("RUN", false)];
        let top_first = [layer(3), layer(2), layer(1)];
        let steps: Vec<_> =
            join(&history, &top_first).into_iter().map(|s| (s.entry.created_by, s.size)).collect();
        let expected = [("", 3), ("RUN", 2), ("ENV", 0), ("ADD", 1)];
        assert_eq!(steps, expected.map(|(by, size)| (by.to_owned(), size)));
    }
}
