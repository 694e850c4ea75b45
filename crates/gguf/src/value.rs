//! Metadata values: scalars by value, strings and arrays as ranges of the header's bytes.

use std::fmt;

use crate::cursor::Cursor;

/// The type of a metadata value, or of an array's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ValueType {
    /// Unsigned 8 bits.
    U8,
    /// Signed 8 bits.
    I8,
    /// Unsigned 16 bits.
    U16,
    /// Signed 16 bits.
    I16,
    /// Unsigned 32 bits.
    U32,
    /// Signed 32 bits.
    I32,
    /// A 32-bit float.
    F32,
    /// One byte, 0 or 1.
    Bool,
    /// A length and that many bytes, UTF-8 by the format's text.
    String,
    /// An element type, a count and the elements.
    Array,
    /// Unsigned 64 bits.
    U64,
    /// Signed 64 bits.
    I64,
    /// A 64-bit float.
    F64,
}

impl ValueType {
    /// Every type, in the order of the ids 0 to 12.
    pub const ALL: [Self; 13] = [
        Self::U8,
        Self::I8,
        Self::U16,
        Self::I16,
        Self::U32,
        Self::I32,
        Self::F32,
        Self::Bool,
        Self::String,
        Self::Array,
        Self::U64,
        Self::I64,
        Self::F64,
    ];

    /// The type with that id in the file.
    pub fn from_id(id: u32) -> Option<Self> {
        Self::ALL.get(usize::try_from(id).ok()?).copied()
    }

    /// The id that stands in the file.
    pub const fn id(self) -> u32 {
        match self {
            Self::U8 => 0,
            Self::I8 => 1,
            Self::U16 => 2,
            Self::I16 => 3,
            Self::U32 => 4,
            Self::I32 => 5,
            Self::F32 => 6,
            Self::Bool => 7,
            Self::String => 8,
            Self::Array => 9,
            Self::U64 => 10,
            Self::I64 => 11,
            Self::F64 => 12,
        }
    }

    /// The name that ggml prints.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::U8 => "u8",
            Self::I8 => "i8",
            Self::U16 => "u16",
            Self::I16 => "i16",
            Self::U32 => "u32",
            Self::I32 => "i32",
            Self::F32 => "f32",
            Self::Bool => "bool",
            Self::String => "str",
            Self::Array => "arr",
            Self::U64 => "u64",
            Self::I64 => "i64",
            Self::F64 => "f64",
        }
    }

    /// Bytes of one value; `None` for strings and arrays, whose size varies.
    pub const fn width_bytes(self) -> Option<u64> {
        match self {
            Self::U8 | Self::I8 | Self::Bool => Some(1),
            Self::U16 | Self::I16 => Some(2),
            Self::U32 | Self::I32 | Self::F32 => Some(4),
            Self::U64 | Self::I64 | Self::F64 => Some(8),
            Self::String | Self::Array => None,
        }
    }
}

