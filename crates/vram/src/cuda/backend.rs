//! The backend: the driver as it was found, and its devices.

use super::facts::{CudaFacts, device_of};
use super::gpu::CudaGpu;
use super::sys::{Attribute, Driver};
use crate::nvml::Nvml;
use crate::{Backend, BackendKind, Code, Device, DeviceUuid, Gpu, VramError};
use std::sync::Arc;

/// CUDA 9, whose compiler is the first that reads the kernels' PTX 6.0.
const VERSION_MIN: i32 = 9000;

/// NVIDIA's devices.
#[derive(Clone)]
pub struct Cuda {
    driver: &'static Driver,
    nvml: Option<Arc<Nvml>>,
}

impl Cuda {
    /// Opens the driver that the system has.
    ///
    /// # Errors
    /// `VRAM_NO_DRIVER` where there is none, `VRAM_DRIVER_TOO_OLD` where it lacks what is needed.
    pub fn open() -> Result<Self, VramError> {
        let driver = Driver::open().map_err(|reason| {
            let message = format!("NVIDIA's driver is not installed: {reason}");
            VramError::new(Code::NoDriver, message)
        })?;
        check(&driver)?;
        Ok(Self {
            // Never unloaded: the driver's threads and exit handlers outlive every use of it.
            driver: Box::leak(Box::new(driver)),
            nvml: Nvml::open().map(Arc::new),
        })
    }

    fn facts(&self, ordinal: i32) -> Result<CudaFacts, VramError> {
        let driver = self.driver;
        let device = driver.device(ordinal)?;
        let attribute = |which| driver.attribute(device, which);
        Ok(CudaFacts {
            ordinal: u32::try_from(ordinal).unwrap_or(0),
            name: driver.device_name(device)?,
            uuid: driver.device_uuid(device)?,
            bus: driver.device_bus(device).ok(),
            total_bytes: driver.device_bytes(device)?,
            driver_version: driver.version()?,
            integrated: attribute(Attribute::Integrated),
            ecc: attribute(Attribute::EccEnabled),
            tcc: attribute(Attribute::TccDriver),
            memory_clock_kilohertz: attribute(Attribute::MemoryClockKilohertz),
            bus_width_bits: attribute(Attribute::BusWidthBits),
            l2_cache_bytes: attribute(Attribute::L2CacheBytes),
            pageable_memory_access: attribute(Attribute::PageableMemoryAccess),
            host_page_tables: attribute(Attribute::HostPageTables),
            virtual_memory_management: attribute(Attribute::VirtualMemoryManagement),
            windows: cfg!(windows),
        })
    }

    fn device_at(&self, ordinal: i32) -> Result<Device, VramError> {
        let facts = self.facts(ordinal)?;
        let nvml = self.nvml.as_ref();
        let said = nvml.and_then(|nvml| nvml.facts(&DeviceUuid::from(facts.uuid)));
        Ok(device_of(&facts, said.as_ref()))
    }
}

/// A driver that lacks a needed function is told by its name, before anything else is asked of it.
fn check(driver: &Driver) -> Result<(), VramError> {
    let missing = driver.missing();
    if !missing.is_empty() {
        let message = format!(
            "NVIDIA's driver lacks {}: install R450 or later",
            missing.join(", ")
        );
        return Err(VramError::new(Code::DriverTooOld, message));
    }
    driver.init()?;
    let version = driver.version()?;
    if version < VERSION_MIN {
        let message = format!(
            "NVIDIA's driver knows CUDA {}.{} at most, and the kernels need 9.0: install R450 or later",
            version / 1000,
            version % 1000 / 10
        );
        return Err(VramError::new(Code::DriverTooOld, message));
    }
    Ok(())
}

impl Backend for Cuda {
    fn kind(&self) -> BackendKind {
        BackendKind::Cuda
    }

    fn devices(&self) -> Result<Vec<Device>, VramError> {
        let count = self.driver.device_count()?;
        (0..count).map(|ordinal| self.device_at(ordinal)).collect()
    }

    fn open(&self, uuid: DeviceUuid) -> Result<Arc<dyn Gpu>, VramError> {
        let devices = self.devices()?;
        let found = devices.into_iter().find(|device| device.uuid == uuid);
        let device = found.ok_or_else(|| {
            VramError::new(Code::NoDevice, "no CUDA device has this UUID").on(uuid)
        })?;
        let gpu = CudaGpu::open(self.driver, self.nvml.clone(), device);
        Ok(Arc::new(gpu.map_err(|error| error.on(uuid))?))
    }
}
