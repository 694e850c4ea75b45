//! The real Vulkan loader, but for one function that lacks or fails.
//!
//! | variable | effect |
//! |---|---|
//! | `VULKAN_FAULTS_LOADER` | the real loader's file |
//! | `VULKAN_FAULTS_LACKS` | a function that nobody gets |
//! | `VULKAN_FAULTS_FAILS` | `vkQueueSubmit=-4@3`: from its third call on the function does nothing and returns -4 |
//! | `VULKAN_FAULTS_WATCH` | anything: prints what memory holds as it is freed (watch.rs) |
//!
//! A function that fails must have at most six arguments, none of them a float.

#![allow(unsafe_code, reason = "it stands between C libraries")]

mod faults;
mod watch;

use faults::Faults;
use libloading::Library;
use std::ffi::{CStr, c_char, c_void};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering::Relaxed};

type Found = *mut c_void;
type Lookup = unsafe extern "system" fn(*mut c_void, *const c_char) -> Found;
type Call = unsafe extern "system" fn(usize, usize, usize, usize, usize, usize) -> i32;

/// The real functions that ours stand before.
static DEVICE_LOOKUP: AtomicPtr<c_void> = AtomicPtr::new(std::ptr::null_mut());
static FAILING: AtomicPtr<c_void> = AtomicPtr::new(std::ptr::null_mut());
static CALLS: AtomicUsize = AtomicUsize::new(0);

/// The only function that the library has: all others are asked of it.
///
/// # Safety
/// As the specification has it: a live instance or null, and a text that ends.
#[allow(non_snake_case, reason = "the specification's name")]
#[unsafe(no_mangle)]
pub unsafe extern "system" fn vkGetInstanceProcAddr(
    instance: *mut c_void,
    name: *const c_char,
) -> Found {
    let Some(real) = real_lookup() else {
        return std::ptr::null_mut();
    };
    // SAFETY: the caller keeps the real function's rules.
    let found = unsafe { real(instance, name) };
    // SAFETY: the caller's text ends.
    let name = unsafe { CStr::from_ptr(name) };
    if name == c"vkGetDeviceProcAddr" && !found.is_null() {
        DEVICE_LOOKUP.store(found, Relaxed);
        return device_lookup as Found;
    }
    with_faults(name, found)
}

unsafe extern "system" fn device_lookup(device: *mut c_void, name: *const c_char) -> Found {
    let real = DEVICE_LOOKUP.load(Relaxed);
    // SAFETY: it is the loader's vkGetDeviceProcAddr, which was stored before anybody got this one.
    let real = unsafe { std::mem::transmute::<Found, Lookup>(real) };
    // SAFETY: the caller keeps the real function's rules.
    let found = unsafe { real(device, name) };
    // SAFETY: the caller's text ends.
    with_faults(unsafe { CStr::from_ptr(name) }, found)
}

fn with_faults(name: &CStr, found: Found) -> Found {
    let faults = Faults::of_this_process();
    if faults.lacks(name) || found.is_null() {
        return std::ptr::null_mut();
    }
    if let Some(ours) = faults
        .watched()
        .then(|| watch::instead_of(name, found))
        .flatten()
    {
        return ours;
    }
    if faults.fails(name) {
        FAILING.store(found, Relaxed);
        return failing as Found;
    }
    found
}

/// Stands before any function of at most six arguments: those that it has not are ignored.
#[allow(clippy::many_single_char_names, reason = "nobody knows what they are")]
unsafe extern "system" fn failing(
    a: usize,
    b: usize,
    c: usize,
    d: usize,
    e: usize,
    f: usize,
) -> i32 {
    let call = CALLS.fetch_add(1, Relaxed) + 1;
    if let Some(result) = Faults::of_this_process().result_of_call(call) {
        return result;
    }
    let real = FAILING.load(Relaxed);
    // SAFETY: it was stored before anybody got this one, and takes its arguments in registers.
    let real = unsafe { std::mem::transmute::<Found, Call>(real) };
    // SAFETY: the caller keeps the real function's rules.
    unsafe { real(a, b, c, d, e, f) }
}

fn real_lookup() -> Option<Lookup> {
    static REAL: OnceLock<Option<Lookup>> = OnceLock::new();
    *REAL.get_or_init(|| {
        let path = std::env::var_os("VULKAN_FAULTS_LOADER")?;
        // SAFETY: the test names the system's loader.
        let library = unsafe { Library::new(path) }.ok()?;
        // Never closed, as its functions are handed out.
        let library: &'static Library = Box::leak(Box::new(library));
        // SAFETY: the specification gives the symbol this type.
        let found = unsafe { library.get::<Lookup>(b"vkGetInstanceProcAddr\0") };
        found.ok().map(|found| *found)
    })
}
