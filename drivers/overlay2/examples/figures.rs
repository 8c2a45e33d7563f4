//! x
use graphdriver_api::*;
use std::time::*;
fn t(n: &str, k: u32, mut f: impl FnMut()) { f(); let mut best = Duration::MAX; let s=Instant::now(); for _ in 0..k { let b=Instant::now(); f(); best=best.min(b.elapsed()); } println!("{n}: mean {:?} best {best:?}", s.elapsed()/k); }
fn main() {
    let f = sapwood_driver_overlay2::Overlay2Factory;
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("r");
    let o = DriverOptions::default();
    let s=Instant::now(); let d = f.open(&root,&o).unwrap(); println!("first open {:?}", s.elapsed());
    let s=Instant::now(); println!("{:?}", f.probe(&dir.path().join("none"),&o)); println!("probe {:?}", s.elapsed());
    t("open", 50, || { f.open(&root,&o).unwrap(); });
    let mut parent: Option<LayerId> = None;
    let s=Instant::now();
    for i in 0..200 {
        let dr = DraftId::new(format!("d{i}")).unwrap();
        let l = LayerId::new(format!("l{i:064}")).unwrap();
        d.prepare(&dr, parent.as_ref().map_or(Base::Scratch, Base::Layer), &DraftSpec::default()).unwrap();
        d.commit(&dr,&l,None).unwrap();
        parent=Some(l);
    }
    println!("200 prepare+commit {:?}", s.elapsed());
    for n in [1usize,10,200] {
        let l = LayerId::new(format!("l{:064}", n-1)).unwrap();
        let dr = DraftId::new(format!("m{n}")).unwrap();
        d.prepare(&dr, Base::Layer(&l), &DraftSpec::default()).unwrap();
        t(&format!("mount+unmount {n}"), 30, || { d.mount(&dr,&MountRequest::default()).unwrap().unmount().unwrap(); });
        t(&format!("ro mount+unmount {n}"), 30, || { d.mount(&dr,&MountRequest::read_only()).unwrap().unmount().unwrap(); });
        let map = IdMap { uids: vec![IdRange{on_disk:0,shown:100000,count:65536}], gids: vec![IdRange{on_disk:0,shown:100000,count:65536}] };
        let dr2 = DraftId::new(format!("i{n}")).unwrap();
        d.prepare(&dr2, Base::Layer(&l), &DraftSpec::default()).unwrap();
        if d.traits().id_maps { t(&format!("idmapped mount+unmount {n}"), 30, || { d.mount(&dr2,&MountRequest{id_map:Some(map.clone()),..Default::default()}).unwrap().unmount().unwrap(); }); }
        t(&format!("stat {n}"), 30, || { d.stat((&dr).into()).unwrap(); });
        t(&format!("changes {n}"), 30, || { d.changes((&dr).into(), &mut |_| Ok(std::ops::ControlFlow::Continue(()))).unwrap(); });
        t(&format!("plan {n}"), 30, || { d.mount_plan(&dr, &MountRequest::default()).unwrap(); });
        let mut k=0;
        t(&format!("prepare+mount+unmount+remove {n}"), 30, || { k+=1; let x=DraftId::new(format!("x{n}-{k}")).unwrap(); d.prepare(&x, Base::Layer(&l), &DraftSpec::default()).unwrap(); d.mount(&x,&MountRequest::default()).unwrap().unmount().unwrap(); d.remove((&x).into()).unwrap(); });
    }
}
