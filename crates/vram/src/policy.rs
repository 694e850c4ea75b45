//! The policy: what a device and its memory must be.

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
