//! The Vulkan backend on whatever device there is, for tests and benchmarks that bring one of their own.
//!
//!     vulkan COMMAND [ARGUMENT]
//!
//! Prints one `name value` a line. An answer that is an error is printed, too, and ends with status 1;
//! anything that is wrong is a panic.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::result_large_err,
    clippy::unwrap_used,
    reason = "a panic is how it says that something is wrong"
)]

mod digests;
mod random;
mod seal;
mod speed;

use digest::{TILE_BYTES, Tiling};
use digests::{compare, expected, hash};
use random::Random;
use std::fmt::Display;
use std::process::ExitCode;
use std::sync::Arc;
use vram::{Access, Backend, Code, DeviceUuid, Gpu, Memory, RootJob, VramError, Vulkan};

type Outcome = Result<(), VramError>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let text = arguments.get(1).map_or("", String::as_str);
    let number = |default| {
        arguments
            .get(1)
            .map_or(default, |text| text.parse().unwrap())
    };
    let outcome = match arguments.first().map_or("", String::as_str) {
        "devices" => devices(),
        "open" => open().and_then(|gpu| describe(&*gpu)),
        "lengths" => digests::lengths(number(1)),
        "segments" => segments(),
        "flip" => flip(),
        "too-large" => too_large(),
        "threads" => threads(number(4)),
        "misuse" => misuse(),
        "seal" => seal::seal(text, false),
        "seal-anywhere" => seal::seal(text, true),
        "speed" => speed::speed(number(512 << 20)),
        other => panic!("there is no command {other:?}"),
    };
    let Err(error) = outcome else {
        return ExitCode::SUCCESS;
    };
    say("code", error.code.as_str());
    say("message", &error.message);
    if let Some(fault) = error.driver {
        say("driver", format!("{} {}", fault.call, fault.name));
    }
    ExitCode::FAILURE
}

fn say(name: &str, value: impl Display) {
    println!("{name} {value}");
}

fn devices() -> Outcome {
    for device in Vulkan::open()?.devices()? {
        let memory = device.memory;
        say("device", &device.name);
        say("uuid", device.uuid);
        say("kind", device.kind.as_str());
        say("driver", &device.driver);
        say("api", &device.api);
        say("total", memory.total_bytes);
        say("free", format!("{:?}", memory.free_bytes));
        say(
            "pci",
            device.pci.map_or("none".to_owned(), |pci| pci.to_string()),
        );
        say(
            "vram",
            device
                .judge()
                .map_or_else(|why| why.to_string(), |()| "yes".to_owned()),
        );
    }
    Ok(())
}

fn open() -> Result<Arc<dyn Gpu>, VramError> {
    let vulkan = Vulkan::open()?;
    let device = vulkan.devices()?.into_iter().next();
    let none = || VramError::new(Code::NoDevice, "there is no device");
    vulkan.open(device.ok_or_else(none)?.uuid)
}

fn describe(gpu: &dyn Gpu) -> Outcome {
    let kernel = gpu.kernel();
    say("kernel", kernel.name);
    say("blake3", kernel.blake3);
    say("library", &kernel.driver_library);
    let mut memory = gpu.allocate(1)?;
    let placement = memory.placement()?;
    say("memory", placement.memory_type.as_str());
    say("on-device", placement.on_device.unwrap());
    say("host-visible", placement.host_visible.unwrap());
    assert_eq!(memory.protect()?, Access::ReadWrite);
    assert_eq!(memory.latency(1)?, None);
    memory.release().map(drop)
}

/// More than two segments, uploaded in pieces of odd lengths.
fn segments() -> Outcome {
    let gpu = open()?;
    let data = Random::from(7).bytes((256 << 20) + 3 * TILE_BYTES + 77);
    let mut memory = gpu.allocate(data.len() as u64)?;
    let mut offset = 0;
    for piece in data.chunks((5 << 20) + 13) {
        memory.upload(offset, piece)?;
        offset += piece.len() as u64;
    }
    memory.flush()?;
    let tiling = Tiling::of(data.len() as u64);
    let root = memory.root(&RootJob::of(tiling, None, 700))?;
    assert_eq!(root.as_bytes(), blake3::hash(&data).as_bytes());
    // A run that starts in one segment and ends in the next.
    let run = hash(&mut *memory, tiling, 500, 30, None)?;
    assert_eq!(run, expected(&data, None)[500..530]);
    say("bytes", data.len());
    assert!(memory.copy_half()?.is_none_or(|seconds| seconds > 0.0));
    let half = data.len() / 2;
    let mut copied = data.clone();
    copied.copy_within(..half, half);
    let root = memory.root(&RootJob::of(tiling, None, u64::MAX))?;
    assert_eq!(root.as_bytes(), blake3::hash(&copied).as_bytes());
    say("freed", memory.release()?);
    Ok(())
}

