//! Split files: what one shard's `split.*` keys must say (rules 40 to 44, as far as one file shows).

use crate::error::{Code, GgufError};
use crate::header::{Header, Pair};
use crate::value::Value;

const NO: &[u8] = b"split.no";
const COUNT: &[u8] = b"split.count";
const TENSORS: &[u8] = b"split.tensors.count";

/// The loader reads these keys by type, and a wrong type aborts its process.
pub(crate) fn judge(header: &Header) -> Result<(), GgufError> {
    let no = key(header, NO, "u16", u16_value)?;
    let count = key(header, COUNT, "u16", u16_value)?;
    let tensors = key(header, TENSORS, "i32", i32_value)?;
    let present = [&no.pair, &count.pair, &tensors.pair]
        .into_iter()
        .flatten()
        .next()
        .copied();
    let Some(present) = present else {
        return Ok(());
    };
    // Merging a set leaves the keys behind with a count of 0: that is a whole file.
    let shards = count.required(COUNT, &present)?;
    let place = if shards > 1 {
        no.required(NO, &present)?
    } else {
        no.value.unwrap_or(0)
    };
    judge_place(&no, place, shards)?;
    judge_tensors(header, &tensors, shards, &present)
}

/// A key's value, if the key is there.
struct Key<'a> {
    pair: Option<Pair<'a>>,
    value: Option<i64>,
}

impl Key<'_> {
    fn required(&self, name: &[u8], beside: &Pair<'_>) -> Result<i64, GgufError> {
        self.value.ok_or_else(|| {
            let message = "the file says that it belongs to a set, but this key is missing";
            GgufError::new(Code::BadSplit, message)
                .at(beside.offset)
                .of(name)
        })
    }

    fn refusal(&self, message: String) -> GgufError {
        let error = GgufError::new(Code::BadSplit, message);
        match &self.pair {
            Some(pair) => error.at(pair.value_offset()).of(pair.key),
            None => error,
        }
    }
}

fn key<'a>(
    header: &'a Header,
    name: &[u8],
    expected: &str,
    read: fn(&Value<'_>) -> Option<i64>,
) -> Result<Key<'a>, GgufError> {
    let Some(pair) = header.pair_named(name) else {
        return Ok(Key {
            pair: None,
            value: None,
        });
    };
    let Some(value) = read(&pair.value) else {
        let found = pair.value.value_type();
        let message = format!(
            "the value must be a {expected}, not {found}: its loader aborts on any other type"
        );
        return Err(GgufError::new(Code::BadSplit, message)
            .at(pair.type_offset())
            .of(name));
    };
    Ok(Key {
        pair: Some(pair),
        value: Some(value),
    })
}

fn u16_value(value: &Value<'_>) -> Option<i64> {
    match *value {
        Value::U16(value) => Some(value.into()),
        _ => None,
    }
}

fn i32_value(value: &Value<'_>) -> Option<i64> {
    match *value {
        Value::I32(value) => Some(value.into()),
        _ => None,
    }
}

fn judge_place(no: &Key<'_>, place: i64, shards: i64) -> Result<(), GgufError> {
    if place < shards.max(1) {
        return Ok(());
    }
    Err(no.refusal(format!(
        "shard {place}, counted from 0, of a set of {shards} does not exist"
    )))
}

fn judge_tensors(
    header: &Header,
    tensors: &Key<'_>,
    shards: i64,
    present: &Pair<'_>,
) -> Result<(), GgufError> {
    let total = if shards > 1 {
        tensors.required(TENSORS, present)?
    } else {
        tensors.value.unwrap_or(0)
    };
    let Ok(total) = u64::try_from(total) else {
        return Err(tensors.refusal(format!("a set cannot have {total} tensors")));
    };
    let own = header.tensor_count();
    let possible = match shards {
        // Nobody reads the number of a merged file, and none is needed in a single one.
        0 => true,
        1 => tensors.pair.is_none() || own == total,
        _ => own <= total,
    };
    if possible {
        return Ok(());
    }
    Err(tensors.refusal(format!(
        "the set has {total} tensors, but this file alone has {own}"
    )))
}
