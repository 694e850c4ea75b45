//! A secret key, and HMAC-SHA256 under it: who knows the key can write what is believed.

use hmac::{Hmac, KeyInit as _, Mac as _};
use std::fmt;

/// Bytes of a tag.
pub const MAC_BYTES: usize = 32;

/// The key of HMAC-SHA256, 32 bytes. Never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct MacKey([u8; 32]);

impl MacKey {
    /// The tag of these bytes.
    pub fn tag(&self, bytes: &[u8]) -> [u8; MAC_BYTES] {
        self.over(bytes).finalize().into_bytes().into()
    }

    /// Whether the tag belongs to these bytes; takes as long for every wrong tag.
    pub fn verifies(&self, bytes: &[u8], tag: &[u8]) -> bool {
        self.over(bytes).verify_slice(tag).is_ok()
    }

    fn over(&self, bytes: &[u8]) -> Hmac<sha2::Sha256> {
        // A block holds a key of 32 bytes; what the key is padded to is HMAC's own rule.
        let mut block = [0; 64];
        for (to, from) in block.iter_mut().zip(self.0) {
            *to = from;
        }
        let mut mac = Hmac::new(&block.into());
        mac.update(bytes);
        mac
    }
}

impl From<[u8; 32]> for MacKey {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for MacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MacKey")
    }
}