/// A byte that changes on the device changes the value of its tile, and of no other.
fn flip() -> Outcome {
    let gpu = open()?;
    let data = Random::from(11).bytes(9 * TILE_BYTES + 5);
    let tiling = Tiling::of(data.len() as u64);
    let mut memory = gpu.allocate(data.len() as u64)?;
    upload(&mut *memory, &data)?;
    let before = hash(&mut *memory, tiling, 0, tiling.tiles(), None)?;
    let at = 6 * TILE_BYTES + 1234;
    let byte = data[usize::try_from(at).unwrap()];
    memory.upload(at, &[byte ^ 0x10])?;
    memory.flush()?;
    let after = hash(&mut *memory, tiling, 0, tiling.tiles(), None)?;
    let pairs = before.iter().zip(&after).enumerate();
    let bad: Vec<_> = pairs
        .filter(|(_, (was, is))| was != is)
        .map(|(tile, _)| tile)
        .collect();
    say("bad", format!("{bad:?}"));
    memory.release().map(drop)
}

/// Never a fallback to other memory; and the device can be used as before.
fn too_large() -> Outcome {
    let gpu = open()?;
    let total = gpu.usage()?.total_bytes;
    for bytes in [total + 1, u64::MAX, u64::MAX - 1024] {
        let error = gpu.allocate(bytes).err().expect("more than there is");
        assert_eq!(error.code, Code::AllocationFailed, "{error}");
        assert_eq!(error.requested_bytes, Some(bytes));
        assert!(error.available_bytes.is_some_and(|there| there < bytes));
    }
    let data = Random::from(3).bytes(3 * TILE_BYTES);
    let mut memory = gpu.allocate(data.len() as u64)?;
    upload(&mut *memory, &data)?;
    compare(&mut *memory, &data, None)?;
    say("refused", 3);
    memory.release().map(drop)
}

/// One device, many threads, each with memory of its own; the last one closes the device.
fn threads(count: u64) -> Outcome {
    let gpu = open()?;
    let start = |number| {
        let gpu = gpu.clone();
        std::thread::spawn(move || {
            let data = Random::from(number + 1).bytes(5 * TILE_BYTES + number);
            let mut memory = gpu.allocate(data.len() as u64).unwrap();
            for _ in 0..5 {
                upload(&mut *memory, &data).unwrap();
                compare(&mut *memory, &data, Some([7; 32])).unwrap();
            }
            // Without a release: dropped, it must be cleared and freed all the same.
        })
    };
    let running: Vec<_> = (0..count).map(start).collect();
    drop(gpu);
    for thread in running {
        thread.join().expect("every thread's digests are right");
    }
    say("threads", count);
    Ok(())
}

/// What the layers above never do is refused, and not followed.
fn misuse() -> Outcome {
    let gpu = open()?;
    let mut memory = gpu.allocate(1000)?;
    let code = |result: Outcome| result.expect_err("this must not work").code;
    assert_eq!(code(memory.upload(999, &[1, 2])), Code::Internal);
    assert_eq!(code(memory.upload(u64::MAX, &[1])), Code::Internal);
    let jobs = [
        (1001, 0, 1),
        (1000, 0, 2),
        (1000, 1, 0),
        (1000, u64::MAX, 2),
    ];
    for (bytes, first, tiles) in jobs {
        let run = hash(&mut *memory, Tiling::of(bytes), first, tiles, None);
        assert_eq!(code(run.map(drop)), Code::Internal);
    }
    assert_eq!(code(gpu.allocate(0).map(drop)), Code::Internal);
    assert_eq!(code(gpu.foreign(4096, 4096).map(drop)), Code::BadRange);
    let unknown = DeviceUuid::from([0xab; 16]);
    let error = Vulkan::open()?.open(unknown).err().expect("no such device");
    assert_eq!((error.code, error.device), (Code::NoDevice, Some(unknown)));
    say("misuse", "refused");
    memory.release().map(drop)
}

fn upload(memory: &mut dyn Memory, data: &[u8]) -> Outcome {
    memory.upload(0, data)?;
    memory.flush()
}
