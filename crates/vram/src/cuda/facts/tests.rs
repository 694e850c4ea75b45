//! Systems that nobody has at hand, by what they were seen, or are documented, to say.

use super::{CudaFacts, device_of};
use crate::nvml::NvmlFacts;
use crate::{Addressing, DeviceKind, DriverModel, NotVram};

/// An H100 SXM under Linux.
fn h100() -> CudaFacts {
    CudaFacts {
        ordinal: 0,
        name: "NVIDIA H100 80GB HBM3".to_owned(),
        uuid: [0xAB; 16],
        bus: Some("0000:1B:00.0".to_owned()),
        total_bytes: 85_052_030_976,
        driver_version: 12_040,
        integrated: Some(0),
        ecc: Some(1),
        tcc: Some(0),
        memory_clock_kilohertz: Some(2_619_000),
        bus_width_bits: Some(5120),
        l2_cache_bytes: Some(52_428_800),
        pageable_memory_access: Some(0),
        host_page_tables: Some(0),
        virtual_memory_management: Some(1),
        windows: false,
    }
}

fn pcie5() -> NvmlFacts {
    NvmlFacts {
        driver: Some("550.54.15".to_owned()),
        free_bytes: Some(84_000_000_000),
        process_bytes: Some(500_000_000),
        ecc: Some(true),
        mig: Some(false),
        addressing: None,
        driver_model: None,
        pcie_max: Some((5, 16)),
        c2c: None,
    }
}

#[test]
fn a_data_centre_card_is_all_there() {
    let device = device_of(&h100(), Some(&pcie5()));
    assert_eq!(device.judge(), Ok(()));
    assert_eq!(device.pci.unwrap().to_string(), "0000:1b:00.0");
    assert_eq!(device.api, "12.4");
    assert_eq!(device.addressing, Some(Addressing::Separate));
    assert_eq!((device.ecc, device.mig), (Some(true), Some(false)));
    assert_eq!(device.driver_model, None);
    let link = device.link.unwrap();
    assert_eq!(link.name, "PCIe 5 x16");
    assert!((62e9..64e9).contains(&link.bytes_per_second));
    assert!((3.3e12..3.4e12).contains(&device.peak_bytes_per_second.unwrap()));
}

#[test]
fn without_nvml_less_is_known_and_nothing_is_guessed() {
    let device = device_of(&h100(), None);
    assert_eq!(device.link, None);
    assert_eq!(device.memory.free_bytes, None);
    assert_eq!(device.mig, None);
    assert_eq!(device.driver, "CUDA 12.4");
    assert_eq!(device.judge(), Ok(()));
}

#[test]
fn a_grace_hopper_shares_page_tables_and_has_a_fast_link() {
    let cuda = CudaFacts {
        name: "NVIDIA GH200 480GB".to_owned(),
        pageable_memory_access: Some(1),
        host_page_tables: Some(1),
        ..h100()
    };
    let nvml = NvmlFacts {
        c2c: Some(true),
        ..pcie5()
    };
    let device = device_of(&cuda, Some(&nvml));
    assert_eq!(device.addressing, Some(Addressing::Ats));
    let link = device.link.unwrap();
    assert_eq!(link.name, "NVLink-C2C");
    assert!(link.bytes_per_second > 400e9);
    // Its HBM is its own, whatever it shares.
    assert_eq!(device.kind, DeviceKind::Discrete);
}

#[test]
fn heterogeneous_memory_management_is_told() {
    let cuda = CudaFacts {
        pageable_memory_access: Some(1),
        ..h100()
    };
    let device = device_of(&cuda, Some(&pcie5()));
    assert_eq!(device.addressing, Some(Addressing::Hmm));
    // NVML's own word goes before the attributes.
    let nvml = NvmlFacts {
        addressing: Some(Addressing::Separate),
        ..pcie5()
    };
    let device = device_of(&cuda, Some(&nvml));
    assert_eq!(device.addressing, Some(Addressing::Separate));
}

#[test]
fn a_board_whose_memory_is_the_hosts_is_no_vram() {
    for name in ["Orin", "NVIDIA GB10"] {
        let cuda = CudaFacts {
            name: name.to_owned(),
            integrated: Some(1),
            ..h100()
        };
        assert_eq!(device_of(&cuda, None).judge(), Err(NotVram::Integrated));
    }
    let silent = CudaFacts {
        integrated: None,
        ..h100()
    };
    assert_eq!(device_of(&silent, None).judge(), Err(NotVram::Unknown));
}

#[test]
fn a_slice_of_a_gpu_is_told() {
    let nvml = NvmlFacts {
        mig: Some(true),
        free_bytes: None,
        pcie_max: None,
        ..pcie5()
    };
    let device = device_of(&h100(), Some(&nvml));
    assert_eq!((device.mig, device.link), (Some(true), None));
}

#[test]
fn windows_has_a_driver_model() {
    let windows = |tcc, said| {
        let cuda = CudaFacts {
            tcc,
            windows: true,
            ..h100()
        };
        let nvml = NvmlFacts {
            driver_model: said,
            ..pcie5()
        };
        device_of(&cuda, Some(&nvml)).driver_model
    };
    assert_eq!(windows(Some(0), None), Some(DriverModel::Wddm));
    assert_eq!(windows(Some(1), None), Some(DriverModel::Tcc));
    // Nobody said TCC: then the system may own the memory.
    assert_eq!(windows(None, None), Some(DriverModel::Wddm));
    assert_eq!(
        windows(Some(0), Some(DriverModel::Mcdm)),
        Some(DriverModel::Mcdm)
    );
}

#[test]
fn absurd_numbers_are_no_facts() {
    let cuda = CudaFacts {
        bus: Some("nonsense".to_owned()),
        l2_cache_bytes: Some(-1),
        memory_clock_kilohertz: Some(0),
        ..h100()
    };
    let nvml = NvmlFacts {
        pcie_max: Some((99, 16)),
        ..pcie5()
    };
    let device = device_of(&cuda, Some(&nvml));
    assert_eq!(device.pci, None);
    assert_eq!(device.cache_bytes, None);
    assert_eq!(device.peak_bytes_per_second, None);
    assert_eq!(device.link, None);
}
