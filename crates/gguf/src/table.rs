//! The tensor table (rules 20 to 32), one row a checkpoint of the parser.

use std::ops::Range;

use crate::cursor::{Cursor, offset};
use crate::error::{Code, GgufError};
use crate::index::Index;
use crate::reader::{Reader, Step, Stop, control_byte};
use crate::tensor::{DIMENSIONS_MAX, Shape, TensorType};

/// ggml's own limit: 64 with the NUL that C needs. The format's text says 64 without.
const NAME_BYTES_MAX: u64 = 63;
/// Dimensions are signed in ggml, and so is their product.
const DIMENSION_MAX: u64 = i64::MAX.unsigned_abs();
/// At least what ggml adds for each tensor when it allocates room for all of them.
const TENSOR_OVERHEAD_BYTES: u128 = 512;
/// All sizes must fit in an engine's `size_t`.
const SIZE_MAX: u128 = u64::MAX as u128;

/// The rows read so far.
#[derive(Debug, Default)]
pub(crate) struct Table {
    pub(crate) rows: Index,
    /// Bytes of all tensors' data so far, each padded: where the next one must start.
    pub(crate) data_bytes: u64,
    /// Row and type field of the first quantised tensor.
    pub(crate) first_quantised: Option<(usize, u64)>,
}

/// A row's shape and size, and where its fields stand.
struct Size {
    shape: Shape,
    kind: TensorType,
    shape_at: u64,
    type_at: u64,
}

impl Table {
    /// Reads a row's name, and says where it stands.
    pub(crate) fn name(&mut self, reader: &mut Reader<'_>) -> Step<Range<usize>> {
        let start = reader.position();
        let at = reader.offset();
        let length = reader.u64()?;
        if length == 0 || length > NAME_BYTES_MAX {
            let message = format!("a tensor's name has 1 to {NAME_BYTES_MAX} bytes, not {length}");
            return Err(reader.refusal(Code::BadTensorName, at, message));
        }
        let from = reader.position();
        let name = reader.take(length, at)?;
        reader.field = Some(name);
        judge_name(reader, name, offset(from))?;
        self.rows.push(name, start);
        Ok(from..reader.position())
    }

    /// Reads the rest of the row.
    pub(crate) fn row(&mut self, reader: &mut Reader<'_>, alignment: u64) -> Step<()> {
        let size = size(reader)?;
        let padded = self.padded(reader, &size, alignment)?;
        self.judge_offset(reader)?;
        if size.kind.is_quantised() {
            let row = self.rows.len().saturating_sub(1);
            self.first_quantised.get_or_insert((row, size.type_at));
        }
        self.data_bytes = self.data_bytes.saturating_add(padded);
        Ok(())
    }

    /// The refusal of the first name that stands twice among those read so far.
    pub(crate) fn duplicate(&mut self, header: &[u8]) -> Option<GgufError> {
        let (start, earlier) = self.rows.sort(header)?;
        let message = format!("the tensor stands twice in the table, first at byte {earlier}");
        let name = Cursor::new(header, start).string().unwrap_or_default();
        Some(
            GgufError::new(Code::DuplicateTensor, message)
                .at(offset(start))
                .of(name),
        )
    }

    /// Rules 28 to 31: 128 bits hold every intermediate value, so nothing can wrap.
    fn padded(&self, reader: &Reader<'_>, size: &Size, alignment: u64) -> Step<u64> {
        let bytes = size
            .shape
            .bytes(size.kind)
            .filter(|&bytes| bytes <= SIZE_MAX);
        let padded = bytes.map(|bytes| bytes.next_multiple_of(alignment.into()));
        let tensors = u128::try_from(self.rows.len()).unwrap_or(SIZE_MAX) + 1;
        let overhead = tensors.saturating_mul(TENSOR_OVERHEAD_BYTES);
        let fits = |padded: &u128| u128::from(self.data_bytes) + padded + overhead <= SIZE_MAX;
        let padded = padded
            .filter(fits)
            .and_then(|padded| u64::try_from(padded).ok());
        padded.ok_or_else(|| {
            let message = "the bytes of the tensors up to this one, padded, do not fit in 64 bits";
            reader.refusal(Code::BadShape, size.shape_at, message)
        })
    }

    fn judge_offset(&self, reader: &mut Reader<'_>) -> Step<()> {
        let at = reader.offset();
        let found = reader.u64()?;
        if found == self.data_bytes {
            return Ok(());
        }
        let message = format!(
            "the tensor's data must start at byte {} of the data, where those before it end, not at {found}",
            self.data_bytes
        );
        Err(reader.refusal(Code::BadTensorOffset, at, message))
    }
}

fn judge_name(reader: &Reader<'_>, name: &[u8], text_at: u64) -> Step<()> {
    let bad = |position: usize, what: &str| {
        let at = text_at.saturating_add(offset(position));
        Err(reader.refusal(Code::BadTensorName, at, format!("the tensor's name {what}")))
    };
    if let Some(control) = control_byte(name) {
        return bad(
            control,
            "has a control byte in it, at which C code would cut it off",
        );
    }
    match std::str::from_utf8(name) {
        Ok(_) => Ok(()),
        Err(error) => bad(error.valid_up_to(), "is not UTF-8"),
    }
}

/// Rules 23 to 27.
fn size(reader: &mut Reader<'_>) -> Step<Size> {
    let count_at = reader.offset();
    let count = reader.u32()?;
    if usize::try_from(count).map_or(true, |count| count > DIMENSIONS_MAX) {
        let message = format!("a tensor has at most {DIMENSIONS_MAX} dimensions, not {count}");
        return Err(reader.refusal(Code::BadShape, count_at, message));
    }
    // A scalar has no dimension to point at.
    let shape_at = if count == 0 {
        count_at
    } else {
        reader.offset()
    };
    let shape = shape(reader, count)?;
    let type_at = reader.offset();
    let id = reader.u32()?;
    let kind = TensorType::from_id(id).ok_or_else(|| bad_type(reader, id, type_at))?;
    if !shape.row().is_multiple_of(kind.block_size()) {
        let (row, block) = (shape.row(), kind.block_size());
        let message = format!("a row of {kind} is a multiple of {block} values, not {row}");
        return Err(reader.refusal(Code::BadShape, shape_at, message));
    }
    Ok(Size {
        shape,
        kind,
        shape_at,
        type_at,
    })
}

/// A dimension of zero counts as one in the product: ggml also multiplies the others before it
/// comes to the zero, and that must not wrap either.
fn shape(reader: &mut Reader<'_>, count: u32) -> Step<Shape> {
    let mut shape = Shape::default();
    let mut product = 1_u64;
    for _ in 0..count {
        let at = reader.offset();
        let dimension = reader.u64()?;
        let fits = product
            .checked_mul(dimension.max(1))
            .filter(|&product| product <= DIMENSION_MAX);
        let Some(fits) = fits else {
            let message =
                format!("with a dimension of {dimension} the tensor has 2^63 values or more");
            return Err(reader.refusal(Code::BadShape, at, message));
        };
        product = fits;
        shape.push(dimension);
    }
    Ok(shape)
}

fn bad_type(reader: &Reader<'_>, id: u32, at: u64) -> Stop {
    let message = match TensorType::removed_name(id) {
        Some(name) => {
            format!("tensor type {id} ({name}) was removed from ggml: convert the model again")
        }
        None => format!("tensor type {id} does not exist in ggml; some forks use ids of their own"),
    };
    reader.refusal(Code::BadTensorType, at, message)
}
