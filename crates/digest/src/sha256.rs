//! One SHA-256 stream.
//!
//! One stream is bound by the latency of the CPU's SHA instructions: no library, block size or
//! thread count makes it faster. The sha2 crate is at that wall and picks its path at run time.

use crate::Sha256Digest;
use sha2::Digest as _;

/// A SHA-256 computation over bytes that arrive in pieces of any size.
#[derive(Clone, Debug, Default)]
pub struct Sha256(sha2::Sha256);

impl Sha256 {
    /// Starts with no bytes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of all bytes taken.
    pub fn finalize(self) -> Sha256Digest {
        <[u8; 32]>::from(self.0.finalize()).into()
    }
}

/// The name of the code path that [`Sha256`] takes on this CPU: the same test as the sha2 crate's.
pub fn sha256_implementation() -> &'static str {
    if forced_portable() {
        return PORTABLE;
    }
    accelerated().unwrap_or(PORTABLE)
}

/// A build may force the sha2 crate's portable path for the whole program with these flags.
#[allow(unexpected_cfgs, reason = "the flags are the sha2 crate's, not ours")]
fn forced_portable() -> bool {
    cfg!(any(sha2_backend = "soft", sha2_256_backend = "soft"))
}

const PORTABLE: &str = "portable";

#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
fn accelerated() -> Option<&'static str> {
    let present = is_x86_feature_detected!("sha") && is_x86_feature_detected!("sse4.1");
    present.then_some("x86 SHA-NI")
}

#[cfg(target_arch = "aarch64")]
fn accelerated() -> Option<&'static str> {
    std::arch::is_aarch64_feature_detected!("sha2").then_some("ARMv8 SHA2")
}

#[cfg(not(any(target_arch = "x86", target_arch = "x86_64", target_arch = "aarch64")))]
fn accelerated() -> Option<&'static str> {
    None
}
