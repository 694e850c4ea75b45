//! Checks of sealed models: each level, each fault, and what the evidence calls it.

#![allow(
    clippy::indexing_slicing,
    clippy::result_large_err,
    clippy::unwrap_used,
    reason = "a test that panics has failed"
)]

mod common;

use common::model::Model;
use common::{Double, on_the_double, seal, vault};
use std::sync::Arc;
use std::time::Duration;
use verify::Control;
use vram::{Access, Code, Evidence, FreshnessMethod, Handle, Level, Policy, Vault, Verdict};

fn look(vault: &Vault, handle: Handle, level: &Level) -> Evidence {
    vault.verify(handle, level, &Control::new()).unwrap()
}

/// A sealed model of the usual size, and the check to which `body` is put.
fn on_a_sealed_model(name: &str, body: fn(&Double, &Vault, Handle, &Model)) {
    BODY.with(|slot| slot.set(Some(body)));
    on_the_double(name, |double| {
        let (vault, device) = vault();
        let model = Model::usual();
        let sealed = seal(&vault, device, &model, Policy::default()).unwrap();
        let body = BODY.with(std::cell::Cell::get).unwrap();
        body(double, &vault, sealed.handle, &model);
    });
}

type Body = fn(&Double, &Vault, Handle, &Model);

thread_local! {
    static BODY: std::cell::Cell<Option<Body>> = const { std::cell::Cell::new(None) };
}

#[test]
fn every_level_finds_a_good_model_good() {
    on_a_sealed_model(
        "every_level_finds_a_good_model_good",
        |_, vault, handle, model| {
            let size = model.bytes.len() as u64;
            let quick = look(vault, handle, &Level::Quick);
            assert_eq!(
                (quick.verdict, quick.content.bytes_checked),
                (Verdict::Resident, 0)
            );
            let latency = quick.timing.latency.unwrap();
            assert_eq!((latency.pages, latency.slow_pages_count), (2, 0));
            assert!(latency.local_cycles < latency.slow_cycles);
            assert!(latency.slow_cycles < latency.host_cycles);

            let sample = look(vault, handle, &Level::Sample(0.3));
            assert_eq!(
                (sample.verdict, sample.content.tiles_checked),
                (Verdict::Resident, 5)
            );
            assert_eq!(sample.content.root, None, "a part is not the whole");

            let full = look(vault, handle, &Level::Full);
            assert_eq!(
                (full.verdict, full.content.bytes_checked),
                (Verdict::Resident, size)
            );
            // 3.5 MB at 1.5 TB/s, but for the launch; 63 GB/s of link; 256 KiB of cache.
            let shown = full.timing.resident_fraction_min.unwrap();
            assert!((0.7..0.95).contains(&shown), "{shown}");
            assert_eq!(full.timing.tries, 1);
            assert!(!full.timing.paged_in);
        },
    );
}

#[test]
fn a_challenge_is_answered_over_what_is_there_now() {
    on_a_sealed_model(
        "a_challenge_is_answered_over_what_is_there_now",
        |double, vault, handle, model| {
            let nonce = [7; 32];
            let seen = look(vault, handle, &Level::Challenge(nonce));
            assert_eq!(seen.freshness.method, FreshnessMethod::FreshMac);
            assert_eq!(seen.freshness.nonce, Some(nonce));
            // What a verifier computes who has the list of tile values.
            let verified = model.load(&mut []);
            let mut mac = blake3::Hasher::new_keyed(&nonce);
            for value in verified.tiles().unwrap().values() {
                mac.update(value.as_bytes());
            }
            let expected = *mac.finalize().as_bytes();
            assert_eq!(seen.freshness.response, Some(expected));
            double.fails(&format!("flip={}", model.inside("output.weight")));
            let seen = look(vault, handle, &Level::Challenge(nonce));
            assert_ne!(seen.freshness.response, Some(expected));
            assert_eq!(seen.verdict, Verdict::NotResident);
        },
    );
}

