use super::{DrmClient, DrmMemory, clients, on_device, sum, texts};
use crate::PciAddress;
use std::fs;
use std::os::unix::fs::symlink;

const GIB: u64 = 1 << 30;
const MIB: u64 = 1 << 20;

/// As amdgpu wrote it up to Linux 6.10.
const AMDGPU: &str = "pos:\t0\nflags:\t02100002\nmnt_id:\t27\nino:\t1049\ndrm-driver:\tamdgpu\ndrm-client-id:\t42\n\
drm-pdev:\t0000:03:00.0\npasid:\t32771\ndrm-memory-vram:\t3145728 KiB\ndrm-memory-gtt: \t1048576 KiB\n\
drm-memory-cpu: \t64 KiB\namd-memory-visible-vram:\t1024 KiB\namd-evicted-vram:\t1024 KiB\n\
amd-evicted-visible-vram:\t0 KiB\namd-requested-vram:\t4194304 KiB\namd-requested-visible-vram:\t1024 KiB\n\
amd-requested-gtt:\t0 KiB\ndrm-shared-vram:\t0 KiB\ndrm-engine-compute:\t1024 ns\n";

/// As it writes it since: the regions twice, and all of them by total, shared, active, resident and purgeable.
const AMDGPU_NEW: &str = "drm-driver:\tamdgpu\ndrm-client-id:\t43\ndrm-pdev:\t0000:03:00.0\n\
drm-total-cpu:\t64 KiB\ndrm-resident-cpu:\t64 KiB\ndrm-total-gtt:\t2 MiB\ndrm-resident-gtt:\t2 MiB\n\
drm-total-vram:\t2 GiB\ndrm-shared-vram:\t0\ndrm-active-vram:\t0\ndrm-resident-vram:\t1 GiB\n\
drm-purgeable-vram:\t0\ndrm-total-doorbell:\t8 KiB\ndrm-resident-doorbell:\t8 KiB\n\
drm-memory-vram:\t1048576 KiB\ndrm-memory-gtt: \t2048 KiB\ndrm-memory-cpu: \t64 KiB\n\
amd-evicted-vram:\t1048576 KiB\namd-requested-vram:\t2097152 KiB\n";

/// Two tiles.
const XE: &str = "drm-driver:\txe\ndrm-client-id:\t7\ndrm-pdev:\t0000:04:00.0\ndrm-total-system:\t0\n\
drm-resident-system:\t512 MiB\ndrm-total-gtt:\t0\ndrm-resident-gtt:\t4096\ndrm-total-vram0:\t8 GiB\n\
drm-resident-vram0:\t6 GiB\ndrm-resident-vram1:\t1 GiB\ndrm-resident-stolen:\t0\n";

const I915: &str = "drm-driver:\ti915\ndrm-client-id:\t9\ndrm-pdev:\t0000:00:02.0\n\
drm-resident-system0:\t3 MiB\ndrm-resident-local0:\t5 MiB\ndrm-resident-stolen-local0:\t1 MiB\n";

/// NVIDIA's own driver: engines and memory are its own business.
const NVIDIA: &str = "drm-driver:\tnvidia-drm\ndrm-client-id:\t3\ndrm-pdev:\t0000:65:00.0\n";

fn pci(text: &str) -> PciAddress {
    PciAddress::parse(text).unwrap()
}

