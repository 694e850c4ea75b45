//! The scanner: fed a file block by block, it keeps the header and judges the rest as it passes.

use crate::cursor::offset;
use crate::engine::{self, Weights};
use crate::error::{Code, GgufError};
use crate::header::Header;
use crate::identify;
use crate::limits::Policy;
use crate::padding::PaddingWatch;
use crate::parser::Parser;
use crate::reader::Stop;
use crate::split;

/// Bytes that are kept before they are parsed: small enough to be parsed while still in cache.
const INTAKE_BYTES: usize = 256 << 10;

/// Judges a file whose bytes arrive in order, in blocks of any size.
///
/// ```
/// let mut scanner = gguf::Scanner::new(4, gguf::Policy::default());
/// scanner.feed(b"GG");
/// scanner.feed(b"UF");
/// assert_eq!(scanner.finish().unwrap_err().code.as_str(), "GGUF_TRUNCATED");
/// ```
#[derive(Debug)]
pub struct Scanner {
    policy: Policy,
    file_size: u64,
    /// Bytes fed so far.
    fed: u64,
    state: State,
}

#[derive(Debug)]
enum State {
    /// The header is still arriving.
    Header(Box<Intake>),
    /// The header is whole; data pass.
    Data {
        header: Box<Header>,
        watch: PaddingWatch,
    },
    Refused(GgufError),
}

impl Scanner {
    /// A scanner for a file of that many bytes.
    pub fn new(file_size: u64, policy: Policy) -> Self {
        let state = State::Header(Box::new(Intake::new(file_size, &policy)));
        Self {
            policy,
            file_size,
            fed: 0,
            state,
        }
    }

    /// Takes the next bytes of the file. Never fails: a refusal is remembered, and after it, as
    /// after the file's last byte, further bytes are ignored.
    pub fn feed(&mut self, block: &[u8]) {
        let left = usize::try_from(self.file_size.saturating_sub(self.fed)).unwrap_or(usize::MAX);
        let mut block = block.get(..left).unwrap_or(block);
        while !block.is_empty() {
            let taken = self.take(block);
            self.fed = self.fed.saturating_add(offset(taken));
            block = block.get(taken..).unwrap_or_default();
        }
    }

    /// Whether the header is complete or refused, so that nothing more must be read to judge it.
    pub fn header_settled(&self) -> bool {
        !matches!(self.state, State::Header(_))
    }

    /// The verdict. After fewer bytes than the file has, the data's own bytes go unjudged.
    pub fn finish(self) -> Result<Header, GgufError> {
        match self.state {
            State::Refused(error) => Err(error),
            State::Header(intake) => Err(intake.unfinished(self.file_size)),
            State::Data { mut header, .. } => {
                header.findings.sort();
                judge(&header, self.policy)?;
                Ok(*header)
            }
        }
    }

    /// Takes some of the block, and says how much.
    fn take(&mut self, block: &[u8]) -> usize {
        match &mut self.state {
            State::Refused(_) => block.len(),
            State::Data { header, watch } => {
                watch.pass(header, self.fed, block);
                block.len()
            }
            State::Header(intake) => {
                let (taken, settled) = intake.take(block);
                match settled {
                    None => {}
                    Some(Err(error)) => self.state = State::Refused(error),
                    Some(Ok(header)) => {
                        let watch = PaddingWatch::new(&header);
                        self.state = State::Data {
                            header: Box::new(header),
                            watch,
                        };
                    }
                }
                taken
            }
        }
    }
}

/// The verdict on a header that is sound in itself: engine safety, then conformance.
fn judge(header: &Header, policy: Policy) -> Result<(), GgufError> {
    if policy.engine_safety {
        split::judge(header)?;
        engine::judge(header, Weights::of(&[header]))?;
    }
    match header.findings().first() {
        Some(first) if policy.strict => Err(GgufError {
            code: Code::Nonconformant,
            offset: first.offset,
            field: first.field.clone(),
            message: format!(
                "{} (rule {}; refused in strict mode only)",
                first.message, first.rule
            ),
        }),
        _ => Ok(()),
    }
}

/// The header's bytes as they arrive, and the parser over them.
#[derive(Debug)]
struct Intake {
    kept: Vec<u8>,
    /// The parser has nothing to do before so many bytes are there.
    wanted: u64,
    parser: Parser,
    /// The most that is ever kept: the limit, or the whole file.
    bytes_max: usize,
}

impl Intake {
    fn new(file_size: u64, policy: &Policy) -> Self {
        let bytes_max = policy.limits.header_bytes_max.min(file_size);
        Self {
            kept: Vec::new(),
            wanted: 0,
            parser: Parser::new(file_size, policy.limits),
            bytes_max: usize::try_from(bytes_max).unwrap_or(usize::MAX),
        }
    }

    /// Keeps some of the block, and parses on. What is not taken belongs to the data.
    fn take(&mut self, block: &[u8]) -> (usize, Option<Result<Header, GgufError>>) {
        let before = self.kept.len();
        let taken = self.keep(block);
        if taken == 0 {
            return (0, Some(Err(over_limit())));
        }
        if offset(self.kept.len()) < self.wanted {
            return (taken, None);
        }
        match self.parser.advance(&self.kept) {
            Err(Stop::More(wanted)) => {
                self.wanted = wanted;
                (taken, None)
            }
            Err(Stop::Refused(error)) => (taken, Some(Err(error))),
            Ok(()) => {
                // All earlier blocks were parsed to their end, so the header ends in this one.
                let taken = self.parser.position().saturating_sub(before);
                (
                    taken,
                    Some(self.parser.header(std::mem::take(&mut self.kept))),
                )
            }
        }
    }

    /// Grows by what has arrived, never by what is claimed.
    fn keep(&mut self, block: &[u8]) -> usize {
        let room = self
            .bytes_max
            .saturating_sub(self.kept.len())
            .min(INTAKE_BYTES);
        let part = block.get(..room).unwrap_or(block);
        let needed = self.kept.len().saturating_add(part.len());
        if needed > self.kept.capacity() {
            let doubled = self
                .kept
                .capacity()
                .saturating_mul(2)
                .min(self.bytes_max)
                .max(needed);
            self.kept
                .reserve_exact(doubled.saturating_sub(self.kept.len()));
        }
        self.kept.extend_from_slice(part);
        part.len()
    }

    /// The refusal when bytes stop coming before the header is whole.
    fn unfinished(&self, file_size: u64) -> GgufError {
        if file_size == 0
            || !self
                .kept
                .iter()
                .zip(b"GGUF")
                .all(|(byte, magic)| byte == magic)
        {
            return identify::refuse(&self.kept);
        }
        let fed = offset(self.kept.len());
        let message = format!(
            "only {fed} of the file's {file_size} bytes were given, and its header goes on"
        );
        GgufError::new(Code::Truncated, message).at(fed)
    }
}

/// The parser refuses what would end beyond the limit before it asks for it; this is the limit
/// of a few bytes in which not even the preamble has room.
fn over_limit() -> GgufError {
    let message =
        "the header is over the limit header_bytes_max: raise the limit if you trust the file";
    GgufError::new(Code::LimitExceeded, message).at(0)
}
