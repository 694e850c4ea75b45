//! Engine safety (rule 45): files that are well-formed, but known to abort or corrupt llama.cpp, and
//! with it the whole Node process that loads them.
//!
//! Judged against llama.cpp v0.5.0 as node-llama-cpp 3.22.1 embeds it. That package estimates
//! memory before it loads: it builds the model from the metadata alone, without the checks of the
//! real load, and after the load it tokenizes a line of text. What aborts there counts, too.
//! A rule marked **seen** was watched to kill a process; one marked **read** stands in the source.
//!
//! What the engine merely refuses is none of our business, with one exception: the types and
//! lengths of the vocabulary's arrays, which older engines trust. No engine can use such a file.

mod attention;
mod duplicates;
mod hyperparameters;
mod metadata;
mod shapes;
mod tokenizer;
mod vocabulary;
mod weights;

use crate::header::Header;
use crate::{Code, GgufError};

use metadata::Model;
pub(crate) use weights::Weights;

/// Judges the metadata together with the weights that they are about.
pub(crate) fn judge(header: &Header, weights: Weights<'_>) -> Result<(), GgufError> {
    vocabulary::judge(header, weights)?;
    let Some(model) = Model::of(header, weights) else {
        return Ok(());
    };
    hyperparameters::judge(&model)?;
    shapes::judge(&model)?;
    attention::judge(&model)
}

/// A refusal: the key, where its offending value stands, and what the engine would do.
fn refusal(key: &[u8], offset: u64, reason: impl AsRef<str>) -> GgufError {
    let reason = reason.as_ref();
    let message = format!(
        "{reason}. Get a sound copy of the model, or turn engine safety off for an engine that copes"
    );
    GgufError::new(Code::EngineUnsafe, message)
        .at(offset)
        .of(key)
}
