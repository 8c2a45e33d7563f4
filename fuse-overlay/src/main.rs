//! The program: mounts a union of directories.

fn main() {}
