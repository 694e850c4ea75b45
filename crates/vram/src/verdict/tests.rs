//! Evidence as systems were seen, or are documented, to give it, and what it comes to.

use super::{Baseline, Seen, judge};
use crate::evidence::{Accounting, Content, Latency, Placement, Timing};
use crate::{
    Access, BackendKind, Device, DeviceKind, DeviceMemory, DeviceUuid, DriverModel, Level,
    MemoryType, Policy, Verdict,
};

/// A check of a sealed model of 40 GB on a discrete device, all of it good.
struct Case {
    device: Device,
    policy: Policy,
    level: Level,
    accounting: Accounting,
    placement: Placement,
    content: Content,
    timing: Timing,
    slow: bool,
}

impl Case {
    fn good() -> Self {
        Self {
            device: device(),
            policy: Policy::default(),
            level: Level::Full,
            accounting: Accounting::default(),
            placement: Placement {
                memory_type: MemoryType::Device,
                managed: Some(false),
                on_device: Some(true),
                pinned: Some(true),
                host_visible: Some(false),
                allocation_id: Some(7),
                allocation_bytes: Some(40_000_000_000),
                access: Access::ReadOnly,
            },
            content: Content {
                bytes_total: 40_000_000_000,
                bytes_checked: 40_000_000_000,
                ..Content::default()
            },
            timing: Timing {
                resident_fraction_min: Some(0.957),
                latency: Some(Latency {
                    pages: 19_074,
                    slow_cycles: Some(1200),
                    ..Latency::default()
                }),
                ..Timing::default()
            },
            slow: false,
        }
    }

    fn judge(&self) -> (Verdict, Vec<String>) {
        let baseline = Baseline {
            device: &self.device,
            policy: &self.policy,
            access: Access::ReadOnly,
            allocation_id: Some(7),
            ecc_uncorrected: Some(0),
        };
        let seen = Seen {
            level: &self.level,
            accounting: &self.accounting,
            placement: &self.placement,
            content: &self.content,
            timing: &self.timing,
            slow: self.slow,
        };
        judge(&baseline, &seen)
    }
}

fn device() -> Device {
    Device {
        backend: BackendKind::Cuda,
        index: 0,
        name: "H100".to_owned(),
        uuid: DeviceUuid::from([1; 16]),
        pci: None,
        memory: DeviceMemory {
            total_bytes: 80 << 30,
            free_bytes: None,
            process_bytes: None,
            evicted_bytes: None,
        },
        kind: DeviceKind::Discrete,
        ecc: Some(true),
        driver: String::new(),
        api: String::new(),
        driver_model: None,
        mig: None,
        addressing: None,
        link: None,
        cache_bytes: None,
        peak_bytes_per_second: None,
        can_protect: true,
    }
}

/// What `change` makes of good evidence: the verdict, with a word of its only reason.
fn changed(change: fn(&mut Case)) -> (Verdict, String) {
    let mut case = Case::good();
    change(&mut case);
    let (verdict, reasons) = case.judge();
    assert_eq!(reasons.len(), usize::from(verdict != Verdict::Resident));
    (verdict, reasons.concat())
}

fn assert_changed(verdict: Verdict, word: &str, change: fn(&mut Case)) {
    let (found, reason) = changed(change);
    assert_eq!(found, verdict, "{reason}");
    assert!(reason.contains(word), "{reason:?} has no {word:?}");
}

#[test]
fn good_evidence_is_resident() {
    assert_changed(Verdict::Resident, "", |_| {});
    // A quick check reads no content, and its time shows nothing.
    assert_changed(Verdict::Resident, "", |case| {
        case.level = Level::Quick;
        case.content.bytes_checked = 0;
        case.timing.resident_fraction_min = None;
        case.policy.resident_fraction_min = Some(0.9);
    });
}

#[test]
fn anything_wrong_is_not_resident() {
    let not = Verdict::NotResident;
    assert_changed(not, "tiles", |case| case.content.bad_tiles_count = 1);
    assert_changed(not, "managed", |case| case.placement.managed = Some(true));
    assert_changed(not, "host's", |case| {
        case.placement.memory_type = MemoryType::Host;
    });
    assert_changed(not, "this device", |case| {
        case.placement.on_device = Some(false);
    });
    assert_changed(not, "another allocation", |case| {
        case.placement.allocation_id = Some(8);
    });
    assert_changed(not, "read-only", |case| {
        case.placement.access = Access::ReadWrite;
    });
    assert_changed(not, "19 of 19074 pages", |case| {
        if let Some(latency) = &mut case.timing.latency {
            latency.slow_pages_count = 19;
        }
    });
    // amdgpu's fdinfo: 30 GB of the process are left on the device, and the model has 40.
    assert_changed(not, "at least 10000000000 bytes of it", |case| {
        case.accounting.process_bytes = Some(30_000_000_000);
        case.accounting.evicted_bytes = Some(10_000_000_000);
    });
}

