//! Split models: all files sealed or none, looked at as one, freed as one.

#![allow(
    clippy::indexing_slicing,
    clippy::result_large_err,
    clippy::unwrap_used,
    reason = "a test that panics has failed"
)]

mod common;

use common::model::Model;
use common::{on_the_double, vault};
use std::time::Duration;
use verify::Control;
use vram::{Access, Code, DeviceUuid, Level, Policy, SealedSet, Vault, Verdict, VramError};

/// The first is too small for time to say anything of it.
fn files() -> [Model; 3] {
    [
        Model::of(&[("token_embd.weight", 5_000)]),
        Model::of(&[("blk.0.weight", 400_000), ("blk.1.weight", 300_000)]),
        Model::of(&[("output.weight", 600_000)]),
    ]
}

fn seal(
    vault: &Vault,
    device: DeviceUuid,
    files: &[Model],
    policy: &Policy,
) -> Result<SealedSet, VramError> {
    let sizes: Vec<u64> = files.iter().map(|file| file.bytes.len() as u64).collect();
    let sealing = vault.begin_set(device, None, &sizes, policy)?;
    let feeders = files.iter().zip(sealing.feeders());
    let verified = feeders.map(|(file, mut feeder)| file.load(&mut [&mut feeder]));
    let verified: Vec<_> = verified.collect();
    sealing.finish(&verified)
}

fn free_bytes(vault: &Vault, device: DeviceUuid) -> u64 {
    vault.capacity(device, None).unwrap().free_bytes.unwrap()
}

#[test]
fn a_set_is_sealed_checked_and_given_back_as_one() {
    on_the_double("a_set_is_sealed_checked_and_given_back_as_one", |double| {
        let (vault, device) = vault();
        let files = files();
        let sealed = seal(&vault, device, &files, &Policy::default()).unwrap();
        let total: usize = files.iter().map(|file| file.bytes.len()).sum();
        let evidence = &sealed.evidence;
        assert_eq!(evidence.verdict, Verdict::Resident, "{evidence:?}");
        assert_eq!(evidence.content.bytes_checked, total as u64);
        assert_eq!(evidence.placement.access, Access::ReadOnly);
        assert_eq!(evidence.parts.len(), 3);
        for ((number, file), record) in (1..).zip(&files).zip(&sealed.records) {
            vault.check_record(record).unwrap();
            assert_eq!((record.part, record.parts), (number, 3));
            assert_eq!(record.shard_id, sealed.records[0].shard_id);
            assert_eq!(record.root.as_bytes(), blake3::hash(&file.bytes).as_bytes());
            let mut moved = record.clone();
            moved.part = 4 - number + u32::from(number == 2);
            let code = vault.check_record(&moved).unwrap_err().code;
            assert_eq!(code, Code::RecordInvalid, "a part cannot stand for another");
        }
        assert_eq!(vault.holdings().sealed_bytes, total as u64);
        assert_eq!(vault.holdings().shards, 1);
        let pointers = vault.pointers(sealed.handle).unwrap();
        assert!(pointers.len() == 3 && pointers.iter().all(Option::is_some));

        assert_eq!(vault.dispose(sealed.handle).unwrap(), 3 << 21);
        assert_eq!(vault.dispose(sealed.handle).unwrap(), 0, "twice is once");
        let after = vault.verify(sealed.handle, &Level::Quick, &Control::new());
        assert_eq!(after.unwrap_err().code, Code::HandleStale);
        drop(vault);
        assert_eq!((double.held(), double.dirty_bytes()), (0, 0));
    });
}

