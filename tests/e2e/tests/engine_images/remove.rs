//! Names go one by one, an image with its last, its layers when nothing needs
//! them any more.

use graphdriver_api::{Base, DraftId, DraftSpec, LayerId, NodeRef};
use sapwood_e2e::images::Entry;
use sapwood_engine::Error;
use sapwood_engine::image::{Name, Removed};
use sapwood_engine::store::Durability;

use crate::fixture::{Fixture, three_layers};

fn remove(f: &Fixture, given: &str, force: bool) -> Result<Vec<String>, String> {
    let tell = |removed: &Removed| match removed {
        Removed::Untagged(name) => format!("-{name}"),
        Removed::Deleted(_) => "deleted".to_owned(),
    };
    let removed = f.engine.remove_image(given, force);
    removed.map(|r| r.iter().map(tell).collect()).map_err(|e| e.report())
}

fn tag(f: &Fixture, source: &str, target: &str) {
    f.engine.tag(source, &Name::parse(target).unwrap()).unwrap();
}

/// A container on the image's layers, as the container side records it.
fn container(f: &Fixture, image: &str, state: &str) {
    let image = f.engine.image(image).unwrap();
    let (id, top) = (image.id.to_string(), image.top.unwrap());
    let row = (&"c".repeat(64), "someone", id, top.as_str(), state);
    f.engine
        .store()
        .write(Durability::Later, |t| {
            t.execute(
                "INSERT INTO container (id, name, image, base, state, created, record)
                 VALUES (?1, ?2, ?3, ?4, ?5, 0, '{}')",
                row,
            )?;
            Ok::<_, Error>(())
        })
        .unwrap();
}

#[test]
fn the_last_name_takes_the_image_along() {
    let f = Fixture::new();
    let id = f.loaded(&three_layers("a:1"));
    tag(&f, "a:1", "a:2");
    let digest = f.engine.image("a:1").unwrap().repo_digests[0].1.clone();
    assert_eq!(remove(&f, "a:2", false).unwrap(), ["-a:2"]);
    assert_eq!(f.nodes().len(), 3);
    let all = [&*format!("-a@{digest}"), "deleted", "deleted", "deleted", "deleted"];
    let removed = remove(&f, "a:1", false).unwrap();
    assert_eq!(removed[0], "-a:1");
    assert_eq!(removed[1..], all);
    assert!(f.nodes().is_empty());
    assert!(matches!(f.engine.image(&id), Err(Error::NoSuchImage(_))));
}

#[test]
fn a_digest_goes_with_the_last_tag_of_its_repository() {
    let f = Fixture::new();
    f.loaded(&three_layers("a:1"));
    tag(&f, "a:1", "b:1");
    let digest = f.engine.image("a:1").unwrap().repo_digests[0].1.clone();
    assert_eq!(remove(&f, "a:1", false).unwrap(), ["-a:1", &format!("-a@{digest}")]);
    assert!(f.engine.image(&format!("a@{digest}")).is_err());
    assert!(f.engine.image("b:1").is_ok());
}

#[test]
fn layers_stay_while_another_image_needs_them() {
    let f = Fixture::new();
    f.loaded(&three_layers("a:1"));
    f.loaded(&three_layers("b:1").layer(|layer| layer.add(&Entry::file("four", "4"))));
    remove(&f, "b:1", false).unwrap();
    assert_eq!(f.nodes().len(), 3);
    remove(&f, "a:1", false).unwrap();
    assert!(f.nodes().is_empty());
}

#[test]
fn an_id_with_names_in_several_repositories_needs_force() {
    let f = Fixture::new();
    let id = f.loaded(&three_layers("a:1"));
    tag(&f, &id, "a:2");
    tag(&f, &id, "b:1");
    let why = remove(&f, &id, false).unwrap_err();
    assert!(why.contains("a:1, a:2, b:1") && why.contains("-f"), "{why}");
    remove(&f, "b:1", false).unwrap();
    remove(&f, &id, false).unwrap();
    assert!(f.engine.images().unwrap().is_empty());
}

