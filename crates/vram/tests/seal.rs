//! Seals: what becomes one, what is refused, and that nothing stays behind.

#![allow(
    clippy::indexing_slicing,
    clippy::result_large_err,
    clippy::unwrap_used,
    reason = "a test that panics has failed"
)]

mod common;

use common::model::Model;
use common::{on_the_double, seal, vault};
use verify::Control;
use vram::{Access, Code, Level, Policy, Verdict};

#[test]
fn a_model_is_sealed_checked_and_given_back() {
    on_the_double("a_model_is_sealed_checked_and_given_back", |double| {
        let (vault, device) = vault();
        let model = Model::usual();
        let sealed = seal(&vault, device, &model, Policy::default()).unwrap();
        assert_eq!(
            sealed.evidence.verdict,
            Verdict::Resident,
            "{:?}",
            sealed.evidence
        );
        assert_eq!(
            sealed.evidence.content.bytes_checked,
            model.bytes.len() as u64
        );
        assert_eq!(sealed.evidence.placement.access, Access::ReadOnly);
        assert_eq!(sealed.evidence.placement.pinned, Some(true));
        let root = blake3::hash(&model.bytes);
        assert_eq!(sealed.record.root.as_bytes(), root.as_bytes());
        assert_eq!(
            sealed.evidence.content.root.unwrap().as_bytes(),
            root.as_bytes()
        );
        vault.check_record(&sealed.record).unwrap();
        assert_eq!(vault.holdings().sealed_bytes, model.bytes.len() as u64);

        assert_eq!(vault.dispose(sealed.handle).unwrap(), 4 << 20);
        assert_eq!(vault.dispose(sealed.handle).unwrap(), 0, "twice is once");
        let after = vault.verify(sealed.handle, &Level::Quick, &Control::new());
        assert_eq!(after.unwrap_err().code, Code::HandleStale);
        assert_eq!(vault.holdings().shards, 0);
        drop(vault);
        assert_eq!((double.held(), double.dirty_bytes()), (0, 0));
    });
}

#[test]
fn a_vault_that_goes_clears_what_it_holds() {
    on_the_double("a_vault_that_goes_clears_what_it_holds", |double| {
        let (vault, device) = vault();
        for _ in 0..2 {
            seal(&vault, device, &Model::usual(), Policy::default()).unwrap();
        }
        drop(vault);
        assert_eq!((double.held(), double.dirty_bytes()), (0, 0));
    });
}

#[test]
fn a_bit_that_flips_on_the_way_is_found_and_named() {
    on_the_double("a_bit_that_flips_on_the_way_is_found_and_named", |double| {
        let (vault, device) = vault();
        let model = Model::usual();
        let offset = model.inside("output.weight");
        double.fails(&format!("flip_copy={offset}"));
        let error = seal(&vault, device, &model, Policy::default()).unwrap_err();
        assert_eq!(error.code, Code::SealMismatch);
        let evidence = error.evidence.unwrap();
        let bad = &evidence.content.bad_tiles;
        assert_eq!(bad.len(), 1);
        assert_eq!(bad[0].index, offset as u64 / (256 << 10));
        assert_eq!(bad[0].tensors, ["output.weight"]);
        assert_eq!(vault.holdings().shards, 0);
        drop(vault);
        assert_eq!((double.held(), double.dirty_bytes()), (0, 0));
    });
}

/// Each fault, the code it is refused with, and the policy's rule where one is broken.
const REFUSED: [(&str, Code, Option<&str>); 7] = [
    ("host=1", Code::PolicyViolation, Some("host")),
    ("managed=1", Code::PolicyViolation, Some("managed")),
    ("elsewhere=1", Code::PolicyViolation, Some("host")),
    ("free=1000000", Code::InsufficientMemory, None),
    ("oom=1", Code::AllocationFailed, None),
    ("slow_pages=1", Code::NotResident, None),
    ("slow_pages=all", Code::NotResident, None),
];

#[test]
fn memory_that_is_not_the_devices_is_refused() {
    on_the_double("memory_that_is_not_the_devices_is_refused", |double| {
        let (vault, device) = vault();
        let model = Model::usual();
        // The device is opened, and tested, before it fails.
        vault.capacity(device, None).unwrap();
        for (fault, code, rule) in REFUSED {
            double.fails(fault);
            let error = seal(&vault, device, &model, Policy::default()).unwrap_err();
            assert_eq!((error.code, error.policy), (code, rule), "{fault}: {error}");
            double.fails("");
        }
        assert_eq!(vault.holdings().shards, 0);
        drop(vault);
        assert_eq!((double.held(), double.dirty_bytes()), (0, 0));
    });
}

