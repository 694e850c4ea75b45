//! The metadata: keys and values (rules 5 to 19), each a checkpoint of the parser.

use crate::cursor::{Cursor, offset};
use crate::error::{Code, GgufError};
use crate::finding::Findings;
use crate::index::Index;
use crate::reader::{Reader, Step, control_byte};
use crate::strings::StringWalk;
use crate::value::ValueType;
use crate::{conformance, template};

const ALIGNMENT_KEY: &[u8] = b"general.alignment";
const ARCHITECTURE_KEY: &[u8] = b"general.architecture";
/// What the format says a file is aligned to when it does not say so itself.
const ALIGNMENT_DEFAULT: u64 = 32;

/// The pairs read so far.
#[derive(Debug)]
pub(crate) struct Metadata {
    pub(crate) pairs: Index,
    pub(crate) alignment: u64,
}

impl Default for Metadata {
    fn default() -> Self {
        Self {
            pairs: Index::default(),
            alignment: ALIGNMENT_DEFAULT,
        }
    }
}

/// What follows a value's first fields.
pub(crate) enum Rest {
    /// Nothing: the pair is complete.
    Done,
    /// The strings of an array, which may be millions.
    Strings(StringWalk),
}

/// Where a string stands in the header.
type Range = std::ops::Range<usize>;

impl Metadata {
    /// Reads a key, and says where it stands.
    pub(crate) fn key(&mut self, reader: &mut Reader<'_>, findings: &mut Findings) -> Step<Range> {
        let start = reader.position();
        let at = reader.offset();
        let length = reader.u64()?;
        if length == 0 {
            return Err(reader.refusal(Code::BadKey, at, "the key is empty"));
        }
        reader.within(
            length,
            (reader.limits.key_bytes_max, "limits.keyBytes"),
            at,
            "bytes of key",
        )?;
        let from = reader.position();
        let key = reader.take(length, at)?;
        reader.field = Some(key);
        if let Some(control) = control_byte(key) {
            let at = offset(from).saturating_add(offset(control));
            let message = "the key has a control byte in it, at which C code would cut it off";
            return Err(reader.refusal(Code::BadKey, at, message));
        }
        self.pairs.push(key, start);
        conformance::key(findings, key, at);
        Ok(from..reader.position())
    }

    /// The refusal of the first key that stands twice among those read so far, all of which stand
    /// before anything else that may be wrong.
    pub(crate) fn duplicate(&mut self, header: &[u8]) -> Option<GgufError> {
        let (start, earlier) = self.pairs.sort(header)?;
        let message = format!("the key stands twice in the file, first at byte {earlier}");
        let key = Cursor::new(header, start).string().unwrap_or_default();
        Some(
            GgufError::new(Code::DuplicateKey, message)
                .at(offset(start))
                .of(key),
        )
    }

    /// Reads a value up to its end, or up to the first of its strings.
    pub(crate) fn value(&mut self, reader: &mut Reader<'_>, findings: &mut Findings) -> Step<Rest> {
        let at = reader.offset();
        let id = reader.u32()?;
        let Some(kind) = ValueType::from_id(id) else {
            let message = format!("value type {id} does not exist");
            return Err(reader.refusal(Code::BadValueType, at, message));
        };
        if reader.field == Some(ALIGNMENT_KEY) {
            return self.alignment(reader, findings, kind, at);
        }
        let rest = match kind {
            ValueType::String => string(reader, findings),
            ValueType::Array => array(reader, findings),
            scalar => fixed(reader, findings, scalar, 1, reader.offset()),
        }?;
        // Only now, as a value that lacks bytes is read again.
        if reader.field == Some(ARCHITECTURE_KEY) && kind != ValueType::String {
            conformance::architecture(findings, None, at);
        }
        Ok(rest)
    }

    fn alignment(
        &mut self,
        reader: &mut Reader<'_>,
        findings: &mut Findings,
        kind: ValueType,
        type_at: u64,
    ) -> Step<Rest> {
        if kind != ValueType::U32 {
            let message = format!("the alignment must be a u32, not {kind}");
            return Err(reader.refusal(Code::BadAlignment, type_at, message));
        }
        let at = reader.offset();
        let alignment = reader.u32()?;
        if !alignment.is_power_of_two() {
            let message = format!("the alignment must be a power of two, not {alignment}");
            return Err(reader.refusal(Code::BadAlignment, at, message));
        }
        self.alignment = alignment.into();
        reader.within(
            self.alignment,
            (reader.limits.alignment_max, "limits.alignment"),
            at,
            "bytes of alignment",
        )?;
        conformance::alignment(findings, alignment, at);
        Ok(Rest::Done)
    }
}

fn string(reader: &mut Reader<'_>, findings: &mut Findings) -> Step<Rest> {
    let at = reader.offset();
    let length = reader.u64()?;
    let key = reader.field.unwrap_or_default();
    let limit = if template::is_template(key) {
        (
            reader.limits.chat_template_bytes_max,
            "limits.chatTemplateBytes",
        )
    } else {
        (reader.limits.string_bytes_max, "limits.stringBytes")
    };
    reader.within(length, limit, at, "bytes of string")?;
    let start = reader.offset();
    let text = reader.take(length, at)?;
    conformance::utf8(findings, key, text, start);
    if key == ARCHITECTURE_KEY {
        conformance::architecture(findings, Some(text), start);
    }
    if template::is_template(key) {
        conformance::template(findings, key, text, start);
    }
    Ok(Rest::Done)
}

fn array(reader: &mut Reader<'_>, findings: &mut Findings) -> Step<Rest> {
    let at = reader.offset();
    let id = reader.u32()?;
    let element = match ValueType::from_id(id) {
        None => Err(format!("array element type {id} does not exist")),
        Some(ValueType::Array) => Err("an array of arrays, which no engine reads".into()),
        Some(element) => Ok(element),
    };
    let element = element.map_err(|message| reader.refusal(Code::BadArray, at, message))?;
    let at = reader.offset();
    let count = reader.u64()?;
    reader.within(
        count,
        (reader.limits.array_elements_max, "limits.arrayElements"),
        at,
        "array elements",
    )?;
    if element != ValueType::String {
        return fixed(reader, findings, element, count, at);
    }
    // Each string has at least its length field.
    reader.room(count.saturating_mul(8), at)?;
    Ok(Rest::Strings(StringWalk::new(count)))
}

/// One scalar, or all elements of an array of scalars.
fn fixed(
    reader: &mut Reader<'_>,
    findings: &mut Findings,
    kind: ValueType,
    count: u64,
    claimed_at: u64,
) -> Step<Rest> {
    let start = reader.offset();
    let width = kind.width_bytes().unwrap_or_default();
    let bytes = reader.take(count.saturating_mul(width), claimed_at)?;
    if kind == ValueType::Bool {
        conformance::bools(findings, reader.field.unwrap_or_default(), bytes, start);
    }
    Ok(Rest::Done)
}
