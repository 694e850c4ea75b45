//! A sealed shard: the memory, and what it was when it was sealed.

use crate::comparison::Expected;
use crate::tensors::TensorMap;
use crate::{Access, Clock, Code, Gpu, Memory, Policy, SealRecord, VramError};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};
use verify::{Control, Tiles};

/// What is known of a shard since its seal.
pub(crate) struct Facts {
    pub(crate) tiles: Tiles,
    pub(crate) tensors: TensorMap,
    pub(crate) policy: Policy,
    pub(crate) scale: Option<(u32, u32)>,
    /// What a full check took at the seal, in seconds.
    pub(crate) calibrated_seconds: Option<f64>,
    pub(crate) access: Access,
    pub(crate) allocation_id: Option<u64>,
    pub(crate) ecc_uncorrected: Option<u64>,
}

/// A sealed model on a device.
pub(crate) struct Shard {
    pub(crate) gpu: Arc<dyn Gpu>,
    pub(crate) facts: Facts,
    pub(crate) record: SealRecord,
    /// Nothing once it was disposed of.
    pub(crate) memory: Mutex<Option<Box<dyn Memory>>>,
    pub(crate) closing: AtomicBool,
}

/// Who may stop a check, and by which clock it is timed.
#[derive(Clone, Copy)]
pub(crate) struct Watch<'a> {
    pub(crate) clock: &'a dyn Clock,
    pub(crate) control: &'a Control,
}

impl Watch<'_> {
    /// Whether whoever asked still wants it.
    pub(crate) fn going(self) -> Result<(), VramError> {
        if self.control.is_cancelled() {
            return Err(VramError::new(Code::Aborted, "the check was cancelled"));
        }
        Ok(())
    }
}

impl Shard {
    /// Does one short thing with the memory. Between two such things another check or the disposal
    /// may come in.
    pub(crate) fn with_memory<T>(
        &self,
        watch: Watch<'_>,
        work: impl FnOnce(&mut dyn Memory) -> Result<T, VramError>,
    ) -> Result<T, VramError> {
        self.going(watch)?;
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        match memory.as_deref_mut() {
            Some(memory) => work(memory),
            None => Err(disposed()),
        }
    }

    /// Whether a check may go on.
    pub(crate) fn going(&self, watch: Watch<'_>) -> Result<(), VramError> {
        watch.going()?;
        if self.closing.load(Ordering::SeqCst) {
            return Err(disposed());
        }
        Ok(())
    }

    /// Clears and frees, after the slice that is being hashed: how many bytes became free.
    pub(crate) fn dispose(&self) -> Result<u64, VramError> {
        self.closing.store(true, Ordering::SeqCst);
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let released = memory.take().map_or(Ok(0), Memory::release);
        released.map_err(|error| error.on(self.gpu.device().uuid))
    }

    pub(crate) fn expected(&self) -> Expected<'_> {
        Expected {
            tiling: self.facts.tiles.tiling(),
            values: self.facts.tiles.values(),
            root: self.facts.tiles.root(),
            tensors: &self.facts.tensors,
        }
    }
}

pub(crate) fn disposed() -> VramError {
    VramError::new(
        Code::HandleStale,
        "the shard was disposed of, or never was: seal the model again",
    )
}

/// Milliseconds since 1970 by the system's clock, which may be wrong.
pub(crate) fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}
