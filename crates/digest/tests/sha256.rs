//! SHA-256: NIST's known answers, a slow twin, and the path that was taken.

#![allow(
    clippy::indexing_slicing,
    clippy::many_single_char_names,
    clippy::unwrap_used,
    reason = "a test that panics has failed"
)]

use digest::{Sha256, Sha256Digest};
use proptest::prelude::*;

fn sha256(bytes: &[u8]) -> Sha256Digest {
    let mut state = Sha256::new();
    state.update(bytes);
    state.finalize()
}

#[test]
fn answers_as_nist_says() {
    let rows: [(&[u8], &str); 6] = [
        // FIPS 180-4 examples and the short messages of NIST's SHAVS set.
        (b"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        (b"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
        ),
        (
            b"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
            "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1",
        ),
        (&[0xd3], "28969cdfa74a12c82f3bad960b0b000aca2ac329deea5c2328ebc6f2ba9802c1"),
        (
            &[0x11, 0xaf],
            "5ca7133fa735326081558ac312c620eeca9970d1e70a4b95533d956f072d1f98",
        ),
    ];
    for (message, answer) in rows {
        assert_eq!(sha256(message).to_string(), answer);
    }
}

#[test]
fn a_million_times_a() {
    let mut state = Sha256::new();
    for _ in 0..1_000 {
        state.update(&[b'a'; 1_000]);
    }
    assert_eq!(
        state.finalize().to_string(),
        "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"
    );
}

#[test]
fn agrees_with_the_twin_at_every_length_around_a_block() {
    let bytes: Vec<u8> = (0..300_u32).map(|n| n.to_le_bytes()[0]).collect();
    for length in 0..bytes.len() {
        let message = &bytes[..length];
        assert_eq!(
            sha256(message).as_bytes(),
            &twin(message),
            "length {length}"
        );
    }
}

proptest! {
    #[test]
    fn the_way_the_bytes_are_cut_does_not_matter(
        bytes in prop::collection::vec(any::<u8>(), 0..4096),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        ends.push(bytes.len());
        ends.sort_unstable();
        let mut state = Sha256::new();
        let mut start = 0;
        for end in ends {
            state.update(&bytes[start..end]);
            start = end;
        }
        let digest = state.finalize();
        prop_assert_eq!(digest, sha256(&bytes));
        prop_assert_eq!(digest.as_bytes(), &twin(&bytes));
    }
}

#[cfg(all(target_os = "linux", target_arch = "x86_64", not(feature = "portable")))]
#[test]
fn names_the_path_that_this_cpu_takes() {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap();
    let flags = cpu.lines().find(|line| line.starts_with("flags")).unwrap();
    let has_sha = flags.split_whitespace().any(|flag| flag == "sha_ni");
    let expected = if has_sha { "x86 SHA-NI" } else { "portable" };
    assert_eq!(digest::sha256_implementation(), expected);
}

/// SHA-256 straight from FIPS 180-4: slow, short, and independent of the sha2 crate.
fn twin(message: &[u8]) -> [u8; 32] {
    let mut state: Vec<u32> = primes().take(8).map(|p| root_fraction(p, 2)).collect();
    for block in padded(message).chunks_exact(64) {
        twin_block(&mut state, block);
    }
    let mut digest = [0; 32];
    for (bytes, word) in digest.chunks_exact_mut(4).zip(state) {
        bytes.copy_from_slice(&word.to_be_bytes());
    }
    digest
}

fn twin_block(state: &mut [u32], block: &[u8]) {
    let mut w: Vec<u32> = block
        .chunks_exact(4)
        .map(|b| u32::from_be_bytes(b.try_into().unwrap()))
        .collect();
    for t in 16..64 {
        let s0 = w[t - 15].rotate_right(7) ^ w[t - 15].rotate_right(18) ^ (w[t - 15] >> 3);
        let s1 = w[t - 2].rotate_right(17) ^ w[t - 2].rotate_right(19) ^ (w[t - 2] >> 10);
        w.push(
            s1.wrapping_add(w[t - 7])
                .wrapping_add(s0)
                .wrapping_add(w[t - 16]),
        );
    }
    let mut v = state.to_vec();
    for (&word, prime) in w.iter().zip(primes()) {
        let big1 = v[4].rotate_right(6) ^ v[4].rotate_right(11) ^ v[4].rotate_right(25);
        let choice = (v[4] & v[5]) ^ (!v[4] & v[6]);
        let t1 = [big1, choice, root_fraction(prime, 3), word]
            .into_iter()
            .fold(v[7], u32::wrapping_add);
        let big0 = v[0].rotate_right(2) ^ v[0].rotate_right(13) ^ v[0].rotate_right(22);
        let majority = (v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]);
        v.rotate_right(1);
        v[4] = v[4].wrapping_add(t1);
        v[0] = t1.wrapping_add(big0).wrapping_add(majority);
    }
    for (sum, word) in state.iter_mut().zip(v) {
        *sum = sum.wrapping_add(word);
    }
}

fn padded(message: &[u8]) -> Vec<u8> {
    let mut padded = message.to_vec();
    padded.push(0x80);
    while padded.len() % 64 != 56 {
        padded.push(0);
    }
    padded.extend_from_slice(&(message.len() as u64 * 8).to_be_bytes());
    padded
}

fn primes() -> impl Iterator<Item = u128> {
    (2_u128..).filter(|n| (2..*n).all(|d| n % d != 0))
}

/// The first 32 bits of the fraction of the prime's square or cube root: the standard's constants.
fn root_fraction(prime: u128, degree: u32) -> u32 {
    let scaled = prime << (32 * degree);
    let (mut low, mut high) = (0_u128, 1 << 40);
    while high - low > 1 {
        let middle = u128::midpoint(low, high);
        if middle.pow(degree) <= scaled {
            low = middle;
        } else {
            high = middle;
        }
    }
    u32::try_from(low & 0xffff_ffff).unwrap()
}
