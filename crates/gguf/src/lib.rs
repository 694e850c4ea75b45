//! A strict reader of GGUF headers: bytes in, a [`Header`] or a refusal with code and offset out.
//!
//! It does no I/O, uses no `unsafe`, and never allocates by a number that only the file claims.
//! Three tiers of rule keep strictness from refusing good models: structural rules always refuse,
//! engine-safety rules refuse unless [`Policy::engine_safety`] is off, and conformance rules are
//! reported as [`Finding`]s, which refuse only when [`Policy::strict`] is on.
//!
//! ```
//! let refusal = gguf::parse(b"PK\x03\x04", gguf::Policy::default()).unwrap_err();
//! assert_eq!(refusal.code.as_str(), "GGUF_NOT_GGUF");
//! ```
#![forbid(unsafe_code)]

mod cursor;
mod engine;
mod error;
mod finding;
mod header;
mod index;
mod limits;
mod tensor;
mod text;
mod value;

pub use error::{Code, GgufError};
pub use finding::Finding;
pub use header::{Header, Pair, Split};
pub use limits::{Limits, Policy};
pub use tensor::{Shape, Tensor, TensorType};
pub use value::{Array, Strings, Value, ValueType, Values};
