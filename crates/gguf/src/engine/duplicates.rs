//! Duplicate tokens. Seen: `GGML_ASSERT(id_to_token.size() == token_to_id.size())` on any load.
//!
//! Two passes and two bitmaps instead of a set of all tokens, so that a vocabulary of any size costs
//! milliseconds and a few megabytes: the first pass notes which slots of a keyed hash are hit twice,
//! the second looks at the few tokens in those slots.

use std::borrow::Cow;
use std::collections::HashSet;
use std::hash::{BuildHasher, Hasher, RandomState};

use crate::cursor::offset;
use crate::engine::metadata::{c_string, located_strings};
use crate::engine::refusal;
use crate::engine::vocabulary::TOKENS;
use crate::text::escape;
use crate::{Array, GgufError};

/// Slots a token: one in 16 then shares its slot with another by chance. More would leave the cache.
const SLOTS_PER_TOKEN: usize = 16;
/// The most slots: two bitmaps of 8 MB, whatever the file claims.
const SLOTS_MAX: usize = 1 << 26;

/// How many suspected texts are remembered at once, which bounds the memory.
const COMPARED_AT_ONCE: usize = 1 << 16;

pub(super) fn judge(tokens: &Array<'_>) -> Result<(), GgufError> {
    let Some(second) = find(tokens) else {
        return Ok(());
    };
    let reason = format!(
        "token {}, '{}', is there before, and the engine aborts unless every token is there once",
        second.index,
        escape(&second.text)
    );
    Err(refusal(TOKENS, second.offset, reason))
}

/// A token that repeats an earlier one: the first such, unless there are tens of thousands.
fn find<'a>(tokens: &Array<'a>) -> Option<Token<'a>> {
    let texts = Texts::of(tokens);
    let secret = RandomState::new();
    let mut slots = Slots::for_tokens(tokens);
    for token in texts.iter() {
        slots.note(hash(&secret, &token.text));
    }
    let candidates = texts.iter().map(|token| hash(&secret, &token.text));
    let mut hashes: Vec<u64> = candidates.filter(|&hash| slots.is_shared(hash)).collect();
    keep_repeated(&mut hashes);
    // Equal hashes are all but certain to be equal tokens; only the comparison makes it so.
    hashes.chunks(COMPARED_AT_ONCE).find_map(|hashes| {
        texts.first_repeated(|text| hashes.binary_search(&hash(&secret, text)).is_ok())
    })
}

/// Keyed at random, so that a file cannot aim its tokens at one slot.
fn hash(secret: &RandomState, text: &[u8]) -> u64 {
    let mut hasher = secret.build_hasher();
    hasher.write(text);
    hasher.finish()
}

/// Leaves the hashes that occur more than once, sorted.
fn keep_repeated(hashes: &mut Vec<u64>) {
    hashes.sort_unstable();
    let mut previous = None;
    hashes.retain(|&hash| previous.replace(hash) == Some(hash));
}

/// A token as the engine names it.
struct Token<'a> {
    index: u64,
    offset: u64,
    text: Cow<'a, [u8]>,
}

/// The tokens that can equal another.
struct Texts<'a> {
    tokens: Array<'a>,
    /// The engine calls an empty token `[EMPTY_<index>]`, which only a token of that text can equal.
    name_empty: bool,
}

impl<'a> Texts<'a> {
    fn of(tokens: &Array<'a>) -> Self {
        let name_empty = tokens.strings().any(|text| text.starts_with(b"[EMPTY_"));
        Self {
            tokens: *tokens,
            name_empty,
        }
    }

    fn iter(&self) -> impl Iterator<Item = Token<'a>> {
        let name_empty = self.name_empty;
        located_strings(&self.tokens)
            .zip(0..)
            .filter_map(move |((offset, bytes), index)| {
                let text = match c_string(bytes) {
                    [] if name_empty => Cow::Owned(format!("[EMPTY_{index}]").into_bytes()),
                    [] => return None,
                    text => Cow::Borrowed(text),
                };
                Some(Token {
                    index,
                    offset,
                    text,
                })
            })
    }

    /// The first of these tokens that was there before.
    fn first_repeated(&self, is_suspect: impl Fn(&[u8]) -> bool) -> Option<Token<'a>> {
        let mut met = HashSet::new();
        let mut suspects = self.iter().filter(|token| is_suspect(&token.text));
        suspects.find(|token| !met.insert(token.text.clone()))
    }
}

/// Which slots of the hash were hit, and which more than once.
struct Slots {
    hit: Vec<u64>,
    shared: Vec<u64>,
    mask: u64,
}

impl Slots {
    /// As many as the tokens that are really there can use.
    fn for_tokens(tokens: &Array<'_>) -> Self {
        let count = usize::try_from(tokens.len).unwrap_or(SLOTS_MAX);
        let slots = count
            .saturating_mul(SLOTS_PER_TOKEN)
            .clamp(64, SLOTS_MAX)
            .next_power_of_two();
        let words = vec![0; slots / 64];
        Self {
            shared: words.clone(),
            hit: words,
            mask: offset(slots) - 1,
        }
    }

    fn note(&mut self, hash: u64) {
        let (word, bit) = self.place(hash);
        let (Some(hit), Some(shared)) = (self.hit.get_mut(word), self.shared.get_mut(word)) else {
            return;
        };
        if *hit & bit == 0 {
            *hit |= bit;
        } else {
            *shared |= bit;
        }
    }

    fn is_shared(&self, hash: u64) -> bool {
        let (word, bit) = self.place(hash);
        self.shared
            .get(word)
            .is_some_and(|shared| shared & bit != 0)
    }

    fn place(&self, hash: u64) -> (usize, u64) {
        let slot = hash & self.mask;
        (
            usize::try_from(slot / 64).unwrap_or(usize::MAX),
            1 << (slot % 64),
        )
    }
}
