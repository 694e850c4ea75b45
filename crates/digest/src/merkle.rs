//! The hashes of an RFC 6962 Merkle tree over SHA-256, many in one call, and a chain of lines that is made of them.

use std::fmt;

use crate::{Lanes, Sha256, Sha256Digest, Sha256Stream};

/// Bytes of one hash.
pub const HASH_BYTES: usize = 32;
/// Characters of one hash in hexadecimal.
pub const HASH_DIGITS: usize = 2 * HASH_BYTES;

const LEAF: u8 = 0;
const NODE: u8 = 1;
/// What follows the predecessor's hash in a line; the newline is no part of the record.
const LINE_END: &[u8] = b"\"}\n";
/// The predecessor's hash, the quote and the brace.
const TAIL_BYTES: usize = HASH_DIGITS + LINE_END.len() - 1;
/// A prefix and two hashes.
const NODE_BYTES: usize = 1 + 2 * HASH_BYTES;
/// Lines that are hashed at a time: a whole number of seats of every kernel.
const ABREAST: usize = 64;

/// The hash of one record; its prefix keeps a record from ever passing for a node.
pub fn leaf_hash(record: &[u8]) -> Sha256Digest {
    let mut hash = Sha256::new();
    hash.update(&[LEAF]);
    hash.update(record);
    hash.finalize()
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
///
/// Only a line's last block or two depend on the line before it: all the others are hashed abreast.
pub fn link_lines(lines: &mut [u8], previous: &str) -> Result<String, MerkleError> {
    let mut head = digits_of(previous)?;
    let mut leaves = Vec::new();
    let mut rest = lines;
    while !rest.is_empty() {
        let (some, later) = first_lines(rest)?;
        rest = later;
        let begun = begun(&some);
        for (line, mut hash) in some.into_iter().zip(begun) {
            if let Some(room) = line.tail.first_chunk_mut() {
                *room = head;
            }
            hash.update(line.tail);
            head = hex(hash.finalize().as_bytes());
            leaves.extend_from_slice(&head);
        }
    }
    String::from_utf8(leaves).map_err(|_| MerkleError::NoHash)
}

/// A line to be linked.
struct Line<'a> {
    /// What comes before the room for its predecessor's hash.
    start: &'a [u8],
    /// The room, and the rest of the record.
    tail: &'a mut [u8; TAIL_BYTES],
}

/// As many lines as are hashed at a time, and what follows them.
fn first_lines(bytes: &mut [u8]) -> Result<(Vec<Line<'_>>, &mut [u8]), MerkleError> {
    let mut lines = Vec::with_capacity(ABREAST);
    let mut rest = bytes;
    while !rest.is_empty() && lines.len() < ABREAST {
        let end = memchr::memchr(b'\n', rest).ok_or(MerkleError::NoRoom)?;
        let (line, later) = rest.split_at_mut(end + 1);
        lines.push(Line::of(line)?);
        rest = later;
    }
    Ok((lines, rest))
}

impl<'a> Line<'a> {
    fn of(line: &'a mut [u8]) -> Result<Self, MerkleError> {
        let fits = line.ends_with(LINE_END);
        let record = line.split_last_mut().map(|(_, record)| record);
        match record.and_then(<[u8]>::split_last_chunk_mut) {
            Some((start, tail)) if fits => Ok(Self { start, tail }),
            _ => Err(MerkleError::NoRoom),
        }
    }
}

/// The leaf hashes as far as they do not depend on the lines before.
fn begun(lines: &[Line<'_>]) -> Vec<Sha256Stream> {
    let mut hashes = vec![Sha256Stream::new(); lines.len()];
    for hash in &mut hashes {
        hash.update(&[LEAF]);
    }
    let starts: Vec<&[u8]> = lines.iter().map(|line| line.start).collect();
    let mut each: Vec<&mut Sha256Stream> = hashes.iter_mut().collect();
    Lanes::detect().update(&mut each, &starts);
    hashes
}

fn digits_of(previous: &str) -> Result<[u8; HASH_DIGITS], MerkleError> {
    let digest = Sha256Digest::from_hex(previous).map_err(|_| MerkleError::NoHash)?;
    Ok(hex(digest.as_bytes()))
}

fn hex(hash: &[u8; HASH_BYTES]) -> [u8; HASH_DIGITS] {
    let mut digits = [0; HASH_DIGITS];
    for (pair, &byte) in digits.as_chunks_mut::<2>().0.iter_mut().zip(hash) {
        *pair = [digit(byte >> 4), digit(byte & 15)];
    }
    digits
}

/// Without a table, so that all digits are made at once.
fn digit(value: u8) -> u8 {
    value + if value < 10 { b'0' } else { b'a' - 10 }
}

/// The hashes of neighbours' nodes, all computed abreast.
fn parents(row: &[u8]) -> Vec<u8> {
    let pairs = row.as_chunks::<{ 2 * HASH_BYTES }>().0;
    let nodes: Vec<_> = pairs.iter().map(node).collect();
    let messages: Vec<&[u8]> = nodes.iter().map(<[u8; NODE_BYTES]>::as_slice).collect();
    let mut above = Vec::with_capacity(pairs.len() * HASH_BYTES);
    for digest in Lanes::detect().digests(&messages) {
        above.extend_from_slice(digest.as_bytes());
    }
    above
}

/// What is hashed for the node above two hashes.
fn node(pair: &[u8; 2 * HASH_BYTES]) -> [u8; NODE_BYTES] {
    let mut message = [NODE; NODE_BYTES];
    if let Some(hashes) = message.last_chunk_mut() {
        *hashes = *pair;
    }
    message
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
