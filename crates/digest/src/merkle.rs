//! The hashes of an RFC 6962 Merkle tree over SHA-256, many in one call, and a chain of lines that is made of them.

use std::fmt;

use sha2::{Digest as _, Sha256};

use crate::Sha256Digest;

/// Bytes of one hash.
pub const HASH_BYTES: usize = 32;
/// Characters of one hash in hexadecimal.
pub const HASH_DIGITS: usize = 2 * HASH_BYTES;

const LEAF: u8 = 0;
const NODE: u8 = 1;
const DIGITS: &[u8; 16] = b"0123456789abcdef";
/// What follows the predecessor's hash in a line: the quote, the brace and the newline.
const LINE_END: &[u8] = b"\"}\n";

/// The hash of one record; its prefix keeps a record from ever passing for a node.
pub fn leaf_hash(record: &[u8]) -> Sha256Digest {
    prefixed(LEAF, record)
}

/// Folds neighbouring hashes of one height, a power of two of them, into the root above them.
pub fn fold(hashes: &[u8]) -> Result<Sha256Digest, MerkleError> {
    let count = hashes.len() / HASH_BYTES;
    if !count.is_power_of_two() || !hashes.len().is_multiple_of(HASH_BYTES) {
        return Err(MerkleError::NotPerfect(hashes.len()));
    }
    let mut row = hashes.to_vec();
    while row.len() > HASH_BYTES {
        row = parents(&row);
    }
    let root = <[u8; HASH_BYTES]>::try_from(row).map_err(|row| MerkleError::NotPerfect(row.len()));
    root.map(Sha256Digest::from)
}

/// Chains lines: each of them ends with room for 64 digits, a quote, a brace and a newline, and gets the leaf hash of the
/// line before it (of the first: `previous`) written there. Returns the leaf hash of each line, 64 digits each; the newline
/// is no part of what is hashed.
pub fn link_lines(lines: &mut [u8], previous: &str) -> Result<String, MerkleError> {
    let mut head = digits_of(previous)?;
    let mut leaves = Vec::new();
    let mut rest = lines;
    while !rest.is_empty() {
        let (line, later) = first_line(rest)?;
        rest = later;
        let record = linked(line, head)?;
        head = hex(leaf_hash(record).as_bytes());
        leaves.extend_from_slice(&head);
    }
    String::from_utf8(leaves).map_err(|_| MerkleError::NoHash)
}

/// The first line with its newline, and what follows.
fn first_line(bytes: &mut [u8]) -> Result<(&mut [u8], &mut [u8]), MerkleError> {
    let end = memchr::memchr(b'\n', bytes);
    end.and_then(|end| bytes.split_at_mut_checked(end + 1))
        .ok_or(MerkleError::NoRoom)
}

/// The line as a record, with its predecessor's hash in place.
fn linked(line: &mut [u8], head: [u8; HASH_DIGITS]) -> Result<&[u8], MerkleError> {
    let (text, end) = line
        .len()
        .checked_sub(LINE_END.len())
        .and_then(|at| line.split_at_mut_checked(at))
        .ok_or(MerkleError::NoRoom)?;
    let room = text.last_chunk_mut().filter(|_| *end == *LINE_END);
    *room.ok_or(MerkleError::NoRoom)? = head;
    Ok(line.strip_suffix(b"\n").unwrap_or(line))
}

fn digits_of(previous: &str) -> Result<[u8; HASH_DIGITS], MerkleError> {
    let digest = Sha256Digest::from_hex(previous).map_err(|_| MerkleError::NoHash)?;
    Ok(hex(digest.as_bytes()))
}

fn hex(hash: &[u8; HASH_BYTES]) -> [u8; HASH_DIGITS] {
    let mut digits = [0; HASH_DIGITS];
    for (pair, &byte) in digits.chunks_exact_mut(2).zip(hash) {
        for (digit, value) in pair.iter_mut().zip([byte >> 4, byte & 15]) {
            *digit = DIGITS.get(usize::from(value)).copied().unwrap_or_default();
        }
    }
    digits
}

fn parents(row: &[u8]) -> Vec<u8> {
    let mut above = Vec::with_capacity(row.len() / 2);
    for pair in row.chunks_exact(2 * HASH_BYTES) {
        above.extend_from_slice(prefixed(NODE, pair).as_bytes());
    }
    above
}

fn prefixed(prefix: u8, bytes: &[u8]) -> Sha256Digest {
    let hash = Sha256::new().chain_update([prefix]).chain_update(bytes);
    <[u8; HASH_BYTES]>::from(hash.finalize()).into()
}

/// Why nothing could be hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MerkleError {
    /// So many bytes are no power of two of hashes.
    NotPerfect(usize),
    /// A line does not end with room for a hash.
    NoRoom,
    /// What should be the hash of the line before is none.
    NoHash,
}

impl fmt::Display for MerkleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotPerfect(bytes) => write!(
                f,
                "{bytes} bytes are not the hashes of a perfect tree: 1, 2, 4, … of {HASH_BYTES} bytes each"
            ),
            Self::NoRoom => write!(
                f,
                "a line must end with {HASH_DIGITS} characters for a hash, a quote, a brace and a newline"
            ),
            Self::NoHash => write!(
                f,
                "the previous leaf hash must be {HASH_DIGITS} hexadecimal digits"
            ),
        }
    }
}

impl std::error::Error for MerkleError {}
