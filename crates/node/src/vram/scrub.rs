//! A scrub as JavaScript holds it: it takes the steps, one after another.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use napi::bindgen_prelude::{Env, Object, Result};
use napi_derive::napi;
use vram::{Scrub, ScrubStep, VramError};

use super::evidence::EvidenceView;
use super::failure::VramFailure;
use crate::control::{NativeControl, saturating};
use crate::thread::{self, Held};

#[napi]
pub struct NativeScrub {
    scrub: Arc<Mutex<Scrub>>,
}

/// What a step did, or why it did nothing.
#[napi(object, object_from_js = false)]
#[derive(Default)]
pub(crate) struct Step {
    pub failure: Option<VramFailure>,
    pub bytes: i64,
    pub seconds: f64,
    /// How long to rest before the next step.
    pub rest_ms: f64,
    pub coverage: f64,
    pub passes: i64,
    pub evidence: Option<EvidenceView>,
}

impl Held for Step {}

impl NativeScrub {
    pub(super) fn new(scrub: Scrub) -> Self {
        Self {
            scrub: Arc::new(Mutex::new(scrub)),
        }
    }
}

#[napi]
impl NativeScrub {
    /// Checks slices until the budget is used up, the pass is done, or a tile is wrong.
    #[napi(catch_unwind)]
    pub fn step<'env>(
        &self,
        env: &'env Env,
        budget_ms: f64,
        control: &NativeControl,
    ) -> Result<Object<'env>> {
        let (scrub, control) = (Arc::clone(&self.scrub), control.inner.clone());
        let budget = Duration::try_from_secs_f64(budget_ms / 1000.0).unwrap_or_default();
        thread::promise(env, "model-vram-scrub", move || {
            // A step that panicked took no more than its own slice with it.
            let mut scrub = scrub.lock().unwrap_or_else(PoisonError::into_inner);
            Step::from(scrub.step(budget, &control))
        })
    }
}

impl From<std::result::Result<ScrubStep, VramError>> for Step {
    fn from(outcome: std::result::Result<ScrubStep, VramError>) -> Self {
        match outcome {
            Ok(step) => Self {
                failure: None,
                bytes: saturating(step.bytes),
                seconds: step.seconds,
                rest_ms: step.rest.as_secs_f64() * 1000.0,
                coverage: step.coverage,
                passes: saturating(step.passes),
                evidence: step.evidence.map(EvidenceView::from),
            },
            Err(error) => Self {
                failure: Some(error.into()),
                ..Self::default()
            },
        }
    }
}
