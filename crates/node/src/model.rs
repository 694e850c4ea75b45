//! The handles that JavaScript holds: a verified file and its header.

use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;

use gguf::{Header, Tensor, Value};
use napi::bindgen_prelude::{BigInt, Buffer, Env, Error, Object, ObjectFinalize, Result};
use napi_derive::napi;
use verify::Verified;

use crate::control::{NativeControl, saturating};
use crate::metadata::{self, Metadata};
use crate::thread::{self, Held};
use crate::verdict::Refusal;
use crate::vram::{DigestCache, Digestible};

/// Owns the descriptor of the very file that was verified.
#[napi]
pub struct NativeModel {
    verified: Option<Arc<Verified>>,
    /// Of its tensors, once somebody compares an engine's copy with them.
    digests: Arc<DigestCache>,
}

impl NativeModel {
    pub(crate) fn new(verified: Verified) -> Self {
        Self {
            verified: Some(Arc::new(verified)),
            digests: Arc::default(),
        }
    }

    /// The file, and what is known of its tensors.
    pub(crate) fn digestible(&self) -> Result<Digestible> {
        Ok(Digestible {
            file: Arc::clone(self.open()?),
            digests: Arc::clone(&self.digests),
        })
    }

    fn open(&self) -> Result<&Arc<Verified>> {
        let verified = self.verified.as_ref();
        verified.ok_or_else(|| Error::from_reason("the model was closed"))
    }
}

#[napi]
impl NativeModel {
    #[napi]
    pub fn fd(&self) -> Result<i32> {
        Ok(self.open()?.as_fd().as_raw_fd())
    }

    /// What guards the bytes now; a look of a microsecond.
    #[napi]
    pub fn guard(&self) -> Result<&'static str> {
        Ok(self.open()?.guard().as_str())
    }

    /// Whether they were guarded better before.
    #[napi]
    pub fn guard_broken(&self) -> Result<bool> {
        Ok(self.open()?.guard_broken())
    }

    /// Copies bytes out of the file, each tile checked anew, on a thread of its own, which holds the file until
    /// it is done.
    #[napi(catch_unwind)]
    pub fn read<'env>(
        &self,
        env: &'env Env,
        offset: i64,
        length: i64,
        control: &NativeControl,
    ) -> Result<Object<'env>> {
        let range = range(offset, length).ok_or_else(|| Error::from_reason("no such range"))?;
        let (verified, control) = (Arc::clone(self.open()?), control.inner.clone());
        thread::promise(env, "model-window", move || {
            Window::from(verified.read(range, &control))
        })
    }

    /// Closes the descriptor, as soon as no reading holds it; a second call does nothing.
    #[napi]
    pub fn close(&mut self) {
        self.verified = None;
    }
}

fn range(offset: i64, length: i64) -> Option<std::ops::Range<u64>> {
    let start = u64::try_from(offset).ok()?;
    Some(start..start.checked_add(u64::try_from(length).ok()?)?)
}

/// Bytes that are still the verified ones, or why there are none.
#[napi(object, object_from_js = false)]
pub(crate) struct Window {
    pub bytes: Option<Buffer>,
    pub refusal: Option<Refusal>,
}

impl Held for Window {}

impl From<std::result::Result<Vec<u8>, verify::Refusal>> for Window {
    fn from(outcome: std::result::Result<Vec<u8>, verify::Refusal>) -> Self {
        match outcome {
            Ok(bytes) => Self {
                bytes: Some(bytes.into()),
                refusal: None,
            },
            Err(refusal) => Self {
                bytes: None,
                refusal: Some(refusal.into()),
            },
        }
    }
}

/// A parsed header; holds no descriptor.
#[napi(custom_finalize)]
pub struct NativeGguf {
    header: Arc<Header>,
}

impl ObjectFinalize for NativeGguf {
    fn finalize(self, env: Env) -> Result<()> {
        env.adjust_external_memory(-self.held_bytes()).map(drop)
    }
}

impl NativeGguf {
    /// The header's bytes; what the parser built on top of them is smaller.
    pub(crate) fn held_bytes(&self) -> i64 {
        saturating(self.header.header_bytes())
    }

