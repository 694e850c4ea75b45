//! Numbers of the model that the engine asserts, whatever the architecture. All seen to abort.

use crate::GgufError;
use crate::engine::metadata::{Layered, Model, c_string};
use crate::engine::refusal;
use crate::value::Value;

/// `LLAMA_MAX_LAYERS`: the size of the engine's per-layer arrays.
const BLOCKS_MAX: u32 = 512;
/// `LLAMA_MAX_EXPERTS`.
const EXPERTS_MAX: u32 = 1024;

/// Architectures without attention, whose files say that there are no heads.
const WITHOUT_HEADS: [&str; 7] = [
    "mamba",
    "mamba2",
    "rwkv6",
    "rwkv6qwen2",
    "rwkv7",
    "arwkv7",
    "wavtokenizer-dec",
];

/// Dense models of these architectures may claim one expert; the engine then takes it for none.
const ONE_EXPERT_IS_NONE: [&str; 2] = ["hunyuan-dense", "hunyuan_vl"];

/// Architectures that may use another number of experts in each layer.
const ROUTES_BY_LAYER: [&str; 2] = ["nemotron_h", "nemotron_h_moe"];

const ROPE_SCALING_TYPES: [&[u8]; 4] = [b"none", b"linear", b"yarn", b"longrope"];

const EPSILONS: [&str; 3] = [
    "attention.layer_norm_rms_epsilon",
    "attention.layer_norm_epsilon",
    "attention.group_norm_epsilon",
];

pub(super) fn judge(model: &Model<'_>) -> Result<(), GgufError> {
    judge_rope_scaling(model)?;
    judge_epsilons(model)?;
    judge_heads(model)?;
    let Some(blocks) = judge_blocks(model)? else {
        return Ok(());
    };
    Experts::of(model, blocks).judge()
}

/// `GGML_ASSERT(n_layer_all > 0 && n_layer_all <= LLAMA_MAX_LAYERS)`, and layers that are counted among them.
fn judge_blocks(model: &Model<'_>) -> Result<Option<u32>, GgufError> {
    let Some(blocks) = model.number("block_count") else {
        return Ok(None);
    };
    if !(1..=BLOCKS_MAX).contains(&blocks.value) {
        return Err(blocks.refusal(format!(
            "{} blocks, where the engine aborts unless there are 1 to {BLOCKS_MAX}",
            blocks.value
        )));
    }
    for name in [
        "nextn_predict_layers",
        "posnet.block_count",
        "convnext.block_count",
    ] {
        let part = model.number(name).filter(|part| part.value > blocks.value);
        if let Some(part) = part {
            return Err(part.refusal(format!(
                "{} of {} blocks, and the engine aborts",
                part.value, blocks.value
            )));
        }
    }
    Ok(Some(blocks.value))
}

/// No heads, or more of them than dimensions, make tensors without rows, which the estimate asserts against.
fn judge_heads(model: &Model<'_>) -> Result<(), GgufError> {
    let Some(heads) = model.number("attention.head_count") else {
        return Ok(());
    };
    if heads.value == 0 && !model.is_any_of(&WITHOUT_HEADS) {
        return Err(
            heads.refusal("no attention heads, and the engine aborts on tensors without rows")
        );
    }
    match model.number("embedding_length") {
        Some(dimensions) if (1..heads.value).contains(&dimensions.value) => Err(heads.refusal(format!(
            "{} attention heads for {} dimensions, and the engine aborts on tensors without rows",
            heads.value, dimensions.value
        ))),
        _ => Ok(()),
    }
}

/// `GGML_ASSERT(rope_scaling_type_train != LLAMA_ROPE_SCALING_TYPE_UNSPECIFIED)`.
fn judge_rope_scaling(model: &Model<'_>) -> Result<(), GgufError> {
    let Some(pair) = model.pair("rope.scaling.type") else {
        return Ok(());
    };
    match pair.value {
        Value::String(name) if !ROPE_SCALING_TYPES.contains(&c_string(name)) => {
            let reason = "the engine aborts unless the type is none, linear, yarn or longrope";
            Err(refusal(pair.key, pair.value_offset(), reason))
        }
        _ => Ok(()),
    }
}

