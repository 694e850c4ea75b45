//! The challenge book: answers that only the model's own bytes give, computed before anybody asks for them.

use crate::check::Found;
use crate::comparison::{Compared, slice_tiles};
use crate::model::Model;
use crate::shard::{Shard, Watch};
use crate::{
    Content, Evidence, Freshness, FreshnessMethod, Level, RootJob, Verdict, VramError, freshness,
    self_test,
};

/// Answers to nonces that nobody else knows, and the look at every tile that vouches for them.
#[derive(Clone, Debug)]
pub struct Book {
    /// None where the look found anything wrong: a book of wrong bytes would vouch for them.
    pub entries: Vec<BookEntry>,
    /// What was seen once the answers were computed.
    pub evidence: Evidence,
}

/// A nonce, and the answer that only the model's own bytes give.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BookEntry {
    /// Secret until it is spent.
    pub nonce: [u8; 32],
    /// BLAKE3 of the model's bytes, keyed by the nonce; of a split model as [`freshness::response_of`] its parts'.
    pub answer: [u8; 32],
}

impl Model {
    /// So many answers, and then a look at every tile: whatever became of the bytes meanwhile is found by it.
    pub(crate) fn book(&self, entries: u32, watch: Watch<'_>) -> Result<Book, VramError> {
        let entries: Result<Vec<_>, _> = (0..entries).map(|_| self.book_entry(watch)).collect();
        let mut entries = entries?;
        let evidence = self.check(&Level::Full, watch)?;
        if evidence.verdict == Verdict::NotResident {
            entries.clear();
        }
        Ok(Book { entries, evidence })
    }

    fn book_entry(&self, watch: Watch<'_>) -> Result<BookEntry, VramError> {
        let mut nonce = [0; 32];
        self_test::fill(&mut nonce)?;
        let answers = self.each(|shard| shard.keyed_root(&nonce, watch))?;
        let answer = freshness::response_of(&nonce, &answers);
        Ok(BookEntry { nonce, answer })
    }

    /// A wrong answer is followed by a look at every tile, to name those that are wrong.
    pub(crate) fn check_book(
        &self,
        nonce: &[u8; 32],
        answer: Option<[u8; 32]>,
        watch: Watch<'_>,
    ) -> Result<Evidence, VramError> {
        let asked = |answer| Level::Book {
            nonce: *nonce,
            answer,
        };
        let seen = self.check_all(&asked(None), watch)?;
        let Some(answer) = answer else {
            return Ok(open(seen));
        };
        let mut judged = if seen.freshness.response == Some(answer) {
            self.answered(seen)
        } else {
            wrong(self.check_all(&Level::Full, watch)?, seen.freshness)
        };
        judged.level = asked(Some(answer));
        judged.freshness.expected = Some(answer);
        Ok(judged)
    }

    /// The answer that only the right bytes give: they are right, and so is every file's digest.
    fn answered(&self, mut seen: Evidence) -> Evidence {
        let mut roots = self.shards.iter().map(|shard| shard.facts.tiles.root());
        if seen.parts.is_empty() {
            seen.content.root = roots.next();
        } else {
            for (part, root) in seen.parts.iter_mut().zip(roots) {
                part.content.root = Some(root);
            }
        }
        seen
    }
}

/// Nobody here knows the answer, and nothing else was compared: who has the book must judge.
fn open(mut seen: Evidence) -> Evidence {
    if seen.verdict != Verdict::NotResident {
        seen.verdict = Verdict::Inconclusive;
        let reason = "nothing was compared here: the response must be the answer that the book has";
        seen.reasons.push(reason.to_owned());
    }
    seen
}

/// What a look at every tile then saw.
fn wrong(mut named: Evidence, freshness: Freshness) -> Evidence {
    let reason = "the keyed digest is not the answer that the book has";
    named.verdict = Verdict::NotResident;
    named.reasons.insert(0, reason.to_owned());
    named.freshness = freshness;
    named
}

impl Shard {
    /// The keyed digest of everything. All bytes were read, and none compared: that is for whoever has the answer.
    pub(crate) fn keyed(&self, nonce: &[u8; 32], watch: Watch<'_>) -> Result<Found, VramError> {
        let before = watch.clock.now();
        let response = self.keyed_root(nonce, watch)?;
        let took = watch.clock.now().saturating_sub(before);
        let tiling = self.expected().tiling;
        let compared = Compared {
            content: Content {
                bytes_total: tiling.bytes_total(),
                bytes_checked: tiling.bytes_total(),
                tiles_checked: tiling.tiles(),
                ..Content::default()
            },
            wall_seconds: took.as_secs_f64(),
            device_seconds: None,
        };
        let mut found = Found::of(compared);
        found.freshness = Freshness {
            method: FreshnessMethod::Book,
            nonce: Some(*nonce),
            response: Some(response),
            expected: None,
        };
        Ok(found)
    }

    /// The keyed digest of what is on the device now.
    fn keyed_root(&self, nonce: &[u8; 32], watch: Watch<'_>) -> Result<[u8; 32], VramError> {
        let tiling = self.facts.tiles.tiling();
        let slice = slice_tiles(self.gpu.device());
        let job = RootJob {
            going: &|| self.going(watch),
            ..RootJob::of(tiling, Some(*nonce), slice)
        };
        let root = self.with_memory(watch, |memory| memory.root(&job));
        root.map(|root| *root.as_bytes())
            .map_err(|error| error.on(self.gpu.device().uuid))
    }
}
