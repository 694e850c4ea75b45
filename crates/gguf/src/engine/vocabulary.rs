//! The vocabulary: its arrays, its ids, and that every token is there once.

use crate::GgufError;
use crate::engine::Weights;
use crate::engine::{duplicates, refusal, tokenizer};
use crate::header::{Header, Pair};
use crate::value::{Array, Value, ValueType};

pub(super) const TOKENS: &[u8] = b"tokenizer.ggml.tokens";
const MERGES: &[u8] = b"tokenizer.ggml.merges";
const SCORES: &[u8] = b"tokenizer.ggml.scores";
pub(super) const TOKEN_TYPE: &[u8] = b"tokenizer.ggml.token_type";

/// Ids that the engine follows. `padding` and `seperator` (sic) are not among them: sound models
/// exist whose ids for these lie beyond the vocabulary, and the engine passes over them.
const IDS: [&str; 14] = [
    "bos", "eos", "eot", "eom", "unknown", "mask", "fim_pre", "fim_suf", "fim_mid", "fim_pad",
    "fim_rep", "fim_sep", "prefix", "suffix",
];

/// How converters write "there is none": -1 as a u32.
pub(super) const NO_ID: u32 = u32::MAX;

pub(super) fn judge(header: &Header, weights: Weights<'_>) -> Result<(), GgufError> {
    let Some(tokens) = header.pair_named(TOKENS) else {
        return tokenizer::judge_without_tokens(header, weights);
    };
    let list = strings(&tokens)?;
    if let Some(merges) = header.pair_named(MERGES) {
        strings(&merges)?;
    }
    judge_length(header, SCORES, &[ValueType::F32, ValueType::I32], list.len)?;
    judge_length(header, TOKEN_TYPE, &[ValueType::I32], list.len)?;
    duplicates::judge(&list)?;
    judge_ids(header, list.len)?;
    tokenizer::judge(header, weights, &tokens, &list)
}

/// Read: older engines take the elements for strings without looking.
fn strings<'a>(pair: &Pair<'a>) -> Result<Array<'a>, GgufError> {
    match pair.value {
        Value::Array(array) if array.element == ValueType::String => Ok(array),
        _ => Err(refusal(
            pair.key,
            pair.value_offset(),
            "the key must be an array of strings, and engines exist that take it for one unseen",
        )),
    }
}

/// Read: older engines index these arrays by token, and take the bytes for the type they expect.
fn judge_length(
    header: &Header,
    key: &[u8],
    types: &[ValueType],
    tokens: u64,
) -> Result<(), GgufError> {
    let Some(pair) = header.pair_named(key) else {
        return Ok(());
    };
    match pair.value {
        Value::Array(array) if types.contains(&array.element) && array.len >= tokens => Ok(()),
        Value::Array(array) if types.contains(&array.element) => {
            let reason = format!(
                "there are {tokens} tokens, but only {} elements here, and engines exist that read on behind them",
                array.len
            );
            Err(refusal(key, pair.value_offset(), reason))
        }
        _ => {
            let names: Vec<_> = types.iter().map(|kind| kind.as_str()).collect();
            let reason = format!(
                "the key must be an array of {}, and engines exist that take it for one unseen",
                names.join(" or ")
            );
            Err(refusal(key, pair.value_offset(), reason))
        }
    }
}

/// Seen where no fallback is left: the tokenizer then hands out the token -1.
fn judge_ids(header: &Header, tokens: u64) -> Result<(), GgufError> {
    for name in IDS {
        let key = format!("tokenizer.ggml.{name}_token_id");
        let Some(pair) = header.pair_named(key.as_bytes()) else {
            continue;
        };
        match pair.value {
            Value::U32(id) if id != NO_ID && u64::from(id) >= tokens => {
                let reason =
                    format!("token {id} does not exist: the vocabulary has {tokens} tokens");
                return Err(refusal(pair.key, pair.value_offset(), reason));
            }
            _ => {}
        }
    }
    Ok(())
}
