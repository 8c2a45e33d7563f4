//! Containers.
pub mod cgroup;
pub mod error;
pub mod host;
pub mod request;
pub mod rootfs;
pub mod spec;
pub mod value;
pub use error::{Error, ErrorKind, Result};
