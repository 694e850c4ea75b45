//! The layout: where tensor data, their padding and the file's tail lie (rules 33 to 37).

use crate::cursor::offset;
use crate::error::{Code, GgufError};
use crate::header::Header;
use crate::tensor::Tensor;

/// Sets where the data start, and judges the whole layout against the file's size.
pub(crate) fn judge(header: &mut Header) -> Result<(), GgufError> {
    if header.tensor_count() > 0 {
        header.data_offset = data_offset(header)?;
        judge_ends(header)?;
    }
    judge_tail(header);
    Ok(())
}

fn data_offset(header: &Header) -> Result<u64, GgufError> {
    let end = header.header_bytes();
    let padded = u128::from(end).next_multiple_of(header.alignment.into());
    let inside = u64::try_from(padded)
        .ok()
        .filter(|&padded| padded <= header.file_size);
    inside.ok_or_else(|| {
        let message = format!(
            "the file ends at byte {}, inside the padding that ends at byte {padded}: it was cut off; fetch it again",
            header.file_size
        );
        GgufError::new(Code::Truncated, message).at(end)
    })
}

/// Rule 35. Tensors lie one behind the other, so the last one ends last.
fn judge_ends(header: &Header) -> Result<(), GgufError> {
    let last = header
        .tensor_count()
        .checked_sub(1)
        .and_then(|last| header.tensor(last));
    if last.is_some_and(|last| end(&last) <= header.file_size.into()) {
        return Ok(());
    }
    let cut = header
        .tensors()
        .enumerate()
        .find(|(_, tensor)| end(tensor) > header.file_size.into());
    let message = format!(
        "the file ends at byte {}, before this tensor's data do: it was cut off, or lies; fetch it again",
        header.file_size
    );
    let error = GgufError::new(Code::Truncated, message);
    Err(match cut {
        Some((row, tensor)) => error.at(offset_field(header, row, &tensor)).of(tensor.name),
        None => error,
    })
}

fn end(tensor: &Tensor<'_>) -> u128 {
    u128::from(tensor.offset) + u128::from(tensor.bytes)
}

/// Where a row's offset field stands: behind name, dimensions and type, each with its own length.
fn offset_field(header: &Header, row: usize, tensor: &Tensor<'_>) -> u64 {
    let start = header.tensors.start(row).unwrap_or_default();
    let fields = 8 + tensor.name.len() + 4 + 8 * tensor.shape.len() + 4;
    offset(start).saturating_add(offset(fields))
}

/// What the file's size alone says about rules 36 and 37.
fn judge_tail(header: &mut Header) {
    let data_end = header.data_end();
    match u64::try_from(data_end) {
        Ok(data_end) if data_end <= header.file_size => long_tail(header, data_end),
        _ => no_last_padding(header),
    }
}

fn no_last_padding(header: &mut Header) {
    let last = header
        .tensor_count()
        .checked_sub(1)
        .and_then(|last| header.tensor(last));
    let Some(last) = last else { return };
    let (at, name) = (u64::try_from(end(&last)).ok(), last.name.to_vec());
    let message = || "the padding behind the last tensor is missing".into();
    header.findings.add(36, at, &name, message);
}

/// A tail shorter than the alignment may be padding; its bytes are judged as they pass.
fn long_tail(header: &mut Header, data_end: u64) {
    let tail = header.file_size.saturating_sub(data_end);
    if tail >= header.alignment {
        let message = || format!("{tail} bytes follow the model's own: they are no part of it");
        header.findings.add(37, Some(data_end), b"", message);
    }
}
