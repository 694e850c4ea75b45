//! A driver's library: why it could not be opened.

use std::error::Error;

/// The reason, in the system's words.
pub(crate) fn reason(error: &libloading::Error) -> String {
    error
        .source()
        .map_or_else(|| error.to_string(), ToString::to_string)
}
