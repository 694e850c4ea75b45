//! Metadata values as JavaScript has them: 64-bit integers as `BigInt`, arrays of numbers as typed arrays.

use gguf::{Array, Value, ValueType};
use napi::bindgen_prelude::{
    BigInt, BigInt64Array, BigUint64Array, Either16, Float32Array, Float64Array, Int8Array,
    Int16Array, Int32Array, Uint8Array, Uint16Array, Uint32Array,
};

use crate::model::lossy;

pub(crate) type Metadata = Either16<
    f64,
    BigInt,
    bool,
    String,
    Uint8Array,
    Int8Array,
    Uint16Array,
    Int16Array,
    Uint32Array,
    Int32Array,
    Float32Array,
    Float64Array,
    BigUint64Array,
    BigInt64Array,
    Vec<bool>,
    Vec<String>,
>;

pub(crate) fn decode(value: Value<'_>) -> Metadata {
    match value {
        Value::U8(value) => Metadata::A(value.into()),
        Value::I8(value) => Metadata::A(value.into()),
        Value::U16(value) => Metadata::A(value.into()),
        Value::I16(value) => Metadata::A(value.into()),
        Value::U32(value) => Metadata::A(value.into()),
        Value::I32(value) => Metadata::A(value.into()),
        Value::F32(value) => Metadata::A(value.into()),
        Value::F64(value) => Metadata::A(value),
        Value::U64(value) => Metadata::B(value.into()),
        Value::I64(value) => Metadata::B(value.into()),
        Value::Bool(value) => Metadata::C(value),
        Value::String(text) => Metadata::D(lossy(text)),
        Value::Array(array) => decode_array(array),
    }
}

fn decode_array(array: Array<'_>) -> Metadata {
    let bytes = array.bytes;
    match array.element {
        ValueType::U8 => Metadata::E(bytes.to_vec().into()),
        ValueType::I8 => Metadata::F(numbers(bytes, i8::from_le_bytes).into()),
        ValueType::U16 => Metadata::G(numbers(bytes, u16::from_le_bytes).into()),
        ValueType::I16 => Metadata::H(numbers(bytes, i16::from_le_bytes).into()),
        ValueType::U32 => Metadata::I(numbers(bytes, u32::from_le_bytes).into()),
        ValueType::I32 => Metadata::J(numbers(bytes, i32::from_le_bytes).into()),
        ValueType::F32 => Metadata::K(numbers(bytes, f32::from_le_bytes).into()),
        ValueType::F64 => Metadata::L(numbers(bytes, f64::from_le_bytes).into()),
        ValueType::U64 => Metadata::M(numbers(bytes, u64::from_le_bytes).into()),
        ValueType::I64 => Metadata::N(numbers(bytes, i64::from_le_bytes).into()),
        ValueType::Bool => Metadata::O(bytes.iter().map(|&byte| byte != 0).collect()),
        ValueType::String | ValueType::Array => Metadata::P(array.strings().map(lossy).collect()),
    }
}

fn numbers<T, const N: usize>(bytes: &[u8], decode: fn([u8; N]) -> T) -> Vec<T> {
    bytes
        .as_chunks::<N>()
        .0
        .iter()
        .map(|&chunk| decode(chunk))
        .collect()
}
