//! The vault: devices that were opened, models that are sealed, and every call a host makes.

use crate::interface::Interface;
use crate::model::Model;
use crate::sealing::{Identity, Upload};
use crate::shard::{Shard, Watch, disposed};
use crate::slots::Slots;
use crate::{
    Backend, BackendKind, Book, Clock, Code, Cuda, Device, DeviceUuid, Evidence, ForeignEvidence,
    ForeignRange, Gpu, Handle, Level, Measured, Monotonic, Policy, Scrub, SealKey, SealRecord,
    TensorDigests, Usage, VramError, Vulkan, foreign, measuring,
};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use verify::{Block, Consumer, Control, Tiles, Verified};

/// All of a process's sealed models. Dropped, it disposes of every one.
pub struct Vault {
    interfaces: Vec<Interface>,
    key: SealKey,
    clock: Arc<dyn Clock>,
    models: Mutex<Slots<Arc<Model>>>,
}

/// The devices that there are, and why there are no more.
#[derive(Debug, Default)]
pub struct Found {
    /// Of every interface that answers, those that are no VRAM included. A device that two interfaces
    /// know comes twice.
    pub devices: Vec<Device>,
    /// One error an interface that does not answer.
    pub absent: Vec<VramError>,
}

/// A sealed model.
#[derive(Debug)]
pub struct Sealed {
    /// Its name from now on.
    pub handle: Handle,
    /// What was sealed, under this vault's MAC.
    pub record: SealRecord,
    /// What the last look before this answer saw.
    pub evidence: Evidence,
}

/// What a vault holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Holdings {
    /// Sealed models.
    pub shards: u64,
    /// Their bytes.
    pub sealed_bytes: u64,
}

/// Memory that is being filled by the load it is a [`Consumer`] of. Dropped without
/// [`Sealing::finish`], everything is freed.
pub struct Sealing<'vault> {
    vault: &'vault Vault,
    upload: Upload,
    key: Option<SealKey>,
}

impl Vault {
    /// A vault over the interfaces that this system has. Each is loaded when it is first asked for.
    pub fn open(key: SealKey) -> Self {
        let interfaces = vec![
            Interface::new(BackendKind::Cuda, Cuda::open),
            Interface::new(BackendKind::Vulkan, Vulkan::open),
        ];
        Self::over(key, interfaces, Arc::new(Monotonic::default()))
    }

    /// A vault over these interfaces, timed by this clock.
    pub fn with(key: SealKey, backends: Vec<Arc<dyn Backend>>, clock: Arc<dyn Clock>) -> Self {
        let interfaces = backends.into_iter().map(Interface::loaded).collect();
        Self::over(key, interfaces, clock)
    }

    fn over(key: SealKey, interfaces: Vec<Interface>, clock: Arc<dyn Clock>) -> Self {
        Self {
            interfaces,
            key,
            clock,
            models: Mutex::default(),
        }
    }

    /// The devices that there are now: of all interfaces, or of one alone, in which case no other is loaded.
    pub fn devices(&self, wanted: Option<BackendKind>) -> Found {
        let mut found = Found::default();
        for interface in self.interfaces(wanted) {
            match interface.devices() {
                Ok(devices) => found.devices.extend(devices),
                Err(error) => found.absent.push(error),
            }
        }
        found
    }

    /// What a device holds and has free, for schedulers.
    pub fn capacity(
        &self,
        device: DeviceUuid,
        backend: Option<BackendKind>,
    ) -> Result<Usage, VramError> {
        self.gpu(device, backend)?.usage()
    }

    /// How fast the device hashes so many bytes of its own memory, beside how fast it copies them. The
    /// memory is made for it and freed after it.
    pub fn measure(
        &self,
        device: DeviceUuid,
        backend: Option<BackendKind>,
        bytes: u64,
        control: &Control,
    ) -> Result<Measured, VramError> {
        let gpu = self.gpu(device, backend)?;
        let measured = measuring::measure(&*gpu, bytes, self.watch(control));
        measured.map_err(|error| error.on(device))
    }