#[test]
fn a_book_holds_answers_that_only_the_bytes_give() {
    on_a_sealed_model(
        "a_book_holds_answers_that_only_the_bytes_give",
        |double, vault, handle, model| {
            let control = Control::new();
            let book = vault.book(handle, 2, &control).unwrap().entries;
            assert_ne!(book[0].nonce, book[1].nonce);
            let level = |entry: &vram::BookEntry, answer| Level::Book {
                nonce: entry.nonce,
                answer,
            };
            for entry in &book {
                let expected = blake3::keyed_hash(&entry.nonce, &model.bytes);
                assert_eq!(entry.answer, *expected.as_bytes());
                let root = *blake3::hash(&model.bytes).as_bytes();
                // Who does not give the answer hears it, and nothing is vouched for here.
                for (answer, verdict, root) in [
                    (None, Verdict::Inconclusive, None),
                    (Some(entry.answer), Verdict::Resident, Some(root.into())),
                ] {
                    let seen = look(vault, handle, &level(entry, answer));
                    assert_eq!((seen.verdict, seen.content.root), (verdict, root));
                    assert_eq!(seen.freshness.method, FreshnessMethod::Book);
                    assert_eq!(seen.freshness.response, Some(entry.answer));
                }
            }
            // The bytes are right, the answer is another book's.
            let seen = look(vault, handle, &level(&book[0], Some([1; 32])));
            assert_eq!(
                (seen.verdict, seen.content.bad_tiles_count),
                (Verdict::NotResident, 0)
            );
            double.fails(&format!("flip={}", model.inside("blk.0.norm.weight")));
            let seen = look(vault, handle, &level(&book[1], Some(book[1].answer)));
            assert_eq!(seen.verdict, Verdict::NotResident);
            assert_ne!(seen.freshness.response, Some(book[1].answer));
            // A tile may hold the ends of several tensors.
            let bad = &seen.content.bad_tiles;
            assert!(bad[0].tensors.contains(&"blk.0.norm.weight".to_owned()));
            // A book of wrong bytes would vouch for them.
            let book = vault.book(handle, 1, &control).unwrap();
            assert_eq!(
                (book.entries.len(), book.evidence.verdict),
                (0, Verdict::NotResident)
            );
        },
    );
}

#[test]
fn a_spot_check_compares_with_the_file_under_a_fresh_key() {
    on_a_sealed_model(
        "a_spot_check_compares_with_the_file_under_a_fresh_key",
        |double, vault, handle, model| {
            let control = Control::new();
            let verified = [Arc::new(model.load(&mut []))];
            let spot = |fraction| vault.spot_check(handle, &verified, fraction, &control);
            let seen = spot(0.3).unwrap();
            assert_eq!(
                (seen.verdict, seen.content.tiles_checked),
                (Verdict::Resident, 5)
            );
            assert_eq!(seen.freshness.method, FreshnessMethod::Sampled);
            assert_ne!(seen.freshness.nonce, spot(0.1).unwrap().freshness.nonce);
            assert_eq!(spot(0.0).unwrap_err().code, Code::BadRange);
            let other = [Arc::new(Model::of(&[("w", 9)]).load(&mut []))];
            let error = vault.spot_check(handle, &other, 1.0, &control).unwrap_err();
            assert_eq!(error.code, Code::FileChanged);
            double.fails(&format!("flip={}", model.inside("output.weight")));
            let seen = spot(1.0).unwrap();
            assert_eq!(
                (seen.verdict, seen.content.bad_tiles_count),
                (Verdict::NotResident, 1)
            );
            assert_eq!(seen.content.bad_tiles[0].tensors, ["output.weight"]);
        },
    );
}

