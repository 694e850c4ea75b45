//! What only a real device can show. Each body runs on the driver double too, so that it is right when a GPU is
//! there: `cargo test -p vram --test gpu -- --ignored --nocapture --test-threads=1`.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::result_large_err,
    clippy::unwrap_used,
    reason = "a test that panics has failed"
)]

mod common;

use common::model::Model;
use common::raw::Raw;
use common::{on_the_double, on_the_gpu, seal, vault};
use verify::Control;
use vram::{Code, DeviceUuid, ForeignRange, Level, Policy, SealKey, TensorDigests, Vault, Verdict};

/// Small on the double, which interprets every instruction.
const DOUBLE_BYTES: usize = 3 << 20;
const GPU_BYTES: usize = 2 << 30;

/// The first device that is VRAM, on the machine's own driver and by its own clock.
fn real() -> (Vault, DeviceUuid) {
    let vault = Vault::open(SealKey::random().unwrap());
    let found = vault.devices();
    let device = found.devices.iter().find(|device| device.judge().is_ok());
    let device = device.unwrap_or_else(|| panic!("no GPU: {:?}", found.absent));
    println!("{device:#?}");
    let uuid = device.uuid;
    (vault, uuid)
}

fn model(bytes: usize) -> Model {
    Model::of(&[("a.weight", bytes / 2), ("b.weight", bytes / 2 - 12_345)])
}

macro_rules! on_both {
    ($double:ident, $gpu:ident, $body:ident) => {
        #[test]
        fn $double() {
            on_the_double(stringify!($double), |_| {
                let (vault, device) = vault();
                $body(&vault, device, DOUBLE_BYTES);
            });
        }

        #[test]
        #[ignore = "needs an NVIDIA GPU"]
        fn $gpu() {
            on_the_gpu(stringify!($gpu), || {
                let (vault, device) = real();
                $body(&vault, device, GPU_BYTES);
            });
        }
    };
}

on_both!(
    a_large_model_is_resident_on_the_double,
    a_large_model_is_resident_on_a_gpu,
    resident
);

fn resident(vault: &Vault, device: DeviceUuid, bytes: usize) {
    let sealed = seal(vault, device, &model(bytes), Policy::default()).unwrap();
    println!("{:#?}", sealed.evidence.timing);
    assert_eq!(
        sealed.evidence.verdict,
        Verdict::Resident,
        "{:?}",
        sealed.evidence
    );
    let levels = [
        Level::Quick,
        Level::Sample(0.1),
        Level::Full,
        Level::Challenge([3; 32]),
    ];
    for level in levels {
        let seen = vault
            .verify(sealed.handle, &level, &Control::new())
            .unwrap();
        println!("{}: {:#?}", level.as_str(), seen.timing);
        assert_eq!(seen.verdict, Verdict::Resident, "{:?}", seen.reasons);
    }
    vault.dispose(sealed.handle).unwrap();
}

on_both!(
    a_flipped_byte_is_named_on_the_double,
    a_flipped_byte_is_named_on_a_gpu,
    flipped
);

fn flipped(vault: &Vault, device: DeviceUuid, bytes: usize) {
    let model = model(bytes);
    let sealed = seal(vault, device, &model, Policy::default()).unwrap();
    let address = vault.pointers(sealed.handle).unwrap()[0].unwrap();
    let (raw, at) = (Raw::new(), model.inside("b.weight"));
    let mapped = model.bytes.len().next_multiple_of(2 << 20);
    raw.set_writable(address, mapped, true);
    assert_eq!(raw.write(address + at as u64, &[!model.bytes[at]]), 0);
    let look = |level| {
        vault
            .verify(sealed.handle, &level, &Control::new())
            .unwrap()
    };
    let seen = look(Level::Quick);
    assert_eq!(seen.verdict, Verdict::NotResident, "the mapping is open");
    raw.set_writable(address, mapped, false);
    let seen = look(Level::Full);
    assert_eq!(seen.content.bad_tiles_count, 1);
    assert_eq!(seen.content.bad_tiles[0].tensors, ["b.weight"]);
}

on_both!(
    a_store_to_a_seal_faults_on_the_double,
    a_store_to_a_seal_faults_on_a_gpu,
    store
);

fn store(vault: &Vault, device: DeviceUuid, _: usize) {
    let sealed = seal(vault, device, &model(DOUBLE_BYTES), Policy::default()).unwrap();
    let address = vault.pointers(sealed.handle).unwrap()[0].unwrap();
    assert_eq!(Raw::new().store(address), 700);
    let seen = vault.verify(sealed.handle, &Level::Full, &Control::new());
    let error = seen.unwrap_err();
    assert_eq!(error.code, Code::DeviceLost);
    assert_eq!(error.driver.unwrap().status, 700);
}

on_both!(
    a_copy_to_a_seal_fails_or_is_found_on_the_double,
    a_copy_to_a_seal_fails_or_is_found_on_a_gpu,
    copy
);

/// Whether the copy engine heeds the protection is for a real device to say.
fn copy(vault: &Vault, device: DeviceUuid, _: usize) {
    let sealed = seal(vault, device, &model(DOUBLE_BYTES), Policy::default()).unwrap();
    let address = vault.pointers(sealed.handle).unwrap()[0].unwrap();
    let status = Raw::new().write(address, &[0xEE; 64]);
    println!("a copy to read-only memory returned {status}");
    let seen = vault.verify(sealed.handle, &Level::Full, &Control::new());
    if status == 0 {
        assert_eq!(seen.unwrap().verdict, Verdict::NotResident);
    } else if let Ok(seen) = seen {
        assert_eq!(seen.verdict, Verdict::Resident);
    }
}

on_both!(
    foreign_ranges_are_told_apart_on_the_double,
    foreign_ranges_are_told_apart_on_a_gpu,
    foreign
);

/// The same bytes in device memory, in pinned host memory and in managed memory.
fn foreign(vault: &Vault, device: DeviceUuid, _: usize) {
    let model = model(8 << 20);
    let control = Control::new();
    let digests = TensorDigests::read(&model.load(&mut []), |_| true, &control).unwrap();
    let (raw, weights) = (Raw::new(), model.tensor("a.weight"));
    let places = [
        (raw.device_memory(weights), Verdict::Resident),
        (raw.host_memory(weights), Verdict::NotResident),
        (raw.managed_memory(weights), Verdict::NotResident),
    ];
    for (pointer, expected) in places {
        let range = ForeignRange {
            pointer,
            bytes: weights.len() as u64,
            tensor: "a.weight".to_owned(),
        };
        let policy = Policy::default();
        let seen = vault.verify_ranges(device, &digests, &[range], &policy, &control);
        let seen = seen.unwrap().ranges.remove(0);
        println!("{:?} {:?} {:#?}", seen.verdict, seen.reasons, seen.latency);
        assert_eq!(seen.expected, seen.actual);
        assert_eq!(seen.verdict, expected);
    }
}

#[test]
#[ignore = "needs an NVIDIA GPU"]
fn a_gpu_hashes_about_as_fast_as_it_is_modelled_to() {
    on_the_gpu("a_gpu_hashes_about_as_fast_as_it_is_modelled_to", || {
        let (vault, device) = real();
        for gigabytes in [1, 8, 40] {
            let bytes = gigabytes * 1_000_000_000;
            match vault.measure(device, None, bytes, &Control::new()) {
                Ok(measured) => println!("{gigabytes} GB: {measured:#?}"),
                Err(error) => println!("{gigabytes} GB: {error}"),
            }
        }
    });
}
