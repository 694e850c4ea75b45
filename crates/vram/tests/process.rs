//! Weights that another library of the process loaded.

#![allow(
    clippy::indexing_slicing,
    clippy::result_large_err,
    clippy::unwrap_used,
    reason = "a test that panics has failed"
)]

mod common;

use common::model::Model;
use common::{on_the_double, vault};
use digest::Tiling;
use raw_driver::{Place, Raw};
use std::cell::Cell;
use std::os::unix::fs::FileExt;
use verify::Control;
use vram::{Backend, Code, Cuda, ForeignRange, Policy, RootJob, TensorDigests, Verdict, VramError};

/// The model's tensors as an engine keeps them: one allocation, each at a multiple of 128 bytes.
fn engine_copy(raw: &Raw, model: &Model) -> Vec<ForeignRange> {
    let mut bytes = Vec::new();
    let mut ranges = Vec::new();
    for (name, _, size) in &model.tensors {
        ranges.push(ForeignRange {
            pointer: bytes.len() as u64,
            bytes: *size as u64,
            tensor: name.clone(),
        });
        bytes.extend_from_slice(model.tensor(name));
        bytes.resize(bytes.len().next_multiple_of(128), 0xEE);
    }
    let start = raw.filled(Place::Device, &bytes).unwrap();
    for range in &mut ranges {
        range.pointer += start;
    }
    ranges
}

#[test]
fn an_engines_weights_are_compared_with_the_file_where_they_lie() {
    on_the_double(
        "an_engines_weights_are_compared_with_the_file_where_they_lie",
        |_| {
            let (vault, device) = vault();
            let model = Model::usual();
            let verified = model.load(&mut []);
            let control = Control::new();
            let digests = TensorDigests::read(&verified, |_| true, &control).unwrap();
            for (name, digest) in digests.iter() {
                let expected = blake3::hash(model.tensor(name));
                assert_eq!(digest.blake3.as_bytes(), expected.as_bytes(), "{name}");
            }
            let raw = Raw::open(0).unwrap();
            let ranges = engine_copy(&raw, &model);
            let check = |ranges: &[ForeignRange]| {
                let policy = Policy::default();
                vault.verify_ranges(device, &[&digests], ranges, &policy, &control)
            };
            let seen = check(&ranges).unwrap();
            assert_eq!(seen.verdict, Verdict::Resident, "{:?}", seen.ranges);
            assert!(seen.tensors_unchecked.is_empty());
            let tensor_bytes: usize = model.tensors.iter().map(|(_, _, size)| size).sum();
            assert_eq!(seen.bytes_checked, tensor_bytes as u64);

            let strict = Policy {
                resident_fraction_min: Some(0.99),
                ..Policy::default()
            };
            let short = vault.verify_ranges(device, &[&digests], &ranges, &strict, &control);
            let short = short.unwrap();
            assert_eq!(
                (short.verdict, short.reasons.len()),
                (Verdict::Inconclusive, 1)
            );

            // What nobody names is listed, not vouched for.
            let seen = check(&ranges[..2]).unwrap();
            assert_eq!(
                seen.tensors_unchecked,
                ["blk.0.norm.weight", "output.weight"]
            );

            // One wrong byte in the engine's copy.
            let changed = raw.copy_in(ranges[3].pointer + 999_999, &[0xAB]);
            changed.ok().unwrap();
            let seen = check(&ranges).unwrap();
            assert_eq!(seen.verdict, Verdict::NotResident);
            let verdicts: Vec<Verdict> = seen.ranges.iter().map(|range| range.verdict).collect();
            assert_eq!(verdicts[..3], [Verdict::Resident; 3]);
            assert_eq!(seen.ranges[3].reasons, ["the bytes are not the tensor's"]);
        },
    );
}