#[test]
fn a_flipped_bit_is_found_and_named_by_its_tensor() {
    on_a_sealed_model(
        "a_flipped_bit_is_found_and_named_by_its_tensor",
        |double, vault, handle, model| {
            let offset = model.inside("blk.0.attn.weight") as u64;
            double.fails(&format!("flip={offset}"));
            let seen = look(vault, handle, &Level::Full);
            assert_eq!(seen.verdict, Verdict::NotResident);
            assert_eq!(seen.content.bad_tiles_count, 1);
            let bad = &seen.content.bad_tiles[0];
            assert!((bad.offset..bad.offset + bad.bytes).contains(&offset));
            assert_eq!(bad.tensors, ["blk.0.attn.weight"]);
            assert_ne!(bad.expected, bad.actual);
            assert_eq!(seen.content.root, None);
            let all = look(vault, handle, &Level::Sample(1.0));
            assert_eq!(all.content.bad_tiles_count, 1);
        },
    );
}

#[test]
fn what_the_driver_says_of_the_memory_is_held_against_the_seal() {
    on_a_sealed_model(
        "what_the_driver_says_of_the_memory_is_held_against_the_seal",
        |double, vault, handle, _| {
            for (fault, reason) in [
                ("host=1", "the memory is the host's"),
                ("managed=1", "the memory is managed"),
                ("elsewhere=1", "not made on this device"),
                ("slow_pages=1", "1 of 2 pages answer as slowly"),
                ("slow_pages=all", "2 of 2 pages answer as slowly"),
            ] {
                double.fails(fault);
                let seen = look(vault, handle, &Level::Quick);
                assert_eq!(seen.verdict, Verdict::NotResident, "{fault}");
                assert!(seen.reasons[0].contains(reason), "{:?}", seen.reasons);
            }
            double.fails("slow_pages=1");
            let slow = look(vault, handle, &Level::Quick).timing.latency.unwrap();
            assert_eq!(slow.slow_pages, [1]);
        },
    );
}

#[test]
fn slow_is_inconclusive_and_never_an_alarm() {
    on_a_sealed_model(
        "slow_is_inconclusive_and_never_an_alarm",
        |double, vault, handle, _| {
            double.fails("slowness=20");
            let seen = look(vault, handle, &Level::Full);
            assert_eq!(
                (seen.verdict, seen.timing.tries),
                (Verdict::Inconclusive, 3)
            );
            assert!(seen.reasons[0].contains("slow"), "{:?}", seen.reasons);
            // A device that is busy once, is measured again.
            double.fails("");
            assert_eq!(look(vault, handle, &Level::Full).verdict, Verdict::Resident);
        },
    );
}

#[test]
fn pages_of_a_busy_device_are_not_taken_for_the_hosts() {
    on_a_sealed_model(
        "pages_of_a_busy_device_are_not_taken_for_the_hosts",
        |double, vault, handle, _| {
            // Twice as slow as at the seal: beyond the threshold that was measured then.
            double.fails("waiting_cycles=800");
            let seen = look(vault, handle, &Level::Quick);
            assert_eq!(seen.verdict, Verdict::Resident, "{:?}", seen.reasons);
            let latency = seen.timing.latency.unwrap();
            assert!(latency.local_cycles.unwrap() > 1400, "{latency:?}");
            // A page of the host's stands out all the same.
            double.fails("waiting_cycles=800\nslow_pages=0");
            let seen = look(vault, handle, &Level::Quick);
            assert_eq!(seen.verdict, Verdict::NotResident);
            assert_eq!(seen.timing.latency.unwrap().slow_pages, [0]);
        },
    );
}

#[test]
fn a_device_that_is_busy_for_a_moment_is_measured_again() {
    on_a_sealed_model(
        "a_device_that_is_busy_for_a_moment_is_measured_again",
        |double, vault, handle, _| {
            // The first try's hashing is one launch.
            double.fails("slowness=50\nslow_launches=1");
            let seen = look(vault, handle, &Level::Full);
            assert_eq!((seen.verdict, seen.timing.tries), (Verdict::Resident, 2));
        },
    );
}

#[test]
fn memory_that_is_brought_in_for_a_check_is_told_although_the_next_try_is_fast() {
    on_a_sealed_model(
        "memory_that_is_brought_in_for_a_check_is_told_although_the_next_try_is_fast",
        |double, vault, handle, _| {
            double.fails("page_in=200000000");
            let seen = look(vault, handle, &Level::Full);
            assert_eq!((seen.verdict, seen.timing.tries), (Verdict::Resident, 2));
            assert!(seen.timing.paged_in);
            assert!(seen.timing.wall_seconds < 0.01);
            assert!(!look(vault, handle, &Level::Full).timing.paged_in);
        },
    );
}

