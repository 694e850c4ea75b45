//! The tensors that the engine finds: those of a whole file, or of all parts of a set.

use crate::header::Header;
use crate::tensor::Tensor;

#[derive(Clone, Copy)]
pub(crate) struct Weights<'a>(&'a [&'a Header]);

impl<'a> Weights<'a> {
    pub(crate) fn of(files: &'a [&'a Header]) -> Self {
        Self(files)
    }

    pub(super) fn named(self, name: &[u8]) -> Option<Tensor<'a>> {
        self.0.iter().find_map(|file| file.tensor_named(name))
    }

    /// Whether there is what every model starts with: embeddings and a first block.
    pub(super) fn make_a_model(self) -> bool {
        let is_block = |name: &[u8]| name.starts_with(b"blk.0.");
        let mut all = self.0.iter().flat_map(|file| file.tensors());
        self.named(b"token_embd.weight").is_some() && all.any(|tensor| is_block(tensor.name))
    }
}
