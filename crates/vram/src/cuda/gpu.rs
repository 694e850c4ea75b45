//! An opened device: its primary context, held, and the kernels in it.

use super::choice::{Adding, Choice};
use super::foreign::Foreign;
use super::memory::CudaMemory;
use super::module::{Kernels, facts};
use super::probe;
use super::sys::{Attribute, Context, Driver, Entered};
use crate::nvml::Nvml;
use crate::{Device, Gpu, KernelFacts, Memory, Usage, VramError, self_test};
use std::sync::Arc;
use std::time::Instant;

/// Blocks of threads that a multiprocessor is given at once: more than it can run, so that none idles.
const BLOCKS_PER_MULTIPROCESSOR: u32 = 8;

/// What memory on the device needs of it. Lives as long as any of its memory.
pub(super) struct Opened {
    pub(super) driver: &'static Driver,
    /// The driver's handle of the device.
    pub(super) number: i32,
    pub(super) kernels: Kernels,
    pub(super) blocks_max: u32,
    pub(super) device: Device,
    pub(super) choice: Choice,
    load_seconds: f64,
    context: Context,
}

impl Opened {
    fn of(driver: &'static Driver, device: Device) -> Result<Self, VramError> {
        let ordinal = i32::try_from(device.index).unwrap_or(-1);
        let number = driver.device(ordinal)?;
        let context = driver.retain_context(number)?;
        let started = Instant::now();
        let kernels = load_in(driver, context).inspect_err(|_| {
            drop(driver.release_context(number));
        })?;
        let processors = driver.attribute(number, Attribute::Multiprocessors);
        let processors = processors.and_then(|n| u32::try_from(n).ok()).unwrap_or(1);
        Ok(Self {
            driver,
            number,
            kernels,
            blocks_max: processors.max(1).saturating_mul(BLOCKS_PER_MULTIPROCESSOR),
            device,
            choice: Choice::default(),
            load_seconds: started.elapsed().as_secs_f64(),
            context,
        })
    }

    /// While the answer lives, this thread's calls go to this device.
    pub(super) fn enter(&self) -> Result<Entered<'_>, VramError> {
        Ok(self.driver.enter(self.context)?)
    }

    fn unload(&self) -> Result<(), VramError> {
        let _entered = self.enter()?;
        self.kernels.unload(self.driver)
    }
}

fn load_in(driver: &Driver, context: Context) -> Result<Kernels, VramError> {
    let _entered = driver.enter(context)?;
    Kernels::load(driver)
}

impl Drop for Opened {
    fn drop(&mut self) {
        // A dead context has lost its module already.
        drop(self.unload());
        drop(self.driver.release_context(self.number));
    }
}

/// An opened device.
pub(super) struct CudaGpu {
    opened: Arc<Opened>,
    nvml: Option<Arc<Nvml>>,
    kernel: KernelFacts,
}

impl CudaGpu {
    pub(super) fn open(
        driver: &'static Driver,
        nvml: Option<Arc<Nvml>>,
        device: Device,
    ) -> Result<Self, VramError> {
        let gpu = Self {
            opened: Arc::new(Opened::of(driver, device)?),
            nvml,
            kernel: facts(driver),
        };
        for adding in [Adding::Plain, Adding::ByMultiplying] {
            gpu.opened.choice.only(Some(adding));
            self_test::run(&gpu)?;
        }
        gpu.opened.choice.only(None);
        Ok(gpu)
    }
}

impl Gpu for CudaGpu {
    fn device(&self) -> &Device {
        &self.opened.device
    }

    fn kernel(&self) -> &KernelFacts {
        &self.kernel
    }

    fn load_seconds(&self) -> Option<f64> {
        Some(self.opened.load_seconds)
    }

    fn tile_kernels(&self) -> &'static [&'static str] {
        &Adding::NAMES
    }

    fn use_tile_kernel(&self, kernel: Option<&str>) {
        self.opened.choice.only(kernel.and_then(Adding::named));
    }

    fn usage(&self) -> Result<Usage, VramError> {
        let _entered = self.opened.enter()?;
        let (free, total) = self.opened.driver.memory_info()?;
        let said = self.nvml.as_ref();
        let said = said.and_then(|nvml| nvml.counters(&self.opened.device.uuid));
        let said = said.unwrap_or_default();
        Ok(Usage {
            total_bytes: total,
            free_bytes: Some(free),
            process_bytes: said.process_bytes,
            evicted_bytes: None,
            ecc_uncorrected: said.ecc_uncorrected,
            row_remap_pending: said.row_remap_pending,
        })
    }

    fn allocate(&self, bytes: u64) -> Result<Box<dyn Memory>, VramError> {
        let memory = CudaMemory::new(self.opened.clone(), bytes);
        Ok(Box::new(memory.map_err(|error| self.about(error))?))
    }

    fn latency_scale(&self) -> Result<Option<(u32, u32)>, VramError> {
        probe::scale(&self.opened).map(Some)
    }

    fn foreign(&self, pointer: u64, bytes: u64) -> Result<Box<dyn Memory>, VramError> {
        let memory = Foreign::of(self.opened.clone(), pointer, bytes);
        Ok(Box::new(memory.map_err(|error| self.about(error))?))
    }
}

impl CudaGpu {
    fn about(&self, error: VramError) -> VramError {
        error.on(self.opened.device.uuid)
    }
}
