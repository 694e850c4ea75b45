//! The stable codes of what goes wrong with GPU memory.

/// What was wrong, as a code that never changes its meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// The driver's library is not installed, or has no device to offer.
    NoDriver,
    /// The driver lacks a function that is needed, or is older than the kernels.
    DriverTooOld,
    /// There is no device of this UUID, or none at all.
    NoDevice,
    /// The device or the memory breaks the policy: managed, host or integrated memory, no ECC.
    PolicyViolation,
    /// The device has less free memory than the model needs. Never a reason to use other memory.
    InsufficientMemory,
    /// The driver refused an allocation although memory seemed to be free.
    AllocationFailed,
    /// The bytes on the device are not those of the verified file: nothing was sealed.
    SealMismatch,
    /// The bytes are those of the file, but they do not lie in the device's own memory.
    NotResident,
    /// The kernels do not compute what they must on this device: it cannot be used.
    SelfTestFailed,
    /// The device is gone, or its context is dead after a fault. Nothing on it can be used again.
    DeviceLost,
    /// A driver call failed in a way that no other code names.
    DriverFailed,
    /// The handle names a shard that was disposed of, or none that ever was.
    HandleStale,
    /// A foreign range is no device memory, is cut short by its allocation, or names no tensor.
    BadRange,
    /// The verified file cannot be read any more as it was verified: it was changed since.
    FileChanged,
    /// The seal record does not bear the key's seal.
    RecordInvalid,
    /// The caller cancelled, or the shard was disposed of meanwhile.
    Aborted,
    /// A fault of this library, caught at its boundary.
    Internal,
}

impl Code {
    /// The code as operators, records and metrics see it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoDriver => "VRAM_NO_DRIVER",
            Self::DriverTooOld => "VRAM_DRIVER_TOO_OLD",
            Self::NoDevice => "VRAM_NO_DEVICE",
            Self::PolicyViolation => "VRAM_POLICY_VIOLATION",
            Self::InsufficientMemory => "VRAM_INSUFFICIENT_MEMORY",
            Self::AllocationFailed => "VRAM_ALLOCATION_FAILED",
            Self::SealMismatch => "VRAM_SEAL_MISMATCH",
            Self::NotResident => "VRAM_NOT_RESIDENT",
            Self::SelfTestFailed => "VRAM_SELF_TEST_FAILED",
            Self::DeviceLost => "VRAM_DEVICE_LOST",
            Self::DriverFailed => "VRAM_DRIVER_FAILED",
            Self::HandleStale => "VRAM_HANDLE_STALE",
            Self::BadRange => "VRAM_BAD_RANGE",
            Self::FileChanged => "VRAM_FILE_CHANGED",
            Self::RecordInvalid => "VRAM_RECORD_INVALID",
            Self::Aborted => "VRAM_ABORTED",
            Self::Internal => "VRAM_INTERNAL",
        }
    }

    /// Whether it says that an interface does not answer at all.
    pub(crate) fn is_absence(self) -> bool {
        matches!(self, Self::NoDriver | Self::DriverTooOld)
    }

    /// Whether the same call may succeed later although nobody repairs anything.
    pub fn is_retriable(self) -> bool {
        matches!(
            self,
            Self::InsufficientMemory | Self::AllocationFailed | Self::Aborted
        )
    }
}
