//! A sealed model as JavaScript holds it: the vault, and a handle that dies with the memory.

use std::sync::Arc;

use napi::bindgen_prelude::{BigInt, Env, Error, Object, Result};
use napi_derive::napi;
use vram::{Evidence, Handle, Level, Vault, VramError};

use super::evidence::EvidenceView;
use super::failure::VramFailure;
use super::scrub::NativeScrub;
use crate::control::{NativeControl, saturating};
use crate::thread::{self, Held};

#[napi]
pub struct NativeShard {
    vault: Arc<Vault>,
    handle: Handle,
}

/// Evidence, or why there is none.
#[napi(object, object_from_js = false)]
#[derive(Default)]
pub(crate) struct Checked {
    pub evidence: Option<EvidenceView>,
    pub failure: Option<VramFailure>,
}

impl Held for Checked {}

/// How many bytes became free, or why they did not.
#[napi(object, object_from_js = false)]
#[derive(Default)]
pub struct Freed {
    pub freed_bytes: Option<i64>,
    pub failure: Option<VramFailure>,
}

impl Held for Freed {}

impl NativeShard {
    pub(super) fn new(vault: Arc<Vault>, handle: Handle) -> Self {
        Self { vault, handle }
    }
}

#[napi]
impl NativeShard {
    /// `p` goes with "sample", `nonce` with "challenge".
    #[napi(catch_unwind)]
    pub fn verify<'env>(
        &self,
        env: &'env Env,
        level: String,
        p: Option<f64>,
        nonce: Option<&[u8]>,
        control: &NativeControl,
    ) -> Result<Object<'env>> {
        let level = level_of(&level, p, nonce)?;
        let (vault, handle) = (Arc::clone(&self.vault), self.handle);
        let control = control.inner.clone();
        thread::promise(env, "model-vram-check", move || {
            Checked::from(vault.verify(handle, &level, &control))
        })
    }

    /// The device addresses of the first byte of each file, for kernels of this process; null where there is none.
    #[napi(catch_unwind)]
    pub fn pointers(&self) -> Result<Vec<Option<BigInt>>> {
        let pointers = self.vault.pointers(self.handle);
        let pointers = pointers.map_err(|error| Error::from_reason(error.to_string()))?;
        Ok(pointers
            .into_iter()
            .map(|pointer| pointer.map(BigInt::from))
            .collect())
    }

    /// A scrub that is about to begin. `duty`: more than 0, at most 1.
    #[napi(catch_unwind)]
    pub fn new_scrub(&self, duty: f64) -> Result<NativeScrub> {
        let scrub = self.vault.scrub(self.handle, duty);
        let scrub = scrub.map_err(|error| Error::from_reason(error.to_string()))?;
        Ok(NativeScrub::new(scrub))
    }

    /// Clears and frees the memory after the slice that is being hashed. A second call frees nothing.
    #[napi(catch_unwind)]
    pub fn free<'env>(&self, env: &'env Env) -> Result<Object<'env>> {
        let (vault, handle) = (Arc::clone(&self.vault), self.handle);
        thread::promise(env, "model-vram-free", move || {
            Freed::from(vault.dispose(handle))
        })
    }

    /// The same, blocking.
    #[napi(catch_unwind)]
    pub fn free_sync(&self) -> Freed {
        Freed::from(self.vault.dispose(self.handle))
    }
}

/// A worker that is terminated drops its handles: nobody is left to hear of a failure.
impl Drop for NativeShard {
    fn drop(&mut self) {
        drop(self.vault.dispose(self.handle));
    }
}

fn level_of(name: &str, p: Option<f64>, nonce: Option<&[u8]>) -> Result<Level> {
    match (name, p, nonce) {
        ("quick", None, None) => Ok(Level::Quick),
        ("full", None, None) => Ok(Level::Full),
        ("sample", Some(p), None) => Ok(Level::Sample(p)),
        ("challenge", None, Some(nonce)) => {
            let nonce = <[u8; 32]>::try_from(nonce);
            let nonce = nonce.map_err(|_| Error::from_reason("a nonce has 32 bytes"))?;
            Ok(Level::Challenge(nonce))
        }
        _ => Err(Error::from_reason("no such level")),
    }
}

impl From<std::result::Result<Evidence, VramError>> for Checked {
    fn from(outcome: std::result::Result<Evidence, VramError>) -> Self {
        match outcome {
            Ok(evidence) => Self {
                evidence: Some(evidence.into()),
                failure: None,
            },
            Err(error) => Self {
                evidence: None,
                failure: Some(error.into()),
            },
        }
    }
}

impl From<std::result::Result<u64, VramError>> for Freed {
    fn from(outcome: std::result::Result<u64, VramError>) -> Self {
        match outcome {
            Ok(bytes) => Self {
                freed_bytes: Some(saturating(bytes)),
                failure: None,
            },
            Err(error) => Self {
                freed_bytes: None,
                failure: Some(error.into()),
            },
        }
    }
}
