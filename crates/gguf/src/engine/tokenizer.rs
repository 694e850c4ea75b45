//! What each tokenizer needs of its vocabulary so as not to abort, hang or run over its arrays.
//!
//! node-llama-cpp tokenizes [`PROBE`] and back after every load, and an exception of the tokenizer
//! ends the process there: nothing between it and JavaScript catches one. Only files with weights are
//! judged by that. Without weights the load is refused before, unless the vocabulary alone is asked
//! for, and hand-made vocabularies of a few tokens are what tests and tools keep in such files.

use crate::GgufError;
use crate::cursor::offset;
use crate::engine::metadata::{c_string, located_strings};
use crate::engine::vocabulary::{NO_ID, TOKEN_TYPE};
use crate::engine::{Weights, refusal};
use crate::header::{Header, Pair};
use crate::value::{Array, Value};

const MODEL: &[u8] = b"tokenizer.ggml.model";
const PRE: &[u8] = b"tokenizer.ggml.pre";

/// The characters of what is tokenized at every load, as the vocabulary spells them.
const PROBE: [&str; 10] = ["\n", "\u{2581}", "s", "o", "m", "e", "t", "x", "h", "r"];

/// Bytes of a token in a tokenizer that walks a trie by recursion, a frame a byte. Seen: 290,000
/// overflow a stack of 8 MB; threads may have 256 KB. Real tokens have fewer than 1,000.
const TRIE_TOKEN_BYTES_MAX: usize = 8 << 10;

/// Bytes of all tokens once decoded. Seen: one byte-level token of 47,000 spaces becomes 2 GB and an
/// abort, since every character that is none of the 256 is replaced by the whole token's text.
const DECODED_BYTES_MAX: u64 = 256 << 20;

/// The token type of a byte; see `llama_token_type`.
const BYTE: i32 = 6;

/// Judges a header that has no tokens: only a tokenizer that is none loads without them.
pub(super) fn judge_without_tokens(header: &Header, weights: Weights<'_>) -> Result<(), GgufError> {
    match Tokenizer::of(header) {
        Some(tokenizer) => tokenizer.judge_none(weights),
        None => Ok(()),
    }
}

pub(super) fn judge(
    header: &Header,
    weights: Weights<'_>,
    pair: &Pair<'_>,
    tokens: &Array<'_>,
) -> Result<(), GgufError> {
    let Some(tokenizer) = Tokenizer::of(header) else {
        return Ok(());
    };
    tokenizer.judge_none(weights)?;
    let vocabulary = Vocabulary {
        header,
        weights,
        pair,
        tokens,
    };
    match tokenizer.model {
        b"llama" => vocabulary.judge_byte_fallback(),
        b"bert" => vocabulary.judge_words(),
        b"t5" => vocabulary
            .judge_trie()
            .and_then(|()| vocabulary.judge_unknown(Some(2))),
        b"rwkv" => vocabulary
            .judge_trie()
            .and_then(|()| vocabulary.judge_prefixes()),
        b"gpt2" | b"hybriddna" | b"whitespace" => vocabulary.judge_decoded(),
        b"plamo2" => vocabulary.judge_utf8(),
        b"test" => vocabulary.judge_any(),
        _ => Ok(()),
    }
}

/// `tokenizer.ggml.model`.
struct Tokenizer<'a> {
    pair: Pair<'a>,
    model: &'a [u8],
}

impl<'a> Tokenizer<'a> {
    fn of(header: &'a Header) -> Option<Self> {
        let pair = header.pair_named(MODEL)?;
        let model = c_string(pair.value.as_bytes()?);
        Some(Self { pair, model })
    }

    /// Seen: node-llama-cpp tokenizes although there is no tokenizer: `GGML_ASSERT(tokenizer)`.
    fn judge_none(&self, weights: Weights<'_>) -> Result<(), GgufError> {
        if self.model != b"none" && self.model != b"no_vocab" {
            return Ok(());
        }
        if !weights.make_a_model() {
            return Ok(());
        }
        let reason = "the model has no tokenizer, and node-llama-cpp aborts because it tokenizes at every load";
        Err(refusal(MODEL, self.pair.value_offset(), reason))
    }
}

struct Vocabulary<'a> {
    header: &'a Header,
    weights: Weights<'a>,
    pair: &'a Pair<'a>,
    tokens: &'a Array<'a>,
}

