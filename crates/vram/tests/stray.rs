//! Stray writes to sealed memory, and memory that only looks like the device's. On a real device
//! `scripts/gpu-check.mjs` does the same.

#![allow(
    clippy::indexing_slicing,
    clippy::result_large_err,
    clippy::unwrap_used,
    reason = "a test that panics has failed"
)]

mod common;

use common::model::Model;
use common::{on_the_double, seal, vault};
use raw_driver::{Place, Raw, Way};
use verify::Control;
use vram::{Code, DeviceUuid, Evidence, ForeignRange, Level, Policy, TensorDigests, Vault};
use vram::{Handle, Verdict, VramError};

const PAGE_BYTES: usize = 2 << 20;

fn sealed(vault: &Vault, device: DeviceUuid, model: &Model) -> (Handle, u64) {
    let sealed = seal(vault, device, model, Policy::default()).unwrap();
    let address = vault.pointers(sealed.handle).unwrap()[0].unwrap();
    (sealed.handle, address)
}

fn look(vault: &Vault, handle: Handle, level: &Level) -> Result<Evidence, VramError> {
    vault.verify(handle, level, &Control::new())
}

#[test]
fn a_byte_that_was_changed_through_an_opened_mapping_is_named() {
    let name = "a_byte_that_was_changed_through_an_opened_mapping_is_named";
    on_the_double(name, |_| {
        let (vault, device) = vault();
        let model = Model::usual();
        let (handle, address) = sealed(&vault, device, &model);
        let (raw, at) = (Raw::open(0).unwrap(), model.inside("output.weight"));
        let mapped = model.bytes.len().next_multiple_of(PAGE_BYTES);
        raw.set_writable(address, mapped, true).ok().unwrap();
        let changed = raw.copy_in(address + at as u64, &[!model.bytes[at]]);
        changed.ok().unwrap();
        let seen = look(&vault, handle, &Level::Quick).unwrap();
        assert_eq!(seen.verdict, Verdict::NotResident, "the mapping is open");
        raw.set_writable(address, mapped, false).ok().unwrap();
        let seen = look(&vault, handle, &Level::Full).unwrap();
        assert_eq!(seen.content.bad_tiles_count, 1);
        assert_eq!(seen.content.bad_tiles[0].tensors, ["output.weight"]);
    });
}

macro_rules! faults {
    ($($name:ident: $way:ident, $asked:literal;)*) => {$(
        #[test]
        fn $name() {
            on_the_double(stringify!($name), |_| faults(Way::$way, $asked));
        }
    )*};
}

faults! {
    a_kernels_store_to_a_seal_faults: Store, 0;
    a_copy_to_a_seal_faults: CopyIn, 700;
    a_queued_copy_from_pinned_memory_to_a_seal_faults: CopyInPinned, 700;
    a_copy_on_the_device_to_a_seal_faults: CopyOnDevice, 700;
    clearing_a_seal_faults: Set, 700;
    clearing_a_seal_in_a_queue_faults: SetAsync, 700;
}

/// The call says so, or the next wait does; from then on the device is lost.
fn faults(way: Way, asked: i32) {
    let (vault, device) = vault();
    let (handle, address) = sealed(&vault, device, &Model::usual());
    let attempt = Raw::open(0).unwrap().write(way, address).unwrap();
    assert_eq!(attempt.asked.status, asked, "{attempt:?}");
    assert_eq!(attempt.waited.status, 700, "{attempt:?}");
    let error = look(&vault, handle, &Level::Full).unwrap_err();
    assert_eq!(error.code, Code::DeviceLost);
    assert_eq!(error.driver.unwrap().status, 700);
}

#[test]
fn the_same_bytes_in_other_memory_are_not_resident() {
    on_the_double("the_same_bytes_in_other_memory_are_not_resident", |_| {
        let (vault, device) = vault();
        let (model, control) = (Model::usual(), Control::new());
        let digests = TensorDigests::read(&model.load(&mut []), |_| true, &control).unwrap();
        let (raw, name) = (Raw::open(0).unwrap(), "token_embd.weight");
        let weights = model.tensor(name);
        for (place, expected) in [
            (Place::Device, Verdict::Resident),
            (Place::Host, Verdict::NotResident),
            (Place::Managed, Verdict::NotResident),
        ] {
            let range = ForeignRange {
                pointer: raw.filled(place, weights).unwrap(),
                bytes: weights.len() as u64,
                tensor: name.to_owned(),
            };
            let policy = Policy::default();
            let seen = vault.verify_ranges(device, &[&digests], &[range], &policy, &control);
            let seen = seen.unwrap().ranges.remove(0);
            assert_eq!(seen.expected, seen.actual);
            assert_eq!(seen.verdict, expected, "{place:?}: {:?}", seen.reasons);
        }
    });
}
