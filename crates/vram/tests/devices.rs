//! Devices: what a driver that is there, old, cut or absent comes to.

#![allow(
    clippy::indexing_slicing,
    clippy::result_large_err,
    clippy::unwrap_used,
    reason = "a test that panics has failed"
)]

mod common;

use common::model::Model;
use common::{on_the_double, on_the_double_without, seal, vault};
use vram::{Backend, Code, Cuda, DeviceKind, Policy, Verdict};

#[test]
fn a_device_is_described_and_passes_its_test() {
    on_the_double("a_device_is_described_and_passes_its_test", |double| {
        let cuda = Cuda::open().unwrap();
        let devices = cuda.devices().unwrap();
        let device = &devices[0];
        assert_eq!(device.kind, DeviceKind::Discrete);
        assert_eq!(device.pci.unwrap().to_string(), "0000:65:00.0");
        assert_eq!(device.driver, "550.54.15");
        assert_eq!(device.link.as_ref().unwrap().name, "PCIe 5 x16");
        assert_eq!(device.ecc, Some(true));
        assert!(device.can_protect);
        let gpu = cuda.open(device.uuid).unwrap();
        // A double cannot pass for the system's driver: the evidence says which file answered.
        let library = &gpu.kernel().driver_library;
        assert!(library.ends_with("driver-a_device_is_described_and_passes_its_test/libcuda.so.1"));
        drop(gpu);
        assert_eq!((double.held(), double.dirty_bytes()), (0, 0));
    });
}

#[test]
fn what_this_process_holds_is_the_same_number_wherever_it_is_told() {
    on_the_double(
        "what_this_process_holds_is_the_same_number_wherever_it_is_told",
        |double| {
            let (vault, device) = vault();
            let listed = || vault.devices(None).devices[0].memory.process_bytes;
            assert_eq!(listed(), None, "it is not on the device");
            let model = Model::of(&[("w", 3 << 20)]);
            let sealed = seal(&vault, device, &model, Policy::default()).unwrap();
            let held = sealed.evidence.accounting.process_bytes;
            assert!(held >= Some(4 << 20), "{held:?}");
            assert_eq!(listed(), held);
            for unknown in ["host_pids=1", "uncounted=1", "uncounted=zero"] {
                double.fails(unknown);
                let usage = vault.capacity(device, None).unwrap();
                let told = (usage.process_bytes, listed());
                assert_eq!(told, (None, None), "{unknown}");
            }
            double.fails("");
            assert_eq!(listed(), held);
            vault.dispose(sealed.handle).unwrap();
            assert!(listed() < held);
        },
    );
}

#[test]
fn wrong_kernels_are_found_at_once() {
    on_the_double("wrong_kernels_are_found_at_once", |double| {
        let cuda = Cuda::open().unwrap();
        let uuid = cuda.devices().unwrap()[0].uuid;
        for kernel in ["tiles", "tiles_by_multiplying", "parents"] {
            double.fails(&format!("wrong={kernel}"));
            let error = cuda.open(uuid).err().unwrap();
            assert_eq!(error.code, Code::SelfTestFailed, "{kernel}");
            assert_eq!((double.held(), double.dirty_bytes()), (0, 0));
        }
    });
}

#[test]
fn a_driver_that_lacks_a_function_is_an_answer() {
    on_the_double_without(
        "a_driver_that_lacks_a_function_is_an_answer",
        &["cuMemCreate"],
        |_| {
            let error = Cuda::open().err().unwrap();
            assert_eq!(error.code, Code::DriverTooOld);
            assert!(error.message.contains("cuMemCreate"), "{error}");
        },
    );
}

#[test]
fn functions_that_only_add_evidence_may_lack() {
    on_the_double_without(
        "functions_that_only_add_evidence_may_lack",
        &[
            "cuMemGetAccess",
            "cuMemRetainAllocationHandle",
            "nvmlDeviceGetMemoryInfo_v2",
            "nvmlDeviceGetAddressingMode",
        ],
        |_| {
            let cuda = Cuda::open().unwrap();
            let device = cuda.devices().unwrap().remove(0);
            assert_eq!(device.memory.free_bytes, None);
            cuda.open(device.uuid).unwrap();
            let (vault, device) = vault();
            let sealed = seal(&vault, device, &Model::of(&[("w", 9)]), Policy::default());
            let evidence = sealed.unwrap().evidence;
            assert_eq!(
                evidence.verdict,
                Verdict::Resident,
                "{:?}",
                evidence.reasons
            );
            assert_eq!(evidence.placement.pinned, None);
        },
    );
}

#[test]
fn an_old_driver_is_an_answer() {
    on_the_double("an_old_driver_is_an_answer", |double| {
        double.fails("driver=8000");
        assert_eq!(Cuda::open().err().unwrap().code, Code::DriverTooOld);
        double.fails("devices=0");
        assert_eq!(Cuda::open().err().unwrap().code, Code::NoDriver);
        double.fails("ptx_too_new=1");
        let cuda = Cuda::open().unwrap();
        let uuid = cuda.devices().unwrap()[0].uuid;
        assert_eq!(cuda.open(uuid).err().unwrap().code, Code::DriverTooOld);
        assert_eq!(double.held(), 0);
    });
}

#[test]
fn whatever_call_fails_as_a_device_is_opened_nothing_stays_behind() {
    on_the_double(
        "whatever_call_fails_as_a_device_is_opened_nothing_stays_behind",
        |double| {
            let cuda = Cuda::open().unwrap();
            let uuid = cuda.devices().unwrap()[0].uuid;
            let (mut refused, mut uncleared) = (0, Vec::new());
            // Every ninth, for each opening computes the whole test.
            for failing in (1..).step_by(9) {
                let started = double.calls();
                double.fails(&format!("fail_call={}", started + failing));
                let opened = cuda.open(uuid);
                double.fails("");
                let dirty = double.dirty_bytes();
                refused += u32::from(opened.is_err());
                if dirty > uncleared.last().copied().unwrap_or(0) {
                    // It was the clearing that failed, and that is told.
                    assert!(opened.is_err(), "call {failing}");
                    uncleared.push(dirty);
                }
                drop(opened);
                assert_eq!(double.held(), 0, "call {failing}");
                if double.calls() < started + failing {
                    break;
                }
            }
            assert!(refused > 10, "{refused}");
            assert!(uncleared.len() <= 1, "one call of all clears");
        },
    );
}

#[test]
fn no_driver_is_an_answer() {
    // A machine with a GPU has one, and then this says nothing.
    if let Err(error) = Cuda::open() {
        assert_eq!(error.code, Code::NoDriver);
    }
}
