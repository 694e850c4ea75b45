//! The table of the driver's functions, each of which may be absent, and what they return.

use libloading::Library;
use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::fmt;

/// The only names that are ever opened: the system's own library, where the system finds it.
#[cfg(windows)]
const LIBRARIES: [&str; 1] = ["nvcuda.dll"];
/// The only names that are ever opened: the system's own library, where the system finds it.
#[cfg(not(windows))]
const LIBRARIES: [&str; 1] = ["libcuda.so.1"];

/// A status that a driver's function returned; 0 is success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cuda) struct Status(pub(in crate::cuda) c_int);

impl Status {
    pub(in crate::cuda) const OUT_OF_MEMORY: Self = Self(2);
    pub(in crate::cuda) const NOT_SUPPORTED: Self = Self(801);
}

/// A call that did not succeed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cuda) enum Fault {
    /// The driver has no such function.
    Missing(&'static str),
    /// This machine's addresses are too short for so many bytes.
    TooLarge(u64),
    /// The driver said no.
    Failed {
        call: &'static str,
        status: Status,
        name: String,
    },
}

impl Fault {
    /// Whether the driver said exactly this.
    pub(in crate::cuda) fn is(&self, wanted: Status) -> bool {
        matches!(self, Self::Failed { status, .. } if *status == wanted)
    }
}

pub(super) type DevicePointer = u64;
pub(super) type Opaque = *mut c_void;

/// An allocation's properties, as the driver lays them out.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub(super) struct AllocationProperties {
    pub(super) kind: c_int,
    pub(super) handle_types: c_int,
    pub(super) location: Location,
    pub(super) win32_metadata: usize,
    pub(super) flags: [u8; 8],
}

/// Where memory is.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub(super) struct Location {
    pub(super) kind: c_int,
    pub(super) id: c_int,
}

/// Who may do what to a mapping.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub(super) struct AccessDescription {
    pub(super) location: Location,
    pub(super) flags: c_int,
}

macro_rules! functions {
    ($($symbol:ident($($argument:ty),*);)*) => {
        /// Every function that this backend knows, or that it is absent.
        #[allow(non_snake_case, reason = "the driver's own names")]
        pub(super) struct Table {
            $(pub(super) $symbol: Option<unsafe extern "system" fn($($argument),*) -> c_int>,)*
        }

        impl Table {
            fn of(library: &Library) -> Self {
                Self { $($symbol: find(library, concat!(stringify!($symbol), "\0")),)* }
            }
        }
    };
}

functions! {
    cuInit(c_uint);
    cuDriverGetVersion(*mut c_int);
    cuGetErrorName(c_int, *mut *const c_char);
    cuDeviceGetCount(*mut c_int);
    cuDeviceGet(*mut c_int, c_int);
    cuDeviceGetName(*mut c_char, c_int, c_int);
    cuDeviceGetUuid_v2(*mut [u8; 16], c_int);
    cuDeviceGetAttribute(*mut c_int, c_int, c_int);
    cuDeviceTotalMem_v2(*mut usize, c_int);
    cuDeviceGetPCIBusId(*mut c_char, c_int, c_int);
    cuDevicePrimaryCtxRetain(*mut Opaque, c_int);
    cuDevicePrimaryCtxRelease_v2(c_int);
    cuCtxPushCurrent_v2(Opaque);
    cuCtxPopCurrent_v2(*mut Opaque);
    cuMemGetInfo_v2(*mut usize, *mut usize);
    cuMemAlloc_v2(*mut DevicePointer, usize);
    cuMemFree_v2(DevicePointer);
    cuMemGetAllocationGranularity(*mut usize, *const AllocationProperties, c_int);
    cuMemCreate(*mut u64, usize, *const AllocationProperties, u64);
    cuMemRelease(u64);
    cuMemAddressReserve(*mut DevicePointer, usize, usize, DevicePointer, u64);
    cuMemAddressFree(DevicePointer, usize);
    cuMemMap(DevicePointer, usize, usize, u64, u64);
    cuMemUnmap(DevicePointer, usize);
    cuMemSetAccess(DevicePointer, usize, *const AccessDescription, usize);
    cuMemGetAccess(*mut u64, *const Location, DevicePointer);
    cuMemRetainAllocationHandle(*mut u64, Opaque);
    cuMemGetAllocationPropertiesFromHandle(*mut AllocationProperties, u64);
    cuMemHostAlloc(*mut Opaque, usize, c_uint);
    cuMemFreeHost(Opaque);
    cuMemHostGetDevicePointer_v2(*mut DevicePointer, Opaque, c_uint);
    cuMemcpyHtoDAsync_v2(DevicePointer, *const c_void, usize, Opaque);
    cuMemcpyDtoDAsync_v2(DevicePointer, DevicePointer, usize, Opaque);
    cuMemcpyDtoH_v2(*mut c_void, DevicePointer, usize);
    cuMemsetD8Async(DevicePointer, u8, usize, Opaque);
    cuPointerGetAttributes(c_uint, *const c_int, *mut Opaque, DevicePointer);
    cuMemGetAddressRange_v2(*mut DevicePointer, *mut usize, DevicePointer);
    cuModuleLoadDataEx(*mut Opaque, *const c_void, c_uint, *const c_int, *mut Opaque);
    cuModuleUnload(Opaque);
    cuModuleGetFunction(*mut Opaque, Opaque, *const c_char);
    cuLaunchKernel(
        Opaque, c_uint, c_uint, c_uint, c_uint, c_uint, c_uint, c_uint,
        Opaque, *mut Opaque, *mut Opaque
    );
    cuStreamCreateWithPriority(*mut Opaque, c_uint, c_int);
    cuStreamSynchronize(Opaque);
    cuStreamDestroy_v2(Opaque);
    cuEventCreate(*mut Opaque, c_uint);
    cuEventRecord(Opaque, Opaque);
    cuEventSynchronize(Opaque);
    cuEventElapsedTime(*mut f32, Opaque, Opaque);
    cuEventDestroy_v2(Opaque);
}

