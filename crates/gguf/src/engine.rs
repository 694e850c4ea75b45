//! Engine safety: metadata that is well-formed, but known to abort or corrupt the engine behind us.

use crate::{GgufError, Header};

pub(crate) fn judge(_: &Header) -> Result<(), GgufError> {
    Ok(())
}
