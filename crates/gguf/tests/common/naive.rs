//! The naive twin: the same rules over a whole file in memory, as plainly as they can be written.
//! No blocks, no checkpoints, no borrowed ranges, names copied, every number in 128 bits.

use std::collections::HashSet;

use gguf::{Code, Limits, TensorType};

pub type Refusal = (Code, Option<u64>);

#[derive(Debug, Default, PartialEq, Eq)]
pub struct Seen {
    pub version: u32,
    pub alignment: u64,
    pub header_bytes: u64,
    pub data_offset: u64,
    pub pairs: Vec<(Vec<u8>, u64)>,
    /// Name, place in the file, bytes.
    pub tensors: Vec<(Vec<u8>, u64, u64)>,
    /// Rule and offset, in file order.
    pub findings: Vec<(u8, Option<u64>)>,
}

struct Walk<'a> {
    file: &'a [u8],
    at: usize,
    limits: Limits,
    seen: Seen,
    later_shard: bool,
    has_architecture: bool,
    has_quantization_version: bool,
    first_quantised: Option<u64>,
}

pub fn judge(file: &[u8], limits: Limits) -> Result<Seen, Refusal> {
    let mut walk = Walk {
        file,
        at: 0,
        limits,
        seen: Seen {
            alignment: 32,
            ..Seen::default()
        },
        later_shard: false,
        has_architecture: false,
        has_quantization_version: false,
        first_quantised: None,
    };
    walk.all()?;
    Ok(walk.seen)
}

fn refuse<T>(code: Code, at: usize) -> Result<T, Refusal> {
    Err((code, Some(at as u64)))
}

impl<'a> Walk<'a> {
    fn all(&mut self) -> Result<(), Refusal> {
        let head = &self.file[..self.file.len().min(4)];
        if head == b"FUGG" {
            return refuse(Code::BigEndian, 0);
        }
        if head.is_empty() || !b"GGUF".starts_with(head) {
            return refuse(Code::NotGguf, 0);
        }
        self.take(4, 0)?;
        self.seen.version = self.u32()?;
        match self.seen.version {
            2 | 3 => {}
            big if big != 0 && big % 0x1_0000 == 0 => return refuse(Code::BigEndian, 4),
            _ => return refuse(Code::UnsupportedVersion, 4),
        }
        let left = (self.file.len() as u128).saturating_sub(24);
        let tensors = self.u64()?;
        Self::cap(tensors, self.limits.tensors_max, 8)?;
        if u128::from(tensors) * 25 > left {
            return refuse(Code::Truncated, 8);
        }
        let pairs = self.u64()?;
        Self::cap(pairs, self.limits.metadata_pairs_max, 16)?;
        if u128::from(pairs) * 14 > left - u128::from(tensors) * 25 {
            return refuse(Code::Truncated, 16);
        }
        Self::cap((tensors + pairs) * 48, self.limits.index_bytes_max, 16)?;
        self.pairs(pairs)?;
        self.tensors(tensors)
    }

    fn cap(value: u64, max: u64, at: usize) -> Result<(), Refusal> {
        if value > max {
            refuse(Code::LimitExceeded, at)
        } else {
            Ok(())
        }
    }

