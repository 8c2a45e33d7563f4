//! Which layers an archive's images need, each once, every one after the one
//! beneath it.

use std::collections::HashSet;

use crate::archive::{FoundImage, LayerFile};
use crate::image::digest::ChainId;

/// A layer to be there in the end.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) chain: ChainId,
    pub(crate) parent: Option<ChainId>,
    pub(crate) file: LayerFile,
}

/// Every layer of `images`.
pub(crate) fn jobs(images: &[FoundImage]) -> Vec<Job> {
    let mut seen = HashSet::new();
    let mut jobs = Vec::new();
    for image in images {
        let mut parent = None;
        for (chain, file) in ChainId::all(image.config.diff_ids()).into_iter().zip(&image.layers) {
            if seen.insert(chain.clone()) {
                jobs.push(Job { chain: chain.clone(), parent, file: file.clone() });
            }
            parent = Some(chain);
        }
    }
    jobs
}