    /// Makes room for a file of so many bytes, and refuses a device that the policy does not admit.
    /// The answer is to be a consumer of the load.
    ///
    /// # Errors
    /// `VRAM_NO_DEVICE`, `VRAM_POLICY_VIOLATION`, `VRAM_INSUFFICIENT_MEMORY`, or what the driver says.
    pub fn begin(
        &self,
        device: DeviceUuid,
        backend: Option<BackendKind>,
        bytes_total: u64,
        policy: Policy,
    ) -> Result<Sealing<'_>, VramError> {
        let gpu = self.gpu(device, backend)?;
        let identity = Identity::new(&policy, 1)?;
        Ok(Sealing {
            vault: self,
            upload: Upload::begin(gpu, bytes_total, policy, identity)?,
            key: None,
        })
    }

    /// Looks at a sealed model.
    ///
    /// # Errors
    /// Only where nothing could be looked at: what is wrong with the model is in the evidence.
    pub fn verify(
        &self,
        handle: Handle,
        level: &Level,
        control: &Control,
    ) -> Result<Evidence, VramError> {
        self.model(handle)?.check(level, self.watch(control))
    }

    /// A scrub: all tiles, again and again, in steps that the caller takes. `duty` is the part of the
    /// time that it may use, more than 0 and at most 1.
    pub fn scrub(&self, handle: Handle, duty: f64) -> Result<Scrub, VramError> {
        Scrub::new(&*self.model(handle)?, &self.clock, duty)
    }

    /// Keyed digests of the whole model under fresh secret nonces, computed now: to be kept by whoever
    /// will ask for one of them later, once each.
    pub fn book(&self, handle: Handle, entries: u32, control: &Control) -> Result<Book, VramError> {
        self.model(handle)?.book(entries, self.watch(control))
    }

    /// Compares random tiles on the device with the same tiles of the model's verified files, which are read again:
    /// both under a key that nobody could know before. A change in a fraction f of the tiles escapes k of them with
    /// the probability (1 - f)^k.
    ///
    /// # Errors
    /// `VRAM_FILE_CHANGED`, and as [`Vault::verify`].
    pub fn spot_check(
        &self,
        handle: Handle,
        files: &[Arc<Verified>],
        fraction: f64,
        control: &Control,
    ) -> Result<Evidence, VramError> {
        let model = self.model(handle)?;
        model.spot_check(files, fraction, self.watch(control))
    }

    /// Looks at weights that another library loaded into this process's primary context on the device. `files` are the
    /// digests of the model's files in order; what time must show is asked of all ranges together.
    ///
    /// # Errors
    /// `VRAM_BAD_RANGE` where a range is no device memory or not its tensor's size;
    /// `VRAM_POLICY_VIOLATION` where the policy does not admit the device.
    pub fn verify_ranges(
        &self,
        device: DeviceUuid,
        files: &[&TensorDigests],
        ranges: &[ForeignRange],
        policy: &Policy,
        control: &Control,
    ) -> Result<ForeignEvidence, VramError> {
        let gpu = self.gpu(device, None)?;
        let seen = foreign::check(&*gpu, files, ranges, policy, self.watch(control));
        seen.map_err(|error| error.on(device))
    }

    /// Where kernels of this process find the bytes of each file, as device addresses. The memory is theirs
    /// to read for as long as the handle lives.
    pub fn pointers(&self, handle: Handle) -> Result<Vec<Option<u64>>, VramError> {
        let control = Control::new();
        let watch = self.watch(&control);
        self.model(handle)?
            .each(|shard| shard.with_memory(watch, |memory| Ok(memory.pointer())))
    }

    /// What was sealed, file by file.
    pub fn records(&self, handle: Handle) -> Result<Vec<SealRecord>, VramError> {
        Ok(self.model(handle)?.records())
    }

    /// What the tiles of each file must be: who holds their values computes the answer to a fresh challenge by
    /// [`crate::FreshMac`], without the model.
    pub fn tiles(&self, handle: Handle) -> Result<Vec<Tiles>, VramError> {
        self.model(handle)?
            .each(|shard| Ok(shard.facts.tiles.clone()))
    }

    /// Whether a record is one of this vault's own key.
    ///
    /// # Errors
    /// `VRAM_RECORD_INVALID`.
    pub fn check_record(&self, record: &SealRecord) -> Result<(), VramError> {
        record.check(&self.key)
    }

    /// What is sealed now.
    pub fn holdings(&self) -> Holdings {
        let models = self.slots();
        Holdings {
            shards: models.all().count() as u64,
            sealed_bytes: models.all().map(|model| model.bytes()).sum(),
        }
    }

    /// Clears and frees a sealed model: how many bytes became free. Twice is once: the second time 0.
    /// A check that is under way ends with `VRAM_HANDLE_STALE` at its next slice.
    pub fn dispose(&self, handle: Handle) -> Result<u64, VramError> {
        let model = self.slots().remove(handle);
        model.map_or(Ok(0), |model| model.dispose())
    }

    /// The device, of the first interface that knows it. That an interface is absent is told only to who asked for it.
    pub(crate) fn gpu(
        &self,
        device: DeviceUuid,
        wanted: Option<BackendKind>,
    ) -> Result<Arc<dyn Gpu>, VramError> {
        let mut last = VramError::new(Code::NoDevice, "no device has this UUID");
        for interface in self.interfaces(wanted) {
            match interface.gpu(device) {
                Ok(gpu) => return Ok(gpu),
                Err(error) if error.code == Code::NoDevice => {}
                Err(error) if error.code.is_absence() && wanted.is_none() => {}
                Err(error) => last = error,
            }
        }
        Err(last.on(device))
    }

    fn interfaces(&self, wanted: Option<BackendKind>) -> impl Iterator<Item = &Interface> {
        let all = self.interfaces.iter();
        all.filter(move |one| wanted.is_none_or(|wanted| wanted == one.kind))
    }

    /// Seals one file under the key, or this vault's own.
    pub(crate) fn seal(
        &self,
        upload: Upload,
        verified: &Verified,
        key: Option<&SealKey>,
    ) -> Result<(Shard, Evidence), VramError> {
        upload.seal(verified, key.unwrap_or(&self.key), &*self.clock)
    }

    /// Keeps a sealed model until it is disposed of.
    pub(crate) fn keep(&self, model: Model) -> Handle {
        self.slots().insert(Arc::new(model))
    }

    fn model(&self, handle: Handle) -> Result<Arc<Model>, VramError> {
        self.slots().find(handle).cloned().ok_or_else(disposed)
    }

    fn slots(&self) -> MutexGuard<'_, Slots<Arc<Model>>> {
        self.models.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn watch<'a>(&'a self, control: &'a Control) -> Watch<'a> {
        Watch {
            clock: &*self.clock,
            control,
        }
    }
}

impl Drop for Vault {
    fn drop(&mut self) {
        let models = std::mem::take(&mut *self.slots());
        for model in models.all() {
            // Nobody is left to hear of a failure; the driver frees what is left with the process.
            drop(model.dispose());
        }
    }
}

impl Sealing<'_> {
    /// To be sealed under this key instead of the vault's own.
    #[must_use]
    pub fn under(self, key: Option<SealKey>) -> Self {
        Self { key, ..self }
    }

    /// Seals what was uploaded, now that the load has given its proof.
    ///
    /// # Errors
    /// `VRAM_SEAL_MISMATCH` and `VRAM_NOT_RESIDENT` with their evidence, `VRAM_POLICY_VIOLATION`, or
    /// what the driver says. Everything is freed then.
    pub fn finish(self, verified: &Verified) -> Result<Sealed, VramError> {
        let Self { vault, upload, key } = self;
        let (shard, evidence) = vault.seal(upload, verified, key.as_ref())?;
        Ok(Sealed {
            record: shard.record.clone(),
            handle: vault.keep(Model::of_one(shard)),
            evidence,
        })
    }
}

impl Consumer for Sealing<'_> {
    fn take(&mut self, block: &Block) {
        self.upload.take(block);
    }
}
