//! An inspection: what the header says, without a digest and without reading the weights.

use crate::judge::{guarded, unchanged};
use crate::load::{look_again, open};
use crate::pass::TUNING;
use crate::reader::{Source, read_exact_at};
use crate::{Control, FileFacts, Refusal, Root};
use gguf::{Header, Policy, Scanner};
use std::sync::Arc;

/// The first read: most headers without a vocabulary fit, and it costs microseconds.
const FIRST_READ_BYTES: usize = 64 << 10;

/// A header that was judged, of a file that was not verified.
#[derive(Debug)]
pub struct Inspected {
    /// The file's facts.
    pub facts: FileFacts,
    /// What the header says.
    pub header: Arc<Header>,
}

/// Reads and judges the header alone. The result says nothing about the rest of the file.
pub fn inspect(
    root: &Root,
    path: &[u8],
    policy: Policy,
    control: &Control,
) -> Result<Inspected, Refusal> {
    guarded(|| {
        let (file, facts) = open(root, path, control)?;
        let header = read_header(&file, &facts, policy, control, None);
        Ok(Inspected {
            facts,
            header: Arc::new(header.map_err(|refusal| refusal.with_facts(facts))?),
        })
    })
}

/// `first`: how many bytes to try first, where the header's size is known.
pub(crate) fn read_header<S: Source>(
    source: &S,
    facts: &FileFacts,
    policy: Policy,
    control: &Control,
    first: Option<u64>,
) -> Result<Header, Refusal> {
    control.start(facts.size);
    let mut scanner = Scanner::new(facts.size, policy);
    let first = first.and_then(|bytes| usize::try_from(bytes).ok());
    let first = first.unwrap_or(FIRST_READ_BYTES);
    let mut buffer = vec![0; first.clamp(1, TUNING.block_bytes)];
    let mut offset = 0;
    while !scanner.header_settled() && offset < facts.size {
        if control.is_cancelled() {
            return Err(Refusal::aborted());
        }
        let count = read_some(source, &mut buffer, offset, facts.size - offset)?;
        scanner.feed(buffer.get(..count).unwrap_or_default());
        control.advance(count);
        offset += count as u64;
        // Each read is as long as all before it, up to a block: few reads, and few bytes too many.
        buffer.resize(buffer.len().saturating_mul(2).min(TUNING.block_bytes), 0);
    }
    unchanged(facts, &look_again(source)?)?;
    Ok(scanner.finish()?)
}

/// Reads a buffer full, or the file's rest if that is less.
fn read_some<S: Source>(
    source: &S,
    buffer: &mut [u8],
    offset: u64,
    rest: u64,
) -> Result<usize, Refusal> {
    let count = usize::try_from(rest).map_or(buffer.len(), |rest| rest.min(buffer.len()));
    read_exact_at(source, buffer.get_mut(..count).unwrap_or_default(), offset)?;
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::read_header;
    use crate::platform::Fault;
    use crate::reader::Source;
    use crate::{Code, Control, FileFacts};
    use gguf::Policy;
    use std::io;

    const BEFORE: FileFacts = FileFacts {
        dev: 1,
        ino: 2,
        size: 1 << 30,
        nlink: 1,
        mtime_ns: 3,
        ctime_ns: 4,
    };

    /// Reads of one text, repeated; whoever reads is cancelled if `cancels`.
    struct Repeating {
        text: &'static [u8],
        after: FileFacts,
        control: Control,
        cancels: bool,
    }

    impl Source for Repeating {
        fn read_at(&self, buffer: &mut [u8], _: u64) -> io::Result<usize> {
            if self.cancels {
                self.control.cancel();
            }
            for (byte, &letter) in buffer.iter_mut().zip(self.text.iter().cycle()) {
                *byte = letter;
            }
            Ok(buffer.len())
        }

        fn facts(&self) -> Result<FileFacts, Fault> {
            Ok(self.after)
        }
    }

    fn code_of(source: &Repeating) -> Code {
        let header = read_header(source, &BEFORE, Policy::default(), &source.control, None);
        header.unwrap_err().code
    }

    #[test]
    fn a_change_is_told_before_the_format() {
        let mut source = Repeating {
            text: b"PK\x03\x04",
            after: BEFORE,
            control: Control::new(),
            cancels: false,
        };
        assert_eq!(code_of(&source), Code::Gguf(gguf::Code::NotGguf));
        source.after.ctime_ns += 1;
        assert_eq!(code_of(&source), Code::ChangedWhileRead);
    }

    #[test]
    fn a_long_header_can_be_cancelled_between_reads() {
        // Version 3, no tensors, one pair, whose key is longer than the first read.
        const TEXT: &[u8] =
            b"GGUF\x03\0\0\0\0\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\xff\xff\x01\0\0\0\0\0";
        let source = Repeating {
            text: TEXT,
            after: BEFORE,
            control: Control::new(),
            cancels: true,
        };
        assert_eq!(code_of(&source), Code::Aborted);
        assert_eq!(source.control.bytes_done(), 64 << 10);
    }
}