impl fmt::Display for ValueType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One metadata value, borrowed from its header.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// Unsigned 8 bits.
    U8(u8),
    /// Signed 8 bits.
    I8(i8),
    /// Unsigned 16 bits.
    U16(u16),
    /// Signed 16 bits.
    I16(i16),
    /// Unsigned 32 bits.
    U32(u32),
    /// Signed 32 bits.
    I32(i32),
    /// A 32-bit float.
    F32(f32),
    /// Anything but 0 is true, as engines read it; other bytes than 0 and 1 are a finding.
    Bool(bool),
    /// The string's bytes, which need not be UTF-8.
    String(&'a [u8]),
    /// An array, undecoded.
    Array(Array<'a>),
    /// Unsigned 64 bits.
    U64(u64),
    /// Signed 64 bits.
    I64(i64),
    /// A 64-bit float.
    F64(f64),
}

impl<'a> Value<'a> {
    /// The value's type.
    pub fn value_type(&self) -> ValueType {
        match self {
            Self::U8(_) => ValueType::U8,
            Self::I8(_) => ValueType::I8,
            Self::U16(_) => ValueType::U16,
            Self::I16(_) => ValueType::I16,
            Self::U32(_) => ValueType::U32,
            Self::I32(_) => ValueType::I32,
            Self::F32(_) => ValueType::F32,
            Self::Bool(_) => ValueType::Bool,
            Self::String(_) => ValueType::String,
            Self::Array(_) => ValueType::Array,
            Self::U64(_) => ValueType::U64,
            Self::I64(_) => ValueType::I64,
            Self::F64(_) => ValueType::F64,
        }
    }

    /// A string's bytes.
    pub fn as_bytes(&self) -> Option<&'a [u8]> {
        match *self {
            Self::String(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// A string, if it is UTF-8.
    pub fn as_str(&self) -> Option<&'a str> {
        std::str::from_utf8(self.as_bytes()?).ok()
    }

    /// An array.
    pub fn as_array(&self) -> Option<Array<'a>> {
        match *self {
            Self::Array(array) => Some(array),
            _ => None,
        }
    }

    /// An integer of any type and sign.
    pub fn as_integer(&self) -> Option<i128> {
        match *self {
            Self::U8(value) => Some(value.into()),
            Self::I8(value) => Some(value.into()),
            Self::U16(value) => Some(value.into()),
            Self::I16(value) => Some(value.into()),
            Self::U32(value) => Some(value.into()),
            Self::I32(value) => Some(value.into()),
            Self::U64(value) => Some(value.into()),
            Self::I64(value) => Some(value.into()),
            _ => None,
        }
    }

    /// Reads one value of fixed width, or a string; an array needs its end and is read elsewhere.
    pub(crate) fn read(cursor: &mut Cursor<'a>, kind: ValueType) -> Option<Self> {
        Some(match kind {
            ValueType::U8 => Self::U8(u8::from_le_bytes(cursor.chunk()?)),
            ValueType::I8 => Self::I8(i8::from_le_bytes(cursor.chunk()?)),
            ValueType::U16 => Self::U16(u16::from_le_bytes(cursor.chunk()?)),
            ValueType::I16 => Self::I16(i16::from_le_bytes(cursor.chunk()?)),
            ValueType::U32 => Self::U32(u32::from_le_bytes(cursor.chunk()?)),
            ValueType::I32 => Self::I32(i32::from_le_bytes(cursor.chunk()?)),
            ValueType::F32 => Self::F32(f32::from_le_bytes(cursor.chunk()?)),
            ValueType::Bool => Self::Bool(cursor.chunk() != Some([0])),
            ValueType::String => Self::String(cursor.string()?),
            ValueType::Array => return None,
            ValueType::U64 => Self::U64(u64::from_le_bytes(cursor.chunk()?)),
            ValueType::I64 => Self::I64(i64::from_le_bytes(cursor.chunk()?)),
            ValueType::F64 => Self::F64(f64::from_le_bytes(cursor.chunk()?)),
        })
    }
}

/// An array as it stands in the file. Its bounds were checked; its elements are decoded on demand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Array<'a> {
    /// The type of every element; never an array.
    pub element: ValueType,
    /// How many elements there are.
    pub len: u64,
    /// All elements, little-endian, strings with their length fields.
    pub bytes: &'a [u8],
    /// Where the first element stands in the file.
    pub offset: u64,
}

impl<'a> Array<'a> {
    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Every element in order, whatever its type.
    pub fn values(&self) -> Values<'a> {
        Values {
            cursor: Cursor::new(self.bytes, 0),
            element: self.element,
            left: self.len,
        }
    }

    /// The strings of a string array; nothing for any other.
    pub fn strings(&self) -> Strings<'a> {
        let left = if self.element == ValueType::String {
            self.len
        } else {
            0
        };
        Strings {
            cursor: Cursor::new(self.bytes, 0),
            left,
        }
    }

    /// One element. Constant time, except in a string array, which is walked from its start.
    pub fn get(&self, index: u64) -> Option<Value<'a>> {
        if index >= self.len {
            return None;
        }
        let Some(width) = self.element.width_bytes() else {
            return self
                .strings()
                .nth(usize::try_from(index).ok()?)
                .map(Value::String);
        };
        let start = usize::try_from(index.checked_mul(width)?).ok()?;
        Value::read(&mut Cursor::new(self.bytes, start), self.element)
    }
}

/// The elements of an array.
#[derive(Clone)]
pub struct Values<'a> {
    cursor: Cursor<'a>,
    element: ValueType,
    left: u64,
}

impl<'a> Iterator for Values<'a> {
    type Item = Value<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        Value::read(&mut self.cursor, self.element)
    }
}

/// The strings of an array.
#[derive(Clone)]
pub struct Strings<'a> {
    cursor: Cursor<'a>,
    left: u64,
}

impl<'a> Iterator for Strings<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        self.cursor.string()
    }
}
