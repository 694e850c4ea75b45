//! The driver, used past the product: what an engine, or a stray kernel, of the same process does.

use libloading::Library;
use std::ffi::{CStr, c_int, c_uint, c_void};

/// A kernel that stores one word where it is told.
const STORE: &CStr = c".version 6.0
.target sm_52
.address_size 64
.visible .entry store(
.param .u64 store_address
)
{
.reg .b32 %r<2>;
.reg .b64 %rd<2>;
ld.param.u64 %rd1, [store_address];
mov.u32 %r1, 7;
st.global.u32 [%rd1], %r1;
ret;
}
";

type Opaque = *mut c_void;

/// The driver's library, with the device's primary context current on this thread.
pub struct Raw(Library);

macro_rules! call {
    ($raw:expr, $name:literal, ($($kind:ty),*), ($($argument:expr),*)) => {{
        // SAFETY: the type is the one that cuda.h gives the symbol of this name.
        let function = unsafe {
            $raw.0.get::<unsafe extern "C" fn($($kind),*) -> c_int>(concat!($name, "\0").as_bytes())
        };
        let function = function.unwrap();
        // SAFETY: every pointer is of memory that lives throughout the call.
        unsafe { function($($argument),*) }
    }};
}

impl Raw {
    pub fn new() -> Self {
        // SAFETY: it is the library that the product has open already.
        let raw = Self(unsafe { Library::new("libcuda.so.1") }.unwrap());
        let mut context: Opaque = std::ptr::null_mut();
        let kinds = call!(
            raw,
            "cuDevicePrimaryCtxRetain",
            (*mut Opaque, c_int),
            (&raw mut context, 0)
        );
        assert_eq!(kinds, 0);
        assert_eq!(call!(raw, "cuCtxPushCurrent_v2", (Opaque), (context)), 0);
        raw
    }

    /// Device memory with these bytes, as cudaMalloc and cudaMemcpy make it. Never freed.
    pub fn device_memory(&self, bytes: &[u8]) -> u64 {
        let mut address = 0_u64;
        let length = bytes.len();
        let made = call!(
            self,
            "cuMemAlloc_v2",
            (*mut u64, usize),
            (&raw mut address, length)
        );
        assert_eq!(made, 0);
        self.write(address, bytes);
        address
    }

    /// Host memory that the device can read, with these bytes. Never freed.
    pub fn host_memory(&self, bytes: &[u8]) -> u64 {
        let mut place: Opaque = std::ptr::null_mut();
        let kinds = 3;
        let length = bytes.len();
        let made = call!(
            self,
            "cuMemHostAlloc",
            (*mut Opaque, usize, c_uint),
            (&raw mut place, length, kinds)
        );
        assert_eq!(made, 0);
        // SAFETY: the driver gave that many bytes.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), place.cast(), bytes.len()) };
        place.addr() as u64
    }

    /// Managed memory, which the driver may move, with these bytes. Never freed.
    pub fn managed_memory(&self, bytes: &[u8]) -> u64 {
        let mut address = 0_u64;
        let (length, everywhere) = (bytes.len(), 1);
        let made = call!(
            self,
            "cuMemAllocManaged",
            (*mut u64, usize, c_uint),
            (&raw mut address, length, everywhere)
        );
        assert_eq!(made, 0);
        self.write(address, bytes);
        address
    }

    /// Gives the device the right to write to a mapping, or takes it.
    pub fn set_writable(&self, address: u64, bytes: usize, writable: bool) {
        // Location type device, device 0, and the protection.
        let access: [c_int; 3] = [1, 0, if writable { 3 } else { 1 }];
        let set = call!(
            self,
            "cuMemSetAccess",
            (u64, usize, *const [c_int; 3], usize),
            (address, bytes, &raw const access, 1)
        );
        assert_eq!(set, 0);
    }

    /// The status of a copy to the device.
    pub fn write(&self, address: u64, bytes: &[u8]) -> i32 {
        let stream: Opaque = std::ptr::null_mut();
        let from = bytes.as_ptr().cast::<c_void>();
        call!(
            self,
            "cuMemcpyHtoDAsync_v2",
            (u64, *const c_void, usize, Opaque),
            (address, from, bytes.len(), stream)
        )
        .max(call!(self, "cuStreamSynchronize", (Opaque), (stream)))
    }

    /// The status after a kernel's store to an address.
    pub fn store(&self, mut address: u64) -> i32 {
        let mut module: Opaque = std::ptr::null_mut();
        let text = STORE.as_ptr().cast::<c_void>();
        let nothing: *mut Opaque = std::ptr::null_mut();
        let names: *const c_int = std::ptr::null();
        let loaded = call!(
            self,
            "cuModuleLoadDataEx",
            (
                *mut Opaque,
                *const c_void,
                c_uint,
                *const c_int,
                *mut Opaque
            ),
            (&raw mut module, text, 0, names, nothing)
        );
        assert_eq!(loaded, 0);
        let mut function: Opaque = std::ptr::null_mut();
        let found = call!(
            self,
            "cuModuleGetFunction",
            (*mut Opaque, Opaque, *const std::ffi::c_char),
            (&raw mut function, module, c"store".as_ptr())
        );
        assert_eq!(found, 0);
        let mut arguments: [Opaque; 1] = [(&raw mut address).cast()];
        let stream: Opaque = std::ptr::null_mut();
        let launched = call!(
            self,
            "cuLaunchKernel",
            (
                Opaque,
                u32,
                u32,
                u32,
                u32,
                u32,
                u32,
                u32,
                Opaque,
                *mut Opaque,
                *mut Opaque
            ),
            (
                function,
                1,
                1,
                1,
                1,
                1,
                1,
                0,
                stream,
                arguments.as_mut_ptr(),
                nothing
            )
        );
        assert_eq!(launched, 0);
        call!(self, "cuStreamSynchronize", (Opaque), (stream))
    }
}
