//! Which tensors lie where in a file.

use gguf::Header;
use std::ops::Range;

/// Where each tensor's bytes lie, in the order of the file.
#[derive(Clone, Debug, Default)]
pub(crate) struct TensorMap(Vec<(Range<u64>, String)>);

impl TensorMap {
    pub(crate) fn of(header: &Header) -> Self {
        let tensors = header.tensors().map(|tensor| {
            let end = tensor.offset.saturating_add(tensor.bytes);
            let name = String::from_utf8_lossy(tensor.name).into_owned();
            (tensor.offset..end, name)
        });
        Self(tensors.collect())
    }

    /// Those that have a byte in the range.
    pub(crate) fn overlapping(&self, range: &Range<u64>) -> Vec<String> {
        let first = self
            .0
            .partition_point(|(tensor, _)| tensor.end <= range.start);
        let after = self.0.get(first..).unwrap_or_default();
        let inside = after
            .iter()
            .take_while(|(tensor, _)| tensor.start < range.end);
        inside
            .filter(|(tensor, _)| !tensor.is_empty())
            .map(|(_, name)| name.clone())
            .collect()
    }
}