    pub(crate) fn new(header: &Arc<Header>) -> Self {
        Self {
            header: Arc::clone(header),
        }
    }
}

#[napi(object, object_from_js = false)]
pub struct Summary {
    pub version: u32,
    pub alignment: i64,
    pub metadata_count: i64,
    pub tensor_count: i64,
    pub header_bytes: i64,
    pub data_offset: i64,
    pub file_bytes: i64,
    pub architecture: Option<String>,
    pub split: Option<Split>,
    pub findings: Vec<Finding>,
    pub finding_count: i64,
}

/// Which part of a split model this is, counted from 0.
#[napi(object, object_from_js = false)]
pub struct Split {
    pub index: u32,
    pub count: u32,
    pub tensors: Option<i64>,
}

#[napi(object, object_from_js = false)]
pub struct Finding {
    pub rule: u32,
    pub message: String,
    pub offset: Option<i64>,
    pub field: Option<String>,
}

/// Type and place of a value that is not decoded.
#[napi(object, object_from_js = false)]
pub struct Description {
    pub r#type: String,
    pub length: i64,
    pub offset: i64,
}

#[napi(object, object_from_js = false)]
pub struct TensorRow {
    pub name: String,
    pub r#type: &'static str,
    /// Elements per dimension, the contiguous one first.
    pub shape: Vec<BigInt>,
    pub offset: i64,
    pub bytes: i64,
}

#[napi]
impl NativeGguf {
    #[napi(catch_unwind)]
    pub fn summary(&self) -> Summary {
        let header = &self.header;
        Summary {
            version: header.version(),
            alignment: saturating(header.alignment()),
            metadata_count: saturating(header.metadata_count()),
            tensor_count: saturating(header.tensor_count()),
            header_bytes: saturating(header.header_bytes()),
            data_offset: saturating(header.data_offset()),
            file_bytes: saturating(header.file_size()),
            architecture: header.architecture().map(str::to_owned),
            split: header.split().map(split),
            findings: header.findings().iter().map(finding).collect(),
            finding_count: saturating(header.findings_count()),
        }
    }

    #[napi(catch_unwind)]
    pub fn keys(&self) -> Vec<String> {
        self.header.pairs().map(|pair| lossy(pair.key)).collect()
    }

    #[napi(catch_unwind)]
    pub fn describe(&self, key: String) -> Option<Description> {
        let pair = self.header.pair_named(key.as_bytes())?;
        let (length, kind) = match pair.value {
            Value::Array(array) => (array.len, format!("arr[{}]", array.element.as_str())),
            scalar => (1, scalar.value_type().as_str().to_owned()),
        };
        Some(Description {
            r#type: kind,
            length: saturating(length),
            offset: saturating(pair.value_offset()),
        })
    }

    #[napi(catch_unwind)]
    pub fn value(&self, key: String) -> Option<Metadata> {
        self.header.get(key.as_bytes()).map(metadata::decode)
    }

    /// Up to `count` rows of the tensor table from row `first` on.
    #[napi(catch_unwind)]
    pub fn tensors(&self, first: u32, count: u32) -> Vec<TensorRow> {
        let rows = u64::from(first)..u64::from(first) + u64::from(count);
        rows.map_while(|index| self.header.tensor(index))
            .map(row)
            .collect()
    }

    #[napi(catch_unwind)]
    pub fn tensor_named(&self, name: String) -> Option<TensorRow> {
        self.header.tensor_named(name.as_bytes()).map(row)
    }
}

fn split(split: gguf::Split) -> Split {
    Split {
        index: split.no.into(),
        count: split.count.into(),
        tensors: split.tensors.map(saturating),
    }
}

fn finding(finding: &gguf::Finding) -> Finding {
    Finding {
        rule: finding.rule.into(),
        message: finding.message.clone(),
        offset: finding.offset.map(saturating),
        field: finding.field.clone(),
    }
}

fn row(tensor: Tensor<'_>) -> TensorRow {
    TensorRow {
        name: lossy(tensor.name),
        r#type: tensor.kind.as_str(),
        shape: tensor
            .shape
            .iter()
            .map(|&elements| elements.into())
            .collect(),
        offset: saturating(tensor.offset),
        bytes: saturating(tensor.bytes),
    }
}

pub(crate) fn lossy(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}
