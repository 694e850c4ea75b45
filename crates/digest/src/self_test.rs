//! The known answers that this machine must give before it may judge anything.
//!
//! What runs depends on the CPU, so what was tested where it was built says nothing about where it runs.

use crate::{Sha256, TILE_BYTES, Tiling};
use std::fmt;
use std::sync::OnceLock;

/// Two whole tiles and a part of one: long enough for the widest vectors and for merging.
const BYTES: u32 = 2 * 262_144 + 1000;
const SHA256: &str = "e13c0274f8c5c387f7d8795d06015e1d907022773b493f286e484d05e7e2894c";
const BLAKE3: &str = "e763b8a06ceff6ddb46e264fd7b83ef29bfaa58dc4a04b1421cdbfad34fa5fd8";

/// A digest of this machine is not the right one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrongDigest {
    /// Which one.
    pub algorithm: &'static str,
}

impl fmt::Display for WrongDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { algorithm } = self;
        write!(
            f,
            "{algorithm} gives a wrong answer on this machine, so nothing that it says of a file can be believed"
        )
    }
}

impl std::error::Error for WrongDigest {}

/// Whether SHA-256 and BLAKE3 are what they should be, tried once. [`Lanes`](crate::Lanes) tests itself.
pub fn self_test() -> Result<(), WrongDigest> {
    static OUTCOME: OnceLock<Result<(), WrongDigest>> = OnceLock::new();
    *OUTCOME.get_or_init(|| tested(sha256, blake3))
}

fn tested(
    sha256: impl Fn(&[u8]) -> String,
    blake3: impl Fn(&[u8]) -> String,
) -> Result<(), WrongDigest> {
    // The official vectors of BLAKE3 count like this.
    let bytes: Vec<u8> = (0..BYTES).map(|i| (i % 251).to_le_bytes()[0]).collect();
    for (algorithm, found, known) in [
        ("SHA-256", sha256(&bytes), SHA256),
        ("BLAKE3", blake3(&bytes), BLAKE3),
    ] {
        if found != known {
            return Err(WrongDigest { algorithm });
        }
    }
    Ok(())
}

/// In two unequal pieces, so that a block is put together from both.
fn sha256(bytes: &[u8]) -> String {
    let mut state = Sha256::new();
    let (head, rest) = bytes.split_at(bytes.len().min(1001));
    state.update(head);
    state.update(rest);
    state.finalize().to_string()
}

/// By tiles, which is how files are proven. What cannot be computed is wrong too.
fn blake3(bytes: &[u8]) -> String {
    let tiling = Tiling::of(bytes.len() as u64);
    let tile_bytes = usize::try_from(TILE_BYTES).unwrap_or(usize::MAX);
    let tiles = bytes.chunks(tile_bytes).zip(0..);
    let values = tiles.filter_map(|(tile, index)| tiling.value(index, tile).ok());
    let root = tiling.root(&values.collect::<Vec<_>>());
    root.map_or_else(|_| String::new(), |root| root.to_string())
}

#[cfg(test)]
mod tests {
    use super::{WrongDigest, blake3, self_test, sha256, tested};

    #[test]
    fn this_machine_passes() {
        assert_eq!(self_test(), Ok(()));
    }

    #[test]
    fn one_wrong_bit_fails() {
        let wrong = |of: fn(&[u8]) -> String| {
            move |bytes: &[u8]| {
                let mut bytes = bytes.to_vec();
                *bytes.last_mut().unwrap() ^= 1;
                of(&bytes)
            }
        };
        let fails = |algorithm| Err(WrongDigest { algorithm });
        assert_eq!(tested(wrong(sha256), blake3), fails("SHA-256"));
        assert_eq!(tested(sha256, wrong(blake3)), fails("BLAKE3"));
        let told = fails("BLAKE3").unwrap_err().to_string();
        assert!(told.starts_with("BLAKE3 gives a wrong answer"));
    }
}
