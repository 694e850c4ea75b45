//! An opened device: its queue and the compiled shaders.

use super::backend::Found;
use super::choice::{compute_family, weights_heap};
use super::facts::{Budget, VulkanFacts, usage_of};
use super::memory::VulkanMemory;
use super::shaders;
use super::sys::{self, Instance, Physical, Pipelines, Wanted};
use crate::{Code, Device, Gpu, KernelFacts, Memory, Usage, VramError, drm, self_test};
use std::ffi::CStr;
use std::sync::Arc;
use std::time::Instant;

/// What memory on the device needs of it. Lives as long as any of its memory.
pub(super) struct Opened {
    /// Before the device, which they are made of.
    pub(super) pipelines: Pipelines,
    pub(super) device: Arc<sys::Device>,
    pub(super) facts: Device,
    physical: Physical,
    weights_heap: usize,
    knows_budget: bool,
    load_seconds: f64,
}

impl Opened {
    fn of(instance: Arc<Instance>, found: Found) -> Result<Self, VramError> {
        let Found {
            physical,
            facts,
            device: told,
        } = found;
        let wanted = wanted(&instance, physical, &facts)?;
        let heap = weights_heap(&facts.types, &facts.heaps);
        let weights_heap = heap
            .ok_or_else(|| VramError::new(Code::NoDevice, "the device has no memory of its own"))?;
        let device = sys::Device::open(instance, physical, wanted)?.map_err(lacks)?;
        let device = Arc::new(device);
        let started = Instant::now();
        Ok(Self {
            pipelines: shaders::compile(device.clone())?,
            load_seconds: started.elapsed().as_secs_f64(),
            device,
            facts: told,
            physical,
            weights_heap,
            knows_budget: facts.knows(ash::ext::memory_budget::NAME),
        })
    }

    /// What the driver says of the heap that weights go to, now.
    fn budget(&self) -> Option<Budget> {
        if !self.knows_budget {
            return None;
        }
        let budgets = self.physical.budget(self.device.instance());
        budgets.get(self.weights_heap).copied()
    }

    /// A driver may well allocate more than the device has, and keep the rest elsewhere: so it is not
    /// left to the driver.
    pub(super) fn has_room_for(&self, bytes: u64) -> Result<(), VramError> {
        let total = self.facts.memory.total_bytes;
        let available = self.budget().map_or(total, Budget::free_bytes);
        if bytes <= available {
            return Ok(());
        }
        let message = format!("the device has {available} bytes to give, and {bytes} are needed");
        Err(VramError {
            requested_bytes: Some(bytes),
            available_bytes: Some(available),
            ..VramError::new(Code::AllocationFailed, message)
        })
    }
}

fn wanted(
    instance: &Instance,
    physical: Physical,
    facts: &VulkanFacts,
) -> Result<Wanted, VramError> {
    let none = || VramError::new(Code::NoDevice, "the device has no queue that computes");
    let number = compute_family(&facts.families).ok_or_else(none)?;
    let family = usize::try_from(number).ok();
    let family = family.and_then(|at| facts.families.get(at));
    Ok(Wanted {
        family: number,
        timestamp_bits: family.map_or(0, |family| family.timestamp_valid_bits),
        timestamp_period_nanos: facts.timestamp_period_nanos,
        priority: facts.knows(ash::ext::memory_priority::NAME) && physical.knows_priority(instance),
        no_overallocation: facts.knows(ash::amd::memory_overallocation_behavior::NAME),
        types: facts.types.clone(),
        heaps: facts.heaps.clone(),
    })
}

fn lacks(name: &CStr) -> VramError {
    let name = name.to_string_lossy();
    let message = format!("the driver lacks {name}: install a newer one");
    VramError::new(Code::DriverTooOld, message)
}

/// An opened device.
pub(super) struct VulkanGpu {
    opened: Arc<Opened>,
    kernel: KernelFacts,
}

impl VulkanGpu {
    pub(super) fn open(instance: Arc<Instance>, found: Found) -> Result<Self, VramError> {
        let opened = Arc::new(Opened::of(instance, found)?);
        let gpu = Self {
            kernel: shaders::facts(&opened.device),
            opened,
        };
        self_test::run(&gpu)?;
        Ok(gpu)
    }
}

impl Gpu for VulkanGpu {
    fn device(&self) -> &Device {
        &self.opened.facts
    }

    fn kernel(&self) -> &KernelFacts {
        &self.kernel
    }

    fn load_seconds(&self) -> Option<f64> {
        Some(self.opened.load_seconds)
    }

    fn usage(&self) -> Result<Usage, VramError> {
        let Device { pci, memory, .. } = &self.opened.facts;
        let counted = pci.map(|pci| drm::on_device(&drm::of_this_process(), pci));
        let (budget, counted) = (self.opened.budget(), counted.unwrap_or_default());
        Ok(usage_of(memory.total_bytes, budget, counted))
    }

    fn allocate(&self, bytes: u64) -> Result<Box<dyn Memory>, VramError> {
        let memory = VulkanMemory::new(self.opened.clone(), bytes);
        Ok(Box::new(
            memory.map_err(|error| error.on(self.opened.facts.uuid))?,
        ))
    }

    fn latency_scale(&self) -> Result<Option<(u32, u32)>, VramError> {
        Ok(None)
    }
}