    fn take(&mut self, length: u128, blame: usize) -> Result<&'a [u8], Refusal> {
        let end = self.at as u128 + length;
        if end > self.file.len() as u128 {
            return refuse(Code::Truncated, blame);
        }
        Self::cap(end as u64, self.limits.header_bytes_max, blame)?;
        let taken = &self.file[self.at..end as usize];
        self.at = end as usize;
        Ok(taken)
    }

    fn u32(&mut self) -> Result<u32, Refusal> {
        Ok(u32::from_le_bytes(
            self.take(4, self.at)?.try_into().unwrap(),
        ))
    }

    fn u64(&mut self) -> Result<u64, Refusal> {
        Ok(u64::from_le_bytes(
            self.take(8, self.at)?.try_into().unwrap(),
        ))
    }

    fn find(&mut self, rule: u8, at: usize) {
        self.seen.findings.push((rule, Some(at as u64)));
    }

    fn pairs(&mut self, count: u64) -> Result<(), Refusal> {
        let mut known = HashSet::new();
        for _ in 0..count {
            let start = self.at;
            let length = self.u64()?;
            if length == 0 {
                return refuse(Code::BadKey, start);
            }
            Self::cap(length, self.limits.key_bytes_max, start)?;
            let key = self.take(length.into(), start)?.to_vec();
            if let Some(control) = key.iter().position(|byte| *byte < 32 || *byte == 127) {
                return refuse(Code::BadKey, start + 8 + control);
            }
            if !known.insert(key.clone()) {
                return refuse(Code::DuplicateKey, start);
            }
            if !good_key(&key) {
                self.find(10, start);
            }
            self.value(&key)?;
            self.seen.pairs.push((key, start as u64));
        }
        Ok(())
    }

    fn value(&mut self, key: &[u8]) -> Result<(), Refusal> {
        let type_at = self.at;
        let kind = self.u32()?;
        if kind > 12 {
            return refuse(Code::BadValueType, type_at);
        }
        let at = self.at;
        self.has_quantization_version |= key == b"general.quantization_version";
        self.has_architecture |= key == b"general.architecture";
        if key == b"general.alignment" {
            return self.alignment(kind, type_at);
        }
        match kind {
            8 => {
                let template = key == b"tokenizer.chat_template"
                    || key.starts_with(b"tokenizer.chat_template.");
                let max = if template {
                    self.limits.chat_template_bytes_max
                } else {
                    self.limits.string_bytes_max
                };
                let text = self.text(max)?;
                if let Err(error) = std::str::from_utf8(text) {
                    self.find(16, at + 8 + error.valid_up_to());
                }
                if key == b"general.architecture" && !good_architecture(text) {
                    self.find(38, at + 8);
                }
            }
            9 => self.array()?,
            _ => {
                let bytes = self.take(width(kind).into(), at)?;
                if kind == 7 && bytes[0] > 1 {
                    self.find(15, at);
                }
            }
        }
        if key == b"general.architecture" && kind != 8 {
            self.find(38, type_at);
        }
        Ok(())
    }

    fn alignment(&mut self, kind: u32, type_at: usize) -> Result<(), Refusal> {
        if kind != 4 {
            return refuse(Code::BadAlignment, type_at);
        }
        let at = self.at;
        let alignment = self.u32()?;
        if alignment.count_ones() != 1 {
            return refuse(Code::BadAlignment, at);
        }
        Self::cap(alignment.into(), self.limits.alignment_max, at)?;
        if alignment % 8 != 0 {
            self.find(19, at);
        }
        self.seen.alignment = alignment.into();
        Ok(())
    }

    fn text(&mut self, max: u64) -> Result<&'a [u8], Refusal> {
        let at = self.at;
        let length = self.u64()?;
        Self::cap(length, max, at)?;
        self.take(length.into(), at)
    }

    fn array(&mut self) -> Result<(), Refusal> {
        let type_at = self.at;
        let kind = self.u32()?;
        if kind == 9 || kind > 12 {
            return refuse(Code::BadArray, type_at);
        }
        let at = self.at;
        let count = self.u64()?;
        Self::cap(count, self.limits.array_elements_max, at)?;
        if kind != 8 {
            let start = self.at;
            let bytes = self.take(u128::from(count) * u128::from(width(kind)), at)?;
            if let Some(bad) = bytes
                .iter()
                .position(|byte| *byte > 1)
                .filter(|_| kind == 7)
            {
                self.find(15, start + bad);
            }
            return Ok(());
        }
        let start = self.at;
        self.take(u128::from(count) * 8, at)?;
        self.at = start;
        let mut first_bad = None;
        for _ in 0..count {
            let at = self.at;
            let text = self.text(self.limits.string_bytes_max)?;
            if std::str::from_utf8(text).is_err() {
                first_bad = first_bad.or(Some(at));
            }
        }
        if let Some(at) = first_bad {
            self.find(16, at);
        }
        Ok(())
    }

    fn tensors(&mut self, count: u64) -> Result<(), Refusal> {
        let mut known = HashSet::new();
        let mut expected = 0_u128;
        let mut offset_fields = vec![];
        for number in 0..count {
            let start = self.at;
            let length = self.u64()?;
            if length == 0 || length > 63 {
                return refuse(Code::BadTensorName, start);
            }
            let name = self.take(length.into(), start)?.to_vec();
            if let Some(control) = name.iter().position(|byte| *byte < 32 || *byte == 127) {
                return refuse(Code::BadTensorName, start + 8 + control);
            }
            if let Err(error) = std::str::from_utf8(&name) {
                return refuse(Code::BadTensorName, start + 8 + error.valid_up_to());
            }
            if !known.insert(name.clone()) {
                return refuse(Code::DuplicateTensor, start);
            }
            let bytes = self.size()?;
            let padded =
                bytes.div_ceil(self.seen.alignment.into()) * u128::from(self.seen.alignment);
            let overhead = u128::from(number + 2) * 512;
            if bytes > u64::MAX.into() || expected + padded + overhead > u64::MAX.into() {
                let dimensions = self.file[start + 8 + name.len()];
                return refuse(
                    Code::BadShape,
                    start + 8 + name.len() + if dimensions == 0 { 0 } else { 4 },
                );
            }
            let at = self.at;
            if u128::from(self.u64()?) != expected {
                return refuse(Code::BadTensorOffset, at);
            }
            self.seen
                .tensors
                .push((name, expected as u64, bytes as u64));
            offset_fields.push(at);
            expected += padded;
        }
        self.layout(expected, &offset_fields)
    }

    fn size(&mut self) -> Result<u128, Refusal> {
        let count_at = self.at;
        let count = self.u32()?;
        if count > 4 {
            return refuse(Code::BadShape, count_at);
        }
        let shape_at = if count == 0 { count_at } else { self.at };
        let (mut values, mut not_zero, mut row) = (1_u128, 1_u128, None);
        for _ in 0..count {
            let at = self.at;
            let dimension = self.u64()?;
            row = row.or(Some(dimension));
            values = values.saturating_mul(dimension.into());
            not_zero = not_zero.saturating_mul(dimension.max(1).into());
            if not_zero >= 1 << 63 {
                return refuse(Code::BadShape, at);
            }
        }
        let type_at = self.at;
        let id = self.u32()?;
        let Some(kind) = TensorType::from_id(id) else {
            return refuse(Code::BadTensorType, type_at);
        };
        if row.unwrap_or(1) % kind.block_size() != 0 {
            return refuse(Code::BadShape, shape_at);
        }
        if kind.block_size() > 1 {
            self.first_quantised = self.first_quantised.or(Some(type_at as u64));
        }
        Ok(values / u128::from(kind.block_size()) * u128::from(kind.block_bytes()))
    }

    fn layout(&mut self, data_bytes: u128, offset_fields: &[usize]) -> Result<(), Refusal> {
        let (end, size, alignment) = (self.at as u64, self.file.len() as u64, self.seen.alignment);
        self.seen.header_bytes = end;
        self.seen.data_offset = end;
        if !self.seen.tensors.is_empty() {
            self.seen.data_offset = end.next_multiple_of(alignment);
            if self.seen.data_offset > size {
                return refuse(Code::Truncated, self.at);
            }
        }
        let start = self.seen.data_offset;
        let mut used = start.into();
        for ((_, offset, bytes), &field) in self.seen.tensors.iter_mut().zip(offset_fields) {
            used = u128::from(start) + u128::from(*offset) + u128::from(*bytes);
            if used > size.into() {
                return refuse(Code::Truncated, field);
            }
            *offset += start;
        }
        if !self.later_shard && !self.has_architecture {
            self.seen.findings.push((38, None));
        }
        if let Some(at) = self
            .first_quantised
            .filter(|_| !self.later_shard && !self.has_quantization_version)
        {
            self.seen.findings.push((39, Some(at)));
        }
        let data_end = u128::from(start) + data_bytes;
        if data_end > size.into() {
            self.find(36, used as usize);
        }
        let tail = u128::from(size).saturating_sub(data_end);
        if tail >= alignment.into() {
            self.find(37, data_end as usize);
        }
        self.padding(data_end, tail < alignment.into());
        self.seen
            .findings
            .sort_by_key(|(_, at)| at.unwrap_or(u64::MAX));
        Ok(())
    }

    fn padding(&mut self, data_end: u128, short_tail: bool) {
        let mut gaps = vec![(34, self.seen.header_bytes, self.seen.data_offset)];
        for (number, (_, offset, bytes)) in self.seen.tensors.iter().enumerate() {
            let next = self.seen.tensors.get(number + 1).map(|next| next.1);
            gaps.push((
                34,
                offset + bytes,
                next.unwrap_or(data_end.min(self.file.len() as u128) as u64),
            ));
        }
        if short_tail && data_end <= self.file.len() as u128 {
            gaps.push((37, data_end as u64, self.file.len() as u64));
        }
        for (rule, from, to) in gaps {
            let stray = (from..to).find(|&at| self.file[at as usize] != 0);
            if let Some(at) = stray {
                self.find(rule, at as usize);
            }
        }
    }
}

fn width(kind: u32) -> u32 {
    [1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8][kind as usize]
}

fn good_key(key: &[u8]) -> bool {
    let text = String::from_utf8_lossy(key);
    let word = |text: &str| {
        !text.is_empty()
            && text
                .chars()
                .all(|char| matches!(char, 'a'..='z' | '0'..='9' | '_'))
    };
    key.len() <= 65_535
        && text.split('.').enumerate().all(|(place, segment)| {
            if place == 0 {
                good_architecture(segment.as_bytes())
            } else {
                word(segment)
            }
        })
}

fn good_architecture(name: &[u8]) -> bool {
    let good =
        |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(byte);
    !name.is_empty() && name.iter().all(good)
}
