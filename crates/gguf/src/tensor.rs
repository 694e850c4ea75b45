//! Tensors: ggml's types, shapes, and the byte sizes that follow from the two.

use std::fmt;
use std::ops::Deref;

/// The most dimensions that ggml knows.
pub(crate) const DIMENSIONS_MAX: usize = 4;

/// One of ggml's 43 tensor types: name, values a block, bytes a block.
struct Kind {
    name: &'static str,
    block_size: u64,
    block_bytes: u64,
}

/// What ggml v0.5.0 prints. A removed id keeps its old name, for the message, and has no block.
#[rustfmt::skip]
const KINDS: [Kind; 43] = [
    kind("f32", 1, 4),         // 0
    kind("f16", 1, 2),
    kind("q4_0", 32, 18),
    kind("q4_1", 32, 20),
    removed("q4_2"),
    removed("q4_3"),           // 5
    kind("q5_0", 32, 22),
    kind("q5_1", 32, 24),
    kind("q8_0", 32, 34),
    kind("q8_1", 32, 36),
    kind("q2_K", 256, 84),     // 10
    kind("q3_K", 256, 110),
    kind("q4_K", 256, 144),
    kind("q5_K", 256, 176),
    kind("q6_K", 256, 210),
    kind("q8_K", 256, 292),    // 15
    kind("iq2_xxs", 256, 66),
    kind("iq2_xs", 256, 74),
    kind("iq3_xxs", 256, 98),
    kind("iq1_s", 256, 50),
    kind("iq4_nl", 32, 18),    // 20
    kind("iq3_s", 256, 110),
    kind("iq2_s", 256, 82),
    kind("iq4_xs", 256, 136),
    kind("i8", 1, 1),
    kind("i16", 1, 2),         // 25
    kind("i32", 1, 4),
    kind("i64", 1, 8),
    kind("f64", 1, 8),
    kind("iq1_m", 256, 56),
    kind("bf16", 1, 2),        // 30
    removed("q4_0_4_4"),
    removed("q4_0_4_8"),
    removed("q4_0_8_8"),
    kind("tq1_0", 256, 54),
    kind("tq2_0", 256, 66),    // 35
    removed("iq4_nl_4_4"),
    removed("iq4_nl_4_8"),
    removed("iq4_nl_8_8"),
    kind("mxfp4", 32, 17),
    kind("nvfp4", 64, 36),     // 40
    kind("q1_0", 128, 18),
    kind("q2_0", 64, 18),
];

const fn kind(name: &'static str, block_size: u64, block_bytes: u64) -> Kind {
    Kind {
        name,
        block_size,
        block_bytes,
    }
}

const fn removed(name: &'static str) -> Kind {
    kind(name, 0, 0)
}

/// The type of a tensor's values: an id that ggml can still read.
#[derive(Clone, Copy)]
pub struct TensorType {
    id: u32,
    kind: &'static Kind,
}

impl TensorType {
    /// The type with that id; `None` for an id that does not exist or was removed.
    pub fn from_id(id: u32) -> Option<Self> {
        let kind = KINDS.get(usize::try_from(id).ok()?)?;
        (kind.block_size > 0).then_some(Self { id, kind })
    }

    /// The former name of an id that ggml has removed.
    pub(crate) fn removed_name(id: u32) -> Option<&'static str> {
        let kind = KINDS.get(usize::try_from(id).ok()?)?;
        (kind.block_size == 0).then_some(kind.name)
    }

    /// The id that stands in the file.
    pub fn id(self) -> u32 {
        self.id
    }

    /// The name that ggml prints.
    pub fn as_str(self) -> &'static str {
        self.kind.name
    }

    /// Values in a block; a row must be a multiple of it.
    pub fn block_size(self) -> u64 {
        self.kind.block_size
    }

    /// Bytes of a block.
    pub fn block_bytes(self) -> u64 {
        self.kind.block_bytes
    }

    /// Whether values share blocks, as in every quantised type.
    pub fn is_quantised(self) -> bool {
        self.kind.block_size > 1
    }
}

impl PartialEq for TensorType {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for TensorType {}

impl fmt::Debug for TensorType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for TensorType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A tensor's dimensions, `ne[0]` (the row) first: a slice of as many as the file gives.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Shape {
    dimensions: [u64; DIMENSIONS_MAX],
    count: usize,
}

impl Shape {
    /// Adds a dimension; false when there is no room for it.
    pub(crate) fn push(&mut self, dimension: u64) -> bool {
        let Some(slot) = self.dimensions.get_mut(self.count) else {
            return false;
        };
        *slot = dimension;
        self.count += 1;
        true
    }

    /// The row: 1 for a scalar.
    pub(crate) fn row(&self) -> u64 {
        self.first().copied().unwrap_or(1)
    }

    /// Bytes of a tensor of this shape. No wrap: four factors below 2^63 are checked one by one.
    pub(crate) fn bytes(&self, kind: TensorType) -> Option<u128> {
        let rows = self
            .iter()
            .skip(1)
            .try_fold(1_u128, |rows, &dim| rows.checked_mul(dim.into()))?;
        let row_bytes = u128::from(self.row() / kind.block_size()) * u128::from(kind.block_bytes());
        rows.checked_mul(row_bytes)
    }
}

impl Deref for Shape {
    type Target = [u64];

    fn deref(&self) -> &[u64] {
        self.dimensions.get(..self.count).unwrap_or_default()
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

/// One row of the tensor table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tensor<'a> {
    /// The name: UTF-8 without control bytes, at most 63 bytes.
    pub name: &'a [u8],
    /// The type of its values.
    pub kind: TensorType,
    /// Its dimensions, `ne[0]` first.
    pub shape: Shape,
    /// Where its data stand in the file.
    pub offset: u64,
    /// Bytes of its data, without padding.
    pub bytes: u64,
}
