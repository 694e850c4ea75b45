//! The gate: opens a model beneath a root, reads each byte once, and judges the bytes it read.
//!
//! [`load`] takes a path to a [`Verified`], which only it can build, or to a [`Refusal`]. The order
//! of judgement is fixed: the path, the reading, the digest, the format. What is hashed, what is
//! parsed and what a [`Consumer`] sees are the same private bytes.

#![forbid(unsafe_code)]
#![allow(
    clippy::result_large_err,
    reason = "a refusal is built once a load and is what the caller came for; a box would only hide its fields"
)]

mod block;
mod bytes;
mod code;
mod contain;
mod control;
mod facts;
mod inspect;
mod judge;
mod load;
mod pass;
mod platform;
mod reader;
mod refusal;
mod ring;

pub use block::Block;
pub use bytes::{BytesPass, VerifiedBytes};
pub use code::Code;
pub use contain::{Resolver, Root};
pub use control::Control;
pub use facts::FileFacts;
pub use inspect::{Inspected, inspect};
pub use load::{Ask, Verified, load, load_into};
pub use pass::Consumer;
pub use refusal::Refusal;
