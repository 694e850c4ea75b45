//! The caller's rules, as they come from JavaScript.

use napi_derive::napi;

#[napi(object, object_to_js = false)]
pub struct Policy {
    pub strict: bool,
    pub engine_safety: bool,
    pub limits: Limits,
}

/// Absent limits keep the parser's default.
#[napi(object, object_to_js = false)]
pub struct Limits {
    pub header_bytes: Option<i64>,
    pub metadata_pairs: Option<i64>,
    pub tensors: Option<i64>,
    pub array_elements: Option<i64>,
    pub string_bytes: Option<i64>,
    pub chat_template_bytes: Option<i64>,
    pub key_bytes: Option<i64>,
    pub alignment: Option<i64>,
    pub index_bytes: Option<i64>,
}

impl From<Policy> for gguf::Policy {
    fn from(policy: Policy) -> Self {
        Self {
            limits: policy.limits.into(),
            engine_safety: policy.engine_safety,
            strict: policy.strict,
        }
    }
}

impl From<Limits> for gguf::Limits {
    fn from(given: Limits) -> Self {
        let default = Self::default();
        Self {
            header_bytes_max: or(given.header_bytes, default.header_bytes_max),
            metadata_pairs_max: or(given.metadata_pairs, default.metadata_pairs_max),
            tensors_max: or(given.tensors, default.tensors_max),
            array_elements_max: or(given.array_elements, default.array_elements_max),
            string_bytes_max: or(given.string_bytes, default.string_bytes_max),
            chat_template_bytes_max: or(given.chat_template_bytes, default.chat_template_bytes_max),
            key_bytes_max: or(given.key_bytes, default.key_bytes_max),
            alignment_max: or(given.alignment, default.alignment_max),
            index_bytes_max: or(given.index_bytes, default.index_bytes_max),
        }
    }
}

/// A negative limit cannot come from our own JavaScript; from elsewhere it must not widen anything.
fn or(given: Option<i64>, default: u64) -> u64 {
    given.map_or(default, |value| u64::try_from(value).unwrap_or(0))
}
