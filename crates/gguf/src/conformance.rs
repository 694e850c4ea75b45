//! Conformance rules over the header: what breaks the format's text and engines live with.

use crate::cursor::offset;
use crate::finding::Findings;
use crate::header::Header;
use crate::template;
use crate::text::escape;

/// The format's own limit on a key.
const KEY_BYTES_FORMAT: usize = 65_535;

/// Rule 10.
pub(crate) fn key(findings: &mut Findings, key: &[u8], at: u64) {
    if key.len() > KEY_BYTES_FORMAT {
        let message = || {
            format!(
                "the key has {} bytes; the format allows {KEY_BYTES_FORMAT}",
                key.len()
            )
        };
        findings.add(10, Some(at), key, message);
    } else if !is_snake_case(key) {
        let message = || "the key is not lower_snake_case segments joined by dots".into();
        findings.add(10, Some(at), key, message);
    }
}

/// The first segment may be an architecture's name, and real ones have hyphens.
fn is_snake_case(key: &[u8]) -> bool {
    let mut segments = key.split(|&byte| byte == b'.');
    segments.next().is_some_and(is_architecture)
        && segments.all(|segment| !segment.is_empty() && segment.iter().all(|&byte| is_word(byte)))
}

fn is_word(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_')
}

fn is_architecture(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|&byte| is_word(byte) || byte == b'-')
}

/// Rule 15.
pub(crate) fn bools(findings: &mut Findings, key: &[u8], bytes: &[u8], start: u64) {
    let Some(position) = bytes.iter().position(|&byte| byte > 1) else {
        return;
    };
    let at = start.saturating_add(offset(position));
    let byte = bytes.get(position).copied().unwrap_or_default();
    findings.add(15, Some(at), key, || {
        format!("a bool is 0 or 1, not {byte}")
    });
}

/// Rule 16 for a string alone.
pub(crate) fn utf8(findings: &mut Findings, key: &[u8], text: &[u8], start: u64) {
    let Err(error) = std::str::from_utf8(text) else {
        return;
    };
    let at = start.saturating_add(offset(error.valid_up_to()));
    findings.add(16, Some(at), key, || "the string is not UTF-8".into());
}

/// Rule 16 for the strings of an array: one finding an array, so that one bad vocabulary does not
/// hide everything else.
pub(crate) fn strings(findings: &mut Findings, key: &[u8], first: Option<u64>, count: u64) {
    if first.is_some() {
        let message = || format!("{count} strings of the array are not UTF-8; this is the first");
        findings.add(16, first, key, message);
    }
}

/// Rule 19.
pub(crate) fn alignment(findings: &mut Findings, alignment: u32, at: u64) {
    if !alignment.is_multiple_of(8) {
        let message = || format!("the alignment must be a multiple of 8, not {alignment}");
        findings.add(19, Some(at), b"general.alignment", message);
    }
}

/// Rule 38 for a value that is there; `None` for one that is no string.
pub(crate) fn architecture(findings: &mut Findings, name: Option<&[u8]>, at: u64) {
    let message = match name {
        None => "the architecture must be a string".into(),
        Some(name) if !is_architecture(name) => {
            format!(
                "the architecture must be lower-case letters and digits, not \"{}\"",
                escape(name)
            )
        }
        Some(_) => return,
    };
    findings.add(38, Some(at), b"general.architecture", || message);
}

/// Rules 38 and 39 for what is missing from a whole header. A later shard leaves both to the first.
pub(crate) fn judge(header: &mut Header, first_quantised: Option<(usize, u64)>) {
    if header.split().is_some_and(|split| split.no > 0) {
        return;
    }
    if header.get(b"general.architecture").is_none() {
        let message = || "the file does not name its architecture".into();
        header
            .findings
            .add(38, None, b"general.architecture", message);
    }
    if header.get(b"general.quantization_version").is_none() {
        quantised(header, first_quantised);
    }
}

fn quantised(header: &mut Header, first: Option<(usize, u64)>) {
    let Some((row, at)) = first else { return };
    let tensor = header
        .tensor(offset(row))
        .map(|tensor| tensor.name.to_vec())
        .unwrap_or_default();
    let message = || "a tensor is quantised, but general.quantization_version is missing".into();
    header.findings.add(39, Some(at), &tensor, message);
}

/// Rule 46.
pub(crate) fn template(findings: &mut Findings, key: &[u8], text: &[u8], start: u64) {
    if let Some((position, message)) = template::risk(text) {
        let at = start.saturating_add(offset(position));
        findings.add(46, Some(at), key, || message);
    }
}
