//! A device: what a driver says about one GPU, or about something that only looks like one.

use std::fmt;

/// The interface through which a device is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BackendKind {
    /// NVIDIA's CUDA driver.
    Cuda,
    /// Vulkan.
    Vulkan,
}

impl BackendKind {
    /// Its name in records and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cuda => "cuda",
            Self::Vulkan => "vulkan",
        }
    }
}

/// What kind of thing the device is. Only a discrete one has memory of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DeviceKind {
    /// Memory of its own, behind a link.
    Discrete,
    /// It shares the host's memory: Jetson, DGX Spark, laptops, phones.
    Integrated,
    /// A processor that draws: lavapipe, llvmpipe, `PoCL`.
    Cpu,
    /// A device inside a virtual machine, of which nobody knows what stands behind it.
    Virtual,
    /// The driver does not say.
    Unknown,
}

impl DeviceKind {
    /// Its name in records and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Discrete => "discrete",
            Self::Integrated => "integrated",
            Self::Cpu => "cpu",
            Self::Virtual => "virtual",
            Self::Unknown => "unknown",
        }
    }
}

/// The driver's model under Windows, which decides who owns the memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DriverModel {
    /// The system owns the memory, may evict it and may make it in RAM: only timing can tell.
    Wddm,
    /// As WDDM, for compute devices.
    Mcdm,
    /// The driver owns the memory.
    Tcc,
}

impl DriverModel {
    /// Its name in records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Wddm => "wddm",
            Self::Mcdm => "mcdm",
            Self::Tcc => "tcc",
        }
    }
}

/// How host and device share addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Addressing {
    /// Each has its own; what the GPU can read was allocated for it.
    Separate,
    /// Heterogeneous memory management: the GPU can fault in any page of the process.
    Hmm,
    /// Address translation service: one page table, as on Grace systems.
    Ats,
}

impl Addressing {
    /// Its name in records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Separate => "separate",
            Self::Hmm => "hmm",
            Self::Ats => "ats",
        }
    }
}

/// The device's UUID: the same in CUDA, NVML and Vulkan, across boots.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeviceUuid([u8; 16]);

impl DeviceUuid {
    /// Its 16 bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// Reads `GPU-xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx`, with or without the first four characters.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix("GPU-").unwrap_or(text).replace('-', "");
        let number = u128::from_str_radix(&digits, 16).ok();
        number
            .filter(|_| digits.len() == 32 && !digits.starts_with('+'))
            .map(|number| Self(number.to_be_bytes()))
    }
}

impl From<[u8; 16]> for DeviceUuid {
    fn from(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

/// As NVIDIA's tools print it.
impl fmt::Display for DeviceUuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GPU")?;
        self.0.iter().enumerate().try_for_each(|(index, byte)| {
            let dash = if matches!(index, 0 | 4 | 6 | 8 | 10) {
                "-"
            } else {
                ""
            };
            write!(f, "{dash}{byte:02x}")
        })
    }
}

impl fmt::Debug for DeviceUuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeviceUuid({self})")
    }
}

/// Where on the PCI bus the device sits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PciAddress {
    /// The domain, also called segment.
    pub domain: u32,
    /// The bus.
    pub bus: u8,
    /// The device on the bus.
    pub device: u8,
    /// The function of the device.
    pub function: u8,
}

impl PciAddress {
    /// Reads `0000:65:00.0`; CUDA writes capitals, NVML writes eight digits of domain.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, function) = text.rsplit_once('.')?;
        let mut parts = address.splitn(3, ':');
        let mut next = || u32::from_str_radix(parts.next()?, 16).ok();
        let (domain, bus, device) = (next()?, next()?, next()?);
        Some(Self {
            domain,
            bus: bus.try_into().ok()?,
            device: device.try_into().ok()?,
            function: function.parse().ok()?,
        })
    }
}

impl fmt::Display for PciAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            domain,
            bus,
            device,
            function,
        } = self;
        write!(f, "{domain:04x}:{bus:02x}:{device:02x}.{function:x}")
    }
}

