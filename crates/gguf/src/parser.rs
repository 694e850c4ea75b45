//! The parser: a state machine that goes from checkpoint to checkpoint as bytes arrive.
//!
//! A step that lacks bytes changes nothing and says how many it needs, so the whole work stays
//! linear in the header's bytes whatever the sizes of the blocks.

use std::ops::Range;

use crate::conformance;
use crate::cursor::offset;
use crate::error::GgufError;
use crate::finding::Findings;
use crate::header::Header;
use crate::layout;
use crate::limits::Limits;
use crate::metadata::{Metadata, Rest};
use crate::preamble::{self, Preamble};
use crate::reader::{Reader, Step, Stop};
use crate::strings::StringWalk;
use crate::table::Table;

/// What comes next.
#[derive(Debug)]
enum Next {
    Preamble,
    /// A pair, if there is one left; else the tensor table.
    Key,
    /// The value of the key that stands there.
    Value(Range<usize>),
    /// The strings of an array under that key.
    Strings(Range<usize>, StringWalk),
    /// A tensor's name, if there is one left; else the end.
    Tensor,
    /// The rest of the row of that name.
    Row(Range<usize>),
    End,
}

/// How far a header is parsed.
#[derive(Debug)]
pub(crate) struct Parser {
    limits: Limits,
    file_size: u64,
    /// The checkpoint.
    position: usize,
    next: Next,
    claimed: Preamble,
    metadata: Metadata,
    metadata_end: usize,
    table: Table,
    findings: Findings,
}

impl Parser {
    pub(crate) fn new(file_size: u64, limits: Limits) -> Self {
        Self {
            limits,
            file_size,
            position: 0,
            next: Next::Preamble,
            claimed: Preamble::default(),
            metadata: Metadata::default(),
            metadata_end: 0,
            table: Table::default(),
            findings: Findings::default(),
        }
    }

    /// Parses on over the file's first bytes, up to where they end; `Ok` when the header is whole.
    pub(crate) fn advance(&mut self, bytes: &[u8]) -> Step<()> {
        let limits = self.limits;
        while !matches!(self.next, Next::End) {
            let mut reader = Reader::new(bytes, self.position, self.file_size, &limits);
            self.step(&mut reader)
                .map_err(|stop| self.first(stop, bytes))?;
            self.position = reader.position();
        }
        Ok(())
    }

    /// Names are compared at the end of their table, or here, where something else is refused:
    /// a name that stands twice stands before that.
    fn first(&mut self, stop: Stop, bytes: &[u8]) -> Stop {
        let duplicate = match (&stop, &self.next) {
            (Stop::More(_), _) | (_, Next::Preamble | Next::End) => None,
            (_, Next::Key | Next::Value(_) | Next::Strings(..)) => self.metadata.duplicate(bytes),
            (_, Next::Tensor | Next::Row(_)) => self.table.duplicate(bytes),
        };
        duplicate.map_or(stop, Stop::Refused)
    }

    fn step(&mut self, reader: &mut Reader<'_>) -> Step<()> {
        match &mut self.next {
            Next::Preamble => {
                self.claimed = preamble::read(reader)?;
                self.next = Next::Key;
            }
            Next::Key if offset(self.metadata.pairs.len()) == self.claimed.pairs => {
                refuse(self.metadata.duplicate(reader.bytes()))?;
                self.metadata_end = reader.position();
                self.next = Next::Tensor;
            }
            Next::Key => {
                let key = self.metadata.key(reader, &mut self.findings)?;
                self.next = Next::Value(key);
            }
            Next::Value(key) => {
                reader.field = reader.bytes().get(key.clone());
                self.next = match self.metadata.value(reader, &mut self.findings)? {
                    Rest::Done => Next::Key,
                    Rest::Strings(walk) => Next::Strings(key.clone(), walk),
                };
            }
            Next::Strings(key, walk) => {
                reader.field = reader.bytes().get(key.clone());
                let ended = walk.advance(reader, &mut self.findings);
                self.position = reader.position();
                ended?;
                self.next = Next::Key;
            }
            Next::Tensor if offset(self.table.rows.len()) == self.claimed.tensors => {
                refuse(self.table.duplicate(reader.bytes()))?;
                self.next = Next::End;
            }
            Next::Tensor => self.next = Next::Row(self.table.name(reader)?),
            Next::Row(name) => {
                reader.field = reader.bytes().get(name.clone());
                self.table.row(reader, self.metadata.alignment)?;
                self.next = Next::Tensor;
            }
            Next::End => {}
        }
        Ok(())
    }

    /// The header, once all of it was parsed; judged against the file's size.
    pub(crate) fn header(&mut self, mut bytes: Vec<u8>) -> Result<Header, GgufError> {
        bytes.truncate(self.position);
        bytes.shrink_to_fit();
        let metadata = std::mem::take(&mut self.metadata);
        let table = std::mem::take(&mut self.table);
        let mut header = Header {
            bytes,
            version: self.claimed.version,
            alignment: metadata.alignment,
            file_size: self.file_size,
            data_offset: offset(self.position),
            data_bytes: table.data_bytes,
            metadata_end: self.metadata_end,
            pairs: metadata.pairs,
            tensors: table.rows,
            findings: std::mem::take(&mut self.findings),
        };
        layout::judge(&mut header)?;
        conformance::judge(&mut header, table.first_quantised);
        Ok(header)
    }

    /// Where the parsed part ends.
    pub(crate) fn position(&self) -> usize {
        self.position
    }
}

fn refuse(error: Option<GgufError>) -> Step<()> {
    error.map_or(Ok(()), |error| Err(Stop::Refused(error)))
}
