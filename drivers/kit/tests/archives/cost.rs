//! What applying costs, for a person to read: `cargo nextest run -p sapwood-kit
//! --release --run-ignored all --no-capture cost`. Under `strace -c -f` the
//! first shows the system calls of a file.

use std::time::Instant;

use crate::support::{Item, Room, apply, archive};

const FILES: usize = 20_000;

fn measure(what: &str, tar: &[u8], files: usize) {
    let room = Room::new();
    let start = Instant::now();
    apply(&room.root(), tar).unwrap();
    let time = start.elapsed();
    let rate = tar.len() as f64 / time.as_secs_f64() / 1e6;
    let each = time.as_secs_f64() * 1e6 / files as f64;
    #[allow(clippy::print_stdout)] // It is what the test is for.
    {
        println!("{what}: {:.3} s, {rate:.0} MB/s, {each:.1} us a file", time.as_secs_f64());
    }
}

#[test]
#[ignore = "a measurement"]
fn of_small_files() {
    let mut items = Vec::new();
    for i in 0..FILES {
        if i % 100 == 0 {
            items.push(Item::dir(format!("d{}", i / 100)));
        }
        items.push(Item::file(format!("d{}/file-{i}", i / 100), vec![b'x'; 2000]));
    }
    measure("small files", &archive(&items), FILES);
}

#[test]
#[ignore = "a measurement"]
fn of_large_files() {
    let items: Vec<_> =
        (0..8).map(|i| Item::file(format!("big-{i}"), vec![b'x' + i; 64 << 20])).collect();
    measure("large files", &archive(&items), 8);
}
