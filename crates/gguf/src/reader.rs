//! The reader: fields of a header that is still arriving, each bounded by the file's real size.

use crate::cursor::{Cursor, offset};
use crate::error::{Code, GgufError};
use crate::limits::Limits;

/// Why a step of the parser did not come to its end.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The step needs the file's first so many bytes; nothing was changed, so it can be tried again.
    More(u64),
    /// The file breaks a rule.
    Refused(GgufError),
}

pub(crate) type Step<T> = Result<T, Stop>;

/// Reads fields from the bytes that have arrived.
#[derive(Clone)]
pub(crate) struct Reader<'a> {
    pub(crate) limits: &'a Limits,
    pub(crate) file_size: u64,
    /// The key or tensor name that refusals are about.
    pub(crate) field: Option<&'a [u8]>,
    bytes: &'a [u8],
    cursor: Cursor<'a>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(
        bytes: &'a [u8],
        position: usize,
        file_size: u64,
        limits: &'a Limits,
    ) -> Self {
        Self {
            limits,
            file_size,
            field: None,
            bytes,
            cursor: Cursor::new(bytes, position),
        }
    }

    pub(crate) fn position(&self) -> usize {
        self.cursor.position()
    }

    pub(crate) fn seek(&mut self, position: usize) {
        self.cursor = Cursor::new(self.bytes, position);
    }

    pub(crate) fn offset(&self) -> u64 {
        offset(self.position())
    }

    /// All bytes that have arrived.
    pub(crate) fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    pub(crate) fn refusal(&self, code: Code, at: u64, message: impl Into<String>) -> Stop {
        let error = GgufError::new(code, message).at(at);
        Stop::Refused(match self.field {
            Some(field) => error.of(field),
            None => error,
        })
    }

    /// Refuses a claim over a limit, before it is compared with the file's size: a claim that no
    /// file may make is not a sign of a file cut short.
    pub(crate) fn within(
        &self,
        claim: u64,
        (max, name): (u64, &str),
        at: u64,
        unit: &str,
    ) -> Step<()> {
        if claim <= max {
            return Ok(());
        }
        let message = format!(
            "{claim} {unit} are over the limit of {max}: raise {name} if you trust the file"
        );
        Err(self.refusal(Code::LimitExceeded, at, message))
    }

    /// Refuses `length` further bytes that the file, or the header's limit, has no room for.
    /// Says where they would end.
    pub(crate) fn room(&self, length: u64, claimed_at: u64) -> Step<u64> {
        let end = u128::from(self.offset()) + u128::from(length);
        if end > self.file_size.into() {
            return Err(self.truncated(end, claimed_at));
        }
        let end = u64::try_from(end).unwrap_or(u64::MAX);
        let limit = (self.limits.header_bytes_max, "limits.headerBytes");
        self.within(end, limit, claimed_at, "header bytes")?;
        Ok(end)
    }

    pub(crate) fn truncated(&self, end: u128, claimed_at: u64) -> Stop {
        let message = format!(
            "the file ends at byte {}, but what it promises here ends at byte {end}: it was cut off, or lies; fetch it again",
            self.file_size
        );
        self.refusal(Code::Truncated, claimed_at, message)
    }

    /// So many bytes that the field at `claimed_at` asks for.
    pub(crate) fn take(&mut self, length: u64, claimed_at: u64) -> Step<&'a [u8]> {
        let end = self.room(length, claimed_at)?;
        self.cursor.take(length).ok_or(Stop::More(end))
    }

    fn chunk<const N: usize>(&mut self) -> Step<[u8; N]> {
        if let Some(chunk) = self.cursor.chunk() {
            // Bytes are never kept beyond the limit or the file's size, so this is in bounds.
            return Ok(chunk);
        }
        Err(Stop::More(self.room(offset(N), self.offset())?))
    }

    pub(crate) fn u32(&mut self) -> Step<u32> {
        self.chunk().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Step<u64> {
        self.chunk().map(u64::from_le_bytes)
    }
}

/// The first NUL or other control byte of a key or name: C code would cut the string off there.
pub(crate) fn control_byte(text: &[u8]) -> Option<usize> {
    text.iter().position(|&byte| byte < b' ' || byte == 0x7f)
}
