//! A BLAKE3 digest.

use std::fmt;

/// The BLAKE3 digest of a file: what `b3sum` prints. Shown as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Blake3Digest([u8; 32]);

impl Blake3Digest {
    /// The digest's 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl From<[u8; 32]> for Blake3Digest {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for Blake3Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Blake3Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Blake3Digest({self})")
    }
}

/// The name of the code path that BLAKE3 takes on this CPU: the same tests as the blake3 crate's.
pub fn blake3_implementation() -> &'static str {
    if cfg!(feature = "portable") {
        return "portable";
    }
    widest_vectors()
}

#[cfg(target_arch = "x86_64")]
fn widest_vectors() -> &'static str {
    match () {
        () if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vl") => {
            "x86 AVX-512"
        }
        () if is_x86_feature_detected!("avx2") => "x86 AVX2",
        () if is_x86_feature_detected!("sse4.1") => "x86 SSE4.1",
        () => "x86 SSE2",
    }
}

#[cfg(all(target_arch = "aarch64", target_endian = "little"))]
fn widest_vectors() -> &'static str {
    "ARMv8 NEON"
}

#[cfg(not(any(
    target_arch = "x86_64",
    all(target_arch = "aarch64", target_endian = "little")
)))]
fn widest_vectors() -> &'static str {
    "portable"
}
