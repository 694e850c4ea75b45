//! A raw GGUF writer that can lie about anything, and the assertions that the tests share.
// Every test file uses a part of it.
#![allow(dead_code, unreachable_pub, missing_docs)]
// A failed look-up is a failed test, and the files here are small.
#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::cast_possible_truncation,
    clippy::large_stack_arrays
)]

pub mod naive;

use gguf::{Code, GgufError, Header, Policy, Scanner, parse};

pub const U8: u32 = 0;
pub const I8: u32 = 1;
pub const U16: u32 = 2;
pub const I16: u32 = 3;
pub const U32: u32 = 4;
pub const I32: u32 = 5;
pub const F32: u32 = 6;
pub const BOOL: u32 = 7;
pub const STR: u32 = 8;
pub const ARR: u32 = 9;
pub const U64: u32 = 10;
pub const I64: u32 = 11;
pub const F64: u32 = 12;

/// A file in the making. It writes what it is told, and nothing on its own.
#[derive(Clone, Debug, Default)]
pub struct Raw {
    pub bytes: Vec<u8>,
    /// Where the test expects the refusal.
    pub mark: Option<u64>,
}

impl Raw {
    pub fn new() -> Self {
        Self::default()
    }

    /// Magic, version 3 and the counts.
    pub fn v3(tensors: u64, pairs: u64) -> Self {
        Self::new().raw(b"GGUF").u32(3).u64(tensors).u64(pairs)
    }

    /// The next field is the one that is refused.
    pub fn here(mut self) -> Self {
        self.mark = Some(self.bytes.len() as u64);
        self
    }

    pub fn raw(mut self, bytes: &[u8]) -> Self {
        self.bytes.extend_from_slice(bytes);
        self
    }

    pub fn u8(self, value: u8) -> Self {
        self.raw(&[value])
    }

    pub fn u16(self, value: u16) -> Self {
        self.raw(&value.to_le_bytes())
    }

    pub fn u32(self, value: u32) -> Self {
        self.raw(&value.to_le_bytes())
    }

    pub fn i32(self, value: i32) -> Self {
        self.raw(&value.to_le_bytes())
    }

    pub fn u64(self, value: u64) -> Self {
        self.raw(&value.to_le_bytes())
    }

    pub fn zeros(self, count: usize) -> Self {
        self.raw(&vec![0; count])
    }

    pub fn pad(self, alignment: usize) -> Self {
        let count = self.bytes.len().next_multiple_of(alignment) - self.bytes.len();
        self.zeros(count)
    }

    /// A length field and the bytes.
    pub fn string(self, text: impl AsRef<[u8]>) -> Self {
        let text = text.as_ref();
        self.u64(text.len() as u64).raw(text)
    }

    /// A key and a type; the value follows.
    pub fn key(self, key: impl AsRef<[u8]>, kind: u32) -> Self {
        self.string(key).u32(kind)
    }

    pub fn pair_u32(self, key: impl AsRef<[u8]>, value: u32) -> Self {
        self.key(key, U32).u32(value)
    }

    pub fn pair_string(self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.key(key, STR).string(value)
    }

    /// An array's key, element type and count; the elements follow.
    pub fn array(self, key: impl AsRef<[u8]>, element: u32, count: u64) -> Self {
        self.key(key, ARR).u32(element).u64(count)
    }

    pub fn architecture(self) -> Self {
        self.pair_string("general.architecture", "llama")
    }

    pub fn alignment(self, value: u32) -> Self {
        self.pair_u32("general.alignment", value)
    }

    /// A row's name and dimensions; type and offset follow.
    pub fn shape(self, name: impl AsRef<[u8]>, dimensions: &[u64]) -> Self {
        let start = self.string(name).u32(dimensions.len() as u32);
        dimensions
            .iter()
            .fold(start, |raw, &dimension| raw.u64(dimension))
    }

    pub fn tensor(
        self,
        name: impl AsRef<[u8]>,
        dimensions: &[u64],
        kind: u32,
        offset: u64,
    ) -> Self {
        self.shape(name, dimensions).u32(kind).u64(offset)
    }
}

pub fn strict() -> Policy {
    Policy {
        strict: true,
        ..Policy::default()
    }
}

/// Feeds the file in blocks of that size.
pub fn scan(file: &[u8], policy: Policy, block_bytes: usize) -> Result<Header, GgufError> {
    let mut scanner = Scanner::new(file.len() as u64, policy);
    for block in file.chunks(block_bytes) {
        scanner.feed(block);
    }
    scanner.finish()
}

/// Feeds no more than the scanner needs to judge the header.
pub fn scan_header(file: &[u8], policy: Policy) -> Result<Header, GgufError> {
    let mut scanner = Scanner::new(file.len() as u64, policy);
    for block in file.chunks(1) {
        scanner.feed(block);
        if scanner.header_settled() {
            break;
        }
    }
    scanner.finish()
}

/// The file is refused with that code at the marked offset, however it arrives.
#[track_caller]
pub fn refused_by(policy: Policy, raw: &Raw, code: Code) -> GgufError {
    let error = parse(&raw.bytes, policy).expect_err("the file must be refused");
    assert_eq!((error.code, error.offset), (code, raw.mark), "{error}");
    assert!(
        error.message.is_ascii() && !error.message.contains('\n'),
        "{error}"
    );
    for block_bytes in [1, 7, 4096] {
        let other = scan(&raw.bytes, policy, block_bytes).expect_err("refused in blocks, too");
        assert_eq!(other, error, "in blocks of {block_bytes}");
    }
    error
}

#[track_caller]
pub fn refused(raw: &Raw, code: Code) -> GgufError {
    refused_by(Policy::default(), raw, code)
}

/// The file is accepted without a finding, strictly, however it arrives.
#[track_caller]
pub fn accepted(raw: &Raw) -> Header {
    let header = parse(&raw.bytes, strict()).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(header.findings(), []);
    for block_bytes in [1, 7, 4096] {
        scan(&raw.bytes, strict(), block_bytes).unwrap_or_else(|error| panic!("{error}"));
    }
    scan_header(&raw.bytes, strict()).unwrap_or_else(|error| panic!("{error}"));
    header
}

/// The file is accepted with that one finding at the marked offset, and refused by strict policy.
#[track_caller]
pub fn found(raw: &Raw, rule: u8) -> Header {
    for block_bytes in [1, 7, 4096, usize::MAX] {
        let header = scan(&raw.bytes, Policy::default(), block_bytes)
            .unwrap_or_else(|error| panic!("{error}"));
        let findings: Vec<_> = header
            .findings()
            .iter()
            .map(|found| (found.rule, found.offset))
            .collect();
        assert_eq!(findings, [(rule, raw.mark)], "in blocks of {block_bytes}");
    }
    refused_by(strict(), raw, Code::Nonconformant);
    parse(&raw.bytes, Policy::default()).unwrap()
}