#[test]
fn what_time_must_show_is_asked_of_the_ranges_of_all_files_together() {
    on_the_double(
        "what_time_must_show_is_asked_of_the_ranges_of_all_files_together",
        |_| {
            let (vault, device) = vault();
            let control = Control::new();
            // Of the first alone time can show next to nothing.
            let models = [
                Model::of(&[("token_embd.weight", 5_000)]),
                Model::of(&[("output.weight", 4_000_000)]),
            ];
            let verified = models.each_ref().map(|model| model.load(&mut []));
            let digests = verified
                .each_ref()
                .map(|file| TensorDigests::read(file, |_| true, &control).unwrap());
            let files = digests.each_ref();
            let raw = Raw::open(0).unwrap();
            let [small, mut ranges] = models.each_ref().map(|model| engine_copy(&raw, model));
            let check = |ranges: &[ForeignRange], fraction| {
                let policy = Policy {
                    resident_fraction_min: fraction,
                    ..Policy::default()
                };
                vault.verify_ranges(device, &files, ranges, &policy, &control)
            };
            let alone = check(&small, None).unwrap();
            let alone = alone.resident_fraction_min.unwrap();
            ranges.push(small[0].clone());
            let seen = check(&ranges, None).unwrap();
            let parts: Vec<u32> = seen.ranges.iter().map(|range| range.part).collect();
            assert_eq!(parts, [2, 1], "in the order that was asked for");
            let shown = seen.resident_fraction_min.unwrap();
            assert!(alone < shown / 2.0, "{alone} of {shown}");
            let demanded = check(&ranges, Some(shown / 2.0)).unwrap();
            assert_eq!(
                (demanded.verdict, demanded.reasons.len()),
                (Verdict::Resident, 0)
            );
            let short = check(&ranges, Some(1.0)).unwrap();
            assert_eq!(
                (short.verdict, short.reasons.len()),
                (Verdict::Inconclusive, 1)
            );

            // What is named again shows no more.
            let once = check(&ranges[..1], None).unwrap();
            let thrice = check(&vec![ranges[0].clone(); 3], None).unwrap();
            let [once, thrice] = [once, thrice].map(|seen| seen.resident_fraction_min.unwrap());
            assert!(thrice < once, "{thrice} of {once}");

            // What is wrong with a range is said of the file that has its tensor.
            ranges[0].bytes -= 1;
            let error = check(&ranges, None).unwrap_err();
            assert_eq!((error.code, error.part), (Code::BadRange, Some(2)));
            ranges[0].bytes += 1;
            ranges[1].pointer = 8;
            let error = check(&ranges, None).unwrap_err();
            assert_eq!((error.code, error.part), (Code::BadRange, Some(1)));
            ranges[1].tensor = "nobody".to_owned();
            let error = check(&ranges, None).unwrap_err();
            assert_eq!((error.code, error.part), (Code::BadRange, None));
        },
    );
}

#[test]
fn weights_that_an_engine_left_in_the_hosts_memory_are_found() {
    on_the_double(
        "weights_that_an_engine_left_in_the_hosts_memory_are_found",
        |_| {
            let (vault, device) = vault();
            let model = Model::usual();
            let verified = model.load(&mut []);
            let control = Control::new();
            let digests = TensorDigests::read(&verified, |_| true, &control).unwrap();
            let name = "output.weight";
            let range = ForeignRange {
                pointer: Raw::open(0)
                    .unwrap()
                    .filled(Place::Host, model.tensor(name))
                    .unwrap(),
                bytes: 1_000_003,
                tensor: name.to_owned(),
            };
            let policy = Policy::default();
            let seen = vault
                .verify_ranges(device, &[&digests], &[range], &policy, &control)
                .unwrap();
            assert_eq!(seen.verdict, Verdict::NotResident);
            let range = &seen.ranges[0];
            assert_eq!(
                range.expected, range.actual,
                "the bytes are right, their place is not"
            );
            assert_eq!(range.reasons[0], "the memory is the host's");
            assert!(range.reasons[1].contains("pages answer as slowly"));
        },
    );
}

#[test]
fn ranges_that_cannot_be_are_refused_before_anything_is_read() {
    on_the_double(
        "ranges_that_cannot_be_are_refused_before_anything_is_read",
        |_| {
            let (vault, device) = vault();
            let model = Model::usual();
            let verified = model.load(&mut []);
            let control = Control::new();
            let only = |name: &str| name == "output.weight";
            let digests = TensorDigests::read(&verified, only, &control).unwrap();
            assert_eq!(digests.iter().count(), 1);
            let good = engine_copy(&Raw::open(0).unwrap(), &model).pop().unwrap();
            let refused = |range: ForeignRange| {
                let policy = Policy::default();
                let seen = vault.verify_ranges(device, &[&digests], &[range], &policy, &control);
                seen.unwrap_err().code
            };
            let bad = [
                ForeignRange {
                    tensor: "output".to_owned(),
                    ..good.clone()
                },
                ForeignRange {
                    tensor: "blk.0.norm.weight".to_owned(),
                    ..good.clone()
                },
                ForeignRange {
                    bytes: good.bytes - 1,
                    ..good.clone()
                },
                ForeignRange {
                    bytes: u64::MAX,
                    ..good.clone()
                },
                ForeignRange {
                    pointer: 0,
                    ..good.clone()
                },
                ForeignRange {
                    pointer: 8,
                    ..good.clone()
                },
                ForeignRange {
                    pointer: u64::MAX - 3,
                    ..good.clone()
                },
                // It starts inside of the allocation and ends behind it.
                ForeignRange {
                    pointer: good.pointer + 1024,
                    ..good.clone()
                },
                // This process's own memory is none of the device's.
                ForeignRange {
                    pointer: model.bytes.as_ptr().addr() as u64,
                    ..good
                },
            ];
            for range in bad {
                assert_eq!(refused(range.clone()), Code::BadRange, "{range:?}");
            }
        },
    );
}

