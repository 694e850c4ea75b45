//! A handle: the name of a sealed shard, which says nothing and dies with it.

/// Names one sealed shard of one vault. A handle of a disposed shard names nothing, also when its
/// place was taken by another one: the generation tells them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Handle {
    pub(crate) slot: u32,
    pub(crate) generation: u32,
}

impl Handle {
    /// As one number, for callers without structures.
    pub fn to_bits(self) -> u64 {
        (u64::from(self.generation) << 32) | u64::from(self.slot)
    }

    /// From [`Handle::to_bits`]. Any number is a handle; most name nothing.
    pub fn from_bits(bits: u64) -> Self {
        Self {
            slot: (bits & 0xffff_ffff) as u32,
            generation: (bits >> 32) as u32,
        }
    }
}
