//! Split models: the names of their parts, and a verdict on all of them.

use std::os::unix::ffi::OsStrExt;

use napi::bindgen_prelude::{Buffer, Error, Result};
use napi_derive::napi;
use verify::{Links, PARTS_MAX, SplitName, VerifiedSet};

use crate::thread::Held;
use crate::verdict::{Refusal, Verdict};

/// What the name of a set's file says.
#[napi(object, object_from_js = false)]
pub struct SplitPath {
    /// Which of the parts it names, from 0.
    pub index: u32,
    /// How many parts there are.
    pub count: u32,
    /// More parts than that are refused.
    pub count_max: u32,
}

pub(crate) fn split_path(path: &[u8]) -> Option<SplitPath> {
    let name = SplitName::of(path)?;
    Some(SplitPath {
        index: u32::try_from(name.place()).ok()?,
        count: u32::try_from(name.count()).ok()?,
        count_max: u32::try_from(PARTS_MAX).ok()?,
    })
}

/// The path of that part of the set that `path` names a part of.
pub(crate) fn split_part(path: &[u8], index: u32) -> Option<Buffer> {
    let name = SplitName::of(path)?;
    Some(name.part(index as usize).into())
}

/// The folder in which an engine finds the parts under their names.
#[napi]
pub struct NativeLinks {
    links: Option<Links>,
}

#[napi]
impl NativeLinks {
    /// The first part's link, in bytes.
    #[napi]
    pub fn path(&self) -> Result<Buffer> {
        let links = self.links.as_ref();
        let links = links.ok_or_else(|| Error::from_reason("the folder was removed"))?;
        Ok(links.first().as_os_str().as_bytes().to_vec().into())
    }

    /// Removes the folder; a second call does nothing.
    #[napi]
    pub fn remove(&mut self) {
        self.links = None;
    }
}

/// A set that was accepted with all of its parts, or the refusal of all of it.
#[napi(object, object_from_js = false)]
#[derive(Default)]
pub(crate) struct SetVerdict {
    pub refusal: Option<Refusal>,
    /// In order, the first part first.
    pub parts: Option<Vec<Verdict>>,
    /// The digest of the set.
    pub sha256: Option<String>,
    pub links: Option<NativeLinks>,
    pub records: Option<crate::proving::RecordNotes>,
}

impl Held for SetVerdict {
    fn held_bytes(&self) -> i64 {
        let parts = self.parts.iter().flatten();
        parts.map(Held::held_bytes).sum()
    }
}

impl From<std::result::Result<VerifiedSet, verify::Refusal>> for SetVerdict {
    fn from(outcome: std::result::Result<VerifiedSet, verify::Refusal>) -> Self {
        match outcome {
            Ok(set) => {
                let (parts, links, sha256) = set.into_parts();
                Self {
                    parts: Some(parts.into_iter().map(Verdict::from).collect()),
                    sha256: Some(sha256.to_string()),
                    links: Some(NativeLinks { links: Some(links) }),
                    ..Self::default()
                }
            }
            Err(refusal) => {
                let Verdict {
                    refusal, records, ..
                } = refusal.into();
                Self {
                    refusal,
                    records,
                    ..Self::default()
                }
            }
        }
    }
}
