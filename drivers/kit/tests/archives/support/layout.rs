//! An OCI image layout by hand: an index, a manifest, a configuration and
//! uncompressed layers.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

pub(crate) struct Layout(PathBuf);

const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";

impl Layout {
    /// Writes one with a single image, `image`, of these layers.
    pub(crate) fn write(path: &Path, layers: &[Vec<u8>]) -> Self {
        fs::create_dir_all(path.join("blobs/sha256")).unwrap();
        let layout = Self(path.to_owned());
        let json = |value: &Value| serde_json::to_vec(value).unwrap();
        fs::write(path.join("oci-layout"), json(&json!({"imageLayoutVersion": "1.0.0"}))).unwrap();
        let layers: Vec<_> = layers.iter().map(|layer| layout.blob(LAYER, layer)).collect();
        let diff_ids: Vec<_> = layers.iter().map(|layer| layer["digest"].clone()).collect();
        let history: Vec<_> = layers.iter().map(|_| json!({"created_by": "test"})).collect();
        let config = layout.blob(
            CONFIG,
            &json(&json!({
                "architecture": "amd64", "os": "linux", "config": {}, "history": history,
                "rootfs": {"type": "layers", "diff_ids": diff_ids},
            })),
        );
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers,
        });
        let mut manifest = layout.blob(MANIFEST, &json(&manifest));
        manifest["annotations"] = json!({"org.opencontainers.image.ref.name": "image"});
        let index = json!({"schemaVersion": 2, "manifests": [manifest]});
        fs::write(path.join("index.json"), json(&index)).unwrap();
        layout
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    fn blob(&self, media_type: &str, bytes: &[u8]) -> Value {
        let digest: String =
            Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        fs::write(self.0.join("blobs/sha256").join(&digest), bytes).unwrap();
        json!({"mediaType": media_type, "digest": format!("sha256:{digest}"), "size": bytes.len()})
    }

    fn read(&self, descriptor: &Value) -> Vec<u8> {
        let digest = descriptor["digest"].as_str().unwrap().replace(':', "/");
        fs::read(self.0.join("blobs").join(digest)).unwrap()
    }

    /// The image's last layer, uncompressed.
    pub(crate) fn last_layer(&mut self) -> Vec<u8> {
        let index: Value =
            serde_json::from_slice(&fs::read(self.0.join("index.json")).unwrap()).unwrap();
        let manifests = index["manifests"].as_array().unwrap();
        let manifest: Value =
            serde_json::from_slice(&self.read(manifests.last().unwrap())).unwrap();
        let layer = manifest["layers"].as_array().unwrap().last().unwrap().clone();
        let bytes = self.read(&layer);
        if layer["mediaType"] == LAYER {
            return bytes;
        }
        let mut tar = Vec::new();
        flate2::read::MultiGzDecoder::new(&bytes[..]).read_to_end(&mut tar).unwrap();
        tar
    }
}
