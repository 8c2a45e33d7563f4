//! What opening and mounting cost at several depths, beside mount(2) alone:
//! measurements, run by name with `--run-ignored only`. The best of several,
//! because the machine may have other work.

use std::time::{Duration, Instant};

use graphdriver_api::{Base, DriverFactory, IdMap, IdRange, LayerId, MountRequest};
use sapwood_driver_overlay2::Overlay2Factory;

use crate::support::*;

const TIMES: usize = 20;

fn best(mut what: impl FnMut()) -> Duration {
    let mut once = || {
        let start = Instant::now();
        what();
        start.elapsed()
    };
    (0..TIMES).map(|_| once()).min().unwrap()
}

fn chain(driver: &Driver, depth: usize) -> Vec<LayerId> {
    let mut layers: Vec<LayerId> = Vec::new();
    for i in 0..depth {
        let d = prepare(driver, "d", layers.last().map_or(Base::Scratch, Base::Layer));
        layers.push(commit(driver, &d, &format!("sha256-{i:064}")));
    }
    layers
}

/// A mount of the same kind, as plain as mount(8) would make it.
fn plain(world: &World, layers: &[LayerId]) -> Duration {
    use std::ffi::CString;
    let place = world.dir.path().join("place");
    let own = world.dir.path().join("own");
    for dir in ["upper", "work"] {
        std::fs::create_dir_all(own.join(dir)).unwrap();
    }
    std::fs::create_dir_all(&place).unwrap();
    let lowers: Vec<_> = layers
        .iter()
        .rev()
        .map(|l| on_disk(world, l.into()).to_str().unwrap().to_owned())
        .collect();
    let own = own.to_str().unwrap();
    let lowers = lowers.join(":");
    let options = format!("lowerdir={lowers},upperdir={own}/upper,workdir={own}/work,index=off");
    let options = CString::new(options).unwrap();
    best(|| {
        let flags = rustix::mount::MountFlags::empty();
        rustix::mount::mount("overlay", &place, "overlay", flags, options.as_c_str()).unwrap();
        rustix::mount::unmount(&place, rustix::mount::UnmountFlags::empty()).unwrap();
    })
}

#[test]
#[ignore = "a measurement"]
fn of_opening_and_mounting() {
    world_in_memory(|world| {
        let driver = world.open();
        let open = best(|| drop(Overlay2Factory.open(&world.root, &given(&[])).unwrap()));
        eprintln!("open: {open:?}");
        let layers = chain(&driver, 200);
        let range = vec![IdRange { on_disk: 0, shown: 100_000, count: 65_536 }];
        let id_map =
            driver.traits().id_maps.then(|| IdMap { uids: range.clone(), gids: range.clone() });
        for depth in [1, 10, 200] {
            let d = prepare(&driver, &format!("d{depth}"), Base::Layer(&layers[depth - 1]));
            let once = |request: &MountRequest| {
                driver.mount(&d, request).unwrap().unmount().unwrap();
            };
            let writable = best(|| once(&MountRequest::default()));
            let view = best(|| once(&MountRequest::read_only()));
            let mapped = best(|| {
                once(&MountRequest { id_map: id_map.clone(), ..MountRequest::default() });
            });
            let difference = best(|| drop(changes(&driver, (&d).into())));
            let plan = best(|| drop(driver.mount_plan(&d, &MountRequest::default())));
            eprintln!(
                "{depth} layers: mount and unmount {writable:?}, read-only {view:?}, with ids \
                 {mapped:?}; changes of nothing {difference:?}; plan {plan:?}"
            );
            if depth < 200 {
                // mount(8) can't do 200: they don't fit into a page.
                eprintln!(
                    "{depth} layers: mount(2) and umount(2) {:?}",
                    plain(world, &layers[..depth])
                );
            }
        }
    });
}
