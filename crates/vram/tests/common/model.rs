//! A small model on disk: a header and tensors whose bytes repeat nowhere.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use verify::{Ask, Consumer, Control, Guarding, Proving, Root, Verified};

const ALIGNMENT: usize = 32;
const TYPE_I8: u32 = 24;

/// A model file in a folder of its own, which goes away with it.
pub struct Model {
    folder: PathBuf,
    pub bytes: Vec<u8>,
    /// Name, offset in the file, bytes.
    pub tensors: Vec<(String, usize, usize)>,
}

impl Model {
    /// With these tensors, by name and size in bytes.
    pub fn of(tensors: &[(&str, usize)]) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("vram-test-{}-{number}", std::process::id());
        let folder = fs::canonicalize(std::env::temp_dir()).unwrap().join(name);
        fs::create_dir(&folder).unwrap();
        let (bytes, tensors) = written(tensors);
        fs::write(folder.join("model.gguf"), &bytes).unwrap();
        Self {
            folder,
            bytes,
            tensors,
        }
    }

    /// About three and a half megabytes in four tensors.
    pub fn usual() -> Self {
        Self::of(&[
            ("token_embd.weight", 1_500_000),
            ("blk.0.attn.weight", 1_048_576),
            ("blk.0.norm.weight", 4_096),
            ("output.weight", 1_000_003),
        ])
    }

    pub fn path(&self) -> PathBuf {
        self.folder.join("model.gguf")
    }

    pub fn load(&self, consumers: &mut [&mut dyn Consumer]) -> Verified {
        let root = Root::open(&self.folder).unwrap();
        let ask = Ask {
            path: b"model.gguf".to_vec(),
            expected: None,
            bytes_max: u64::MAX,
            policy: gguf::Policy::default(),
            proving: Proving::default(),
            guarding: Guarding::default(),
        };
        verify::load_into(&root, &ask, &Control::new(), consumers).unwrap()
    }

    /// A byte in the middle of a tensor, by its offset in the file.
    pub fn inside(&self, tensor: &str) -> usize {
        let (_, offset, bytes) = self
            .tensors
            .iter()
            .find(|(name, _, _)| name == tensor)
            .unwrap();
        offset + bytes / 2
    }

    pub fn tensor(&self, tensor: &str) -> &[u8] {
        let found = self.tensors.iter().find(|(name, _, _)| name == tensor);
        let &(_, offset, bytes) = found.unwrap();
        &self.bytes[offset..offset + bytes]
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.folder).unwrap();
    }
}

fn written(tensors: &[(&str, usize)]) -> (Vec<u8>, Vec<(String, usize, usize)>) {
    let mut bytes = b"GGUF".to_vec();
    bytes.extend(3_u32.to_le_bytes());
    bytes.extend((tensors.len() as u64).to_le_bytes());
    bytes.extend(1_u64.to_le_bytes());
    string(&mut bytes, "general.architecture");
    bytes.extend(8_u32.to_le_bytes());
    string(&mut bytes, "test");
    let mut at = 0;
    for (name, size) in tensors {
        string(&mut bytes, name);
        bytes.extend(1_u32.to_le_bytes());
        bytes.extend((*size as u64).to_le_bytes());
        bytes.extend(TYPE_I8.to_le_bytes());
        bytes.extend((at as u64).to_le_bytes());
        at += size.next_multiple_of(ALIGNMENT);
    }
    bytes.resize(bytes.len().next_multiple_of(ALIGNMENT), 0);
    // The same for every run; fast, for there are models of gigabytes.
    let mut random = blake3::Hasher::new().finalize_xof();
    let mut placed = Vec::new();
    for (name, size) in tensors {
        let start = bytes.len();
        bytes.resize(start + size, 0);
        random.fill(&mut bytes[start..]);
        bytes.resize(bytes.len().next_multiple_of(ALIGNMENT), 0);
        placed.push(((*name).to_owned(), start, *size));
    }
    (bytes, placed)
}

fn string(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend((text.len() as u64).to_le_bytes());
    bytes.extend(text.as_bytes());
}
