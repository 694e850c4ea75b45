//! The preamble: magic, version and the two counts (rules 1 to 4 and 8).

use crate::cursor::offset;
use crate::error::Code;
use crate::identify::{self, SNIFF_BYTES};
use crate::index::ITEM_BYTES;
use crate::reader::{Reader, Step, Stop};

const MAGIC: &[u8] = b"GGUF";
/// Magic, version and two counts.
const PREAMBLE_BYTES: u64 = 24;
/// The smallest tensor row: name length, one byte of name, `n_dims`, type, offset.
const TENSOR_BYTES_MIN: u64 = 8 + 1 + 4 + 4 + 8;
/// The smallest pair: key length, one byte of key, type, one byte of value.
const PAIR_BYTES_MIN: u64 = 8 + 1 + 4 + 1;

/// The counts that a file claims, bounded by its size and the limits.
#[derive(Debug, Default)]
pub(crate) struct Preamble {
    pub(crate) version: u32,
    pub(crate) tensors: u64,
    pub(crate) pairs: u64,
}

pub(crate) fn read(reader: &mut Reader<'_>) -> Step<Preamble> {
    magic(reader)?;
    let version = version(reader)?;
    let left = reader.file_size.saturating_sub(PREAMBLE_BYTES);
    let limits = *reader.limits;

    let tensors = (
        limits.tensors_max,
        "limits.tensors",
        "tensors",
        TENSOR_BYTES_MIN,
    );
    let tensors = count(reader, tensors, left)?;
    // In bounds, as `count` has just checked.
    let left = left.saturating_sub(tensors.saturating_mul(TENSOR_BYTES_MIN));
    let pairs = (
        limits.metadata_pairs_max,
        "limits.metadataPairs",
        "metadata pairs",
        PAIR_BYTES_MIN,
    );
    let at = reader.offset();
    let pairs = count(reader, pairs, left)?;

    let index_bytes = tensors.saturating_add(pairs).saturating_mul(ITEM_BYTES);
    let limit = (limits.index_bytes_max, "limits.indexBytes");
    reader.within(
        index_bytes,
        limit,
        at,
        "bytes of index for this many pairs and tensors",
    )?;
    Ok(Preamble {
        version,
        tensors,
        pairs,
    })
}

fn magic(reader: &mut Reader<'_>) -> Step<()> {
    let head = reader.bytes();
    if head.iter().zip(MAGIC).any(|(byte, magic)| byte != magic) || reader.file_size == 0 {
        return Err(other_format(reader, head));
    }
    // A file shorter than the magic is only cut off if all of it agrees.
    let whole = reader.file_size.min(offset(MAGIC.len()));
    if offset(head.len()) < whole {
        return Err(Stop::More(whole));
    }
    reader.take(offset(MAGIC.len()), 0).map(drop)
}

fn other_format(reader: &Reader<'_>, head: &[u8]) -> Stop {
    let enough = SNIFF_BYTES
        .min(reader.file_size)
        .min(reader.limits.header_bytes_max);
    // Only these bytes are looked at, however many have arrived: the answer must not depend on it.
    match usize::try_from(enough).map(|enough| head.get(..enough)) {
        Ok(Some(head)) => Stop::Refused(identify::refuse(head)),
        _ => Stop::More(SNIFF_BYTES.min(reader.file_size)),
    }
}

fn version(reader: &mut Reader<'_>) -> Step<u32> {
    let at = reader.offset();
    let version = reader.u32()?;
    match version {
        2 | 3 => Ok(version),
        0 => Err(reader.refusal(
            Code::UnsupportedVersion,
            at,
            "GGUF version 0 does not exist",
        )),
        big if big.trailing_zeros() >= 16 => {
            let message = format!(
                "the version reads {big:#010x}: this is a big-endian GGUF file (version {}), and only little-endian ones can be loaded",
                big.swap_bytes()
            );
            Err(reader.refusal(Code::BigEndian, at, message))
        }
        other => {
            let message = format!(
                "GGUF version {other} is not supported, only 2 and 3: convert the model again"
            );
            Err(reader.refusal(Code::UnsupportedVersion, at, message))
        }
    }
}

/// A count whose items, at their smallest, fit in the file.
fn count(reader: &mut Reader<'_>, kind: (u64, &str, &str, u64), left: u64) -> Step<u64> {
    let (max, limit, unit, item_bytes) = kind;
    let at = reader.offset();
    let count = reader.u64()?;
    reader.within(count, (max, limit), at, unit)?;
    let least = u128::from(count) * u128::from(item_bytes);
    if least <= left.into() {
        return Ok(count);
    }
    let message = format!(
        "{count} {unit} need at least {least} bytes, but only {left} are left in the file: it was cut off, or lies; fetch it again"
    );
    Err(reader.refusal(Code::Truncated, at, message))
}
