//! Media types of the OCI image specification and of Docker's. What isn't
//! known is refused by name: guessing would unpack an encrypted layer or a
//! chart as if it were files.

use super::compression::Compression;
use super::problem::{Problem, Result};

/// What a descriptor in an index refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Listed {
    Manifest,
    Index,
}

/// What a descriptor in an index refers to.
pub(crate) fn listed(media_type: &str) -> Result<Listed> {
    match media_type {
        "application/vnd.oci.image.manifest.v1+json"
        | "application/vnd.docker.distribution.manifest.v2+json" => Ok(Listed::Manifest),
        "application/vnd.oci.image.index.v1+json"
        | "application/vnd.docker.distribution.manifest.list.v2+json" => Ok(Listed::Index),
        "application/vnd.docker.distribution.manifest.v1+json"
        | "application/vnd.docker.distribution.manifest.v1+prettyjws" => {
            Err(Problem::new(format!(
                "it is of Docker's first image format ({media_type}), which isn't supported; convert \
             it with `skopeo copy --format v2s2`"
            )))
        }
        other => Err(Problem::new(format!("its media type {other:?} isn't an image's"))),
    }
}

/// Whether a manifest's configuration is an image's.
pub(crate) fn check_config(media_type: &str) -> Result<()> {
    match media_type {
        "application/vnd.oci.image.config.v1+json"
        | "application/vnd.docker.container.image.v1+json" => Ok(()),
        other => {
            let text = format!("it isn't an image: its configuration has the media type {other:?}");
            Err(Problem::new(text))
        }
    }
}

/// How a layer of this media type is compressed. Layers that may not be
/// distributed count like any others where their bytes are there.
pub(crate) fn layer(media_type: &str) -> Result<Compression> {
    match media_type {
        "application/vnd.oci.image.layer.v1.tar"
        | "application/vnd.oci.image.layer.nondistributable.v1.tar"
        | "application/vnd.docker.image.rootfs.diff.tar" => Ok(Compression::None),
        "application/vnd.oci.image.layer.v1.tar+gzip"
        | "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"
        | "application/vnd.docker.image.rootfs.diff.tar.gzip"
        | "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip" => Ok(Compression::Gzip),
        "application/vnd.oci.image.layer.v1.tar+zstd"
        | "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd"
        | "application/vnd.docker.image.rootfs.diff.tar.zstd" => Ok(Compression::Zstd),
        other if other.ends_with("+encrypted") => Err(Problem::new(format!(
            "it is encrypted ({other}); decrypt it with `skopeo copy --decryption-key`"
        ))),
        other => Err(Problem::new(format!("its media type {other:?} isn't a file layer's"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_refused_is_named() {
        let encrypted = "application/vnd.oci.image.layer.v1.tar+gzip+encrypted";
        assert!(layer(encrypted).unwrap_err().to_string().contains("decrypt"));
        let chart = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";
        assert!(layer(chart).unwrap_err().to_string().contains(chart));
        assert!(check_config("application/vnd.oci.empty.v1+json").is_err());
        let old = "application/vnd.docker.distribution.manifest.v1+prettyjws";
        assert!(listed(old).unwrap_err().to_string().contains("skopeo"));
    }
}
