//! Sets: a model in several files, judged as the one model that an engine makes of them (rules 40 to 44).
//!
//! Each part was judged alone before. An engine takes the metadata from the first part and tensors from
//! all of them, and looks at little else, so what the parts say of each other is checked here.

use std::collections::HashMap;

use crate::engine::{self, Weights};
use crate::error::{Code, GgufError};
use crate::header::{Header, Pair, Split};
use crate::limits::Policy;

const NO: &[u8] = b"split.no";
const COUNT: &[u8] = b"split.count";
const TENSORS: &[u8] = b"split.tensors.count";
/// Every part has these for itself.
const OWN: [&[u8]; 3] = [NO, COUNT, TENSORS];
/// Where the format's version stands in every file.
const VERSION_OFFSET: u64 = 4;

/// What is wrong with a set, and in which of its files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetError {
    /// The part's place, from 0.
    pub part: usize,
    /// Code, place in that part, and what to do.
    pub error: GgufError,
}

/// Judges the parts of one model, given in the order of their names.
///
/// The rules about the parts hold whatever the policy says: files that contradict each other are no
/// model. Engine safety is judged once more, now that the weights of all parts are known.
pub fn judge_set(parts: &[&Header], policy: Policy) -> Result<(), SetError> {
    let Some((first, later)) = parts.split_first() else {
        return Ok(());
    };
    for (index, part) in parts.iter().enumerate() {
        place(part, index, parts.len()).map_err(in_part(index))?;
    }
    for (index, part) in (1..).zip(later) {
        same_model(first, part).map_err(in_part(index))?;
    }
    total(parts, policy)?;
    distinct_tensors(parts)?;
    if policy.engine_safety {
        engine::judge(first, Weights::of(parts)).map_err(in_part(0))?;
    }
    Ok(())
}

fn in_part(part: usize) -> impl Fn(GgufError) -> SetError {
    move |error| SetError { part, error }
}

/// The part says that it is the one that its name says.
fn place(part: &Header, index: usize, count: usize) -> Result<(), GgufError> {
    let Some(split) = part.split() else {
        let message = "the file does not say that it is a part of a set, but its name does";
        return Err(blamed(part, COUNT, message));
    };
    if usize::from(split.count) != count {
        let message = format!(
            "the file belongs to a set of {}, but its name says {count}",
            split.count
        );
        return Err(blamed(part, COUNT, message));
    }
    if usize::from(split.no) != index {
        let (found, named) = (u32::from(split.no) + 1, index + 1);
        let message = format!("the file is part {found} of its set, but its name says {named}");
        return Err(blamed(part, NO, message));
    }
    Ok(())
}

/// The version, and whatever metadata a later part has, are the first one's. A part that does not state its
/// alignment has the default one, and engines read each part by its own: splitting tools leave it out.
fn same_model(first: &Header, part: &Header) -> Result<(), GgufError> {
    if part.version() != first.version() {
        let (own, other) = (part.version(), first.version());
        let message =
            format!("the part has version {own} of the format, but the first has {other}");
        return Err(GgufError::new(Code::BadSplit, message).at(VERSION_OFFSET));
    }
    for pair in part.pairs().filter(|pair| !OWN.contains(&pair.key)) {
        let message = match part.shares(first, pair.key) {
            Some(true) => continue,
            Some(false) => "the first part has another value: these are parts of different models",
            None => "the first part, from which engines take the metadata, does not have this key",
        };
        return Err(at_value(&pair, message));
    }
    Ok(())
}

/// Every part names the same number of tensors, and together they have it.
fn total(parts: &[&Header], policy: Policy) -> Result<(), SetError> {
    let promised = parts.first().and_then(|first| first.split()?.tensors);
    for (index, part) in parts.iter().enumerate() {
        if part.split().and_then(|Split { tensors, .. }| tensors) != promised {
            let message = "the first part names another number of tensors in the set";
            return Err(in_part(index)(blamed(part, TENSORS, message)));
        }
    }
    let count: u64 = parts.iter().map(|part| part.tensor_count()).sum();
    let Some(first) = parts.first() else {
        return Ok(());
    };
    if count > policy.limits.tensors_max {
        let max = policy.limits.tensors_max;
        let message = format!(
            "the set has {count} tensors, more than the limit tensors_max of {max}: raise it if you trust the files"
        );
        let error = GgufError::new(Code::LimitExceeded, message).of(TENSORS);
        return Err(in_part(0)(error));
    }
    if promised != Some(count) {
        let message = format!("the parts have {count} tensors together, not as many as this says");
        return Err(in_part(0)(blamed(first, TENSORS, message)));
    }
    Ok(())
}

fn distinct_tensors(parts: &[&Header]) -> Result<(), SetError> {
    let mut seen: HashMap<&[u8], usize> = HashMap::new();
    for (index, part) in parts.iter().enumerate() {
        for (row, tensor) in (0..).zip(part.tensors()) {
            let Some(earlier) = seen.insert(tensor.name, index) else {
                continue;
            };
            let message = format!("the tensor stands in part {} already", earlier + 1);
            let error = GgufError::new(Code::DuplicateTensor, message).of(tensor.name);
            let error = match part.tensor_offset(row) {
                Some(offset) => error.at(offset),
                None => error,
            };
            return Err(in_part(index)(error));
        }
    }
    Ok(())
}

/// Blames a key of the part at its value, or by name alone where the part does not have it.
fn blamed(part: &Header, key: &[u8], message: impl Into<String>) -> GgufError {
    match part.pair_named(key) {
        Some(pair) => at_value(&pair, message),
        None => GgufError::new(Code::BadSplit, message).of(key),
    }
}

fn at_value(pair: &Pair<'_>, message: impl Into<String>) -> GgufError {
    GgufError::new(Code::BadSplit, message)
        .at(pair.value_offset())
        .of(pair.key)
}
