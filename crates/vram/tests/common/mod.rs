//! The driver double, and a process of its own for each test on it: the double's faults and its memory
//! are the process's, and the library path is read as a process starts.

#![allow(
    dead_code,
    unreachable_pub,
    unsafe_code,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::result_large_err,
    clippy::unused_self,
    reason = "each test file uses its part; a test that panics has failed"
)]

use libloading::Library;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use vram::{Clock, Cuda, DeviceUuid, Policy, SealKey, Sealed, Vault, VramError};

pub mod model;

/// Where the double reads what is to fail. Set in the child alone.
const CONTROL: &str = "DRIVER_DOUBLE";

/// Runs `body` on the double, in a child process that runs the test `name` alone.
pub fn on_the_double(name: &str, body: fn(&Double)) {
    on_the_double_without(name, &[], body);
}

/// The same, on a driver that lacks these functions.
pub fn on_the_double_without(name: &str, missing: &[&str], body: fn(&Double)) {
    if std::env::var_os(CONTROL).is_some() {
        return body(&Double);
    }
    let folder = scratch().join(format!("driver-{name}"));
    install(&folder, missing);
    let control = folder.join("faults");
    std::fs::write(&control, "").unwrap();
    let mut child = alone(name);
    child.env("LD_LIBRARY_PATH", &folder).env(CONTROL, &control);
    run(name, &mut child);
}

/// This test and no other, in a process of its own.
fn alone(name: &str) -> Command {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args([name, "--exact", "--nocapture", "--test-threads=1"]);
    child
}

fn run(name: &str, child: &mut Command) -> String {
    let child = child.output().unwrap();
    let out = String::from_utf8_lossy(&child.stdout).into_owned();
    let err = String::from_utf8_lossy(&child.stderr);
    // A name that matches no test would pass too.
    let ran = child.status.success() && out.contains("1 passed");
    assert!(ran, "{name}: {}\n{out}\n{err}", child.status);
    out
}

fn scratch() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
}

/// Under the names that the product opens.
fn install(folder: &Path, missing: &[&str]) {
    let mut library = std::fs::read(built()).unwrap();
    for symbol in missing {
        hide(&mut library, symbol);
    }
    std::fs::create_dir_all(folder).unwrap();
    let cuda = folder.join("libcuda.so.1");
    // Another process of the same test may have it open: a new file takes the name.
    drop(std::fs::remove_file(&cuda));
    std::fs::write(&cuda, library).unwrap();
    let nvml = folder.join("libnvidia-ml.so.1");
    drop(std::fs::remove_file(&nvml));
    std::os::unix::fs::symlink("libcuda.so.1", nvml).unwrap();
}

/// The first letter of its exported name changes: nobody finds it any more.
fn hide(library: &mut [u8], symbol: &str) {
    let name = format!("\0{symbol}\0").into_bytes();
    let found: Vec<usize> = (0..library.len() - name.len())
        .filter(|&at| library[at..].starts_with(&name))
        .collect();
    assert!(!found.is_empty(), "{symbol} is not exported");
    for at in found {
        library[at + 1] = b'_';
    }
}

/// Built here, once a test file, as nothing that ships depends on it. Cargo's own lock makes two files wait for each other.
fn built() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(build)
}

fn build() -> PathBuf {
    let target = scratch().join("driver-double");
    let cargo = Command::new(env!("CARGO"))
        .args([
            "build",
            "--locked",
            "--package",
            "driver-double",
            "--target-dir",
        ])
        .arg(&target)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(
        cargo.status.success(),
        "{}",
        String::from_utf8_lossy(&cargo.stderr)
    );
    target.join("debug/libdriver_double.so")
}

/// The double, seen from inside the child.
#[derive(Clone, Copy)]
pub struct Double;

impl Double {
    /// From now on this fails, and nothing else: lines `name=value` of the double's faults.
    pub fn fails(self, faults: &str) {
        let control = std::env::var_os(CONTROL).unwrap();
        let new = PathBuf::from(&control).with_extension("new");
        std::fs::write(&new, faults).unwrap();
        std::fs::rename(new, control).unwrap();
    }

    /// Things that the device still holds.
    pub fn held(self) -> u64 {
        Self::number(b"driver_double_held\0")
    }

    /// Calls that were made so far.
    pub fn calls(self) -> u64 {
        Self::number(b"driver_double_calls\0")
    }

    /// Bytes that were given back without having been cleared.
    pub fn dirty_bytes(self) -> u64 {
        Self::number(b"driver_double_dirty_bytes\0")
    }

    fn number(name: &[u8]) -> u64 {
        // SAFETY: the double's library has no initialiser.
        let library = unsafe { Library::new("libcuda.so.1") }.unwrap();
        // SAFETY: the double exports it with this type.
        let function = unsafe { library.get::<extern "C" fn() -> u64>(name) }.unwrap();
        function()
    }
}

/// A vault on the double, timed by the double, and its device.
pub fn vault() -> (Vault, DeviceUuid) {
    let cuda = Cuda::open().unwrap();
    let vault = Vault::with(
        SealKey::random().unwrap(),
        vec![Arc::new(cuda)],
        Arc::new(Double),
    );
    let device = vault.devices(None).devices[0].uuid;
    (vault, device)
}

/// Loads and seals one model.
pub fn seal(
    vault: &Vault,
    device: DeviceUuid,
    model: &model::Model,
    policy: Policy,
) -> Result<Sealed, VramError> {
    let mut sealing = vault.begin(device, None, model.bytes.len() as u64, policy)?;
    let verified = model.load(&mut [&mut sealing]);
    sealing.finish(&verified)
}

/// The double's own clock: what a device of its speed would have taken, however busy this machine is.
impl Clock for Double {
    fn now(&self) -> Duration {
        Duration::from_nanos(Self::number(b"driver_double_nanoseconds\0"))
    }
}