impl Vocabulary<'_> {
    fn refusal(&self, reason: impl AsRef<str>) -> GgufError {
        refusal(self.pair.key, self.pair.value_offset(), reason)
    }

    /// Seen: text without a token falls back to byte tokens, and a missing one ends the process.
    fn judge_byte_fallback(&self) -> Result<(), GgufError> {
        if !self.weights.make_a_model() {
            return Ok(());
        }
        let bytes = ByteTokens::of(self.tokens);
        let missing = PROBE
            .iter()
            .find(|text| !bytes.can_spell(self.tokens, text));
        if let Some(text) = missing {
            let text = text.escape_unicode();
            return Err(self.refusal(format!("neither a token nor byte tokens spell '{text}', and node-llama-cpp aborts because it tokenizes that at every load")));
        }
        match bytes.hole() {
            Some(byte) => Err(self.refusal(format!("the byte token <0x{byte:02X}> is missing among the others, and text that needs it aborts the engine"))),
            None => Ok(()),
        }
    }

    /// Seen: a byte token makes this tokenizer abort, and so does a word without an unknown token.
    fn judge_words(&self) -> Result<(), GgufError> {
        if let Some(types) = self.header.pair_named(TOKEN_TYPE)
            && let Value::Array(array) = types.value
            && let Some(index) =
                (0..self.tokens.len).find(|&index| array.get(index) == Some(Value::I32(BYTE)))
        {
            let offset = array.offset.saturating_add(index.saturating_mul(4));
            return Err(refusal(
                TOKEN_TYPE,
                offset,
                format!("token {index} is a byte, and this tokenizer aborts on bytes"),
            ));
        }
        self.judge_unknown(Some(100))
    }

    /// Seen: without an unknown token, unknown text becomes token -1, and spelling that one out
    /// ends the process.
    fn judge_unknown(&self, default: Option<u64>) -> Result<(), GgufError> {
        match self.unknown(default) {
            Some(_) => Ok(()),
            None if !self.weights.make_a_model() => Ok(()),
            None => Err(self.refusal("the vocabulary has no unknown token, and text that it cannot spell aborts the engine")),
        }
    }

    /// The unknown token that the engine settles on.
    fn unknown(&self, default: Option<u64>) -> Option<u64> {
        let exists = |id: &u64| *id < self.tokens.len;
        let given = match self.header.get(b"tokenizer.ggml.unknown_token_id") {
            Some(Value::U32(id)) if id != NO_ID => Some(u64::from(id)),
            _ => None,
        };
        given.filter(exists).or(default.filter(exists))
    }

    /// Seen: the stack overflows when the trie is freed.
    fn judge_trie(&self) -> Result<(), GgufError> {
        let long = located_strings(self.tokens)
            .find(|(_, text)| c_string(text).len() > TRIE_TOKEN_BYTES_MAX);
        match long {
            Some((offset, text)) => {
                let reason = format!(
                    "a token of {} bytes overflows the stack of an engine that walks it by recursion",
                    text.len()
                );
                Err(refusal(self.pair.key, offset, reason))
            }
            None => Ok(()),
        }
    }

    /// Seen: where a token starts with a byte that is no token by itself, the tokenizer starts over
    /// for ever and fills the memory. Seen: without an unknown token, other text becomes token -1.
    fn judge_prefixes(&self) -> Result<(), GgufError> {
        let mut starts = [false; 256];
        let mut alone = [false; 256];
        for text in self.tokens.strings().map(|text| unescape(c_string(text))) {
            match *text.as_slice() {
                [] => {}
                [byte] => set(&mut alone, byte),
                [byte, ..] => set(&mut starts, byte),
            }
        }
        if let Some(byte) = (0..=u8::MAX).find(|&byte| at(&starts, byte) && !at(&alone, byte)) {
            return Err(self.refusal(format!("tokens start with the byte 0x{byte:02x}, which is no token by itself, and the engine never ends on it")));
        }
        let spells = |text: &&str| {
            text.replace('\u{2581}', " ")
                .bytes()
                .all(|byte| at(&alone, byte))
        };
        if PROBE.iter().all(spells) {
            return Ok(());
        }
        self.judge_unknown(None)
    }

    /// Seen: see [`DECODED_BYTES_MAX`].
    fn judge_decoded(&self) -> Result<(), GgufError> {
        if self.is_spelled_plainly() || self.decoded(decoded_bytes_at_most) <= DECODED_BYTES_MAX {
            return Ok(());
        }
        let bytes = self.decoded(decoded_bytes);
        if bytes <= DECODED_BYTES_MAX {
            return Ok(());
        }
        Err(self.refusal(format!(
            "the engine decodes these tokens to {bytes} bytes, which exhausts the memory or aborts"
        )))
    }

    /// Whether tokens are text already, and are not decoded.
    fn is_spelled_plainly(&self) -> bool {
        let pre = self
            .header
            .get(PRE)
            .and_then(|value| value.as_bytes())
            .map(c_string);
        matches!(
            pre,
            Some(b"gemma4" | b"granite-embed-multi-311m" | b"sarvam-moe")
        )
    }

    fn decoded(&self, size: fn(&[u8]) -> u64) -> u64 {
        self.tokens
            .strings()
            .map(|text| size(c_string(text)))
            .fold(0, u64::saturating_add)
    }

    /// Seen under the address sanitizer: the suffix table mistakes one token for another where a token is
    /// no UTF-8, and the tokenizer reads and writes behind its arrays.
    fn judge_utf8(&self) -> Result<(), GgufError> {
        let broken = located_strings(self.tokens)
            .find(|(_, text)| std::str::from_utf8(c_string(text)).is_err());
        match broken {
            Some((offset, _)) => Err(refusal(
                self.pair.key,
                offset,
                "a token is not UTF-8, and the engine's suffix table breaks on it",
            )),
            None => Ok(()),
        }
    }

    /// Seen: a division by the number of tokens.
    fn judge_any(&self) -> Result<(), GgufError> {
        if self.tokens.is_empty() {
            return Err(self.refusal("there are no tokens, and the engine divides by their number"));
        }
        Ok(())
    }
}

