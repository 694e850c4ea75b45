//! Shapes that follow from the metadata, where a tensor of the file is to have them.
//!
//! node-llama-cpp's estimate gives each tensor of the file the shape that the metadata imply, and
//! asserts that no dimension is 0 (seen) where the real load would refuse the tensor's other shape.

use crate::GgufError;
use crate::engine::metadata::{Layered, Model};

/// Dimensions beyond this make the estimate's products wrap (seen with 2^31).
const DIMENSION_MAX: u64 = 1 << 30;

/// Architectures whose experts have `feed_forward_length`, whatever length the experts claim.
const EXPERTS_OF_FULL_WIDTH: [&str; 16] = [
    "arctic",
    "dbrx",
    "granite",
    "granite_swa",
    "granitehybrid",
    "granitemoe",
    "hunyuan-moe",
    "jamba",
    "llama",
    "minicpm",
    "minimax-01",
    "minimax-m2",
    "mistral3",
    "nomic-bert-moe",
    "olmoe",
    "phimoe",
];

const EXPERT_LENGTH: &str = "expert_feed_forward_length";

/// The embedding of this one is as wide as its features.
const EMBEDS_FEATURES: [&str; 1] = ["wavtokenizer-dec"];

/// `GGML_ASSERT(2 * n_embd == d_inner)`.
const STATE_IS_TWICE_AS_WIDE: [&str; 2] = ["granitehybrid", "jamba"];

/// What may be given layer by layer.
const LAYERED: [&str; 4] = [
    "attention.head_count",
    "attention.head_count_kv",
    "feed_forward_length",
    EXPERT_LENGTH,
];

/// Numbers that are a dimension of these tensors, and nothing else.
const DIMENSIONS: [(&str, &str); 12] = [
    ("ssm.conv_kernel", "ssm_conv1d"),
    ("ssm.inner_size", "ssm_conv1d"),
    ("ssm.state_size", "ssm_conv1d"),
    ("ssm.time_step_rank", "ssm_conv1d"),
    ("attention.kv_lora_rank", "attn_kv_a_mqa"),
    ("attention.q_lora_rank", "attn_q_a"),
    ("attention.key_length_mla", "attn_k_b"),
    ("attention.value_length_mla", "attn_v_b"),
    ("attention.decay_lora_rank", "time_mix_w1"),
    ("attention.iclr_lora_rank", "time_mix_a1"),
    ("attention.value_residual_mix_lora_rank", "time_mix_v1"),
    ("attention.gate_lora_rank", "time_mix_g1"),
];

pub(super) fn judge(model: &Model<'_>) -> Result<(), GgufError> {
    let Some(widths) = Widths::of(model) else {
        return Ok(());
    };
    widths.judge_embedding()?;
    widths.judge_positions()?;
    widths.judge_dimensions()?;
    widths.judge_state_width()?;
    (0..widths.layers).try_for_each(|layer| widths.judge_layer(layer))
}

/// A dimension that the metadata imply, and the key to blame.
struct Dimension<'a> {
    size: u64,
    /// A row has at least one block of its tensor's type (seen: `GGML_ASSERT(!ggml_is_transposed(a))`).
    is_row: bool,
    key: &'a str,
}

struct Widths<'a> {
    model: &'a Model<'a>,
    layers: u64,
    embedding: u64,
    heads: Option<Layered<'a>>,
    heads_kv: Option<Layered<'a>>,
    feed_forward: Option<Layered<'a>>,
    key_length: u64,
    value_length: u64,
}

impl<'a> Widths<'a> {
    fn of(model: &'a Model<'a>) -> Option<Self> {
        let layers = u64::from(model.number("block_count")?.value);
        // A list of another length or type is a clean load error.
        if LAYERED.iter().any(|name| model.is_unreadable(name, layers)) {
            return None;
        }
        let embedding = u64::from(model.number("embedding_length")?.value);
        let heads = model.layered("attention.head_count", layers);
        let first = heads.map_or(0, |heads| u64::from(heads.at(0)));
        // Without heads in the first layer the engine ignores the lengths, too.
        let length = |name| match model.number(name) {
            Some(number) if first > 0 => u64::from(number.value),
            _ => embedding.checked_div(first).unwrap_or_default(),
        };
        Some(Self {
            model,
            layers,
            embedding,
            heads,
            heads_kv: model.layered("attention.head_count_kv", layers).or(heads),
            feed_forward: model.layered("feed_forward_length", layers),
            key_length: length("attention.key_length"),
            value_length: length("attention.value_length"),
        })
    }

    /// The graph asserts it, too: no two matrices fit where the rows differ.
    fn judge_embedding(&self) -> Result<(), GgufError> {
        let Some(tensor) = self.model.weights.named(b"token_embd.weight") else {
            return Ok(());
        };
        let row = tensor.shape.row();
        if row == self.embedding || self.model.is_any_of(&EMBEDS_FEATURES) {
            return Ok(());
        }
        let reason = format!(
            "{} dimensions, but those of tensor token_embd.weight have {row}, and the engine aborts",
            self.embedding
        );
        Err(self.model.refusal("embedding_length", reason))
    }

