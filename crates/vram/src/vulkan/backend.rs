//! The backend: the instance, and its devices.

use super::facts::{VulkanFacts, device_of, link_of};
use super::gpu::VulkanGpu;
use super::sys::{Instance, Physical};
use crate::{
    Backend, BackendKind, Code, Device, DeviceUuid, Gpu, Link, PciAddress, VramError, drm,
};
use ash::vk;
use std::sync::Arc;

/// Devices of every maker that has a Vulkan driver.
#[derive(Clone)]
pub struct Vulkan {
    instance: Arc<Instance>,
}

/// A device that was found, with all that is known of it.
pub(super) struct Found {
    pub(super) physical: Physical,
    pub(super) facts: VulkanFacts,
    pub(super) device: Device,
}

impl Vulkan {
    /// Opens the loader that the system has, which opens the drivers.
    ///
    /// # Errors
    /// `VRAM_NO_DRIVER` where there is none, `VRAM_DRIVER_TOO_OLD` where it lacks what is needed.
    pub fn open() -> Result<Self, VramError> {
        Ok(Self {
            instance: Arc::new(Instance::open()?),
        })
    }

    /// Devices whose drivers know Vulkan 1.0 alone have no UUID, and so no name to use them by.
    fn found(&self) -> Result<Vec<Found>, VramError> {
        let mut found = Vec::new();
        let devices = self.instance.devices()?;
        let clients = drm::of_this_process();
        for (index, physical) in (0..).zip(devices) {
            let facts = physical.facts(&self.instance, index)?;
            if facts.api_version >= vk::API_VERSION_1_1 {
                let counted = facts.pci.map(|pci| drm::on_device(&clients, pci));
                let link = facts.pci.and_then(system_link);
                let device = device_of(&facts, link, counted.unwrap_or_default());
                found.push(Found {
                    physical,
                    facts,
                    device,
                });
            }
        }
        Ok(found)
    }
}

/// What Linux says of the way to the device; no other system says it in files.
fn system_link(pci: PciAddress) -> Option<Link> {
    let folder = format!("/sys/bus/pci/devices/{pci}");
    let read = |name| std::fs::read_to_string(format!("{folder}/{name}")).ok();
    link_of(&read("max_link_speed")?, &read("max_link_width")?)
}

impl Backend for Vulkan {
    fn kind(&self) -> BackendKind {
        BackendKind::Vulkan
    }

    fn devices(&self) -> Result<Vec<Device>, VramError> {
        Ok(self.found()?.into_iter().map(|one| one.device).collect())
    }

    fn open(&self, uuid: DeviceUuid) -> Result<Arc<dyn Gpu>, VramError> {
        let mut found = self.found()?.into_iter();
        let found = found.find(|one| one.device.uuid == uuid).ok_or_else(|| {
            VramError::new(Code::NoDevice, "no Vulkan device has this UUID").on(uuid)
        })?;
        let gpu = VulkanGpu::open(self.instance.clone(), found);
        Ok(Arc::new(gpu.map_err(|error| error.on(uuid))?))
    }
}