fn at(set: &[bool; 256], byte: u8) -> bool {
    set.get(usize::from(byte)).copied().unwrap_or_default()
}

fn set(set: &mut [bool; 256], byte: u8) {
    if let Some(slot) = set.get_mut(usize::from(byte)) {
        *slot = true;
    }
}

/// Which bytes the vocabulary can spell: by `<0xHH>` (upper case), or by the byte itself.
struct ByteTokens {
    named: [bool; 256],
    plain: [bool; 256],
}

impl ByteTokens {
    /// How many byte tokens say that the vocabulary means to have them all.
    const FALLBACK_MIN: usize = 128;

    fn of(tokens: &Array<'_>) -> Self {
        let mut bytes = Self {
            named: [false; 256],
            plain: [false; 256],
        };
        for text in tokens.strings().map(c_string) {
            match *text {
                [byte] => set(&mut bytes.plain, byte),
                [b'<', b'0', b'x', high, low, b'>'] => {
                    if let (Some(high), Some(low)) = (upper_hex(high), upper_hex(low)) {
                        set(&mut bytes.named, high * 16 + low);
                    }
                }
                _ => {}
            }
        }
        bytes
    }

    fn has(&self, byte: u8) -> bool {
        at(&self.named, byte) || at(&self.plain, byte)
    }

    fn can_spell(&self, tokens: &Array<'_>, text: &str) -> bool {
        text.bytes().all(|byte| self.has(byte))
            || tokens
                .strings()
                .any(|token| c_string(token) == text.as_bytes())
    }

    /// A byte that UTF-8 can hold and the vocabulary lacks although it has the others.
    fn hole(&self) -> Option<u8> {
        let named = self.named.iter().filter(|&&named| named).count();
        let in_utf8 = |byte: &u8| !matches!(byte, 0xc0 | 0xc1 | 0xf5..);
        (named >= Self::FALLBACK_MIN)
            .then(|| (0..=u8::MAX).filter(in_utf8).find(|&byte| !self.has(byte)))
            .flatten()
    }
}

fn upper_hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

/// The bytes of an RWKV token: `\t`, `\n`, `\r`, `\xhh`, and any other character after a backslash.
fn unescape(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.iter().copied();
    while let Some(byte) = rest.next() {
        match byte {
            b'\\' => bytes.extend(unescape_one(&mut rest)),
            byte => bytes.push(byte),
        }
    }
    bytes
}

fn unescape_one(rest: &mut impl Iterator<Item = u8>) -> Option<u8> {
    Some(match rest.next()? {
        b't' => b'\t',
        b'n' => b'\n',
        b'r' => b'\r',
        b'x' => hex_digit(rest.next()?)
            .wrapping_shl(4)
            .wrapping_add(hex_digit(rest.next()?)),
        other => other,
    })
}

/// As the engine reads one, wrong digits included.
fn hex_digit(digit: u8) -> u8 {
    match digit {
        b'a'..=b'\x7f' => digit - b'a' + 10,
        _ => digit.wrapping_sub(b'0'),
    }
}

/// What the engine puts around a character that it cannot decode, and the character in hex.
const UNDECODED_BYTES_MAX: u64 = 24;

/// A bound that costs nothing: no character of the token can be decoded.
fn decoded_bytes_at_most(text: &[u8]) -> u64 {
    let length = offset(text.len());
    length.saturating_mul(length.saturating_add(UNDECODED_BYTES_MAX))
}

fn decoded_bytes(text: &[u8]) -> u64 {
    let undecoded = text.utf8_chunks().map(|chunk| {
        let strange = chunk
            .valid()
            .chars()
            .filter(|&char| !is_byte_level(char))
            .count();
        offset(strange.saturating_add(chunk.invalid().len()))
    });
    let each = offset(text.len()).saturating_add(UNDECODED_BYTES_MAX);
    undecoded
        .sum::<u64>()
        .saturating_mul(each)
        .saturating_add(offset(text.len()))
}

/// The 256 characters that stand for bytes in byte-level vocabularies.
fn is_byte_level(char: char) -> bool {
    matches!(char, '!'..='~' | '\u{a1}'..='\u{ac}' | '\u{ae}'..='\u{143}')
}