    /// One row a position, in models that learn positions.
    fn judge_positions(&self) -> Result<(), GgufError> {
        let Some(length) = self.model.number("context_length") else {
            return Ok(());
        };
        let positions = Dimension {
            size: length.value.into(),
            is_row: false,
            key: "context_length",
        };
        self.judge_tensor("position_embd.weight", &positions)
    }

    fn judge_dimensions(&self) -> Result<(), GgufError> {
        for (key, tensor) in DIMENSIONS {
            let zero = self.model.number(key).filter(|number| number.value == 0);
            if let Some(zero) = zero
                && self.has_in_any_layer(tensor)
            {
                let reason =
                    format!("a dimension of 0 for tensors {tensor}, on which the engine aborts");
                return Err(zero.refusal(reason));
            }
        }
        Ok(())
    }

    fn judge_state_width(&self) -> Result<(), GgufError> {
        let inner = self.model.number("ssm.inner_size");
        let other = inner.filter(|inner| u64::from(inner.value) != self.embedding * 2);
        match other.filter(|_| self.model.is_any_of(&STATE_IS_TWICE_AS_WIDE)) {
            Some(inner) => Err(inner.refusal(format!("{} dimensions of state for {} of embedding, and the engine aborts unless they are twice as many", inner.value, self.embedding))),
            None => Ok(()),
        }
    }

    fn has_in_any_layer(&self, tensor: &str) -> bool {
        let name = |layer| format!("blk.{layer}.{tensor}.weight");
        let has = |name: String| self.model.weights.named(name.as_bytes()).is_some();
        (0..self.layers).any(|layer| has(name(layer)))
    }

    fn judge_layer(&self, layer: u64) -> Result<(), GgufError> {
        let at =
            |number: Option<Layered<'_>>| number.map_or(0, |number| u64::from(number.at(layer)));
        let (heads, heads_kv, feed_forward) =
            (at(self.heads), at(self.heads_kv), at(self.feed_forward));
        let expert = self.model.layered(EXPERT_LENGTH, self.layers);
        let (expert, expert_key) = match expert {
            Some(length) if !self.model.is_any_of(&EXPERTS_OF_FULL_WIDTH) => {
                (u64::from(length.at(layer)), EXPERT_LENGTH)
            }
            _ => (feed_forward, "feed_forward_length"),
        };
        let shared = self
            .model
            .number("expert_shared_count")
            .map_or(1, |count| count.value.into());
        // As wide as it says, else as wide as the dense layers.
        let shared_width = match self.model.number("expert_shared_feed_forward_length") {
            Some(length) if length.value > 0 => u64::from(length.value),
            _ => feed_forward.max(expert),
        };
        let (q, k) = (
            self.blamed("attention.key_length", "attention.head_count"),
            self.blamed("attention.key_length", self.key_of_kv()),
        );
        let v = self.blamed("attention.value_length", self.key_of_kv());
        for (name, size, key) in [
            ("attn_q", self.key_length.saturating_mul(heads), q),
            ("attn_k", self.key_length.saturating_mul(heads_kv), k),
            ("attn_v", self.value_length.saturating_mul(heads_kv), v),
            ("ffn_up", feed_forward, "feed_forward_length"),
            ("ffn_gate", feed_forward, "feed_forward_length"),
            ("ffn_down", feed_forward, "feed_forward_length"),
            ("ffn_up_shexp", shared, "expert_shared_count"),
            ("ffn_up_shexp", shared_width, "feed_forward_length"),
            ("ffn_up_exps", expert, expert_key),
            ("ffn_gate_exps", expert, expert_key),
            ("ffn_down_exps", expert, expert_key),
        ] {
            let is_row = name.starts_with("ffn_down");
            self.judge_tensor(
                &format!("blk.{layer}.{name}.weight"),
                &Dimension { size, is_row, key },
            )?;
        }
        Ok(())
    }

    /// The length, where it alone is impossible; else the heads.
    fn blamed(&self, length: &'static str, heads: &'static str) -> &'static str {
        match self.model.number(length) {
            Some(number) if !(1..=DIMENSION_MAX).contains(&u64::from(number.value)) => length,
            _ => heads,
        }
    }

    fn key_of_kv(&self) -> &'static str {
        match self.model.pair("attention.head_count_kv") {
            Some(_) => "attention.head_count_kv",
            None => "attention.head_count",
        }
    }

    fn judge_tensor(&self, name: &str, dimension: &Dimension<'_>) -> Result<(), GgufError> {
        let &Dimension { size, is_row, key } = dimension;
        // No block is longer than 256: most sound models need no look at the tensor.
        if (256..=DIMENSION_MAX).contains(&size) {
            return Ok(());
        }
        let Some(tensor) = self.model.weights.named(name.as_bytes()) else {
            return Ok(());
        };
        let least = if is_row { tensor.kind.block_size() } else { 1 };
        if (least..=DIMENSION_MAX).contains(&size) {
            return Ok(());
        }
        Err(self.model.refusal(
            key,
            format!(
                "the metadata give tensor {name} a dimension of {size}, on which the engine aborts"
            ),
        ))
    }
}
