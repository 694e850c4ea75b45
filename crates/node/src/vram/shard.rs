//! A sealed model as JavaScript holds it: the vault, and a handle that dies with the memory.

use std::sync::Arc;

use napi::bindgen_prelude::{BigInt, Buffer, Env, Error, Object, Result, Uint8Array};
use napi_derive::napi;
use vram::{Book, BookEntry, Evidence, Handle, Level, Vault, VramError};

use super::evidence::{EvidenceView, hex};
use super::failure::VramFailure;
use super::scrub::NativeScrub;
use super::tile_list::of_32;
use crate::control::{NativeControl, saturating};
use crate::model::NativeModel;
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

/// How thoroughly to look. `p` goes with "sample", `nonce` of 32 bytes with "challenge" and "book", `answer` with "book".
#[napi(object, object_to_js = false)]
pub struct CheckAsk {
    pub level: String,
    pub p: Option<f64>,
    pub nonce: Option<Uint8Array>,
    pub answer: Option<Uint8Array>,
}

/// The entries, none where `evidence` shows anything wrong.
#[napi(object, object_from_js = false)]
#[derive(Default)]
pub(crate) struct BookView {
    pub entries: Vec<BookEntryView>,
    pub evidence: Option<EvidenceView>,
    pub failure: Option<VramFailure>,
}

impl Held for BookView {}

#[napi(object, object_from_js = false)]
pub(crate) struct BookEntryView {
    pub nonce: String,
    pub answer: String,
}

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
    #[napi(catch_unwind)]
    pub fn verify<'env>(
        &self,
        env: &'env Env,
        ask: CheckAsk,
        control: &NativeControl,
    ) -> Result<Object<'env>> {
        let level = Level::try_from(ask)?;
        let (vault, handle) = (Arc::clone(&self.vault), self.handle);
        let control = control.inner.clone();
        thread::promise(env, "model-vram-check", move || {
            Checked::from(vault.verify(handle, &level, &control))
        })
    }

    /// Answers to so many nonces that nobody else knows, and the look that vouches for them.
    #[napi(catch_unwind)]
    pub fn book<'env>(
        &self,
        env: &'env Env,
        entries: u32,
        control: &NativeControl,
    ) -> Result<Object<'env>> {
        let (vault, handle) = (Arc::clone(&self.vault), self.handle);
        let control = control.inner.clone();
        thread::promise(env, "model-vram-book", move || {
            BookView::from(vault.book(handle, entries, &control))
        })
    }

    /// Random tiles, a fraction `p` of each file's, held against those of the files, which are read again.
    #[napi(catch_unwind)]
    pub fn spot_check<'env>(
        &self,
        env: &'env Env,
        files: Vec<&NativeModel>,
        p: f64,
        control: &NativeControl,
    ) -> Result<Object<'env>> {
        let (vault, handle) = (Arc::clone(&self.vault), self.handle);
        let files = files.iter().map(|file| Ok(file.digestible()?.file));
        let files = files.collect::<Result<Vec<_>>>()?;
        let control = control.inner.clone();
        thread::promise(env, "model-vram-check", move || {
            Checked::from(vault.spot_check(handle, &files, p, &control))
        })
    }

    /// The values of each file's tiles, 32 bytes each, in order.
    #[napi(catch_unwind)]
    pub fn tile_values(&self) -> Result<Vec<Buffer>> {
        let tiles = self.vault.tiles(self.handle);
        let tiles = tiles.map_err(|error| Error::from_reason(error.to_string()))?;
        let values = tiles.iter().map(|tiles| {
            let values = tiles.values().iter().flat_map(|value| *value.as_bytes());
            values.collect::<Vec<u8>>().into()
        });
        Ok(values.collect())
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

impl TryFrom<CheckAsk> for Level {
    type Error = Error;

    fn try_from(ask: CheckAsk) -> Result<Self> {
        let nonce = ask.nonce.as_deref().map(of_32).transpose()?;
        let answer = ask.answer.as_deref().map(of_32).transpose()?;
        match (ask.level.as_str(), ask.p, nonce, answer) {
            ("quick", None, None, None) => Ok(Self::Quick),
            ("full", None, None, None) => Ok(Self::Full),
            ("sample", Some(p), None, None) => Ok(Self::Sample(p)),
            ("challenge", None, Some(nonce), None) => Ok(Self::Challenge(nonce)),
            ("book", None, Some(nonce), answer) => Ok(Self::Book { nonce, answer }),
            _ => Err(Error::from_reason("no such level")),
        }
    }
}

impl From<std::result::Result<Book, VramError>> for BookView {
    fn from(outcome: std::result::Result<Book, VramError>) -> Self {
        match outcome {
            Ok(Book { entries, evidence }) => Self {
                entries: entries.iter().map(BookEntryView::from).collect(),
                evidence: Some(evidence.into()),
                failure: None,
            },
            Err(error) => Self {
                failure: Some(error.into()),
                ..Self::default()
            },
        }
    }
}

impl From<&BookEntry> for BookEntryView {
    fn from(entry: &BookEntry) -> Self {
        Self {
            nonce: hex(&entry.nonce),
            answer: hex(&entry.answer),
        }
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
