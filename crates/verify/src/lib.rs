//! The gate: opens a model beneath a root, reads each byte once, and judges the bytes it read.
//!
//! [`load`] takes a path to a [`Verified`], which only it can build, or to a [`Refusal`]. The order
//! of judgement is fixed: the path, the reading, the digest, the format. What is hashed, what is
//! parsed and what a [`Consumer`] sees are the same private bytes.
//!
//! ```
//! use verify::{Ask, Control, Guarding, Proving, Root, load};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # if !cfg!(target_os = "linux") { return Ok(()); }
//! let root = Root::open(std::path::Path::new("src"))?;
//! let code_of = |path: &str| {
//!     let ask = Ask {
//!         path: path.into(),
//!         expected: None,
//!         bytes_max: 100_000_000_000,
//!         policy: gguf::Policy::default(),
//!         proving: Proving::default(),
//!         guarding: Guarding::default(),
//!     };
//!     load(&root, &ask, &Control::new()).unwrap_err().code.as_str()
//! };
//! assert_eq!(code_of("../Cargo.toml"), "PATH_TRAVERSAL");
//! assert_eq!(code_of("missing.gguf"), "NOT_FOUND");
//! assert_eq!(code_of("lib.rs"), "GGUF_NOT_GGUF");
//! # Ok(())
//! # }
//! ```

#![deny(unsafe_code)]
#![allow(
    clippy::result_large_err,
    reason = "a refusal is built once a load and is what the caller came for; a box would only hide its fields"
)]

mod abreast;
mod beside;
mod block;
mod bytes;
mod checked;
mod code;
mod contain;
mod control;
mod copy;
mod facts;
mod guard;
mod inspect;
mod judge;
mod late;
mod links;
mod load;
mod merkling;
mod pass;
mod platform;
mod protect;
mod prove;
mod reader;
mod recall;
mod records;
mod refusal;
mod ring;
mod set;
mod split_name;
mod sys;
mod tiles;
mod window;

pub use abreast::PartConsumer;
pub use beside::{find, read_small, real_path};
pub use block::Block;
pub use bytes::{BytesPass, VerifiedBytes};
pub use code::Code;
pub use contain::{Resolver, Root};
pub use control::Control;
pub use facts::FileFacts;
pub use guard::{Guard, Guarding};
pub use inspect::{Inspected, inspect};
pub use judge::ProvenBy;
pub use links::Links;
pub use load::{Ask, Proving, THREADS_MAX, Verified, load, load_into};
pub use pass::Consumer;
pub use protect::{Protected, protect};
pub use records::{Ignored, Reason, Records, RecordsReport};
pub use refusal::Refusal;
pub use set::{PARTS_MAX, SetAsk, VerifiedSet, find_set, load_set, load_set_into, set_digest};
pub use split_name::SplitName;
pub use tiles::Tiles;
