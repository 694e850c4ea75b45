//! What the driver says of a device before it is opened.

use super::{Fault, Instance, Named};
use crate::PciAddress;
use crate::vulkan::facts::{Budget, VulkanFacts};
use ash::vk;
use std::ffi::CStr;

/// A device that may be opened. It lives as long as the instance.
#[derive(Clone, Copy)]
pub(in crate::vulkan) struct Physical(pub(super) vk::PhysicalDevice);

impl Physical {
    /// All that is known of it. `index` is its place in the list.
    pub(in crate::vulkan) fn facts(
        self,
        instance: &Instance,
        index: u32,
    ) -> Result<VulkanFacts, Fault> {
        let extensions = self.extensions(instance)?;
        let has = |name: &CStr| extensions.iter().any(|extension| extension == name);
        let mut ids = vk::PhysicalDeviceIDProperties::default();
        let mut driver = vk::PhysicalDeviceDriverProperties::default();
        let mut bus = vk::PhysicalDevicePCIBusInfoPropertiesEXT::default();
        let mut wanted = vk::PhysicalDeviceProperties2::default().push_next(&mut ids);
        let knows_driver = has(ash::khr::driver_properties::NAME);
        if knows_driver {
            wanted = wanted.push_next(&mut driver);
        }
        let knows_bus = has(ash::ext::pci_bus_info::NAME);
        if knows_bus {
            wanted = wanted.push_next(&mut bus);
        }
        // SAFETY: the device is the instance's; the chain holds structures that it knows.
        unsafe {
            instance
                .raw
                .get_physical_device_properties2(self.0, &mut wanted);
        };
        let properties = wanted.properties;
        let (memory, budget) = self.memory(instance, has(ash::ext::memory_budget::NAME));
        Ok(VulkanFacts {
            index,
            name: text(properties.device_name_as_c_str()),
            uuid: ids.device_uuid,
            kind: properties.device_type,
            api_version: properties.api_version,
            driver_version: properties.driver_version,
            driver: knows_driver.then(|| {
                let name = text(driver.driver_name_as_c_str());
                format!("{name} {}", text(driver.driver_info_as_c_str()))
            }),
            pci: knows_bus.then(|| pci(&bus)).flatten(),
            timestamp_period_nanos: properties.limits.timestamp_period,
            families: self.families(instance),
            types: memory.memory_types_as_slice().to_vec(),
            heaps: memory.memory_heaps_as_slice().to_vec(),
            budget,
            extensions,
        })
    }

    /// How much of each heap this process holds, and how much it may hold; where the driver says.
    pub(in crate::vulkan) fn budget(self, instance: &Instance) -> Vec<Budget> {
        self.memory(instance, true).1
    }

    /// Whether allocations can be told from each other by how much they matter.
    pub(in crate::vulkan) fn knows_priority(self, instance: &Instance) -> bool {
        let mut priority = vk::PhysicalDeviceMemoryPriorityFeaturesEXT::default();
        let mut wanted = vk::PhysicalDeviceFeatures2::default().push_next(&mut priority);
        // SAFETY: the device is the instance's; a driver passes over a structure that it does not know.
        unsafe {
            instance
                .raw
                .get_physical_device_features2(self.0, &mut wanted);
        };
        priority.memory_priority == vk::TRUE
    }

    fn extensions(self, instance: &Instance) -> Result<Vec<std::ffi::CString>, Fault> {
        // SAFETY: the device is the instance's.
        let found = unsafe { instance.raw.enumerate_device_extension_properties(self.0) };
        let found = found.named("vkEnumerateDeviceExtensionProperties")?;
        let names = found
            .iter()
            .filter_map(|one| one.extension_name_as_c_str().ok());
        Ok(names.map(CStr::to_owned).collect())
    }

    fn families(self, instance: &Instance) -> Vec<vk::QueueFamilyProperties> {
        // SAFETY: the device is the instance's.
        unsafe {
            instance
                .raw
                .get_physical_device_queue_family_properties(self.0)
        }
    }

    fn memory(
        self,
        instance: &Instance,
        with_budget: bool,
    ) -> (vk::PhysicalDeviceMemoryProperties, Vec<Budget>) {
        let mut budget = vk::PhysicalDeviceMemoryBudgetPropertiesEXT::default();
        let mut wanted = vk::PhysicalDeviceMemoryProperties2::default();
        if with_budget {
            wanted = wanted.push_next(&mut budget);
        }
        // SAFETY: the device is the instance's; the chain holds structures that it knows.
        unsafe {
            instance
                .raw
                .get_physical_device_memory_properties2(self.0, &mut wanted);
        };
        let memory = wanted.memory_properties;
        let heaps = budget.heap_usage.into_iter().zip(budget.heap_budget);
        let budgets = heaps.map(|(used_bytes, budget_bytes)| Budget {
            used_bytes,
            budget_bytes,
        });
        let count = if with_budget {
            memory.memory_heap_count
        } else {
            0
        };
        let budgets = budgets.take(usize::try_from(count).unwrap_or(0)).collect();
        (memory, budgets)
    }
}

fn text<E>(text: Result<&CStr, E>) -> String {
    text.map_or_else(
        |_| String::new(),
        |text| text.to_string_lossy().into_owned(),
    )
}

fn pci(bus: &vk::PhysicalDevicePCIBusInfoPropertiesEXT<'_>) -> Option<PciAddress> {
    Some(PciAddress {
        domain: bus.pci_domain,
        bus: bus.pci_bus.try_into().ok()?,
        device: bus.pci_device.try_into().ok()?,
        function: bus.pci_function.try_into().ok()?,
    })
}
