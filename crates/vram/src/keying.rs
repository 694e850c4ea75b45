//! What every kernel is told of BLAKE3's mode, whatever language it is written in.

/// Set where the last value is the message's.
pub(crate) const ROOT: u32 = 8;

const KEYED_HASH: u32 = 16;

/// The state that every message starts from.
const INITIAL: [u32; 8] = [
    0x6A09_E667,
    0xBB67_AE85,
    0x3C6E_F372,
    0xA54F_F53A,
    0x510E_527F,
    0x9B05_688C,
    0x1F83_D9AB,
    0x5BE0_CD19,
];

/// The state that a message under this key starts from; without one, the plain one.
pub(crate) fn state(key: Option<&[u8; 32]>) -> [u32; 8] {
    let Some(key) = key else {
        return INITIAL;
    };
    let (words, _) = key.as_chunks::<4>();
    let mut words = words.iter().map(|&word| u32::from_le_bytes(word));
    std::array::from_fn(|_| words.next().unwrap_or(0))
}

/// The flag that every block of a keyed message bears.
pub(crate) fn flags(key: Option<&[u8; 32]>) -> u32 {
    if key.is_some() { KEYED_HASH } else { 0 }
}
