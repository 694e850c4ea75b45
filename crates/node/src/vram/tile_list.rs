//! What a verifier elsewhere computes from lists of tile values: whose they are, and the answer to a challenge.

use digest::{TileValue, Tiling};
use napi::bindgen_prelude::{Error, Result, Uint8Array};
use vram::{FreshMac, response_of};

use super::evidence::hex;

/// The BLAKE3 digest of the file of so many bytes whose tiles have these values.
pub(crate) fn root(values: &[u8], size_bytes: i64) -> Result<String> {
    let bytes = u64::try_from(size_bytes).map_err(|_| Error::from_reason("a negative size"))?;
    let root = Tiling::of(bytes).root(&parsed(values)?);
    let root = root.map_err(|error| Error::from_reason(error.to_string()))?;
    Ok(root.to_string())
}

/// The answer to a fresh challenge under the nonce, of a model whose files' tiles have these values.
pub(crate) fn response(files: &[Uint8Array], nonce: &[u8]) -> Result<String> {
    let nonce = of_32(nonce)?;
    let answers = files.iter().map(|values| {
        let mut mac = FreshMac::new(&nonce);
        parsed(values)?.iter().for_each(|value| mac.add(value));
        Ok(mac.finish())
    });
    let answers = answers.collect::<Result<Vec<_>>>()?;
    Ok(hex(&response_of(&nonce, &answers)))
}

/// 32 bytes of a nonce, or of an answer to one.
pub(super) fn of_32(bytes: &[u8]) -> Result<[u8; 32]> {
    bytes
        .try_into()
        .map_err(|_| Error::from_reason("nonces and answers have 32 bytes"))
}

fn parsed(values: &[u8]) -> Result<Vec<TileValue>> {
    let (values, rest) = values.as_chunks::<32>();
    if rest.is_empty() {
        return Ok(values.iter().map(|&value| value.into()).collect());
    }
    Err(Error::from_reason("tile values have 32 bytes each"))
}
