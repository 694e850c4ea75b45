//! Several SHA-256 computations at once on one core.
//!
//! One stream waits for the latency of the CPU's SHA instructions; independent messages fill the
//! waiting. What runs is chosen when the program runs, tried against a known answer first, and has
//! the one-after-another form as its twin and as the way out.

#[cfg(target_arch = "aarch64")]
mod armv8;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod constants;
mod kernel;
#[cfg(target_arch = "x86_64")]
mod sha_ni;
mod stream;

pub use kernel::Lanes;
pub use stream::Sha256Stream;

/// Bytes of a SHA-256 block.
const BLOCK_BYTES: usize = 64;

/// One block of a message.
type Block = [u8; BLOCK_BYTES];

/// The eight words between two blocks.
type State = [u32; 8];

/// A single stream's blocks.
fn one(state: &mut State, blocks: &[Block]) {
    sha2::block_api::compress256(state, blocks);
}