#[test]
fn policies_are_held() {
    on_the_double("policies_are_held", |double| {
        let model = Model::usual();
        let refused = |faults: &str, policy: Policy| {
            double.fails(faults);
            let (vault, device) = vault();
            let error = seal(&vault, device, &model, policy).unwrap_err();
            double.fails("");
            (error.code, error.policy.unwrap_or(""))
        };
        let default = Policy::default;
        let ecc = Policy {
            require_ecc: true,
            ..default()
        };
        assert_eq!(refused("ecc=0", ecc), (Code::PolicyViolation, "requireEcc"));
        let integrated = refused("integrated=1", default());
        assert_eq!(integrated, (Code::PolicyViolation, "allowUnified"));
        let headroom = Policy {
            headroom_bytes: 1 << 40,
            ..default()
        };
        assert_eq!(refused("", headroom).0, Code::InsufficientMemory);
        let timed = Policy {
            resident_fraction_min: Some(0.99),
            ..default()
        };
        assert_eq!(
            refused("", timed),
            (Code::PolicyViolation, "residentFractionMin")
        );
        assert_eq!((double.held(), double.dirty_bytes()), (0, 0));
    });
}

#[test]
fn what_lies_in_the_hosts_memory_is_never_called_resident() {
    on_the_double(
        "what_lies_in_the_hosts_memory_is_never_called_resident",
        |double| {
            double.fails("integrated=1");
            let (vault, device) = vault();
            let policy = Policy {
                allow_unified: true,
                ..Policy::default()
            };
            let sealed = seal(&vault, device, &Model::usual(), policy).unwrap();
            assert_eq!(sealed.evidence.verdict, Verdict::Unified);
            assert!(!sealed.evidence.reasons.is_empty());
        },
    );
}

#[test]
fn a_load_that_fails_leaves_nothing() {
    on_the_double("a_load_that_fails_leaves_nothing", |double| {
        let (vault, device) = vault();
        let model = Model::usual();
        let mut sealing = vault
            .begin(device, None, 1 << 20, Policy::default())
            .unwrap();
        let verified = model.load(&mut [&mut sealing]);
        // Memory was made for a smaller file.
        assert_eq!(
            sealing.finish(&verified).unwrap_err().code,
            Code::SealMismatch
        );
        let size = model.bytes.len() as u64;
        let mut sealing = vault.begin(device, None, size, Policy::default()).unwrap();
        model.load(&mut [&mut sealing]);
        drop(sealing);
        let sealing = vault.begin(device, None, size, Policy::default()).unwrap();
        // Nothing was uploaded.
        assert_eq!(
            sealing.finish(&verified).unwrap_err().code,
            Code::SealMismatch
        );
        drop(vault);
        assert_eq!((double.held(), double.dirty_bytes()), (0, 0));
    });
}

#[test]
fn models_of_one_tile_and_of_odd_sizes_are_sealed() {
    on_the_double("models_of_one_tile_and_of_odd_sizes_are_sealed", |_| {
        let (vault, device) = vault();
        for size in [1, 1000, 65_536, 262_144 - 192, 262_144, 300_001] {
            let model = Model::of(&[("w", size)]);
            let sealed = seal(&vault, device, &model, Policy::default()).unwrap();
            let root = blake3::hash(&model.bytes);
            assert_eq!(sealed.record.root.as_bytes(), root.as_bytes());
            assert_eq!(sealed.evidence.verdict, Verdict::Resident);
        }
        assert_eq!(vault.holdings().shards, 6);
    });
}

#[test]
fn whatever_call_fails_nothing_stays_behind() {
    on_the_double("whatever_call_fails_nothing_stays_behind", |double| {
        let (vault, device) = vault();
        let model = Model::of(&[("w", 300_000)]);
        // The device is opened, and tested, before anything fails.
        vault.capacity(device, None).unwrap();
        let before = double.held();
        let mut refused = 0;
        for failing in 1.. {
            let started = double.calls();
            double.fails(&format!("fail_call={}", started + failing));
            let sealed = seal(&vault, device, &model, Policy::default());
            double.fails("");
            let reached = double.calls() >= started + failing;
            match sealed {
                Ok(sealed) => drop(vault.dispose(sealed.handle).unwrap()),
                Err(error) => {
                    refused += 1;
                    assert_eq!(
                        error.code,
                        Code::AllocationFailed,
                        "call {failing}: {error}"
                    );
                }
            }
            let left = (double.held() - before, double.dirty_bytes());
            assert_eq!(left, (0, 0), "call {failing}");
            assert_eq!(vault.holdings().shards, 0);
            if !reached {
                break;
            }
        }
        // Some calls only add evidence; the others are not few.
        assert!(refused > 30, "{refused}");
    });
}

#[test]
fn a_changed_record_bears_no_seal() {
    on_the_double("a_changed_record_bears_no_seal", |_| {
        let (vault, device) = vault();
        let sealed = seal(&vault, device, &Model::of(&[("w", 9)]), Policy::default()).unwrap();
        let invalid = |change: fn(&mut vram::SealRecord)| {
            let mut record = sealed.record.clone();
            change(&mut record);
            vault.check_record(&record).unwrap_err().code
        };
        let changes: [fn(&mut vram::SealRecord); 6] = [
            |record| record.mac[0] ^= 1,
            |record| record.version += 1,
            |record| record.ranges[0].bytes += 1,
            |record| record.sealed_at_unix_ms += 1,
            |record| record.driver.push(' '),
            |record| record.access = Access::ReadWrite,
        ];
        for change in changes {
            assert_eq!(invalid(change), Code::RecordInvalid);
        }
        let (other, _) = common::vault();
        assert_eq!(
            other.check_record(&sealed.record).unwrap_err().code,
            Code::RecordInvalid
        );
    });
}