/// The device's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceMemory {
    /// What there is, in bytes.
    pub total_bytes: u64,
    /// What is free now, all processes together, in bytes, where the driver says.
    pub free_bytes: Option<u64>,
    /// What this process holds of it, in bytes, where that is told of a device that is not open (NVML, DRM).
    pub process_bytes: Option<u64>,
    /// What this process asked for there and the driver has elsewhere, in bytes, where it says (amdgpu).
    pub evicted_bytes: Option<u64>,
}

/// The fastest way by which bytes can reach the device from elsewhere: it bounds what a timed digest
/// proves.
#[derive(Clone, Debug, PartialEq)]
pub struct Link {
    /// Bytes a second in one direction, at most.
    pub bytes_per_second: f64,
    /// What it is, such as `PCIe 5 x16`.
    pub name: String,
}

/// Bytes a second of one PCI Express lane, by generation, after encoding.
const LANE_BYTES_PER_SECOND: [f64; 6] = [0.25e9, 0.5e9, 0.985e9, 1.969e9, 3.938e9, 7.563e9];

impl Link {
    /// PCI Express of this generation, so many lanes wide; nothing where there is no such thing.
    pub(crate) fn pcie(generation: u32, lanes: u32) -> Option<Self> {
        let lane = usize::try_from(generation).ok()?.checked_sub(1)?;
        let bytes_per_second = LANE_BYTES_PER_SECOND.get(lane)? * f64::from(lanes);
        (lanes > 0).then(|| Self {
            bytes_per_second,
            name: format!("PCIe {generation} x{lanes}"),
        })
    }
}

/// What a driver says about one device.
#[derive(Clone, Debug, PartialEq)]
pub struct Device {
    /// The interface that found it.
    pub backend: BackendKind,
    /// Its place in that interface's list.
    pub index: u32,
    /// What it calls itself.
    pub name: String,
    /// Its UUID.
    pub uuid: DeviceUuid,
    /// Where on the PCI bus it sits, unless it sits on none.
    pub pci: Option<PciAddress>,
    /// Its memory.
    pub memory: DeviceMemory,
    /// What kind of thing it is.
    pub kind: DeviceKind,
    /// Whether its memory corrects errors; nothing where the driver does not say.
    pub ecc: Option<bool>,
    /// The driver's version, in its own words.
    pub driver: String,
    /// The interface's version, such as `12.4` or `1.3.230`.
    pub api: String,
    /// The driver's model, under Windows.
    pub driver_model: Option<DriverModel>,
    /// Whether it is a slice of a larger GPU, or cut into slices.
    pub mig: Option<bool>,
    /// How host and device share addresses.
    pub addressing: Option<Addressing>,
    /// The fastest link to it; nothing where nobody says, and then time proves nothing.
    pub link: Option<Link>,
    /// Bytes of its largest cache: they too can answer without memory.
    pub cache_bytes: Option<u64>,
    /// Memory bandwidth by its data sheet, in bytes a second.
    pub peak_bytes_per_second: Option<f64>,
    /// Whether a mapping can be made read-only for the device itself.
    pub can_protect: bool,
}

impl Device {
    /// Whether its memory may be called VRAM.
    pub fn judge(&self) -> Result<(), NotVram> {
        match self.kind {
            DeviceKind::Discrete => Ok(()),
            DeviceKind::Integrated => Err(NotVram::Integrated),
            DeviceKind::Cpu => Err(NotVram::Software),
            DeviceKind::Virtual | DeviceKind::Unknown => Err(NotVram::Unknown),
        }
    }
}

/// Why a device's memory may not be called VRAM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotVram {
    /// It is the host's memory.
    Integrated,
    /// There is no device at all: a processor does the work.
    Software,
    /// Nobody says what it is.
    Unknown,
}

impl fmt::Display for NotVram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Integrated => "the device is integrated: its memory is the host's",
            Self::Software => "the device is a processor: it has no memory of its own",
            Self::Unknown => "the driver does not say what stands behind the device",
        })
    }
}