#[test]
fn what_was_pushed_out_may_be_anothers() {
    assert_changed(
        Verdict::Inconclusive,
        "4096 bytes of this process",
        |case| {
            case.accounting.process_bytes = Some(60_000_000_000);
            case.accounting.evicted_bytes = Some(4096);
        },
    );
    assert_changed(
        Verdict::Inconclusive,
        "4096 bytes of this process",
        |case| {
            case.accounting.evicted_bytes = Some(4096);
        },
    );
    assert_changed(Verdict::Resident, "", |case| {
        case.accounting.evicted_bytes = Some(0);
    });
    // On an APU it only moves from one part of the host's memory to another.
    assert_changed(Verdict::Unified, "integrated", |case| {
        case.device.kind = DeviceKind::Integrated;
        case.accounting.process_bytes = Some(0);
        case.accounting.evicted_bytes = Some(40_000_000_000);
    });
}

#[test]
fn what_is_wrong_outweighs_what_is_not_shown() {
    let mut case = Case::good();
    case.slow = true;
    case.device.kind = DeviceKind::Integrated;
    case.content.bad_tiles_count = 2;
    let (verdict, reasons) = case.judge();
    assert_eq!(verdict, Verdict::NotResident);
    assert_eq!(reasons, ["2 tiles are not what was sealed"]);
}

#[test]
fn slow_is_never_an_alarm() {
    assert_changed(Verdict::Inconclusive, "busy", |case| case.slow = true);
    assert_changed(Verdict::Inconclusive, "95.7 %", |case| {
        case.policy.resident_fraction_min = Some(0.99);
    });
    assert_changed(Verdict::Inconclusive, "link", |case| {
        case.policy.resident_fraction_min = Some(0.99);
        case.timing.resident_fraction_min = None;
    });
}

#[test]
fn a_few_slow_pages_may_be_allowed() {
    assert_changed(Verdict::Resident, "", |case| {
        case.policy.slow_pages_max = 19;
        if let Some(latency) = &mut case.timing.latency {
            latency.slow_pages_count = 19;
        }
    });
}

#[test]
fn memory_that_is_the_hosts_anyway_is_unified() {
    for kind in [
        DeviceKind::Integrated,
        DeviceKind::Cpu,
        DeviceKind::Virtual,
        DeviceKind::Unknown,
    ] {
        let mut case = Case::good();
        case.device.kind = kind;
        case.placement.memory_type = MemoryType::Host;
        let (verdict, reasons) = case.judge();
        assert_eq!((verdict, reasons.len()), (Verdict::Unified, 1));
    }
    // Managed memory is refused there too.
    assert_changed(Verdict::NotResident, "managed", |case| {
        case.device.kind = DeviceKind::Integrated;
        case.placement.managed = Some(true);
    });
}

#[test]
fn windows_is_believed_only_by_time() {
    fn silent(case: &mut Case, model: DriverModel) {
        case.device.driver_model = Some(model);
        case.timing.resident_fraction_min = None;
        case.timing.latency = None;
    }
    assert_changed(Verdict::Inconclusive, "driver model", |case| {
        silent(case, DriverModel::Wddm);
    });
    assert_changed(Verdict::Inconclusive, "driver model", |case| {
        silent(case, DriverModel::Mcdm);
    });
    assert_changed(Verdict::Resident, "", |case| silent(case, DriverModel::Tcc));
    // The bound of a whole check shows it.
    assert_changed(Verdict::Resident, "", |case| {
        silent(case, DriverModel::Wddm);
        case.timing.resident_fraction_min = Some(0.9);
    });
    // A quick check has the pages' latency alone.
    assert_changed(Verdict::Resident, "", |case| {
        case.device.driver_model = Some(DriverModel::Wddm);
        case.timing.resident_fraction_min = None;
    });
}

#[test]
fn a_driver_that_says_nothing_is_not_believed() {
    for memory_type in [MemoryType::Unknown, MemoryType::Unified] {
        let mut case = Case::good();
        case.placement = Placement {
            memory_type,
            access: Access::ReadOnly,
            ..Placement::default()
        };
        assert_eq!(case.judge().0, Verdict::Inconclusive);
    }
}

#[test]
fn new_memory_errors_are_answered_by_a_full_check() {
    assert_changed(Verdict::Inconclusive, "memory errors", |case| {
        case.level = Level::Quick;
        case.accounting.ecc_uncorrected = Some(1);
    });
    assert_changed(Verdict::Resident, "", |case| {
        case.accounting.ecc_uncorrected = Some(1);
    });
}
