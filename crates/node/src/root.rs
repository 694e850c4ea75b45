//! The root folder and the calls that open files beneath it.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use napi::bindgen_prelude::{Buffer, Env, Error, Object, Result};
use napi_derive::napi;
use verify::{Ask, Guard, Guarding, Root, SetAsk};

use crate::control::NativeControl;
use crate::model::Window;
use crate::policy::Policy;
use crate::proving::Proving;
use crate::set::SetVerdict;
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
        let (root, ask) = self.prepare(path, ask)?;
        let control = control.inner.clone();
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

    /// Verifies all parts of a split model, named by the first, on threads of its own. `parts` are the digests that
    /// they must have, in order, empty where none is promised.
    #[napi(catch_unwind)]
    pub fn load_set<'env>(
        &self,
        env: &'env Env,
        path: &[u8],
        ask: FileAsk,
        parts: Vec<String>,
        links_in: &[u8],
        control: &NativeControl,
    ) -> Result<Object<'env>> {
        let (root, mut ask) = self.prepare_set(path, ask, &parts)?;
        // Tile values would cost a third of the speed; without a record they are made when bytes are asked for.
        ask.whole.proving.tiles = ask.whole.proving.records.is_some();
        let links_in = Path::new(std::ffi::OsStr::from_bytes(links_in)).to_owned();
        let control = control.inner.clone();
        thread::promise(env, "model-set", move || {
            SetVerdict::from(verify::load_set(&root, &ask, &links_in, &control))
        })
    }

    /// Whether the path opens a regular file beneath the root, or all parts of a set that it names the first of, on a
    /// thread of its own. Nothing is read.
    #[napi(catch_unwind)]
    pub fn find<'env>(&self, env: &'env Env, path: &[u8], is_set: bool) -> Result<Object<'env>> {
        let (root, path) = (self.current()?, path.to_vec());
        thread::promise(env, "model-beside", move || {
            if !is_set {
                return Verdict::from(verify::find(&root, &path));
            }
            let found = verify::find_set(&root, &path);
            found.map_or_else(Verdict::from, |_| Verdict::default())
        })
    }

    /// Reads a small file whole, on a thread of its own.
    #[napi(catch_unwind)]
    pub fn read_small<'env>(
        &self,
        env: &'env Env,
        path: &[u8],
        max_bytes: i64,
    ) -> Result<Object<'env>> {
        let (root, path) = (self.current()?, path.to_vec());
        let bytes_max = u64::try_from(max_bytes).unwrap_or(0);
        thread::promise(env, "model-beside", move || {
            Window::from(verify::read_small(&root, &path, bytes_max))
        })
    }

    /// Where the file that the path opens really lies, on a thread of its own.
    #[napi(catch_unwind)]
    pub fn real_path<'env>(&self, env: &'env Env, path: &[u8]) -> Result<Object<'env>> {
        let (root, path) = (self.current()?, path.to_vec());
        thread::promise(env, "model-beside", move || {
            Window::from(verify::real_path(&root, &path))
        })
    }

    /// The path relative to the root; null where its text cannot lie below the root.
    #[napi(catch_unwind)]
    pub fn relative(&self, path: &[u8]) -> Result<Option<Buffer>> {
        let root = self.current()?;
        Ok(root.relative(path).map(|path| path.to_vec().into()))
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
        let (root, ask) = self.prepare(path, ask)?;
        let control = control.inner.clone();
        thread::promise(env, "model-inspect", move || {
            Verdict::from(verify::inspect(&root, &ask.path, ask.policy, &control))
        })
    }

    /// Closes the folder's descriptor; running calls keep theirs.
    #[napi]
    pub fn close(&mut self) {
        self.root = None;
    }

    /// The root, and what is asked of a file beneath it.
    pub(crate) fn prepare(&self, path: &[u8], ask: FileAsk) -> Result<(Arc<Root>, Ask)> {
        let ask = whole_file(path, ask)?;
        Ok((self.current()?, ask))
    }

    /// The root, and what is asked of a split model whose first part is beneath it. `parts` are the digests that its
    /// files must have, in order, empty where none is promised.
    pub(crate) fn prepare_set(
        &self,
        path: &[u8],
        ask: FileAsk,
        parts: &[String],
    ) -> Result<(Arc<Root>, SetAsk)> {
        let promised =
            |hex: &String| expected_digest(Some(hex.as_str()).filter(|hex| !hex.is_empty()));
        let ask = SetAsk {
            whole: whole_file(path, ask)?,
            parts: parts.iter().map(promised).collect::<Result<_>>()?,
        };
        Ok((self.current()?, ask))
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
