//! What a call came back with.

use libloading::Library;
use std::ffi::{CStr, c_char, c_int};
use std::fmt;

/// A library has no such function.
const MISSING: c_int = -1;

/// A call's status, and the library's name for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The function, or the library that is missing.
    pub call: &'static str,
    /// 0 is success, -1 that there is no such function.
    pub status: i32,
    /// Such as `CUDA_ERROR_ILLEGAL_ADDRESS`.
    pub name: String,
}

impl Answer {
    pub(crate) fn missing(call: &'static str) -> Self {
        Self {
            call,
            status: MISSING,
            name: "missing".to_owned(),
        }
    }

    /// The name comes from the library's own `namer`.
    pub(crate) fn of(call: &'static str, status: c_int, name: Option<String>) -> Self {
        Self {
            call,
            status,
            name: name.unwrap_or_else(|| format!("status {status}")),
        }
    }

    /// Nothing, where the call succeeded.
    pub fn ok(self) -> Result<(), Self> {
        if self.status == 0 { Ok(()) } else { Err(self) }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} {}", self.call, self.status, self.name)
    }
}

impl std::error::Error for Answer {}

/// `cuGetErrorName`.
pub(crate) fn driver_name(library: &Library, status: c_int) -> Option<String> {
    type Namer = unsafe extern "C" fn(c_int, *mut *const c_char) -> c_int;
    // SAFETY: the type is the one that cuda.h gives it.
    let namer = unsafe { library.get::<Namer>(b"cuGetErrorName\0") }.ok()?;
    let mut text: *const c_char = std::ptr::null();
    // SAFETY: it stores a pointer to a text of its own, or leaves the null.
    let said = unsafe { namer(status, &raw mut text) };
    (said == 0).then(|| text_at(text))?
}

/// `cudaGetErrorName`.
pub(crate) fn runtime_name(library: &Library, status: c_int) -> Option<String> {
    type Namer = unsafe extern "C" fn(c_int) -> *const c_char;
    // SAFETY: the type is the one that cuda_runtime_api.h gives it.
    let namer = unsafe { library.get::<Namer>(b"cudaGetErrorName\0") }.ok()?;
    // SAFETY: it takes any number, and returns a text of its own.
    text_at(unsafe { namer(status) })
}

fn text_at(text: *const c_char) -> Option<String> {
    if text.is_null() {
        return None;
    }
    // SAFETY: the library's texts are constants that end in a zero byte.
    let text = unsafe { CStr::from_ptr(text) };
    Some(text.to_string_lossy().into_owned())
}

/// Calls a function of the driver, each argument with its type: an [`Answer`], whatever happens.
macro_rules! call {
    ($raw:expr, $name:ident($($kind:ty = $argument:expr),* $(,)?)) => {
        $crate::answer::call_in!($crate::answer::driver_name, &$raw.library, $name($($kind = $argument),*))
    };
}

/// The same in any library, whose statuses `$namer` names.
macro_rules! call_in {
    ($namer:path, $library:expr, $name:ident($($kind:ty = $argument:expr),* $(,)?)) => {{
        let library: &libloading::Library = $library;
        // SAFETY: the types are those that the library's header gives the function of this name.
        let function = unsafe {
            library.get::<unsafe extern "C" fn($($kind),*) -> std::ffi::c_int>(concat!(stringify!($name), "\0").as_bytes())
        };
        match function {
            Ok(function) => {
                // SAFETY: every pointer is of memory that lives throughout the call.
                let status = unsafe { function($($argument),*) };
                let name = $namer(library, status);
                $crate::Answer::of(stringify!($name), status, name)
            }
            Err(_) => $crate::Answer::missing(stringify!($name)),
        }
    }};
}

pub(crate) use {call, call_in};
