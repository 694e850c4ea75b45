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

mod conformance;
mod cursor;
mod engine;
mod error;
mod finding;
mod header;
mod identify;
mod index;
mod layout;
mod limits;
mod metadata;
mod padding;
mod parser;
mod preamble;
mod reader;
mod scanner;
mod set;
mod split;
mod strings;
mod table;
mod template;
mod tensor;
mod text;
mod value;

pub use error::{Code, GgufError};
pub use finding::Finding;
pub use header::{Header, Pair, Split};
pub use limits::{Limits, Policy};
pub use scanner::Scanner;
pub use set::{SetError, judge_set};
pub use tensor::{Shape, Tensor, TensorType};
pub use value::{Array, Strings, Value, ValueType, Values};

/// Judges a whole file in memory: the rules of [`Scanner`], in one call.
pub fn parse(file: &[u8], policy: Policy) -> Result<Header, GgufError> {
    let mut scanner = Scanner::new(cursor::offset(file.len()), policy);
    scanner.feed(file);
    scanner.finish()
}
