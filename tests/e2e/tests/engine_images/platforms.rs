//! Indexes, names in them, and images built for several platforms.

use sapwood_e2e::images::Compression;
use serde_json::{Value, json};

use crate::fixture::{Fixture, Layout, three_layers};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

fn host() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// A manifest like the layout's but for its command, and its descriptor.
fn variant(layout: &Layout, command: &str, platform: Option<Value>) -> Value {
    let mut config = layout.config();
    config["config"]["Cmd"] = json!([command]);
    let (digest, size) = layout.blob(config.to_string().as_bytes());
    let mut manifest = layout.manifest();
    manifest["config"]["digest"] = digest.into();
    manifest["config"]["size"] = size.into();
    let (digest, size) = layout.blob(manifest.to_string().as_bytes());
    let mut descriptor = json!({ "mediaType": MANIFEST, "digest": digest, "size": size });
    if let Some(platform) = platform {
        descriptor["platform"] = platform;
    }
    descriptor
}

fn index(layout: &Layout, entries: &[Value]) -> Value {
    let document = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": entries });
    let (digest, size) = layout.blob(document.to_string().as_bytes());
    json!({ "mediaType": INDEX, "digest": digest, "size": size })
}

fn named(mut descriptor: Value, name: &str) -> Value {
    descriptor["annotations"] = json!({ "org.opencontainers.image.ref.name": name });
    descriptor
}

fn set(layout: &Layout, entries: &[Value]) {
    layout.set_index(&json!({ "schemaVersion": 2, "manifests": entries }));
}

fn command(f: &Fixture, given: &str) -> Value {
    f.engine.image(given).unwrap().config.run_config()["Cmd"][0].clone()
}

#[test]
fn the_hosts_build_is_taken_from_nested_indexes() {
    let f = Fixture::new();
    let layout = Layout::new(&f, &three_layers("x:1"), Compression::None);
    let platform = |architecture| Some(json!({ "os": "linux", "architecture": architecture }));
    let builds = [
        variant(&layout, "other", platform("s390x")),
        variant(&layout, "here", platform(host())),
        variant(&layout, "attested", platform("unknown")),
    ];
    let inner = index(&layout, &builds);
    let outer = index(&layout, &[inner]);
    set(&layout, &[named(outer, "multi:1")]);
    f.load(&layout.0).unwrap();
    assert_eq!(command(&f, "multi:1"), "here");
    assert_eq!(f.engine.images().unwrap().len(), 1);
    // The same builds without an index of their own.
    let top: Vec<_> = builds.iter().map(|b| named(b.clone(), "flat:1")).collect();
    set(&layout, &top);
    f.load(&layout.0).unwrap();
    assert_eq!(command(&f, "flat:1"), "here");
}

#[test]
fn without_a_build_for_this_host_those_that_are_there_are_listed() {
    let f = Fixture::new();
    let layout = Layout::new(&f, &three_layers("x:1"), Compression::None);
    let platform = |os, architecture, variant| {
        Some(json!({ "os": os, "architecture": architecture, "variant": variant }))
    };
    let inner = index(
        &layout,
        &[
            variant(&layout, "a", platform("linux", "mips64", Value::Null)),
            variant(&layout, "b", platform("windows", host(), json!("v7"))),
            variant(&layout, "c", platform("unknown", "unknown", Value::Null)),
        ],
    );
    set(&layout, &[inner]);
    let here = format!("no image for linux/{}", host());
    let other = format!("it has linux/mips64, windows/{}/v7", host());
    f.refuses(&layout.0, &[&here, &other]);
    set(&layout, &[index(&layout, &[])]);
    f.refuses(&layout.0, &["it has none at all"]);
    set(&layout, &[]);
    f.refuses(&layout.0, &["lists no image"]);
}

#[test]
fn indexes_that_go_on_for_ever_are_refused() {
    let f = Fixture::new();
    let layout = Layout::new(&f, &three_layers("x:1"), Compression::None);
    let mut entry = variant(&layout, "deep", None);
    for _ in 0..6 {
        entry = index(&layout, &[entry]);
    }
    set(&layout, &[entry]);
    f.refuses(&layout.0, &["nested more than 4 deep"]);
}

#[test]
fn entries_with_names_of_their_own_are_images_of_their_own() {
    let f = Fixture::new();
    let layout = Layout::new(&f, &three_layers("x:1"), Compression::None);
    let one = variant(&layout, "one", None);
    let two = variant(&layout, "two", None);
    set(
        &layout,
        &[
            named(one.clone(), "quay.io/a/one:1"),
            named(one, "also:1"),
            named(two.clone(), "two:2"),
            named(variant(&layout, "tag", None), "v1.0"),
        ],
    );
    let loaded = f.load(&layout.0).unwrap();
    assert_eq!(loaded.len(), 3);
    assert_eq!(command(&f, "quay.io/a/one:1"), "one");
    assert_eq!(command(&f, "also:1"), "one");
    assert_eq!(command(&f, "two:2"), "two");
    // A bare word is a tag, which names nothing.
    let nameless: Vec<_> = loaded.iter().filter(|l| l.names.is_empty()).collect();
    assert_eq!(command(&f, &nameless[0].id.to_string()), "tag");
}

/// As older skopeos write two tags of a repository.
#[test]
fn tags_with_platforms_are_images_of_their_own() {
    let f = Fixture::new();
    let layout = Layout::new(&f, &three_layers("x:1"), Compression::None);
    let platform = || Some(json!({ "os": "linux", "architecture": host() }));
    set(
        &layout,
        &[
            named(variant(&layout, "one", platform()), "v1"),
            named(variant(&layout, "two", platform()), "v2"),
            named(
                variant(
                    &layout,
                    "foreign",
                    Some(json!({ "os": "linux", "architecture": "s390x" })),
                ),
                "v2",
            ),
        ],
    );
    let loaded = f.load(&layout.0).unwrap();
    let commands: Vec<_> = loaded.iter().map(|l| command(&f, &l.id.to_string())).collect();
    assert_eq!(commands.len(), 2, "{commands:?}");
    assert!(commands.contains(&"one".into()) && commands.contains(&"two".into()), "{commands:?}");
}
