//! The index: one file offset an item, and a hash table from name to item.

use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState};

use crate::cursor::Cursor;

/// What one item costs on average: its offset and its table slot, both in tables that double.
pub(crate) const ITEM_BYTES: u64 = 48;

/// Items of a header (pairs or tensors), in file order. Names are not copied: each is read again
/// from the header's bytes, where an item starts with its name.
#[derive(Debug, Default)]
pub(crate) struct Index {
    starts: Vec<usize>,
    /// Keyed by the name's hash under a secret key, so that a file cannot choose collisions.
    by_hash: HashMap<u64, usize, BuildHasherDefault<Already>>,
    secret: RandomState,
}

impl Index {
    pub(crate) fn len(&self) -> usize {
        self.starts.len()
    }

    pub(crate) fn start(&self, item: usize) -> Option<usize> {
        self.starts.get(item).copied()
    }

    pub(crate) fn find(&self, header: &[u8], name: &[u8]) -> Option<usize> {
        self.probe(header, name).ok()
    }

    /// Adds the item at `start`, or says where the same name already stands.
    pub(crate) fn insert(&mut self, header: &[u8], name: &[u8], start: usize) -> Result<(), usize> {
        match self.probe(header, name) {
            Ok(item) => Err(self.start(item).unwrap_or(start)),
            Err(free) => {
                self.by_hash.insert(free, self.starts.len());
                self.starts.push(start);
                Ok(())
            }
        }
    }

    /// The item of that name, or the free hash under which it belongs. Two names with one hash
    /// are next to impossible, yet must not become one: the second takes the next free number.
    fn probe(&self, header: &[u8], name: &[u8]) -> Result<usize, u64> {
        let mut hash = self.secret.hash_one(name);
        while let Some(&item) = self.by_hash.get(&hash) {
            let start = self.start(item);
            if start.and_then(|start| Cursor::new(header, start).string()) == Some(name) {
                return Ok(item);
            }
            hash = hash.wrapping_add(1);
        }
        Err(hash)
    }
}

/// The keys are hashes already.
#[derive(Debug, Default)]
struct Already(u64);

impl Hasher for Already {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 << 8) | u64::from(byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}
