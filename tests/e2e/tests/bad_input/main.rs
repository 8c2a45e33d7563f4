//! What a person can get wrong, and what a host can lack: each is one line on
//! standard error that says what, where and what to do, an exit status that
//! isn't 0, and a store that is as it was.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::string_slice, reason = "a test fails by panicking")]

mod archives;
mod command_line;
mod hosts;
mod roots;
mod watched;
