//! The padding watch: as data bytes pass, judges those that must be zero (rules 34 and 37).

use crate::cursor::offset;
use crate::finding::Findings;
use crate::header::Header;

/// Bytes that must be zero, as offsets in the file.
#[derive(Clone, Debug)]
struct Gap {
    start: u64,
    end: u64,
    rule: u8,
}

/// Goes from gap to gap: before the data, behind each tensor, and the file's tail.
#[derive(Debug)]
pub(crate) struct PaddingWatch {
    gap: Option<Gap>,
    /// Of the gap after `gap`: 0 is the header's padding, 1 the first tensor's.
    next: u64,
}

impl PaddingWatch {
    pub(crate) fn new(header: &Header) -> Self {
        let mut watch = Self { gap: None, next: 0 };
        watch.advance(header);
        watch
    }

    /// Judges a block that starts at that offset. Blocks come in file order.
    pub(crate) fn pass(&mut self, header: &mut Header, start: u64, block: &[u8]) {
        let end = start.saturating_add(offset(block.len()));
        while let Some(gap) = self.gap.clone().filter(|gap| gap.start < end) {
            let stray = stray(&gap, start, block);
            if let Some(at) = stray {
                report(&mut header.findings, gap.rule, at);
            }
            if stray.is_none() && gap.end > end {
                return;
            }
            self.advance(header);
        }
    }

    /// The next gap that is not empty.
    fn advance(&mut self, header: &Header) {
        self.gap = None;
        while self.gap.is_none() && self.next <= header.tensor_count().saturating_add(1) {
            self.gap = gap(header, self.next).filter(|gap| gap.start < gap.end);
            self.next = self.next.saturating_add(1);
        }
    }
}

/// Where the first non-zero byte of the gap stands that lies in this block.
fn stray(gap: &Gap, start: u64, block: &[u8]) -> Option<u64> {
    let from = usize::try_from(gap.start.saturating_sub(start)).ok()?;
    let to = usize::try_from(gap.end.saturating_sub(start))
        .unwrap_or(usize::MAX)
        .min(block.len());
    let position = first_non_zero(block.get(from..to)?)?;
    Some(
        start
            .saturating_add(offset(from))
            .saturating_add(offset(position)),
    )
}

/// Whole chunks first: a file may be made almost wholly of padding, and a loop that stops at each
/// byte is slower than the hash beside it.
fn first_non_zero(bytes: &[u8]) -> Option<usize> {
    const CHUNK_BYTES: usize = 256;
    let zero = |chunk: &&[u8]| chunk.iter().fold(0, |seen, byte| seen | byte) == 0;
    let clean = bytes
        .chunks(CHUNK_BYTES)
        .take_while(zero)
        .count()
        .saturating_mul(CHUNK_BYTES);
    let position = bytes.get(clean..)?.iter().position(|&byte| byte != 0)?;
    clean.checked_add(position)
}

fn report(findings: &mut Findings, rule: u8, at: u64) {
    let message = || match rule {
        37 => "bytes that are no padding follow the model's own".into(),
        _ => "a byte of padding is not zero".into(),
    };
    findings.add(rule, Some(at), b"", message);
}

fn gap(header: &Header, number: u64) -> Option<Gap> {
    let count = header.tensor_count();
    if number > count {
        return tail(header);
    }
    let Some(tensor) = number.checked_sub(1) else {
        return Some(Gap {
            start: header.header_bytes(),
            end: header.data_offset,
            rule: 34,
        });
    };
    let start = header
        .tensor(tensor)
        .and_then(|tensor| tensor.offset.checked_add(tensor.bytes))?;
    let end = match header.tensor(number) {
        Some(next) => next.offset,
        None => u64::try_from(header.data_end())
            .unwrap_or(u64::MAX)
            .min(header.file_size),
    };
    Some(Gap {
        start,
        end,
        rule: 34,
    })
}

/// A longer tail was reported already, and is not padding, whatever its bytes.
fn tail(header: &Header) -> Option<Gap> {
    let start = u64::try_from(header.data_end()).ok()?;
    let length = header.file_size.checked_sub(start)?;
    (length < header.alignment).then_some(Gap {
        start,
        end: header.file_size,
        rule: 37,
    })
}
