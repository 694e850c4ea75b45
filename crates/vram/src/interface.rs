//! An interface to devices as a vault holds it: loaded when somebody asks for it, with the devices that were opened.

use crate::once::Once;
use crate::{Backend, BackendKind, Code, Device, DeviceUuid, Gpu, VramError};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

type Load = dyn Fn() -> Result<Arc<dyn Backend>, VramError> + Send + Sync;

/// One interface. Its driver is loaded at the first question that needs it, and stays.
pub(crate) struct Interface {
    pub(crate) kind: BackendKind,
    load: Box<Load>,
    backend: Once<Arc<dyn Backend>>,
    /// Each has a lock of its own, so that one that is being opened keeps nobody from another.
    gpus: Mutex<HashMap<DeviceUuid, Arc<Opening>>>,
}

type Opening = Once<Arc<dyn Gpu>>;

impl Interface {
    /// One that is loaded by `load`.
    pub(crate) fn new<B: Backend + 'static>(
        kind: BackendKind,
        load: impl Fn() -> Result<B, VramError> + Send + Sync + 'static,
    ) -> Self {
        Self {
            kind,
            load: Box::new(move || Ok(Arc::new(load()?))),
            backend: Once::default(),
            gpus: Mutex::default(),
        }
    }

    /// One that is loaded already.
    pub(crate) fn loaded(backend: Arc<dyn Backend>) -> Self {
        Self {
            kind: backend.kind(),
            load: Box::new(move || Ok(backend.clone())),
            backend: Once::default(),
            gpus: Mutex::default(),
        }
    }

    /// # Errors
    /// Why the interface does not answer.
    pub(crate) fn devices(&self) -> Result<Vec<Device>, VramError> {
        self.backend()?.devices()
    }

    /// The device, which is opened once, and stays open: that takes a while.
    pub(crate) fn gpu(&self, device: DeviceUuid) -> Result<Arc<dyn Gpu>, VramError> {
        let backend = self.backend()?;
        let opening = self.gpus().entry(device).or_default().clone();
        let gpu = opening.or_make(|| backend.open(device));
        if let Err(error) = &gpu
            && error.code == Code::NoDevice
        {
            // Names of nothing must not fill memory.
            self.gpus().remove(&device);
        }
        gpu
    }

    fn backend(&self) -> Result<Arc<dyn Backend>, VramError> {
        self.backend.or_make(&self.load)
    }

    fn gpus(&self) -> MutexGuard<'_, HashMap<DeviceUuid, Arc<Opening>>> {
        self.gpus.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
