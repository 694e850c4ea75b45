//! The root folder and the calls that open files beneath it.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use napi::bindgen_prelude::{Env, Error, Object, Result};
use napi_derive::napi;
use verify::{Ask, Guard, Guarding, Root};

use crate::control::NativeControl;
use crate::policy::Policy;
use crate::proving::Proving;
use crate::thread;
use crate::verdict::{Refusal, Verdict, expected_digest};

/// A root, or why there is none.
#[napi(object, object_from_js = false)]
pub struct Opened {
    pub root: Option<NativeRoot>,
    pub refusal: Option<Refusal>,
}

#[napi]
pub struct NativeRoot {
    root: Option<Arc<Root>>,
}

pub(crate) fn open(path: &[u8]) -> Opened {
    match Root::open(Path::new(std::ffi::OsStr::from_bytes(path))) {
        Ok(root) => Opened {
            root: Some(NativeRoot {
                root: Some(Arc::new(root)),
            }),
            refusal: None,
        },
        Err(refusal) => Opened {
            root: None,
            refusal: Some(refusal.into()),
        },
    }
}

/// What is asked of one file, beside its path.
#[napi(object, object_to_js = false)]
pub struct FileAsk {
    pub sha256: Option<String>,
    pub max_bytes: Option<i64>,
    /// The best guard to try, and the least to accept.
    pub guard: Option<String>,
    pub min_guard: Option<String>,
    pub policy: Policy,
    pub proving: Proving,
}

#[napi]
impl NativeRoot {
    /// Verifies the whole file on a thread of its own.
    #[napi(catch_unwind)]
    pub fn load<'env>(
        &self,
        env: &'env Env,
        path: &[u8],
        ask: FileAsk,
        control: &NativeControl,
    ) -> Result<Object<'env>> {
        let ask = whole_file(path, ask)?;
        let (root, control) = (self.current()?, control.inner.clone());
        thread::promise(env, "model-load", move || {
            Verdict::from(verify::load(&root, &ask, &control))
        })
    }

    /// Verifies the whole file and protects it by fs-verity, on a thread of its own.
    #[napi(catch_unwind)]
    pub fn protect<'env>(
        &self,
        env: &'env Env,
        path: &[u8],
        ask: FileAsk,
        control: &NativeControl,
    ) -> Result<Object<'env>> {
        let ask = whole_file(path, ask)?;
        let (root, control) = (self.current()?, control.inner.clone());
        thread::promise(env, "model-protect", move || {
            Verdict::from(verify::protect(&root, &ask, &control))
        })
    }

    /// Judges the header alone, on a thread of its own.
    #[napi(catch_unwind)]
    pub fn inspect<'env>(
        &self,
        env: &'env Env,
        path: &[u8],
        ask: FileAsk,
        control: &NativeControl,
    ) -> Result<Object<'env>> {
        let ask = whole_file(path, ask)?;
        let (root, control) = (self.current()?, control.inner.clone());
        thread::promise(env, "model-inspect", move || {
            Verdict::from(verify::inspect(&root, &ask.path, ask.policy, &control))
        })
    }

    /// Closes the folder's descriptor; running calls keep theirs.
    #[napi]
    pub fn close(&mut self) {
        self.root = None;
    }

    fn current(&self) -> Result<Arc<Root>> {
        self.root
            .clone()
            .ok_or_else(|| Error::from_reason("the root was closed"))
    }
}

fn whole_file(path: &[u8], ask: FileAsk) -> Result<Ask> {
    Ok(Ask {
        proving: ask.proving.try_into()?,
        path: path.to_vec(),
        expected: expected_digest(ask.sha256.as_deref())?,
        bytes_max: ask
            .max_bytes
            .map_or(u64::MAX, |bytes| u64::try_from(bytes).unwrap_or(0)),
        policy: ask.policy.into(),
        guarding: guarding(ask.guard.as_deref(), ask.min_guard.as_deref())?,
    })
}

fn guarding(best: Option<&str>, least: Option<&str>) -> Result<Guarding> {
    Ok(Guarding {
        best: best.map(guard_named).transpose()?,
        least: least.map_or(Ok(Guard::Pinned), guard_named)?,
    })
}

fn guard_named(name: &str) -> Result<Guard> {
    Guard::from_name(name).ok_or_else(|| Error::from_reason("a guard of no known name"))
}
