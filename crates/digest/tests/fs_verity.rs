//! fs-verity's digest against `fsverity digest` of fsverity-utils 1.5, and against a slow twin.

#![allow(
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test that panics has failed"
)]

use digest::{FsVerity, Lanes, Sha256, Sha256Digest};
use proptest::prelude::*;

/// Repeats after 251 bytes, so that neighbouring blocks differ.
fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i % 251) as u8).collect()
}

fn digest(bytes: &[u8]) -> Sha256Digest {
    let mut verity = FsVerity::new();
    verity.update(bytes);
    verity.finalize()
}

/// Around a block, around a full node, around a full tree of two levels.
#[test]
fn known_answers() {
    let answers = [
        (
            0,
            "3d248ca542a24fc62d1c43b916eae5016878e2533c88238480b26128a1f1af95",
        ),
        (
            1,
            "b803429503d95915829b29fdbc8bbad142f3abfd11b1cadf5526582e685c0551",
        ),
        (
            4_095,
            "5f4953aad672b0188023d6cd6fbce9d09508eb7dad165b6298ce0086bc1e72db",
        ),
        (
            4_096,
            "13e9b8848ae484a36acb3f3cac0ceb2f7601e96633d15c92f9bd3dd44e492157",
        ),
        (
            4_097,
            "b0d074abef4d544404facfab6ba242f6a8ccbde90f1325cd286f3c8aa8d0f8aa",
        ),
        (
            8_192,
            "e48d50c56c4f0178a98a035cb91d66be328eeff78bbddaa35c5ec4cc0d8340c0",
        ),
        (
            524_287,
            "9735c4bb231d3222d1e5e23a4004d8b59dd33395d7de390530e15c2572000b47",
        ),
        (
            524_288,
            "d82861203d50ae9b60948504a704f35f5118bd229aeb1a22d6dae47b1767c4c4",
        ),
        (
            524_289,
            "4dc6905041c9c4ee73e13b53f63f5d289c46da359b664a965ead7f8cc4d799d4",
        ),
        (
            5_000_001,
            "8903aebad851ba03c9f90c3f4a4e4fa65d1973d246d15985788eaad1e91ac391",
        ),
        (
            67_108_864,
            "196650e8bd05f8516c0ede56deeb4d1ff2be9809dc2d827261db4a7773957567",
        ),
        (
            67_108_865,
            "acba6554fbff4e8b2fc0361086b9e8ed6afbbd3196ade159c0f3e2bf9ecb2ed1",
        ),
    ];
    for (len, expected) in answers {
        assert_eq!(digest(&pattern(len)).to_string(), expected, "length {len}");
    }
}

/// The text of the kernel's documentation, level by level, everything in memory.
fn twin(bytes: &[u8]) -> Sha256Digest {
    let hash = |block: &[u8]| {
        let mut block = block.to_vec();
        block.resize(4096, 0);
        let mut sha256 = Sha256::new();
        sha256.update(&block);
        sha256.finalize().as_bytes().to_vec()
    };
    let mut level = bytes.to_vec();
    let root = loop {
        let hashes: Vec<Vec<u8>> = level.chunks(4096).map(hash).collect();
        match hashes.as_slice() {
            [] => break vec![0; 32],
            [root] => break root.clone(),
            _ => level = hashes.concat(),
        }
    };
    let mut descriptor = vec![1, 1, 12, 0, 0, 0, 0, 0];
    descriptor.extend((bytes.len() as u64).to_le_bytes());
    descriptor.extend(root);
    descriptor.resize(256, 0);
    let mut sha256 = Sha256::new();
    sha256.update(&descriptor);
    sha256.finalize()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn pieces_of_any_size_on_any_lanes_give_the_twins_digest(
        len in 0_usize..1_200_000,
        cuts in prop::collection::vec(0_usize..1_200_000, 0..6),
    ) {
        let bytes = pattern(len);
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(len)).collect();
        cuts.extend([0, len]);
        cuts.sort_unstable();
        for lanes in [Lanes::detect(), Lanes::one_by_one()] {
            let mut verity = FsVerity::on(lanes);
            for pair in cuts.windows(2) {
                verity.update(&bytes[pair[0]..pair[1]]);
            }
            prop_assert_eq!(verity.finalize(), twin(&bytes));
        }
    }
}
