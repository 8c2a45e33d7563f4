//! An image as JSON, with the fields of `docker image inspect`.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::Image;
use super::reference::Name;

/// Everything that is known of `image`, kept by the driver called `driver`.
///
/// The configuration's own `config` object is passed on as it came, with
/// fields that this version doesn't know.
#[must_use]
pub fn inspect(image: &Image, driver: &str) -> Value {
    let fields = image.config.fields();
    let names: Vec<_> = image.names.iter().map(Name::to_string).collect();
    let digests: Vec<_> =
        image.repo_digests.iter().map(|(r, d)| format!("{}@{d}", r.familiar())).collect();
    let mut document = json!({
        "Id": image.id,
        "RepoTags": names,
        "RepoDigests": digests,
        "Parent": "",
        "Comment": comment(image),
        "Created": fields.created,
        "DockerVersion": fields.docker_version,
        "Author": fields.author,
        "Config": image.config.run_config(),
        "Architecture": fields.architecture,
        "Os": fields.os,
        "Size": image.size,
        "GraphDriver": {
            "Name": driver,
            "Data": image.top.as_ref().map(|top| json!({ "Layer": top.as_str() })),
        },
        "RootFS": { "Type": fields.rootfs.kind, "Layers": fields.rootfs.diff_ids },
        "Metadata": { "LastTagTime": tagged(image) },
        "ReadOnly": image.store.is_some(),
    });
    if let (Some(store), Some(object)) = (&image.store, document.as_object_mut()) {
        object.insert("ImageStore".to_owned(), store.display().to_string().into());
    }
    if let (false, Some(object)) = (fields.variant.is_empty(), document.as_object_mut()) {
        object.insert("Variant".to_owned(), fields.variant.clone().into());
    }
    document
}

/// The image's own remark, else that of its last step, as Docker has it.
fn comment(image: &Image) -> &str {
    let fields = image.config.fields();
    match (fields.comment.as_str(), fields.history.last()) {
        ("", Some(last)) => &last.comment,
        (own, _) => own,
    }
}

fn tagged(image: &Image) -> Option<String> {
    let at = Timestamp::from_second(image.tagged?).ok()?;
    Some(at.to_string())
}
