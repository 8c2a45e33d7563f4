//! `image import-from`: images of Docker's and Podman's stores come over as
//! they are, and what is damaged there doesn't.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::string_slice, reason = "ids are ASCII")]

mod choose;
mod damage;
mod docker;
mod hostile;
mod made;
mod podman;
mod theirs;
#[path = "../support/tools.rs"]
mod tools;