#[test]
fn every_level_looks_at_every_file_and_an_answer_is_made_of_all() {
    on_the_double(
        "every_level_looks_at_every_file_and_an_answer_is_made_of_all",
        |_| {
            let (vault, device) = vault();
            let sealed = seal(&vault, device, &files(), &Policy::default()).unwrap();
            let verify =
                |level: &Level| vault.verify(sealed.handle, level, &Control::new()).unwrap();
            let quick = verify(&Level::Quick);
            assert_eq!(
                (quick.verdict, quick.content.tiles_checked),
                (Verdict::Resident, 0)
            );
            assert_eq!(verify(&Level::Sample(0.01)).content.tiles_checked, 3);
            let nonce = [7; 32];
            let answered = verify(&Level::Challenge(nonce));
            let answers: Vec<u8> = answered
                .parts
                .iter()
                .flat_map(|it| it.freshness.response.unwrap())
                .collect();
            assert_eq!(
                answered.freshness.response.unwrap(),
                *blake3::keyed_hash(&nonce, &answers).as_bytes()
            );
            let book = vault
                .book(sealed.handle, 1, &Control::new())
                .unwrap()
                .entries;
            let asked = |answer| {
                verify(&Level::Book {
                    nonce: book[0].nonce,
                    answer,
                })
            };
            let right = asked(Some(book[0].answer));
            assert_eq!(right.verdict, Verdict::Resident);
            assert!(right.parts.iter().all(|part| part.content.root.is_some()));
            let open = asked(None);
            assert_eq!(open.verdict, Verdict::Inconclusive);
            assert!(open.parts.iter().all(|part| part.content.root.is_none()));
            assert_eq!(open.freshness.response, Some(book[0].answer));
            let wrong = asked(Some([0; 32]));
            assert_eq!(wrong.verdict, Verdict::NotResident);
            assert!(wrong.reasons[0].contains("book"), "{:?}", wrong.reasons);
            assert_eq!(wrong.freshness.response, Some(book[0].answer));
        },
    );
}

#[test]
fn what_fails_in_one_file_frees_them_all_and_says_which() {
    on_the_double(
        "what_fails_in_one_file_frees_them_all_and_says_which",
        |double| {
            let (vault, device) = vault();
            let files = files();
            vault.capacity(device, None).unwrap();
            let free = free_bytes(&vault, device);
            let offset = files[1].inside("blk.1.weight");
            // Three results' rooms and two files fit, the third file does not.
            let room = (256 << 20) - free + (2 << 21) + (3 << 20);
            for (fault, code, part) in [
                (
                    format!("flip_copy={offset}\nmapping=2"),
                    Code::SealMismatch,
                    2,
                ),
                ("slow_pages=0\nmapping=2".to_owned(), Code::NotResident, 2),
                (format!("total={room}"), Code::AllocationFailed, 3),
            ] {
                double.fails(&fault);
                let error = seal(&vault, device, &files, &Policy::default()).unwrap_err();
                double.fails("");
                let start = format!("part {part} of 3: ");
                assert_eq!((error.code, error.part), (code, Some(part)), "{error}");
                assert!(error.message.starts_with(&start), "{error}");
                if code == Code::SealMismatch {
                    let bad = error.evidence.unwrap().content.bad_tiles;
                    assert_eq!((bad.len(), bad[0].part), (1, Some(2)));
                    assert_eq!(bad[0].tensors, ["blk.1.weight"]);
                }
                assert_eq!(vault.holdings().shards, 0);
                assert_eq!(free_bytes(&vault, device), free, "{fault}");
            }
            drop(vault);
            assert_eq!((double.held(), double.dirty_bytes()), (0, 0));
        },
    );
}

#[test]
fn a_device_too_small_for_all_is_refused_before_anything_is_read() {
    on_the_double(
        "a_device_too_small_for_all_is_refused_before_anything_is_read",
        |double| {
            let (vault, device) = vault();
            vault.capacity(device, None).unwrap();
            double.fails("free=1000000");
            let error = vault.begin_set(device, None, &[600_000, 600_000], &Policy::default());
            let error = error.err().unwrap();
            assert_eq!((error.code, error.part), (Code::InsufficientMemory, None));
            assert_eq!(error.requested_bytes, Some(1_200_000));
            let endless = vault.begin_set(device, None, &[u64::MAX, u64::MAX], &Policy::default());
            assert_eq!(endless.err().unwrap().code, Code::InsufficientMemory);
            drop(vault);
            assert_eq!((double.held(), double.dirty_bytes()), (0, 0));
        },
    );
}

