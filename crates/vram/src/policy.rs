//! The policy: what a device and its memory must be.

use crate::{Code, Device, MemoryType, Placement, Usage, VramError};

/// What is demanded of a device, of the memory, and of evidence. Managed and host memory are refused
/// by no option: they can never be attested.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// Refuse devices whose memory does not correct errors, or does not say.
    pub require_ecc: bool,
    /// Refuse drivers that cannot make the mapping read-only.
    pub require_read_only: bool,
    /// Accept integrated devices and processors. What lies there is called `unified`, never
    /// `resident`; for tests and for content checks alone.
    pub allow_unified: bool,
    /// Bytes that must stay free on the device after the allocation.
    pub headroom_bytes: u64,
    /// The least fraction of the bytes that a timed check must prove to lie on the device; without
    /// it the bound is only reported. 0 to 1.
    pub resident_fraction_min: Option<f64>,
    /// Pages that may answer as slowly as host memory.
    pub slow_pages_max: u64,
    /// A check that takes this many times the time it took at the seal is slow.
    pub slow_factor: f64,
    /// How often a slow check is tried before it is called inconclusive.
    pub tries_max: u32,
}

impl Policy {
    /// Refuses a device that breaks a rule, before anything is allocated there.
    pub(crate) fn admit(&self, device: &Device) -> Result<(), VramError> {
        let admitted = match device.judge() {
            Err(why) if !self.allow_unified => Err(VramError::violation(
                "allowUnified",
                format!("{why}: it is not called VRAM"),
            )),
            _ if self.require_ecc && device.ecc != Some(true) => Err(VramError::violation(
                "requireEcc",
                "the device's memory does not correct errors, or does not say so",
            )),
            _ if self.require_read_only && !device.can_protect => Err(VramError::violation(
                "requireReadOnly",
                "the driver cannot make memory read-only",
            )),
            _ => Ok(()),
        };
        admitted.map_err(|error| error.on(device.uuid))
    }

    /// Refuses memory that is not the device's own, whatever the device is.
    pub(crate) fn admit_memory(&self, placement: &Placement) -> Result<(), VramError> {
        if placement.managed == Some(true) {
            let message =
                "the memory is managed: it may be moved at any time and cannot be attested";
            return Err(VramError::violation("managed", message));
        }
        let host = placement.memory_type == MemoryType::Host || placement.on_device == Some(false);
        if host && !self.allow_unified {
            let message = "the driver gave memory that is not on the device";
            return Err(VramError::violation("host", message));
        }
        Ok(())
    }

    /// Refuses a device with less free memory than is needed: other memory is never used instead.
    pub(crate) fn admit_bytes(&self, bytes: u64, usage: &Usage) -> Result<(), VramError> {
        let needed = bytes.saturating_add(self.headroom_bytes);
        let free = usage.free_bytes.unwrap_or(usage.total_bytes);
        if needed <= free {
            return Ok(());
        }
        let message = format!(
            "the device has {free} bytes free of {}, and {needed} are needed: free some, or choose another device",
            usage.total_bytes
        );
        Err(VramError {
            requested_bytes: Some(needed),
            available_bytes: Some(free),
            ..VramError::new(Code::InsufficientMemory, message)
        })
    }

    /// As bytes, for the seal record: the same for the same policy, in every build.
    pub(crate) fn canonical(&self) -> String {
        format!(
            "requireEcc={} requireReadOnly={} allowUnified={} headroomBytes={} residentFractionMin={:?} slowPagesMax={} slowFactor={:?} triesMax={}",
            self.require_ecc,
            self.require_read_only,
            self.allow_unified,
            self.headroom_bytes,
            self.resident_fraction_min,
            self.slow_pages_max,
            self.slow_factor,
            self.tries_max
        )
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            require_ecc: false,
            require_read_only: false,
            allow_unified: false,
            headroom_bytes: 0,
            resident_fraction_min: None,
            slow_pages_max: 0,
            slow_factor: 4.0,
            tries_max: 3,
        }
    }
}
