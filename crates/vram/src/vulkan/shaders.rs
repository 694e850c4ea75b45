//! The shaders: committed SPIR-V, compiled by the driver.

use super::sys::{Device, LIBRARY, Pipelines, TOLD_BYTES, Told};
use crate::{KernelFacts, VramError, keying};
use digest::Blake3Digest;
use std::sync::Arc;

/// Made of tiles.comp by scripts/kernels.mjs.
const TILES: &[u32] = include!("../../kernels/tiles.spv.txt");

/// Made of parents.comp by scripts/kernels.mjs.
const PARENTS: &[u32] = include!("../../kernels/parents.spv.txt");

pub(super) fn compile(device: Arc<Device>) -> Result<Pipelines, VramError> {
    Ok(Pipelines::compile(device, TILES, PARENTS)?)
}

/// What the evidence says of them.
pub(super) fn facts(device: &Device) -> KernelFacts {
    KernelFacts {
        name: "spir-v-1.3",
        blake3: digest_of(&[TILES, PARENTS]),
        driver_library: device.library().unwrap_or_else(|| LIBRARY.to_owned()),
    }
}

/// Of the modules one after the other, their words with the lowest byte first, as files hold them.
fn digest_of(modules: &[&[u32]]) -> Blake3Digest {
    let words = modules.iter().flat_map(|words| words.iter());
    let bytes: Vec<u8> = words.flat_map(|word| word.to_le_bytes()).collect();
    (*blake3::hash(&bytes).as_bytes()).into()
}

/// What both shaders want to know; the last three differ.
#[derive(Clone, Copy)]
pub(super) struct Orders {
    pub(super) key: Option<[u8; 32]>,
    /// The number of the first chunk in the whole message.
    pub(super) first_chunk: u64,
    /// Whether the last value may be the message's.
    pub(super) may_be_root: bool,
    pub(super) from: u32,
    pub(super) count: u32,
    pub(super) to: u32,
}

impl Orders {
    pub(super) fn told(&self) -> Told {
        let [low, high] = halves(self.first_chunk);
        let flags = keying::flags(self.key.as_ref());
        let root = if self.may_be_root { keying::ROOT } else { 0 };
        let rest = [low, high, flags, root, self.from, self.count, self.to];
        let words = keying::state(self.key.as_ref()).into_iter().chain(rest);
        let mut told = [0; TOLD_BYTES];
        let (places, _) = told.as_chunks_mut::<4>();
        for (place, word) in places.iter_mut().zip(words) {
            *place = word.to_ne_bytes();
        }
        told
    }
}

fn halves(number: u64) -> [u32; 2] {
    [(number & 0xffff_ffff) as u32, (number >> 32) as u32]
}
