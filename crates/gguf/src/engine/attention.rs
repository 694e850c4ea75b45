//! Heads, their lengths and the attention tensors, in architectures with one plain attention.
//!
//! The graph cuts the rows of queries, keys and values into heads, and asserts that they come out
//! even (all seen, most of them already in the estimate, before the load could refuse the shapes).

use crate::GgufError;
use crate::engine::metadata::{Layered, Model};
use crate::engine::refusal;
use crate::value::Value;

const HEAD_COUNT: &str = "attention.head_count";
const HEAD_COUNT_KV: &str = "attention.head_count_kv";
const KEY_LENGTH: &str = "attention.key_length";

/// Architectures whose graph demands all of this. Others cut differently (latent attention, gates in
/// the queries, other heads in some layers) and are left alone.
const PLAIN: [&str; 55] = [
    "apertus",
    "arcee",
    "baichuan",
    "bert",
    "bloom",
    "chatglm",
    "codeshell",
    "cohere2",
    "command-r",
    "dbrx",
    "deepseek",
    "dream",
    "ernie4_5",
    "eurobert",
    "exaone",
    "exaone4",
    "falcon",
    "gemma",
    "gemma2",
    "gemma3",
    "glm4",
    "gpt-oss",
    "gpt2",
    "gptneox",
    "granite",
    "granitemoe",
    "internlm2",
    "jais",
    "llada",
    "llama",
    "llama-embed",
    "minicpm",
    "mistral3",
    "mpt",
    "nemotron",
    "nomic-bert",
    "olmo",
    "olmo2",
    "orion",
    "phi2",
    "phi3",
    "plamo",
    "qwen2",
    "qwen2moe",
    "qwen2vl",
    "qwen3",
    "qwen3moe",
    "qwen3vl",
    "refact",
    "seed_oss",
    "smollm3",
    "stablelm",
    "starcoder",
    "starcoder2",
    "xverse",
];

/// Those that rotate whole heads: `GGML_ASSERT(n_embd_head == n_rot)`.
const ROTATES_WHOLE_HEADS: [&str; 31] = [
    "apertus",
    "arcee",
    "baichuan",
    "codeshell",
    "dbrx",
    "deepseek",
    "dream",
    "ernie4_5",
    "exaone",
    "exaone4",
    "falcon",
    "granite",
    "internlm2",
    "llada",
    "llama",
    "llama-embed",
    "mistral3",
    "olmo",
    "olmo2",
    "orion",
    "plamo",
    "qwen2",
    "qwen2moe",
    "qwen2vl",
    "qwen3",
    "qwen3moe",
    "qwen3vl",
    "seed_oss",
    "smollm3",
    "starcoder2",
    "xverse",
];

/// Those that do not rotate, whatever they say.
const ROTATES_NOTHING: [&str; 7] = [
    "bert",
    "bloom",
    "gpt2",
    "jais",
    "mpt",
    "refact",
    "starcoder",
];

/// Architectures that always set up windows, and assert that some layer has one.
const WINDOWED: [&str; 4] = ["cohere2", "gemma-embedding", "gemma2", "gemma3"];

/// Architectures of latent attention that assert that something is left of a key beside its rotated part.
const LATENT: [&str; 8] = [
    "deepseek2",
    "deepseek2-ocr",
    "deepseek32",
    "glm-dsa",
    "hy_v4",
    "kimi-k3",
    "kimi-linear",
    "mistral4",
];

pub(super) fn judge(model: &Model<'_>) -> Result<(), GgufError> {
    judge_windows(model)?;
    judge_latent(model)?;
    if !model.is_any_of(&PLAIN) {
        return Ok(());
    }
    let Some(heads) = Heads::of(model) else {
        return Ok(());
    };
    heads.judge_any()?;
    heads.judge_lengths()?;
    heads.judge_rotation()?;
    (0..heads.layers).try_for_each(|layer| heads.judge_layer(layer))
}

/// `GGML_ASSERT(n_embd_head_qk_nope >= 1)`.
fn judge_latent(model: &Model<'_>) -> Result<(), GgufError> {
    let latent = model.number("attention.key_length_mla");
    let whole = latent.or_else(|| model.number(KEY_LENGTH));
    let (Some(whole), Some(rotated)) = (whole, model.number("rope.dimension_count")) else {
        return Ok(());
    };
    if rotated.value < whole.value || !model.is_any_of(&LATENT) {
        return Ok(());
    }
    Err(rotated.refusal(format!(
        "{} of {} dimensions of a key are rotated, and the engine aborts unless some are not",
        rotated.value, whole.value
    )))
}

