//! Descriptors kept open for the next who needs them, and no more of them than
//! the process may have.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, Hash, RandomState};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex};

use crate::lock;

/// How many locks share the work: more than there are threads, so that two
/// rarely meet.
const SHARDS: usize = 16;

/// A bounded cache of open files. What was asked for since the hand last came
/// by stays (the clock, or second chance, algorithm); whoever holds a
/// descriptor keeps it open even when it has left the cache.
#[derive(Debug)]
pub(crate) struct Fds<K> {
    shards: Vec<Mutex<Shard<K>>>,
    hasher: RandomState,
    room: usize,
}

#[derive(Debug)]
struct Shard<K> {
    kept: HashMap<K, Kept>,
    /// In the order in which the hand comes by; may name what is gone.
    clock: VecDeque<K>,
}

#[derive(Debug)]
struct Kept {
    fd: Arc<OwnedFd>,
    used: bool,
}

impl<K: Hash + Eq + Clone> Fds<K> {
    /// For about `room` descriptors.
    pub(crate) fn new(room: usize) -> Self {
        let shard = || Mutex::new(Shard { kept: HashMap::new(), clock: VecDeque::new() });
        Self {
            shards: (0..SHARDS).map(|_| shard()).collect(),
            hasher: RandomState::new(),
            room: (room / SHARDS).max(1),
        }
    }

    pub(crate) fn get(&self, key: &K) -> Option<Arc<OwnedFd>> {
        let mut shard = lock(self.shard(key));
        let kept = shard.kept.get_mut(key)?;
        kept.used = true;
        Some(kept.fd.clone())
    }

    /// Keeps it, in the place of what was kept for that key.
    pub(crate) fn put(&self, key: K, fd: Arc<OwnedFd>) {
        let mut shard = lock(self.shard(&key));
        let before = shard.kept.insert(key.clone(), Kept { fd, used: false });
        if before.is_none() {
            shard.clock.push_back(key);
            shard.make_room(self.room);
        }
    }

    pub(crate) fn forget(&self, key: &K) {
        let mut shard = lock(self.shard(key));
        if shard.kept.remove(key).is_some() {
            shard.clock.retain(|other| other != key);
        }
    }

    fn shard(&self, key: &K) -> &Mutex<Shard<K>> {
        // A remainder by the length is always an index.
        #[allow(clippy::cast_possible_truncation, reason = "any bits will do")]
        let hash = self.hasher.hash_one(key) as usize;
        &self.shards[hash % self.shards.len()]
    }
}

impl<K: Hash + Eq + Clone> Shard<K> {
    fn make_room(&mut self, room: usize) {
        while self.kept.len() > room {
            let Some(key) = self.clock.pop_front() else { return };
            match self.kept.get_mut(&key) {
                Some(kept) if kept.used => {
                    kept.used = false;
                    self.clock.push_back(key);
                }
                _ => drop(self.kept.remove(&key)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some_fd() -> Arc<OwnedFd> {
        Arc::new(std::fs::File::open("/").unwrap().into())
    }

    #[test]
    fn it_never_holds_more_than_it_has_room_for() {
        let fds = Fds::new(SHARDS * 4);
        for key in 0..1000 {
            fds.put(key, some_fd());
        }
        let held: usize = fds.shards.iter().map(|shard| lock(shard).kept.len()).sum();
        assert!(held <= SHARDS * 4, "{held}");
        let clocks: usize = fds.shards.iter().map(|shard| lock(shard).clock.len()).sum();
        assert_eq!(clocks, held);
    }

    #[test]
    fn what_is_used_stays() {
        let fds = Fds::new(SHARDS * 8);
        fds.put(0, some_fd());
        for key in 1..1000 {
            assert!(fds.get(&0).is_some(), "gone after {key}");
            fds.put(key, some_fd());
        }
    }

    #[test]
    fn what_is_forgotten_is_gone_and_can_come_back() {
        let fds = Fds::new(64);
        fds.put("a", some_fd());
        fds.forget(&"a");
        assert!(fds.get(&"a").is_none());
        let again = some_fd();
        fds.put("a", again.clone());
        assert!(Arc::ptr_eq(&fds.get(&"a").unwrap(), &again));
    }
}
