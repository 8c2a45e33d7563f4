//! A union file system in user space.
