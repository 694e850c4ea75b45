//! What the tests share: a folder that goes away, a small writer of GGUF files, a slow twin.

#![allow(
    dead_code,
    reason = "each test file is a program of its own and uses its part"
)]

use digest::Sha256Digest;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use verify::{Ask, Code, Control, Proving, Refusal, Root, Verified};

/// A folder of one test, removed with all that is in it.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("verify-test-{}-{number}", std::process::id());
        let path = temporary().join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    /// A valid model of `size` bytes whose weights are a hole in the file.
    pub(crate) fn sparse_model(&self, name: &str, size: u64) -> PathBuf {
        let path = self.file(name, &header_of(size));
        let file = fs::File::options().write(true).open(&path).unwrap();
        file.set_len(size).unwrap();
        path
    }

    pub(crate) fn root(&self) -> Root {
        Root::open(&self.0).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

/// Where temporary files go; on a disk, for no lease counts in memory.
fn temporary() -> PathBuf {
    const TMPFS: u64 = 0x0102_1994;
    let path = fs::canonicalize(std::env::temp_dir()).unwrap();
    let kind = rustix::fs::statfs(&path).unwrap().f_type;
    if u64::try_from(kind) == Ok(TMPFS) {
        return "/var/tmp".into();
    }
    path
}

/// The smallest size of the models written here.
pub(crate) const MODEL_BYTES_MIN: u64 = 128;

/// The header of a model of `size` bytes: one tensor of signed bytes fills the rest.
pub(crate) fn header_of(size: u64) -> Vec<u8> {
    let mut bytes = b"GGUF".to_vec();
    bytes.extend(3_u32.to_le_bytes());
    bytes.extend(1_u64.to_le_bytes());
    bytes.extend(1_u64.to_le_bytes());
    string(&mut bytes, "general.architecture");
    bytes.extend(8_u32.to_le_bytes());
    string(&mut bytes, "test");
    string(&mut bytes, "weight");
    bytes.extend(1_u32.to_le_bytes());
    bytes.extend((size - MODEL_BYTES_MIN).to_le_bytes());
    bytes.extend(24_u32.to_le_bytes());
    bytes.extend(0_u64.to_le_bytes());
    assert!(bytes.len() as u64 <= MODEL_BYTES_MIN);
    bytes.resize(128, 0);
    bytes
}

/// A whole valid model in memory; its weights count up, so that no two blocks are alike.
pub(crate) fn model(size: usize) -> Vec<u8> {
    let mut bytes = header_of(size as u64);
    bytes.extend((bytes.len()..size).map(|n| (n.wrapping_mul(0x9E37_79B1) >> 24).to_le_bytes()[0]));
    bytes
}

fn string(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend((text.len() as u64).to_le_bytes());
    bytes.extend(text.as_bytes());
}

/// The naive twin: everything in memory, one call.
pub(crate) fn sha256(bytes: &[u8]) -> Sha256Digest {
    let mut state = digest::Sha256::new();
    state.update(bytes);
    state.finalize()
}

pub(crate) fn ask(path: impl AsRef<[u8]>) -> Ask {
    Ask {
        path: path.as_ref().to_vec(),
        expected: None,
        bytes_max: u64::MAX,
        policy: gguf::Policy::default(),
        proving: Proving::default(),
        guarding: verify::Guarding::default(),
    }
}

pub(crate) fn load(root: &Root, path: impl AsRef<[u8]>) -> Result<Verified, Refusal> {
    verify::load(root, &ask(path), &Control::new())
}

/// The code of what must be a refusal.
pub(crate) fn code<T>(answer: Result<T, Refusal>) -> Code {
    match answer {
        Ok(_) => panic!("accepted"),
        Err(refusal) => refusal.code,
    }
}
