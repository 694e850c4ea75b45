//! The loader's library, and the instance through which all drivers are reached.

use super::physical::Physical;
use super::{Fault, Named};
use crate::library::reason;
use ash::vk;
use libloading::Library;
use std::ffi::CStr;

/// The only name that is ever opened: the system's own library, where the system finds it.
#[cfg(windows)]
pub(in crate::vulkan) const LIBRARY: &str = "vulkan-1.dll";
/// The only name that is ever opened: the system's own library, where the system finds it.
#[cfg(not(windows))]
pub(in crate::vulkan) const LIBRARY: &str = "libvulkan.so.1";

/// UUIDs, which name the devices, came with it.
const API_VERSION: u32 = vk::API_VERSION_1_1;

const GLOBAL_FUNCTIONS: [&CStr; 2] = [c"vkCreateInstance", c"vkEnumerateInstanceVersion"];

const INSTANCE_FUNCTIONS: [&CStr; 9] = [
    c"vkDestroyInstance",
    c"vkEnumeratePhysicalDevices",
    c"vkEnumerateDeviceExtensionProperties",
    c"vkGetPhysicalDeviceProperties2",
    c"vkGetPhysicalDeviceFeatures2",
    c"vkGetPhysicalDeviceMemoryProperties2",
    c"vkGetPhysicalDeviceQueueFamilyProperties",
    c"vkCreateDevice",
    c"vkGetDeviceProcAddr",
];

/// Why there is no instance.
#[derive(Debug)]
pub(in crate::vulkan) enum NotOpened {
    /// The system has no such library, for this reason.
    Absent(String),
    /// The library has no such function.
    Missing(&'static CStr),
    /// The library has no driver to offer, or refuses otherwise.
    Refused(Fault),
}

/// An instance.
pub(in crate::vulkan) struct Instance {
    pub(super) raw: ash::Instance,
}

impl Instance {
    /// Opens the loader, which opens the drivers.
    pub(in crate::vulkan) fn open() -> Result<Self, NotOpened> {
        let entry = open_loader()?;
        let application = vk::ApplicationInfo::default().api_version(API_VERSION);
        let wanted = vk::InstanceCreateInfo::default().application_info(&application);
        // SAFETY: the structures live throughout the call and name no layers and no extensions.
        let raw = unsafe { entry.create_instance(&wanted, None) };
        let raw = raw.named("vkCreateInstance").map_err(NotOpened::Refused)?;
        for name in INSTANCE_FUNCTIONS {
            if find(&entry, raw.handle(), name).is_none() {
                return Err(NotOpened::Missing(name));
            }
        }
        Ok(Self { raw })
    }

    /// The devices of all drivers.
    pub(in crate::vulkan) fn devices(&self) -> Result<Vec<Physical>, Fault> {
        // SAFETY: the instance is alive.
        let devices = unsafe { self.raw.enumerate_physical_devices() };
        let devices = devices.named("vkEnumeratePhysicalDevices")?;
        Ok(devices.into_iter().map(Physical).collect())
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        // SAFETY: whatever was made of the instance holds it, so that nothing is left of it here.
        unsafe { self.raw.destroy_instance(None) };
    }
}

/// Never closed again: the drivers' threads and exit handlers outlive every use of them.
fn open_loader() -> Result<ash::Entry, NotOpened> {
    // SAFETY: what the library does as it is loaded is the system administrator's choice; it is the
    // loader under its own name, nothing that an input names.
    let library = unsafe { Library::new(LIBRARY) };
    let library = library.map_err(|error| NotOpened::Absent(reason(&error)))?;
    let library: &'static Library = Box::leak(Box::new(library));
    let name = c"vkGetInstanceProcAddr";
    // SAFETY: the type is the one that the specification gives the symbol of this name.
    let symbol = unsafe { library.get::<vk::PFN_vkGetInstanceProcAddr>(name.to_bytes_with_nul()) };
    let symbol = symbol.map_err(|_| NotOpened::Missing(name))?;
    let functions = ash::StaticFn {
        get_instance_proc_addr: *symbol,
    };
    // SAFETY: the function is the loader's own and stays where it is: the library is never closed.
    let entry = unsafe { ash::Entry::from_static_fn(functions) };
    for name in GLOBAL_FUNCTIONS {
        if find(&entry, vk::Instance::null(), name).is_none() {
            return Err(NotOpened::Missing(name));
        }
    }
    Ok(entry)
}

fn find(entry: &ash::Entry, instance: vk::Instance, name: &CStr) -> vk::PFN_vkVoidFunction {
    // SAFETY: the instance is alive, or null where functions of none are asked for.
    unsafe { entry.get_instance_proc_addr(instance, name.as_ptr()) }
}