fn find<F: Copy>(library: &Library, name: &str) -> Option<F> {
    // SAFETY: the type in the table is the one that cuda.h gives the symbol of this name.
    let symbol = unsafe { library.get::<F>(name.as_bytes()) };
    symbol.ok().map(|symbol| *symbol)
}

/// Calls one function of the table, or says that it is absent.
macro_rules! call {
    ($driver:expr, $symbol:ident($($argument:expr),* $(,)?)) => {{
        let name = stringify!($symbol);
        let function = $driver.table.$symbol.ok_or(Fault::Missing(name))?;
        // SAFETY: the function is the driver's, by its own signature; every pointer is of memory
        // that lives throughout the call and has the room that the function fills.
        let status = unsafe { function($($argument),*) };
        $driver.judge(name, status)
    }};
}
pub(super) use call;

/// The driver: its library, which is never closed again, and its functions.
pub(in crate::cuda) struct Driver {
    pub(super) table: Table,
    library: String,
}

impl Driver {
    /// Opens the driver's library and starts it; the reason, where there is none.
    pub(in crate::cuda) fn open() -> Result<Self, String> {
        let mut reason = String::new();
        for name in LIBRARIES {
            // SAFETY: what the library does as it is loaded is the system administrator's choice;
            // it is the driver under its own name, nothing that an input names.
            match unsafe { Library::new(name) } {
                Ok(library) => return Ok(Self::of(Box::leak(Box::new(library)), name)),
                Err(error) => reason = crate::library::reason(&error),
            }
        }
        Err(reason)
    }

    /// The library lives on: the driver's threads and exit handlers outlive every use of it.
    fn of(library: &'static Library, name: &str) -> Self {
        let table = Table::of(library);
        let place = table.cuInit.map(|function| function as usize);
        Self {
            library: place
                .and_then(crate::library::file_at)
                .unwrap_or_else(|| name.to_owned()),
            table,
        }
    }

    /// The file that the library was loaded from; where the system does not say, the name by which it
    /// was opened.
    pub(in crate::cuda) fn library(&self) -> &str {
        &self.library
    }

    /// Starts the driver; often is once.
    pub(in crate::cuda) fn init(&self) -> Result<(), Fault> {
        call!(self, cuInit(0))
    }

    /// The newest CUDA that the driver knows, as 1000 x major + 10 x minor.
    pub(in crate::cuda) fn version(&self) -> Result<i32, Fault> {
        let mut version = 0;
        call!(self, cuDriverGetVersion(&raw mut version))?;
        Ok(version)
    }

    /// Those of the functions without which nothing works that are absent.
    pub(in crate::cuda) fn missing(&self) -> Vec<&'static str> {
        let t = &self.table;
        let needed = [
            ("cuInit", t.cuInit.is_some()),
            ("cuDeviceGetCount", t.cuDeviceGetCount.is_some()),
            ("cuDeviceGet", t.cuDeviceGet.is_some()),
            ("cuDeviceGetUuid_v2", t.cuDeviceGetUuid_v2.is_some()),
            ("cuMemCreate", t.cuMemCreate.is_some()),
            ("cuMemAddressReserve", t.cuMemAddressReserve.is_some()),
            ("cuMemMap", t.cuMemMap.is_some()),
            ("cuMemSetAccess", t.cuMemSetAccess.is_some()),
            ("cuPointerGetAttributes", t.cuPointerGetAttributes.is_some()),
            ("cuModuleLoadDataEx", t.cuModuleLoadDataEx.is_some()),
            ("cuLaunchKernel", t.cuLaunchKernel.is_some()),
        ];
        let absent = needed.iter().filter(|(_, present)| !present);
        absent.map(|(name, _)| *name).collect()
    }

    pub(super) fn judge(&self, call: &'static str, status: c_int) -> Result<(), Fault> {
        if status == 0 {
            return Ok(());
        }
        Err(Fault::Failed {
            call,
            status: Status(status),
            name: self.name_of(status),
        })
    }

    fn name_of(&self, status: c_int) -> String {
        self.named(status)
            .unwrap_or_else(|| format!("status {status}"))
    }

    fn named(&self, status: c_int) -> Option<String> {
        let function = self.table.cuGetErrorName?;
        let mut text: *const c_char = std::ptr::null();
        // SAFETY: the driver stores a pointer to a text of its own, or leaves the null.
        let answer = unsafe { function(status, &raw mut text) };
        if answer != 0 || text.is_null() {
            return None;
        }
        // SAFETY: the driver's texts are constants that end in a zero byte.
        let text = unsafe { CStr::from_ptr(text) };
        Some(text.to_string_lossy().into_owned())
    }
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver").finish_non_exhaustive()
    }
}