/// `GGML_ASSERT(hparams.is_swa_any())`: a window in every layer but each first, or in those listed.
fn judge_windows(model: &Model<'_>) -> Result<(), GgufError> {
    let Some(pair) = model.pair("attention.sliding_window_pattern") else {
        return Ok(());
    };
    let none = match pair.value {
        Value::U32(pattern) => pattern == 1,
        Value::Array(array) => array
            .values()
            .all(|layer| layer == Value::Bool(false) || layer.as_integer() == Some(0)),
        _ => false,
    };
    if none && model.is_any_of(&WINDOWED) {
        let reason = "no layer has a sliding window, and the engine aborts because this architecture has windows";
        return Err(refusal(pair.key, pair.value_offset(), reason));
    }
    Ok(())
}

struct Heads<'a> {
    model: &'a Model<'a>,
    layers: u64,
    queries: Layered<'a>,
    keys: Layered<'a>,
    key_length: u64,
    value_length: u64,
}

impl<'a> Heads<'a> {
    fn of(model: &'a Model<'a>) -> Option<Self> {
        let layers = u64::from(model.number("block_count")?.value);
        let queries = model.layered(HEAD_COUNT, layers)?;
        if model.is_unreadable(HEAD_COUNT_KV, layers) {
            return None;
        }
        let embedding = model.number("embedding_length")?.value;
        let default = embedding.checked_div(queries.at(0)).unwrap_or_default();
        let length = |name| u64::from(model.number(name).map_or(default, |number| number.value));
        Some(Self {
            model,
            layers,
            queries,
            keys: model.layered(HEAD_COUNT_KV, layers).unwrap_or(queries),
            key_length: length(KEY_LENGTH),
            value_length: length("attention.value_length"),
        })
    }

    fn judge_any(&self) -> Result<(), GgufError> {
        if self.queries.at(0) > 0 {
            return Ok(());
        }
        Err(self
            .queries
            .refusal(0, "no attention heads, and the engine aborts"))
    }

    /// `GGML_ASSERT(n_embd_head == hparams.n_embd_head_k())`.
    fn judge_lengths(&self) -> Result<(), GgufError> {
        if self.key_length == self.value_length {
            return Ok(());
        }
        let reason = format!(
            "keys of {} and values of {} dimensions, and the engine aborts unless they are equal",
            self.key_length, self.value_length
        );
        Err(self.model.refusal(KEY_LENGTH, reason))
    }

    /// `GGML_ASSERT(n_dims <= ne0)` and `GGML_ASSERT(n_dims % 2 == 0)`; for 0, a division.
    fn judge_rotation(&self) -> Result<(), GgufError> {
        let Some(dimensions) = self.model.number("rope.dimension_count") else {
            return Ok(());
        };
        if self.model.is_any_of(&ROTATES_NOTHING) {
            return Ok(());
        }
        let (rotated, length) = (u64::from(dimensions.value), self.key_length);
        let whole = !self.model.is_any_of(&ROTATES_WHOLE_HEADS) || rotated == length;
        if whole && (1..=length).contains(&rotated) && rotated.is_multiple_of(2) {
            return Ok(());
        }
        Err(dimensions.refusal(format!(
            "{rotated} dimensions of heads of {length} cannot be rotated, and the engine aborts"
        )))
    }

    fn judge_layer(&self, layer: u64) -> Result<(), GgufError> {
        let (queries, keys) = (
            u64::from(self.queries.at(layer)),
            u64::from(self.keys.at(layer)),
        );
        // `GGML_ASSERT(ggml_can_mul_mat(k, q))`: each key head serves the same number of query heads.
        if keys == 0 || !queries.is_multiple_of(keys) {
            return Err(self.keys.refusal(
                layer,
                format!("{queries} heads cannot share {keys} key heads, and the engine aborts"),
            ));
        }
        let (query_rows, key_rows) = (
            self.key_length.saturating_mul(queries),
            self.key_length.saturating_mul(keys),
        );
        let value_rows = self.value_length.saturating_mul(keys);
        let all_rows = query_rows
            .saturating_add(key_rows)
            .saturating_add(value_rows);
        self.judge_dimension(layer, "attn_q", 1, query_rows)?;
        self.judge_dimension(layer, "attn_k", 1, key_rows)?;
        self.judge_dimension(layer, "attn_v", 1, value_rows)?;
        self.judge_dimension(layer, "attn_qkv", 1, all_rows)?;
        self.judge_dimension(layer, "attn_output", 0, query_rows)
    }

    /// `GGML_ASSERT(ggml_nelements(a) == ne0*ne1*ne2)` and its like.
    fn judge_dimension(
        &self,
        layer: u64,
        name: &str,
        dimension: usize,
        heads: u64,
    ) -> Result<(), GgufError> {
        let name = format!("blk.{layer}.{name}.weight");
        let Some(tensor) = self.model.weights.named(name.as_bytes()) else {
            return Ok(());
        };
        let size = tensor.shape.get(dimension).copied().unwrap_or(1);
        if size == heads {
            return Ok(());
        }
        let reason = format!(
            "the heads make up {heads} of the {size} dimensions of tensor {name}, and the engine aborts"
        );
        Err(self.queries.refusal(layer, reason))
    }
}
