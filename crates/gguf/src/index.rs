//! The index: where each item of a header stands, and which of them has a name.

use std::hash::{BuildHasher, RandomState};

use crate::cursor::Cursor;

/// What one item costs: its place and its hash with a place, in lists that double as they grow.
pub(crate) const ITEM_BYTES: u64 = 48;

/// Items of a header (pairs or tensors), in file order. Names are not copied: each is read again
/// from the header's bytes, where an item starts with its name.
#[derive(Debug, Default)]
pub(crate) struct Index {
    starts: Vec<usize>,
    /// Each name's hash under a secret key, so that a file cannot choose collisions, and its item.
    /// Sorted at the end, once: that is several times faster than a table that is probed at random.
    hashes: Vec<(u64, usize)>,
    secret: RandomState,
}

impl Index {
    pub(crate) fn len(&self) -> usize {
        self.starts.len()
    }

    pub(crate) fn start(&self, item: usize) -> Option<usize> {
        self.starts.get(item).copied()
    }

    pub(crate) fn push(&mut self, name: &[u8], start: usize) {
        self.hashes
            .push((self.secret.hash_one(name), self.starts.len()));
        self.starts.push(start);
    }

    /// Sorts, after which items can be found by name. Says where the first item stands that has
    /// the name of an earlier one, and where that one does.
    pub(crate) fn sort(&mut self, header: &[u8]) -> Option<(usize, usize)> {
        self.hashes.sort_unstable();
        let runs = self.hashes.chunk_by(|(one, _), (other, _)| one == other);
        let repeated = runs.filter_map(|run| self.repeated(header, run));
        let (item, earlier) = repeated.min()?;
        Some((self.start(item)?, self.start(earlier)?))
    }

    /// The first item of a run with one hash that repeats a name. Different names in one run are
    /// next to impossible, yet must not count as one.
    fn repeated(&self, header: &[u8], run: &[(u64, usize)]) -> Option<(usize, usize)> {
        run.iter().enumerate().find_map(|(place, &(_, item))| {
            let before = run.get(..place)?;
            let same = |&&(_, earlier): &&(u64, usize)| {
                self.name(header, earlier) == self.name(header, item)
            };
            before
                .iter()
                .find(same)
                .map(|&(_, earlier)| (item, earlier))
        })
    }

    /// The item of that name, in a sorted index.
    pub(crate) fn find(&self, header: &[u8], name: &[u8]) -> Option<usize> {
        let hash = self.secret.hash_one(name);
        let from = self.hashes.partition_point(|&(other, _)| other < hash);
        let run = self
            .hashes
            .get(from..)?
            .iter()
            .take_while(|&&(other, _)| other == hash);
        run.map(|&(_, item)| item)
            .find(|&item| self.name(header, item) == Some(name))
    }

    fn name<'a>(&self, header: &'a [u8], item: usize) -> Option<&'a [u8]> {
        Cursor::new(header, self.start(item)?).string()
    }
}
