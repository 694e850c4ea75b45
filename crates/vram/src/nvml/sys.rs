//! NVML's functions, each of which may be absent; a call that does not succeed has no answer.

use super::facts::ProcessUse;
use std::ffi::{CStr, CString, c_char, c_int, c_uint, c_ulonglong, c_void};

#[cfg(windows)]
const NAME: &str = "nvml.dll";
#[cfg(not(windows))]
const NAME: &str = "libnvidia-ml.so.1";

/// Processes on one device; more than this are not looked through.
const PROCESSES_MAX: usize = 1024;

const TEXT_BYTES: usize = 80;
const UNCORRECTED: c_int = 1;
const SINCE_DRIVER_LOAD: c_int = 0;

type Device = *mut c_void;

/// The library's name for a device.
#[derive(Clone, Copy)]
pub(super) struct DeviceHandle(usize);

impl DeviceHandle {
    fn raw(self) -> Device {
        std::ptr::without_provenance_mut(self.0)
    }
}

/// Rows of memory that were replaced, or are to be.
pub(super) struct RemappedRows {
    pub(super) pending: bool,
}

#[repr(C)]
#[derive(Default)]
struct MemoryInfo {
    version: c_uint,
    total: c_ulonglong,
    reserved: c_ulonglong,
    free: c_ulonglong,
    used: c_ulonglong,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct ProcessInfo {
    pid: c_uint,
    used: c_ulonglong,
    gpu_instance: c_uint,
    compute_instance: c_uint,
}

#[repr(C)]
#[derive(Default)]
struct AddressingMode {
    version: c_uint,
    value: c_uint,
}

/// The version by which NVML knows a structure: its size and its number.
fn version_of<T>(number: c_uint) -> c_uint {
    c_uint::try_from(size_of::<T>()).unwrap_or(0) | (number << 24)
}

macro_rules! functions {
    ($($symbol:ident($($argument:ty),*);)*) => {
        #[allow(non_snake_case, reason = "the library's own names")]
        struct Table {
            $($symbol: Option<unsafe extern "C" fn($($argument),*) -> c_int>,)*
        }

        impl Table {
            fn of(library: &libloading::Library) -> Self {
                Self { $($symbol: find(library, concat!(stringify!($symbol), "\0")),)* }
            }
        }
    };
}

functions! {
    nvmlInit_v2();
    nvmlSystemGetDriverVersion(*mut c_char, c_uint);
    nvmlDeviceGetHandleByUUID(*const c_char, *mut Device);
    nvmlDeviceGetMemoryInfo_v2(Device, *mut MemoryInfo);
    nvmlDeviceGetComputeRunningProcesses_v3(Device, *mut c_uint, *mut ProcessInfo);
    nvmlDeviceGetEccMode(Device, *mut c_uint, *mut c_uint);
    nvmlDeviceGetTotalEccErrors(Device, c_int, c_int, *mut c_ulonglong);
    nvmlDeviceGetRemappedRows(Device, *mut c_uint, *mut c_uint, *mut c_uint, *mut c_uint);
    nvmlDeviceGetMigMode(Device, *mut c_uint, *mut c_uint);
    nvmlDeviceGetAddressingMode(Device, *mut AddressingMode);
    nvmlDeviceGetDriverModel_v2(Device, *mut c_uint, *mut c_uint);
    nvmlDeviceGetMaxPcieLinkGeneration(Device, *mut c_uint);
    nvmlDeviceGetMaxPcieLinkWidth(Device, *mut c_uint);
    nvmlDeviceGetC2cModeInfoV(Device, *mut c_uint);
}

fn find<F: Copy>(library: &libloading::Library, name: &str) -> Option<F> {
    // SAFETY: the type in the table is the one that nvml.h gives the symbol of this name.
    let symbol = unsafe { library.get::<F>(name.as_bytes()) };
    symbol.ok().map(|symbol| *symbol)
}

/// Calls one function; nothing where it is absent or does not succeed.
macro_rules! call {
    ($library:expr, $symbol:ident($($argument:expr),* $(,)?)) => {{
        let function = $library.table.$symbol?;
        // SAFETY: the function is NVML's, by its own signature; every pointer is of memory that
        // lives throughout the call and has the room that the function fills.
        let status = unsafe { function($($argument),*) };
        (status == 0).then_some(())
    }};
}

/// The library, which is never closed again.
pub(super) struct Library {
    table: Table,
}

impl Library {
    pub(super) fn open() -> Option<Self> {
        // SAFETY: what the library does as it is loaded is the system administrator's choice; it is
        // NVIDIA's under its own name, nothing that an input names.
        let library = unsafe { libloading::Library::new(NAME) }.ok()?;
        // It lives on: it is used until the process ends.
        let opened = Self {
            table: Table::of(Box::leak(Box::new(library))),
        };
        opened.start()?;
        Some(opened)
    }

    fn start(&self) -> Option<()> {
        call!(self, nvmlInit_v2())
    }

