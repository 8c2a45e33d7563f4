//! The program from outside: what it prints and exits with, and the process
//! around a mount. What is mounted here is the example `fuse-overlay-empty`,
//! which has the program's command line and process and no layers.

mod daemon;
mod errors;
mod support;
mod words;
