//! The vault, one for all threads of the process, and the calls to it, each on a thread of its own.

use std::sync::Arc;

use napi::bindgen_prelude::{ClassInstance, Env, Error, Object, Result};
use verify::{Ask, Root, SetAsk};
use vram::{Once, SealKey, Vault, VramError};

use super::device;
use super::foreign::{self, Range};
use super::measure::run as run_measure;
use super::place::{Place, Spot, backend_named};
use super::seal::run as run_seal;
use super::seal_set::run as run_seal_set;
use crate::control::NativeControl;
use crate::model::NativeModel;
use crate::thread;

/// Drivers are opened once a process; the key never leaves it.
static SHARED: Once<Arc<Vault>> = Once::new();

/// The process's own vault, opened by whichever thread needs it first.
pub(super) fn shared() -> std::result::Result<Arc<Vault>, VramError> {
    SHARED.or_make(|| Ok(Arc::new(Vault::open(SealKey::random()?))))
}

pub(crate) fn devices<'env>(env: &'env Env, backend: Option<&str>) -> Result<Object<'env>> {
    let wanted = backend.map(backend_named).transpose()?;
    thread::promise(env, "vram-devices", move || device::run(wanted))
}

pub(crate) fn seal<'env>(
    env: &'env Env,
    (root, ask): (Arc<Root>, Ask),
    place: Place,
    control: &NativeControl,
) -> Result<Object<'env>> {
    let (spot, control) = (Spot::try_from(place)?, control.inner.clone());
    thread::promise(env, "model-seal", move || {
        run_seal(&root, &ask, spot, &control)
    })
}

pub(crate) fn seal_set<'env>(
    env: &'env Env,
    (root, ask): (Arc<Root>, SetAsk),
    place: Place,
    control: &NativeControl,
) -> Result<Object<'env>> {
    let (spot, control) = (Spot::try_from(place)?, control.inner.clone());
    thread::promise(env, "model-seal", move || {
        run_seal_set(&root, &ask, spot, &control)
    })
}

pub(crate) fn verify_ranges<'env>(
    env: &'env Env,
    files: &[ClassInstance<'_, NativeModel>],
    ranges: Vec<Range>,
    place: Place,
    control: &NativeControl,
) -> Result<Object<'env>> {
    let ranges: Result<Vec<_>> = ranges.into_iter().map(TryInto::try_into).collect();
    let (ranges, spot) = (ranges?, Spot::try_from(place)?);
    let files: Result<Vec<_>> = files.iter().map(|file| file.digestible()).collect();
    let files = files?;
    let control = control.inner.clone();
    thread::promise(env, "model-vram-ranges", move || {
        foreign::run(&files, &ranges, &spot, &control)
    })
}

pub(crate) fn measure<'env>(
    env: &'env Env,
    bytes: i64,
    place: Place,
    control: &NativeControl,
) -> Result<Object<'env>> {
    let bytes = u64::try_from(bytes).map_err(|_| Error::from_reason("a negative size"))?;
    let (spot, control) = (Spot::try_from(place)?, control.inner.clone());
    thread::promise(env, "model-vram-measure", move || {
        run_measure(&spot, bytes, &control)
    })
}