#[test]
fn memory_that_is_brought_in_for_a_quick_look_is_told() {
    on_a_sealed_model(
        "memory_that_is_brought_in_for_a_quick_look_is_told",
        |double, vault, handle, _| {
            double.fails("page_in=200000000");
            let seen = look(vault, handle, &Level::Quick);
            assert_eq!(seen.verdict, Verdict::Resident);
            assert!(seen.timing.paged_in);
            assert!(!look(vault, handle, &Level::Quick).timing.paged_in);
        },
    );
}

#[test]
fn a_full_device_can_still_be_checked_and_measured_only_with_room() {
    on_a_sealed_model(
        "a_full_device_can_still_be_checked_and_measured_only_with_room",
        |double, vault, handle, _| {
            let device = vault.devices(None).devices[0].uuid;
            let control = Control::new();
            let measured = vault.measure(device, None, 4 << 20, &control).unwrap();
            // 1.5 TB/s by the double's clock, but for the launch.
            assert!((0.5e12..1.5e12).contains(&measured.hash_bytes_per_second));
            assert!((0.5e12..1.5e12).contains(&measured.copy_bytes_per_second.unwrap()));
            assert!(measured.load_seconds.unwrap() > 0.0);
            let kernels = measured.kernels.iter().map(|kernel| kernel.name);
            assert!(kernels.eq(["tiles", "tiles_by_multiplying"]));
            double.fails("oom=1");
            assert_eq!(look(vault, handle, &Level::Full).verdict, Verdict::Resident);
            let book = vault.book(handle, 1, &control).unwrap();
            assert_eq!(book.entries.len(), 1);
            let error = vault.measure(device, None, 4 << 20, &control).unwrap_err();
            assert_eq!(error.code, Code::AllocationFailed);
        },
    );
}

#[test]
fn memory_errors_call_for_a_full_check() {
    on_a_sealed_model(
        "memory_errors_call_for_a_full_check",
        |double, vault, handle, _| {
            double.fails("ecc_errors=3\nrow_remap_pending=1");
            let quick = look(vault, handle, &Level::Quick);
            assert_eq!(quick.verdict, Verdict::Inconclusive);
            assert_eq!(quick.accounting.ecc_uncorrected, Some(3));
            assert_eq!(quick.accounting.row_remap_pending, Some(true));
            assert_eq!(look(vault, handle, &Level::Full).verdict, Verdict::Resident);
        },
    );
}

#[test]
fn a_lost_device_is_an_answer_and_stays_one() {
    on_a_sealed_model(
        "a_lost_device_is_an_answer_and_stays_one",
        |double, vault, handle, model| {
            double.fails("lost=1");
            let control = Control::new();
            for level in [Level::Quick, Level::Full] {
                let error = vault.verify(handle, &level, &control).unwrap_err();
                assert_eq!(error.code, Code::DeviceLost);
                assert!(!error.is_retriable());
                assert_eq!(error.driver.unwrap().name, "CUDA_ERROR_LAUNCH_FAILED");
            }
            double.fails("");
            let device = vault.devices(None).devices[0].uuid;
            let size = model.bytes.len() as u64;
            let begun = vault.begin(device, None, size, Policy::default());
            assert_eq!(begun.err().unwrap().code, Code::DeviceLost);
            // It tells that nothing could be cleared, and forgets the shard.
            assert_eq!(vault.dispose(handle).unwrap_err().code, Code::DeviceLost);
            assert_eq!(vault.dispose(handle).unwrap(), 0);
        },
    );
}

