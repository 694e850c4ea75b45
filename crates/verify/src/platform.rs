//! The seam to the operating system: the calls and the error numbers of Linux are in `linux`, a noun a file.
//! Apart from them stand the calls that need unsafe code, in [`sys`](crate::sys), and those on the folder of records.
//!
//! Elsewhere nothing can be opened: [`open_root`] says so, and no root means no load.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(not(target_os = "linux"))]
mod unsupported;

#[cfg(target_os = "linux")]
pub(crate) use linux::*;
#[cfg(not(target_os = "linux"))]
pub(crate) use unsupported::*;

/// What an error of opening means to the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    not(target_os = "linux"),
    allow(dead_code, reason = "nothing is opened there")
)]
pub(crate) enum Trouble {
    /// The path left the root.
    Escapes,
    /// A part of the path is not there, or cannot be.
    Missing,
    /// A permission is missing.
    Denied,
    /// A socket, or a device without a driver.
    Special,
    /// Too many symbolic links.
    Loop,
    /// Something moved meanwhile: look again.
    Busy,
    /// The kernel or a sandbox does not offer the call.
    CallMissing,
    /// This platform is not supported.
    #[cfg(not(target_os = "linux"))]
    Unsupported,
    /// Anything else.
    Other,
}

/// What an error of fs-verity means, with what to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    not(target_os = "linux"),
    allow(dead_code, reason = "nothing is measured there")
)]
pub(crate) enum VerityTrouble {
    /// It could be on, and is not.
    Off,
    /// It is on already.
    Exists,
    /// It cannot be had here.
    Absent(&'static str),
    /// It can be had once somebody else is done.
    Busy(&'static str),
    /// A permission is missing.
    Denied(&'static str),
    /// Anything else.
    Failed,
}

/// A failed call: its error number and what that means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) trouble: Trouble,
    pub(crate) errno: i32,
}
