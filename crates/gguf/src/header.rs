//! The header: what a well-formed file says about itself. Only the parser can build one.

use crate::cursor::{Cursor, offset};
use crate::finding::{Finding, Findings};
use crate::index::Index;
use crate::tensor::{Shape, Tensor, TensorType};
use crate::value::{Array, Value, ValueType};

/// A parsed header. It owns the header's bytes; every value is read from them when asked for.
#[derive(Debug)]
pub struct Header {
    /// The file's first bytes, up to the end of the tensor table.
    pub(crate) bytes: Vec<u8>,
    pub(crate) version: u32,
    pub(crate) alignment: u64,
    pub(crate) file_size: u64,
    pub(crate) data_offset: u64,
    /// Bytes of all tensors' data, each padded. The last padding may be missing from the file.
    pub(crate) data_bytes: u64,
    /// Where the metadata end and the tensor table starts.
    pub(crate) metadata_end: usize,
    pub(crate) pairs: Index,
    pub(crate) tensors: Index,
    pub(crate) findings: Findings,
}

/// A metadata pair.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Pair<'a> {
    /// The key: no control bytes; ASCII unless there is a finding.
    pub key: &'a [u8],
    /// The value.
    pub value: Value<'a>,
    /// Where the pair starts in the file: the length field of its key.
    pub offset: u64,
}

impl Pair<'_> {
    /// Where the value's type stands in the file.
    pub fn type_offset(&self) -> u64 {
        self.offset
            .saturating_add(8)
            .saturating_add(offset(self.key.len()))
    }

    /// Where the value starts in the file: behind its type.
    pub fn value_offset(&self) -> u64 {
        self.type_offset().saturating_add(4)
    }
}

/// What a shard says about its set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Split {
    /// This file's place in the set, from 0.
    pub no: u16,
    /// Files in the set.
    pub count: u16,
    /// Tensors in the whole set, where the file says so.
    pub tensors: Option<u64>,
}

impl Header {
    /// The format's version: 2 or 3.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// To what multiple tensor data are aligned, in bytes.
    pub fn alignment(&self) -> u64 {
        self.alignment
    }

    /// How many metadata pairs there are.
    pub fn metadata_count(&self) -> u64 {
        offset(self.pairs.len())
    }

    /// How many tensors there are.
    pub fn tensor_count(&self) -> u64 {
        offset(self.tensors.len())
    }

    /// Where the tensor table ends, without padding.
    pub fn header_bytes(&self) -> u64 {
        offset(self.bytes.len())
    }

    /// Where the tensors' data start; without tensors, where the header ends.
    pub fn data_offset(&self) -> u64 {
        self.data_offset
    }

    /// The size of the whole file.
    pub fn file_size(&self) -> u64 {
        self.file_size
    }

    /// `general.architecture`, if it is a string of UTF-8.
    pub fn architecture(&self) -> Option<&str> {
        self.get(b"general.architecture")?.as_str()
    }

    /// The shard's place in its set; `None` for a whole file, a merged one included.
    pub fn split(&self) -> Option<Split> {
        let (Value::U16(no), Value::U16(count)) =
            (self.get(b"split.no")?, self.get(b"split.count")?)
        else {
            return None;
        };
        let tensors = self
            .get(b"split.tensors.count")
            .and_then(|value| value.as_integer());
        let tensors = tensors.and_then(|count| u64::try_from(count).ok());
        (count > 0).then_some(Split { no, count, tensors })
    }

    /// Where the file breaks the format's text, in file order; at most 64.
    pub fn findings(&self) -> &[Finding] {
        self.findings.kept()
    }

    /// How many findings there are, those beyond the kept ones included.
    pub fn findings_count(&self) -> u64 {
        self.findings.total()
    }