#[test]
fn containers_keep_images_and_their_layers() {
    let f = Fixture::new();
    let id = f.loaded(&three_layers("a:1"));
    container(&f, "a:1", "exited");
    let why = remove(&f, "a:1", false).unwrap_err();
    assert!(why.contains("container cccccccccccc uses"), "{why}");
    assert_eq!(f.engine.images().unwrap().len(), 1);
    // Of several names one may go all the same.
    tag(&f, "a:1", "a:2");
    remove(&f, "a:2", false).unwrap();
    assert_eq!(remove(&f, "a:1", true).unwrap().last().unwrap(), "deleted");
    assert!(f.engine.image(&id).is_err());
    assert_eq!(f.nodes().len(), 3, "the container stands on them");
    f.engine
        .store()
        .write(Durability::Later, |t| {
            t.execute("DELETE FROM container", ())?;
            Ok::<_, Error>(())
        })
        .unwrap();
    f.loaded(&three_layers("b:1").command(&["b"]));
    remove(&f, "b:1", false).unwrap();
    assert!(f.nodes().is_empty());
}

#[test]
fn a_running_container_keeps_its_image_against_all_force() {
    let f = Fixture::new();
    f.loaded(&three_layers("a:1"));
    container(&f, "a:1", "running");
    for force in [false, true] {
        let why = remove(&f, "a:1", force).unwrap_err();
        assert!(why.contains("running container"), "{why}");
    }
    assert_eq!(f.engine.images().unwrap()[0].names.len(), 1);
}

/// A load that died has left a draft, a layer without a record, and a note.
#[test]
fn what_a_dead_load_left_is_removed_and_what_is_others_stays() {
    let f = Fixture::new();
    let leave = |draft: &str, layer: Option<&str>| {
        let draft = DraftId::new(draft).unwrap();
        f.engine.driver().prepare(&draft, Base::Scratch, &DraftSpec::default()).unwrap();
        if let Some(layer) = layer {
            f.engine.driver().commit(&draft, &LayerId::new(layer).unwrap(), None).unwrap();
        }
    };
    leave("unpack-dead-0", None);
    leave("unpack-dead-1", Some(&"ab".repeat(32)));
    leave("somebody", None);
    leave("x", Some("somebodys"));
    f.engine
        .store()
        .write(Durability::Later, |t| {
            t.execute("INSERT INTO unfinished VALUES ('dead')", ())?;
            Ok::<_, Error>(())
        })
        .unwrap();
    assert_eq!(f.nodes().len(), 4);
    f.loaded(&three_layers("a:1"));
    let mut names: Vec<_> = f.nodes().iter().map(|n| n.as_ref().as_str().len()).collect();
    names.sort_unstable();
    assert_eq!(names, [8, 9, 64, 64, 64]);
    let open: i64 = f
        .engine
        .store()
        .read(|c| Ok::<_, Error>(c.query_row("SELECT count(*) FROM unfinished", (), |r| r.get(0))?))
        .unwrap();
    assert_eq!(open, 0);
}

/// The lock of a load that is running, taken by hand.
#[test]
fn while_a_load_is_running_layers_stay() {
    let f = Fixture::new();
    f.loaded(&three_layers("a:1"));
    let lock = std::fs::File::open(f.engine.store().dir().join("lock")).unwrap();
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockShared).unwrap();
    let draft = DraftId::new("unpack-running-0").unwrap();
    f.engine.driver().prepare(&draft, Base::Scratch, &DraftSpec::default()).unwrap();
    assert_eq!(remove(&f, "a:1", false).unwrap().len(), 3, "the image alone");
    assert_eq!(f.nodes().len(), 4);
    f.loaded(&three_layers("b:1").command(&["b"]));
    f.engine.driver().remove(NodeRef::Draft(&draft)).unwrap();
    drop(lock);
    remove(&f, "b:1", false).unwrap();
    assert!(f.nodes().is_empty());
}
