//! System calls that no maintained crate wraps, or wraps only as `unsafe`.
//!
//! This is the fence: the one crate of the workspace in which `unsafe` may
//! stand. What leaves it is safe to call with any arguments, and errors have
//! names where a caller's next step depends on them. It knows nothing of
//! layers, ids or policy.
//!
//! | Module | What it gives |
//! |---|---|
//! | [`mount_attr`] | mount_setattr(2): read-only, propagation and id maps of a mount |
//! | [`user_ns`] | a user namespace that is nothing but an id map |
//! | [`thread`] | what one thread can change of itself: mount namespace, file system ids |
//! | [`seccomp`] | a filter for system calls, as a finished program |
//! | [`device_program`] | which devices a control group may use, as a finished program |
//! | [`file_handle`] | what a file system calls a file, and itself |
//! | [`daemon`] | fork(2) for a process of one thread |
//! | [`mapped_write`] | a write through a shared memory mapping, for verification |

pub mod daemon;
pub mod device_program;
pub mod file_handle;
pub mod mapped_write;
pub mod mount_attr;
pub mod seccomp;
pub mod thread;
pub mod user_ns;
