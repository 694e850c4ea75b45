//! Metadata as the engine reads them: by architecture, by exact type, text up to its first NUL.

use super::Weights;
use crate::cursor::{Cursor, offset};
use crate::header::{Header, Pair};
use crate::value::{Value, ValueType};
use crate::{Array, GgufError};

const ARCHITECTURE: &[u8] = b"general.architecture";

/// A C string: the engine sees no byte behind the first NUL.
pub(super) fn c_string(bytes: &[u8]) -> &[u8] {
    bytes.split(|&byte| byte == 0).next().unwrap_or_default()
}

/// An array's strings, each with the offset of its first byte in the file.
pub(super) fn located_strings<'a>(array: &Array<'a>) -> impl Iterator<Item = (u64, &'a [u8])> {
    let start = array.offset;
    let mut cursor = Cursor::new(array.bytes, 0);
    (0..array.len).map_while(move |_| {
        let text = cursor.string()?;
        let end = start.saturating_add(offset(cursor.position()));
        Some((end.saturating_sub(offset(text.len())), text))
    })
}

/// The header with the name that stands before its model's keys.
pub(super) struct Model<'a> {
    header: &'a Header,
    pub(super) weights: Weights<'a>,
    architecture: &'a [u8],
}

impl<'a> Model<'a> {
    pub(super) fn of(header: &'a Header, weights: Weights<'a>) -> Option<Self> {
        let architecture = c_string(header.get(ARCHITECTURE)?.as_bytes()?);
        Some(Self {
            header,
            weights,
            architecture,
        })
    }

    pub(super) fn is_any_of(&self, architectures: &[&str]) -> bool {
        architectures
            .iter()
            .any(|name| name.as_bytes() == self.architecture)
    }

    pub(super) fn pair(&self, name: &str) -> Option<Pair<'a>> {
        let key = [self.architecture, b".", name.as_bytes()].concat();
        self.header.pair_named(&key)
    }

    /// Blames a key, or the model's own where that key is missing.
    pub(super) fn refusal(&self, name: &str, reason: impl AsRef<str>) -> GgufError {
        let pair = self
            .pair(name)
            .or_else(|| self.header.pair_named(ARCHITECTURE));
        match pair {
            Some(pair) => super::refusal(pair.key, pair.value_offset(), reason),
            None => super::refusal(ARCHITECTURE, 0, reason),
        }
    }

    /// A u32; any other type is a clean load error, and none of ours.
    pub(super) fn number(&self, name: &str) -> Option<Number<'a>> {
        let pair = self.pair(name)?;
        match pair.value {
            Value::U32(value) => Some(Number { value, pair }),
            _ => None,
        }
    }

    /// A number for every layer, given once or layer by layer.
    pub(super) fn layered(&self, name: &str, layers: u64) -> Option<Layered<'a>> {
        let pair = self.pair(name)?;
        let readable = match pair.value {
            Value::U32(_) => true,
            Value::Array(array) => array.len == layers && is_layer_array(&array),
            _ => false,
        };
        readable.then_some(Layered { pair })
    }

    /// The key is there, but as nothing that a layered number can be.
    pub(super) fn is_unreadable(&self, name: &str, layers: u64) -> bool {
        self.pair(name).is_some() && self.layered(name, layers).is_none()
    }
}

fn is_layer_array(array: &Array<'_>) -> bool {
    matches!(
        array.element,
        ValueType::U32 | ValueType::I32 | ValueType::Bool
    )
}

/// A u32 and where it stands.
pub(super) struct Number<'a> {
    pub(super) value: u32,
    pub(super) pair: Pair<'a>,
}

impl Number<'_> {
    pub(super) fn refusal(&self, reason: impl AsRef<str>) -> GgufError {
        super::refusal(self.pair.key, self.pair.value_offset(), reason)
    }
}

/// One number for all layers, or one for each.
#[derive(Clone, Copy)]
pub(super) struct Layered<'a> {
    pair: Pair<'a>,
}

impl Layered<'_> {
    /// The number for a layer. The engine reads an i32 as the u32 of the same bits.
    pub(super) fn at(&self, layer: u64) -> u32 {
        let value = match self.pair.value {
            Value::Array(array) => array.get(layer),
            value => Some(value),
        };
        match value {
            Some(Value::U32(value)) => value,
            Some(Value::I32(value)) => value.cast_unsigned(),
            Some(Value::Bool(value)) => value.into(),
            _ => 0,
        }
    }

    pub(super) fn refusal(&self, layer: u64, reason: impl AsRef<str>) -> GgufError {
        super::refusal(self.pair.key, self.offset(layer), reason)
    }

    fn offset(&self, layer: u64) -> u64 {
        let Value::Array(array) = self.pair.value else {
            return self.pair.value_offset();
        };
        let width = array.element.width_bytes().unwrap_or_default();
        array.offset.saturating_add(layer.saturating_mul(width))
    }
}