    pub(super) fn driver_version(&self) -> Option<String> {
        let mut text: [c_char; TEXT_BYTES] = [0; TEXT_BYTES];
        let room = c_uint::try_from(TEXT_BYTES).ok()?;
        call!(self, nvmlSystemGetDriverVersion(text.as_mut_ptr(), room))?;
        // A C character has a sign on some processors and none on others.
        let bytes: Vec<u8> = text.iter().flat_map(|c| c.to_ne_bytes()).collect();
        let text = CStr::from_bytes_until_nul(&bytes).ok()?;
        Some(text.to_string_lossy().into_owned())
    }

    pub(super) fn device(&self, uuid: &str) -> Option<DeviceHandle> {
        let uuid = CString::new(uuid).ok()?;
        let mut device: Device = std::ptr::null_mut();
        call!(
            self,
            nvmlDeviceGetHandleByUUID(uuid.as_ptr(), &raw mut device)
        )?;
        Some(DeviceHandle(device.addr()))
    }

    pub(super) fn free_bytes(&self, device: DeviceHandle) -> Option<u64> {
        let mut info = MemoryInfo {
            version: version_of::<MemoryInfo>(2),
            ..MemoryInfo::default()
        };
        call!(
            self,
            nvmlDeviceGetMemoryInfo_v2(device.raw(), &raw mut info)
        )?;
        Some(info.free)
    }

    pub(super) fn processes(&self, device: DeviceHandle) -> Option<Vec<ProcessUse>> {
        let mut list = vec![ProcessInfo::default(); PROCESSES_MAX];
        let mut count = c_uint::try_from(list.len()).ok()?;
        call!(
            self,
            nvmlDeviceGetComputeRunningProcesses_v3(
                device.raw(),
                &raw mut count,
                list.as_mut_ptr()
            )
        )?;
        list.truncate(usize::try_from(count).ok()?);
        let uses = list.iter().map(|info| ProcessUse {
            pid: info.pid,
            bytes: info.used,
        });
        Some(uses.collect())
    }

    pub(super) fn ecc(&self, device: DeviceHandle) -> Option<bool> {
        let (mut now, mut after_reset) = (0, 0);
        call!(
            self,
            nvmlDeviceGetEccMode(device.raw(), &raw mut now, &raw mut after_reset)
        )?;
        Some(now != 0)
    }

    pub(super) fn ecc_uncorrected(&self, device: DeviceHandle) -> Option<u64> {
        let mut count = 0;
        let (kind, since) = (UNCORRECTED, SINCE_DRIVER_LOAD);
        call!(
            self,
            nvmlDeviceGetTotalEccErrors(device.raw(), kind, since, &raw mut count)
        )?;
        Some(count)
    }

    pub(super) fn remapped_rows(&self, device: DeviceHandle) -> Option<RemappedRows> {
        let (mut corrected, mut uncorrected, mut pending, mut failed) = (0, 0, 0, 0);
        call!(
            self,
            nvmlDeviceGetRemappedRows(
                device.raw(),
                &raw mut corrected,
                &raw mut uncorrected,
                &raw mut pending,
                &raw mut failed
            )
        )?;
        Some(RemappedRows {
            pending: pending != 0,
        })
    }

    pub(super) fn mig(&self, device: DeviceHandle) -> Option<bool> {
        let (mut now, mut after_reset) = (0, 0);
        call!(
            self,
            nvmlDeviceGetMigMode(device.raw(), &raw mut now, &raw mut after_reset)
        )?;
        Some(now != 0)
    }

    pub(super) fn addressing(&self, device: DeviceHandle) -> Option<u32> {
        let mut mode = AddressingMode {
            version: version_of::<AddressingMode>(1),
            value: 0,
        };
        call!(
            self,
            nvmlDeviceGetAddressingMode(device.raw(), &raw mut mode)
        )?;
        Some(mode.value)
    }

    pub(super) fn driver_model(&self, device: DeviceHandle) -> Option<u32> {
        let (mut now, mut after_reboot) = (0, 0);
        call!(
            self,
            nvmlDeviceGetDriverModel_v2(device.raw(), &raw mut now, &raw mut after_reboot)
        )?;
        Some(now)
    }

    pub(super) fn max_pcie_generation(&self, device: DeviceHandle) -> Option<u32> {
        let mut generation = 0;
        call!(
            self,
            nvmlDeviceGetMaxPcieLinkGeneration(device.raw(), &raw mut generation)
        )?;
        Some(generation)
    }

    pub(super) fn max_pcie_lanes(&self, device: DeviceHandle) -> Option<u32> {
        let mut lanes = 0;
        call!(
            self,
            nvmlDeviceGetMaxPcieLinkWidth(device.raw(), &raw mut lanes)
        )?;
        Some(lanes)
    }

    pub(super) fn c2c(&self, device: DeviceHandle) -> Option<bool> {
        let mut enabled = 0;
        call!(
            self,
            nvmlDeviceGetC2cModeInfoV(device.raw(), &raw mut enabled)
        )?;
        Some(enabled != 0)
    }
}
