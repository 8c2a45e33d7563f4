//! The program: mounts a union of directories.
fn main() {
    let args: Vec<_> = std::env::args().skip(1).collect();
    let paths = fuse_overlay::union::Paths {
        lowers: args[0].split(':').map(Into::into).collect(),
        upper: Some((args[1].clone().into(), args[2].clone().into())),
    };
    let union = fuse_overlay::union::Union::open(
        &paths,
        fuse_overlay::union::Settings {
            ask_to_open: std::env::var_os("ASK").is_some(),
            writeback: std::env::var_os("WB").is_some(),
            ..Default::default()
        },
    )
    .unwrap();
    fuse_overlay::mount::serve(
        union,
        std::path::Path::new(&args[3]),
        vec![fuser::MountOption::Dev, fuser::MountOption::Suid],
        || {},
    )
    .unwrap();
}