#[test]
fn each_driver_is_understood_in_its_own_words() {
    let said = |text| clients(&[text]).remove(0);
    let memory = |resident, host, requested, evicted| DrmMemory {
        resident_bytes: resident,
        host_bytes: host,
        requested_bytes: requested,
        evicted_bytes: evicted,
    };
    assert_eq!(
        said(AMDGPU),
        DrmClient {
            driver: "amdgpu".to_owned(),
            pci: Some(pci("0000:03:00.0")),
            // More is missing than the driver has moved: what was never brought in counts too.
            memory: memory(
                Some(3 * GIB),
                Some(GIB + (64 << 10)),
                Some(4 * GIB),
                Some(GIB)
            ),
        }
    );
    assert_eq!(
        said(AMDGPU_NEW).memory,
        memory(
            Some(GIB),
            Some(2 * MIB + (64 << 10)),
            Some(2 * GIB),
            Some(GIB)
        )
    );
    assert_eq!(
        said(XE).memory,
        memory(Some(7 * GIB), Some(512 * MIB + 4096), None, None)
    );
    assert_eq!(
        said(I915).memory,
        memory(Some(5 * MIB), Some(3 * MIB), None, None)
    );
    assert_eq!(said(NVIDIA).memory, DrmMemory::default());
}

#[test]
fn a_client_with_several_descriptors_counts_once_and_what_is_no_drm_not_at_all() {
    let all = clients(&[AMDGPU, AMDGPU, XE, "pos:\t0\nflags:\t02\n", "", AMDGPU_NEW]);
    let drivers: Vec<&str> = all.iter().map(|client| client.driver.as_str()).collect();
    assert_eq!(drivers, ["amdgpu", "amdgpu", "xe"]);
    let first = on_device(&all, pci("0000:03:00.0"));
    assert_eq!(
        (first.resident_bytes, first.evicted_bytes),
        (Some(4 * GIB), Some(2 * GIB))
    );
    let other = on_device(&all, pci("0000:04:00.0"));
    assert_eq!(
        (other.resident_bytes, other.evicted_bytes),
        (Some(7 * GIB), None)
    );
    let none = on_device(&all, pci("0000:05:00.0"));
    assert_eq!(none, DrmMemory::default());
    assert_eq!(
        sum(&all).host_bytes,
        Some(GIB + 2 * MIB + 512 * MIB + (128 << 10) + 4096)
    );
}

#[test]
fn numbers_that_are_none_are_not_taken_for_zero() {
    let said = |value: &str| {
        let text = format!("drm-driver:\tamdgpu\ndrm-client-id:\t1\ndrm-memory-vram:\t{value}\n");
        clients(&[text]).remove(0).memory.resident_bytes
    };
    assert_eq!(said("12 KiB"), Some(12 << 10));
    assert_eq!(said("0"), Some(0));
    for absurd in [
        "",
        "KiB",
        "-1",
        "+1 TiB",
        "1 PiB",
        "1  KiB",
        "18446744073709551616",
        "18446744073709551615 KiB",
    ] {
        assert_eq!(said(absurd), None, "{absurd:?}");
    }
    let most = "drm-driver:\ta\ndrm-client-id:\t1\ndrm-memory-vram:\t18446744073709551615\ndrm-memory-vram1:\t1\n";
    assert_eq!(
        clients(&[most]).remove(0).memory.resident_bytes,
        Some(u64::MAX)
    );
}

#[test]
fn descriptors_of_graphics_devices_are_read_and_no_others() {
    let process = std::env::temp_dir().join(format!("drm-test-{}", std::process::id()));
    for folder in ["fd", "fdinfo"] {
        fs::create_dir_all(process.join(folder)).unwrap();
    }
    for (fd, to, text) in [
        ("3", "/dev/dri/renderD128", Some(AMDGPU)),
        ("4", "/dev/dri/card0", Some(AMDGPU)),
        ("5", "/home/x/model.gguf", Some(XE)),
        ("6", "/dev/dri/renderD129", None),
        ("7", "socket:[7]", Some(XE)),
    ] {
        symlink(to, process.join("fd").join(fd)).unwrap();
        if let Some(text) = text {
            fs::write(process.join("fdinfo").join(fd), text).unwrap();
        }
    }
    let read = texts(&process);
    fs::remove_dir_all(&process).unwrap();
    assert_eq!(read, [AMDGPU, AMDGPU]);
    assert!(texts(&process).is_empty(), "a system without such a folder");
}