    /// The pair at that place in the file.
    pub fn pair(&self, index: u64) -> Option<Pair<'_>> {
        let index = usize::try_from(index).ok()?;
        let start = self.pairs.start(index)?;
        let end = self
            .pairs
            .start(index.checked_add(1)?)
            .unwrap_or(self.metadata_end);
        let mut cursor = Cursor::new(self.bytes.get(..end)?, start);
        let key = cursor.string()?;
        let value = self.value(&mut cursor, end)?;
        Some(Pair {
            key,
            value,
            offset: offset(start),
        })
    }

    /// Every pair, in file order.
    pub fn pairs(&self) -> impl Iterator<Item = Pair<'_>> {
        (0..self.metadata_count()).filter_map(|index| self.pair(index))
    }

    /// The pair with that key, by hash.
    pub fn pair_named(&self, key: &[u8]) -> Option<Pair<'_>> {
        self.pair(offset(self.pairs.find(&self.bytes, key)?))
    }

    /// The value of that key, by hash.
    pub fn get(&self, key: &[u8]) -> Option<Value<'_>> {
        self.pair_named(key).map(|pair| pair.value)
    }

    /// The tensor at that place in the table.
    pub fn tensor(&self, index: u64) -> Option<Tensor<'_>> {
        let start = self.tensors.start(usize::try_from(index).ok()?)?;
        read_tensor(&self.bytes, start, self.data_offset)
    }

    /// Every tensor, in file order.
    pub fn tensors(&self) -> impl Iterator<Item = Tensor<'_>> {
        (0..self.tensor_count()).filter_map(|index| self.tensor(index))
    }

    /// The tensor of that name, by hash.
    pub fn tensor_named(&self, name: &[u8]) -> Option<Tensor<'_>> {
        self.tensor(offset(self.tensors.find(&self.bytes, name)?))
    }

    fn value<'a>(&'a self, cursor: &mut Cursor<'a>, end: usize) -> Option<Value<'a>> {
        let kind = ValueType::from_id(cursor.u32()?)?;
        if kind != ValueType::Array {
            return Value::read(cursor, kind);
        }
        let element = ValueType::from_id(cursor.u32()?)?;
        let len = cursor.u64()?;
        let start = cursor.position();
        let bytes = self.bytes.get(start..end)?;
        Some(Value::Array(Array {
            element,
            len,
            bytes,
            offset: offset(start),
        }))
    }
}

impl Header {
    /// Whether both files have the pair of that key, bit by bit; `None` where the other one lacks the key.
    pub(crate) fn shares(&self, other: &Self, key: &[u8]) -> Option<bool> {
        let theirs = other.pair_bytes(other.pairs.find(&other.bytes, key)?)?;
        let own = self.pair_bytes(self.pairs.find(&self.bytes, key)?)?;
        Some(own == theirs)
    }

    /// Key, type and value of the pair at that place, as they stand in the file.
    fn pair_bytes(&self, index: usize) -> Option<&[u8]> {
        let start = self.pairs.start(index)?;
        let end = self.pairs.start(index.checked_add(1)?);
        self.bytes.get(start..end.unwrap_or(self.metadata_end))
    }

    /// Where the tensor's row starts in the file.
    pub(crate) fn tensor_offset(&self, index: u64) -> Option<u64> {
        let start = self.tensors.start(usize::try_from(index).ok()?)?;
        Some(offset(start))
    }

    /// Where the padding behind the last tensor ends, or should.
    pub(crate) fn data_end(&self) -> u128 {
        u128::from(self.data_offset) + u128::from(self.data_bytes)
    }
}

/// Reads one row of a table that was judged before.
pub(crate) fn read_tensor(header: &[u8], start: usize, data_offset: u64) -> Option<Tensor<'_>> {
    let mut cursor = Cursor::new(header, start);
    let name = cursor.string()?;
    let mut shape = Shape::default();
    for _ in 0..cursor.u32()? {
        shape.push(cursor.u64()?).then_some(())?;
    }
    let kind = TensorType::from_id(cursor.u32()?)?;
    let bytes = u64::try_from(shape.bytes(kind)?).ok()?;
    Some(Tensor {
        name,
        kind,
        shape,
        offset: data_offset.checked_add(cursor.u64()?)?,
        bytes,
    })
}