#[test]
fn a_bit_that_flips_later_is_named_by_its_file_by_checks_and_scrubs() {
    on_the_double(
        "a_bit_that_flips_later_is_named_by_its_file_by_checks_and_scrubs",
        |double| {
            let (vault, device) = vault();
            let files = files();
            let sealed = seal(&vault, device, &files, &Policy::default()).unwrap();
            let mut scrub = vault.scrub(sealed.handle, 1.0).unwrap();
            let mut step = |most: u64| {
                for _ in 0..most {
                    let step = scrub.step(Duration::ZERO, &Control::new()).unwrap();
                    assert!((0.0..=1.0).contains(&step.coverage));
                    if step.evidence.is_some() {
                        return step;
                    }
                }
                panic!("a pass has an end");
            };
            let whole = step(10);
            assert_eq!(whole.passes, 1);
            let seen = whole.evidence.unwrap();
            let total: u64 = files.iter().map(|file| file.bytes.len() as u64).sum();
            assert_eq!(
                (seen.verdict, seen.content.bytes_checked),
                (Verdict::Resident, total)
            );

            let offset = files[1].inside("blk.0.weight");
            double.fails(&format!("flip={offset}\nmapping=2"));
            let found = vault
                .verify(sealed.handle, &Level::Full, &Control::new())
                .unwrap();
            assert_eq!(found.verdict, Verdict::NotResident);
            let bad = &found.content.bad_tiles;
            assert_eq!((bad.len(), bad[0].part, bad[0].offset), (1, Some(2), 0));
            assert_eq!(bad[0].tensors, ["blk.0.weight"]);
            assert_eq!(found.reasons, ["part 2: 1 tiles are not what was sealed"]);
            assert_eq!(found.parts[0].verdict, Verdict::Resident);

            let scrubbed = step(10).evidence.unwrap();
            assert_eq!(scrubbed.verdict, Verdict::NotResident);
            assert_eq!(scrubbed.content.bad_tiles[0].part, Some(2));
            // Who goes on is told again where the file ends, and where the pass does.
            assert_eq!([step(10).passes, step(10).passes], [1, 2]);
        },
    );
}

#[test]
fn what_time_must_show_is_asked_of_all_files_together() {
    on_the_double("what_time_must_show_is_asked_of_all_files_together", |_| {
        let (vault, device) = vault();
        let asked = |fraction| Policy {
            resident_fraction_min: Some(fraction),
            ..Policy::default()
        };
        let free = free_bytes(&vault, device);
        let shown = seal(&vault, device, &files(), &Policy::default()).unwrap();
        let fraction = shown.evidence.timing.resident_fraction_min.unwrap();
        let first = shown.evidence.parts[0].timing.resident_fraction_min;
        assert!(first.unwrap() < fraction / 2.0, "{first:?} of {fraction}");
        vault.dispose(shown.handle).unwrap();
        let sealed = seal(&vault, device, &files(), &asked(fraction / 2.0)).unwrap();
        let other = seal(&vault, device, &files(), &Policy::default()).unwrap();
        assert_ne!(sealed.records[0].policy, other.records[0].policy);
        vault.dispose(sealed.handle).unwrap();
        vault.dispose(other.handle).unwrap();
        let error = seal(&vault, device, &files(), &asked(1.0)).unwrap_err();
        assert_eq!(
            (error.policy, error.part),
            (Some("residentFractionMin"), None)
        );
        assert_eq!(free_bytes(&vault, device), free);
    });
}

#[test]
fn whichever_call_fails_nothing_stays_behind() {
    on_the_double("whichever_call_fails_nothing_stays_behind", |double| {
        let files = [
            Model::of(&[("a.weight", 9_000)]),
            Model::of(&[("b.weight", 9_000)]),
        ];
        let (vault, device) = vault();
        // The device is opened, and tested, before anything fails.
        vault.capacity(device, None).unwrap();
        let before = double.held();
        let mut refused = Vec::new();
        for failing in 1.. {
            let started = double.calls();
            double.fails(&format!("fail_call={}", started + failing));
            let sealed = seal(&vault, device, &files, &Policy::default());
            double.fails("");
            let reached = double.calls() >= started + failing;
            match sealed {
                Ok(sealed) => drop(vault.dispose(sealed.handle).unwrap()),
                Err(error) => refused.push(error.part),
            }
            let left = (double.held() - before, double.dirty_bytes());
            assert_eq!(left, (0, 0), "call {failing}");
            assert_eq!(vault.holdings().shards, 0);
            if !reached {
                break;
            }
        }
        let of = |part| refused.iter().filter(|&&it| it == part).count();
        assert!(of(Some(1)) > 20 && of(Some(2)) > 20, "{refused:?}");
    });
}
