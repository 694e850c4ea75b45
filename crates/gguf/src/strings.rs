//! The walk over a string array: the hot loop of a large header, resumable at every string.

use crate::conformance;
use crate::cursor::offset;
use crate::finding::Findings;
use crate::reader::{Reader, Step, Stop};

/// How far a walk has come.
#[derive(Debug)]
pub(crate) struct StringWalk {
    left: u64,
    /// Where the first string stands that is no UTF-8, and how many there are.
    first_invalid: Option<u64>,
    invalid: u64,
}

impl StringWalk {
    pub(crate) fn new(count: u64) -> Self {
        Self {
            left: count,
            first_invalid: None,
            invalid: 0,
        }
    }

    /// Walks on as far as the bytes go, and leaves the reader there.
    pub(crate) fn advance(&mut self, reader: &mut Reader<'_>, findings: &mut Findings) -> Step<()> {
        reader.seek(self.run(reader));
        if self.left > 0 {
            return Err(diagnose(reader.clone()));
        }
        let key = reader.field.unwrap_or_default();
        conformance::strings(findings, key, self.first_invalid, self.invalid);
        Ok(())
    }

    /// As many strings as are complete and within the limit. Says where the next one stands.
    fn run(&mut self, reader: &Reader<'_>) -> usize {
        let mut rest = reader.bytes().get(reader.position()..).unwrap_or_default();
        while self.left > 0 {
            let Some((length, behind)) = rest.split_first_chunk() else {
                break;
            };
            let length = u64::from_le_bytes(*length);
            if length > reader.limits.string_bytes_max {
                break;
            }
            let Ok(length) = usize::try_from(length) else {
                break;
            };
            let Some((string, behind)) = behind.split_at_checked(length) else {
                break;
            };
            if std::str::from_utf8(string).is_err() {
                self.note(reader.bytes().len().saturating_sub(rest.len()));
            }
            rest = behind;
            self.left -= 1;
        }
        reader.bytes().len().saturating_sub(rest.len())
    }

    fn note(&mut self, position: usize) {
        self.invalid = self.invalid.saturating_add(1);
        self.first_invalid.get_or_insert(offset(position));
    }
}

/// Why the walk could not take the next string.
fn diagnose(mut reader: Reader<'_>) -> Stop {
    let at = reader.offset();
    let limit = (reader.limits.string_bytes_max, "limits.stringBytes");
    let mut string = || {
        let length = reader.u64()?;
        reader.within(length, limit, at, "bytes of string")?;
        reader.take(length, at)
    };
    match string() {
        Err(stop) => stop,
        // It is complete after all: try again as soon as anything arrives.
        Ok(_) => Stop::More(at),
    }
}
