//! Names and texts that leave the library: each can be read back, and none ever changes.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use vram::{Code, DeviceUuid, Handle, PciAddress, SealKey};

#[test]
fn uuids_read_what_they_write() {
    let text = "GPU-00010203-0405-0607-0809-0a0b0c0d0e0f";
    let uuid = DeviceUuid::parse(text).unwrap();
    assert_eq!(
        *uuid.as_bytes(),
        std::array::from_fn(|at| at.to_le_bytes()[0])
    );
    assert_eq!(uuid.to_string(), text);
    assert_eq!(DeviceUuid::parse(&text[4..]), Some(uuid));
    for bad in [
        "",
        "GPU-",
        "GPU-+0010203-0405-0607-0809-0a0b0c0d0e0f",
        "GPU-00",
        "x",
    ] {
        assert_eq!(DeviceUuid::parse(bad), None, "{bad}");
    }
}

#[test]
fn bus_addresses_read_both_spellings() {
    for text in ["0000:1B:00.0", "00000000:1b:00.0"] {
        assert_eq!(PciAddress::parse(text).unwrap().to_string(), "0000:1b:00.0");
    }
    for bad in [
        "",
        "1b:00.0",
        "0000:1b:00",
        "0000:100:00.0",
        "0000:1b:00.x",
        "a:b:c:d.0",
    ] {
        assert_eq!(PciAddress::parse(bad), None, "{bad}");
    }
}

#[test]
fn codes_are_stable_and_say_whether_to_retry() {
    let codes = [
        (Code::NoDriver, "VRAM_NO_DRIVER", false),
        (Code::DriverTooOld, "VRAM_DRIVER_TOO_OLD", false),
        (Code::NoDevice, "VRAM_NO_DEVICE", false),
        (Code::PolicyViolation, "VRAM_POLICY_VIOLATION", false),
        (Code::InsufficientMemory, "VRAM_INSUFFICIENT_MEMORY", true),
        (Code::AllocationFailed, "VRAM_ALLOCATION_FAILED", true),
        (Code::SealMismatch, "VRAM_SEAL_MISMATCH", false),
        (Code::NotResident, "VRAM_NOT_RESIDENT", false),
        (Code::SelfTestFailed, "VRAM_SELF_TEST_FAILED", false),
        (Code::DeviceLost, "VRAM_DEVICE_LOST", false),
        (Code::DriverFailed, "VRAM_DRIVER_FAILED", false),
        (Code::HandleStale, "VRAM_HANDLE_STALE", false),
        (Code::BadRange, "VRAM_BAD_RANGE", false),
        (Code::FileChanged, "VRAM_FILE_CHANGED", false),
        (Code::RecordInvalid, "VRAM_RECORD_INVALID", false),
        (Code::Aborted, "VRAM_ABORTED", true),
        (Code::Internal, "VRAM_INTERNAL", false),
    ];
    for (code, text, retriable) in codes {
        assert_eq!((code.as_str(), code.is_retriable()), (text, retriable));
    }
}

#[test]
fn handles_survive_as_numbers_and_keys_show_nothing() {
    for bits in [0, 1, u64::MAX, 0x1234_5678_9ABC_DEF0] {
        assert_eq!(Handle::from_bits(bits).to_bits(), bits);
    }
    let shown = format!(
        "{:?}",
        SealKey::derive(b"a secret of thirty-two bytes, no less")
    );
    assert_eq!(shown, "SealKey(..)");
}