#[test]
fn a_file_that_changed_after_its_verification_vouches_for_nothing() {
    let model = Model::usual();
    let verified = model.load(&mut []);
    let mut bytes = model.bytes.clone();
    let at = model.inside("output.weight");
    bytes[at] ^= 1;
    // In place: the verified descriptor sees it.
    let file = std::fs::File::options()
        .write(true)
        .open(model.path())
        .unwrap();
    file.write_all_at(&bytes[at..=at], at as u64).unwrap();
    let control = Control::new();
    let read = |wanted: fn(&str) -> bool| TensorDigests::read(&verified, wanted, &control);
    let error = read(|_| true).unwrap_err();
    assert_eq!(error.code, Code::FileChanged);
    // Other tiles are what they were.
    assert!(read(|name| name == "token_embd.weight").is_ok());
    control.cancel();
    let error = read(|_| true).unwrap_err();
    assert_eq!(error.code, Code::Aborted);
}

#[test]
fn any_length_at_any_address_has_its_digest() {
    on_the_double("any_length_at_any_address_has_its_digest", |_| {
        let cuda = Cuda::open().unwrap();
        let gpu = cuda.open(cuda.devices().unwrap()[0].uuid).unwrap();
        let bytes: Vec<u8> = (0..600_000_usize)
            .map(|at| (at.wrapping_mul(0x9E37_79B1) >> 16).to_le_bytes()[0])
            .collect();
        let start = Raw::open(0).unwrap().filled(Place::Device, &bytes).unwrap();
        let key = [0x5A; 32];
        for offset in [0, 1, 4, 15, 16, 130] {
            for length in [1, 63, 64, 65, 1023, 1024, 1025, 3073, 262_143, 262_145] {
                if length > 4096 && offset > 1 {
                    continue;
                }
                let mut memory = gpu.foreign(start + offset as u64, length as u64).unwrap();
                let tiling = Tiling::of(length as u64);
                let slice = &bytes[offset..offset + length];
                let plain = memory.root(&RootJob::of(tiling, None, 4096)).unwrap();
                assert_eq!(
                    plain.as_bytes(),
                    blake3::hash(slice).as_bytes(),
                    "{offset} {length}"
                );
                let keyed = memory.root(&RootJob::of(tiling, Some(key), 1)).unwrap();
                assert_eq!(keyed.as_bytes(), blake3::keyed_hash(&key, slice).as_bytes());
            }
        }
    });
}

#[test]
fn a_digest_of_everything_can_be_ended_between_its_slices() {
    on_the_double(
        "a_digest_of_everything_can_be_ended_between_its_slices",
        |_| {
            let cuda = Cuda::open().unwrap();
            let gpu = cuda.open(cuda.devices().unwrap()[0].uuid).unwrap();
            let bytes = vec![7; 5 << 18];
            let raw = Raw::open(0).unwrap();
            let start = raw.filled(Place::Device, &bytes).unwrap();
            let mut memory = gpu.foreign(start, bytes.len() as u64).unwrap();
            let asked = Cell::new(0);
            let going = || {
                asked.set(asked.get() + 1);
                if asked.get() < 3 {
                    return Ok(());
                }
                Err(VramError::new(Code::Aborted, "enough"))
            };
            let job = RootJob::of(Tiling::of(bytes.len() as u64), None, 1);
            let ended = memory.root(&RootJob {
                going: &going,
                ..job
            });
            assert_eq!(ended.unwrap_err().code, Code::Aborted);
            assert_eq!(asked.get(), 3);
            let whole = memory.root(&job).unwrap();
            assert_eq!(whole.as_bytes(), blake3::hash(&bytes).as_bytes());
        },
    );
}

#[test]
fn nothing_that_ships_depends_on_the_double_or_the_probe() {
    let lock = include_str!("../../../Cargo.lock");
    for crate_name in ["driver-double", "gpu-probe", "vulkan-faults"] {
        let quoted = format!("\"{crate_name}\"");
        let packages = lock.split("[[package]]");
        let packages = packages.filter(|text| text.contains(&quoted));
        let names: Vec<&str> = packages.filter_map(|text| text.lines().nth(1)).collect();
        // Itself, and in nobody's dependencies.
        assert_eq!(names, [format!("name = {quoted}")]);
    }
    let shipped = [
        include_str!("../../node/Cargo.toml"),
        include_str!("../../verify/Cargo.toml"),
        include_str!("../Cargo.toml"),
    ];
    for manifest in shipped {
        let dependencies = manifest.split("[dev-dependencies]").next().unwrap();
        assert!(!dependencies.contains("raw-driver"), "{manifest}");
    }
}