/// `GGML_ASSERT(eps >= 0.0f)`, at the first token; it fails for NaN, too.
fn judge_epsilons(model: &Model<'_>) -> Result<(), GgufError> {
    for pair in EPSILONS.iter().filter_map(|name| model.pair(name)) {
        match pair.value {
            Value::F32(epsilon) if epsilon.is_nan() || epsilon < 0.0 => {
                let reason = format!(
                    "{epsilon} is no epsilon: below 0 or not a number, and the engine aborts"
                );
                return Err(refusal(pair.key, pair.value_offset(), reason));
            }
            _ => {}
        }
    }
    Ok(())
}

/// A mixture of experts: how many, in how many groups, and how many are used.
struct Experts<'a> {
    model: &'a Model<'a>,
    blocks: u64,
    used: Option<Layered<'a>>,
}

impl<'a> Experts<'a> {
    fn of(model: &'a Model<'a>, blocks: u32) -> Self {
        let blocks = u64::from(blocks);
        let used = model.layered("expert_used_count", blocks);
        Self {
            model,
            blocks,
            used,
        }
    }

    fn judge(&self) -> Result<(), GgufError> {
        let count = self.number("expert_count");
        if count <= 1 && self.model.is_any_of(&ONE_EXPERT_IS_NONE) {
            return Ok(());
        }
        if count > EXPERTS_MAX {
            return Err(self.refusal(
                "expert_count",
                format!("{count} experts, where the engine aborts over {EXPERTS_MAX}"),
            ));
        }
        self.judge_used(count)?;
        self.judge_groups(count)
    }

    fn number(&self, name: &str) -> u32 {
        self.model.number(name).map_or(0, |number| number.value)
    }

    fn refusal(&self, name: &str, reason: impl AsRef<str>) -> GgufError {
        match self.model.pair(name) {
            Some(pair) => refusal(pair.key, pair.value_offset(), reason),
            None => self.refusal("expert_count", reason),
        }
    }

    /// `GGML_ASSERT(n_expert_used_max <= n_expert)` and, with experts, `> 0`.
    fn judge_used(&self, count: u32) -> Result<(), GgufError> {
        let Some(used) = self.used else {
            // A list of another length or type is a clean load error.
            let unreadable = self.model.is_unreadable("expert_used_count", self.blocks);
            return if unreadable {
                Ok(())
            } else {
                self.judge_any_used(count, 0)
            };
        };
        let most = (0..self.blocks)
            .map(|layer| used.at(layer))
            .max()
            .unwrap_or_default();
        if let Some(layer) = (0..self.blocks).find(|&layer| used.at(layer) > count) {
            let reason = format!(
                "{} of {count} experts are used, and the engine aborts",
                used.at(layer)
            );
            return Err(used.refusal(layer, reason));
        }
        self.judge_any_used(count, most)?;
        self.judge_constant(&used)
    }

    /// Elsewhere the graph takes the first layer's number for all, and divides by it.
    fn judge_constant(&self, used: &Layered<'_>) -> Result<(), GgufError> {
        let first = used.at(0);
        let other = (1..self.blocks).find(|&layer| used.at(layer) != first);
        match other.filter(|_| !self.model.is_any_of(&ROUTES_BY_LAYER)) {
            Some(layer) => Err(used.refusal(
                layer,
                "another number of experts than in the first layer, and the engine aborts",
            )),
            None => Ok(()),
        }
    }

    fn judge_any_used(&self, count: u32, most: u32) -> Result<(), GgufError> {
        if count > 0 && most == 0 {
            return Err(self.refusal(
                "expert_used_count",
                format!("none of {count} experts is used, and the engine aborts"),
            ));
        }
        Ok(())
    }

    fn judge_groups(&self, count: u32) -> Result<(), GgufError> {
        let groups = self.number("expert_group_count");
        if groups > 0 && groups >= count {
            return Err(self.refusal(
                "expert_group_count",
                format!("{groups} groups of {count} experts, and the engine aborts"),
            ));
        }
        if groups > 1 && !count.is_multiple_of(groups) {
            return Err(self.refusal(
                "expert_group_count",
                format!("{groups} groups do not divide {count} experts, and the engine aborts"),
            ));
        }
        let used = self.number("expert_group_used_count");
        if groups > 1 && !(1..groups).contains(&used) {
            return Err(self.refusal(
                "expert_group_used_count",
                format!("{used} of {groups} groups are used, and the engine aborts"),
            ));
        }
        Ok(())
    }
}