#[test]
fn a_cancelled_check_ends_and_so_does_one_of_a_disposed_shard() {
    on_a_sealed_model(
        "a_cancelled_check_ends_and_so_does_one_of_a_disposed_shard",
        |_, vault, handle, _| {
            let control = Control::new();
            control.cancel();
            let error = vault.verify(handle, &Level::Full, &control).unwrap_err();
            assert_eq!((error.code, error.is_retriable()), (Code::Aborted, true));
            std::thread::scope(|scope| {
                let checks: Vec<_> = (0..2)
                    .map(|_| scope.spawn(|| vault.verify(handle, &Level::Full, &Control::new())))
                    .collect();
                vault.dispose(handle).unwrap();
                for check in checks {
                    match check.join().unwrap() {
                        Ok(seen) => assert_eq!(seen.verdict, Verdict::Resident),
                        Err(error) => assert_eq!(error.code, Code::HandleStale),
                    }
                }
            });
        },
    );
}

#[test]
fn absurd_levels_and_handles_are_refused() {
    on_a_sealed_model(
        "absurd_levels_and_handles_are_refused",
        |_, vault, handle, _| {
            let control = Control::new();
            for fraction in [0.0, 2.0, f64::NAN] {
                let error = vault.verify(handle, &Level::Sample(fraction), &control);
                assert_eq!(error.unwrap_err().code, Code::BadRange);
            }
            for bits in [0, u64::MAX, handle.to_bits() + 1] {
                let made_up = Handle::from_bits(bits);
                let error = vault.verify(made_up, &Level::Quick, &control).unwrap_err();
                assert_eq!(error.code, Code::HandleStale);
            }
            let nobody = vram::DeviceUuid::from([9; 16]);
            assert_eq!(
                vault.capacity(nobody, None).unwrap_err().code,
                Code::NoDevice
            );
        },
    );
}

#[test]
fn a_driver_that_does_not_protect_is_told_by_its_tables() {
    on_the_double(
        "a_driver_that_does_not_protect_is_told_by_its_tables",
        |double| {
            let (vault, device) = vault();
            vault.capacity(device, None).unwrap();
            double.fails("unprotected=1");
            // The driver said that it did; its own tables say that it did not.
            let error = seal(&vault, device, &Model::usual(), Policy::default()).unwrap_err();
            assert_eq!(error.code, Code::NotResident);
            let evidence = error.evidence.unwrap();
            assert_eq!(evidence.placement.access, Access::ReadWrite);
            assert!(
                evidence.reasons[0].contains("read-only"),
                "{:?}",
                evidence.reasons
            );
        },
    );
}

#[test]
fn a_scrub_covers_everything_and_finds_what_changes() {
    on_a_sealed_model(
        "a_scrub_covers_everything_and_finds_what_changes",
        |double, vault, handle, model| {
            let control = Control::new();
            let size = model.bytes.len() as u64;
            let mut scrub = vault.scrub(handle, 0.01).unwrap();
            let mut bytes = 0;
            let last = loop {
                // No budget is one slice.
                let step = scrub.step(Duration::ZERO, &control).unwrap();
                bytes += step.bytes;
                // One part work, ninety-nine parts rest.
                assert!((step.rest.as_secs_f64() / step.seconds - 99.0).abs() < 0.1);
                if step.passes == 1 {
                    break step;
                }
                assert!(step.evidence.is_none() && step.coverage < 1.0);
            };
            assert_eq!(bytes, size);
            let evidence = last.evidence.unwrap();
            assert_eq!(evidence.verdict, Verdict::Resident);
            assert_eq!(evidence.content.bytes_checked, size);
            assert!(evidence.content.root.is_some());
            double.fails(&format!("flip={}", model.inside("token_embd.weight")));
            let step = scrub.step(Duration::from_secs(1), &control).unwrap();
            let evidence = step.evidence.unwrap();
            assert_eq!(evidence.verdict, Verdict::NotResident);
            assert_eq!(evidence.content.bad_tiles[0].tensors, ["token_embd.weight"]);
            vault.dispose(handle).unwrap();
            let error = scrub.step(Duration::ZERO, &control).unwrap_err();
            assert_eq!(error.code, Code::HandleStale);
            assert!(vault.scrub(handle, 0.5).is_err());
        },
    );
}
