//! A system call that failed, as data: the JavaScript side knows the name of each number.

use std::io;

use napi_derive::napi;

use crate::thread::Held;

#[napi(object, object_from_js = false)]
#[derive(Debug)]
pub struct SystemFailure {
    /// The system's number; absent where the failure is not the system's.
    pub errno: Option<i32>,
    /// In words.
    pub message: String,
}

impl Held for Option<SystemFailure> {}

impl SystemFailure {
    pub(crate) fn new(error: &io::Error, what: &str) -> Self {
        Self {
            errno: error.raw_os_error(),
            message: format!("{what}: {error}"),
        }
    }
}
