//! Sealing: bytes go to the device as they are hashed, and count only once the device's own digests agree.

use crate::shard::{Facts, Shard, Watch, unix_ms};
use crate::tensors::TensorMap;
use crate::{
    Access, Clock, Code, DriverModel, Evidence, Gpu, Level, Memory, Placement, Policy,
    SEAL_RECORD_VERSION, SealKey, SealRecord, SealedRange, Verdict, VramError, boot, latency,
    self_test,
};
use digest::{Blake3Digest, Tiling};
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::{Builder, JoinHandle};
use verify::{Block, Consumer, Control, Verified};

/// Memory that is being filled. Dropped, everything is freed.
pub(crate) struct Upload {
    gpu: Arc<dyn Gpu>,
    policy: Policy,
    identity: Identity,
    tiling: Tiling,
    feeder: Feeder,
    filling: Option<JoinHandle<Filling>>,
}

/// What the seal record is to say of the file, beside what it holds.
#[derive(Clone, Copy)]
pub(crate) struct Identity {
    pub(crate) shard_id: [u8; 16],
    /// Which of the model's files it is, counted from 1, and how many there are.
    pub(crate) part: u32,
    pub(crate) parts: u32,
    /// BLAKE3 of the policy that the caller demands of the whole model.
    pub(crate) policy: Blake3Digest,
}

impl Identity {
    /// That of a model of one file; the others of a split model differ in `part` alone.
    pub(crate) fn new(policy: &Policy, parts: u32) -> Result<Self, VramError> {
        let mut shard_id = [0; 16];
        self_test::fill(&mut shard_id)?;
        Ok(Self {
            shard_id,
            part: 1,
            parts,
            policy: (*blake3::hash(policy.canonical().as_bytes()).as_bytes()).into(),
        })
    }
}

/// The way of a file's blocks to the thread that uploads them. It may outlive the upload, and leads nowhere then.
#[derive(Clone)]
pub struct Feeder(Sender<Fed>);

/// A block, or that no more will come.
enum Fed {
    Block(Block),
    End,
}

impl Consumer for Feeder {
    fn take(&mut self, block: &Block) {
        // It can only fail when the thread has ended, and whoever asks it for the memory is told why.
        drop(self.0.send(Fed::Block(block.clone())));
    }
}

/// On the thread that fills it.
struct Filling {
    memory: Box<dyn Memory>,
    filled_bytes: u64,
    outcome: Result<(), VramError>,
}

impl Upload {
    /// Admits the device, allocates, and starts the thread that uploads. Nothing was read yet.
    pub(crate) fn begin(
        gpu: Arc<dyn Gpu>,
        bytes_total: u64,
        policy: Policy,
        identity: Identity,
    ) -> Result<Self, VramError> {
        policy.admit(gpu.device())?;
        policy.admit_bytes(bytes_total, &gpu.usage()?)?;
        let memory = gpu.allocate(bytes_total.max(1))?;
        let admitted = memory.placement().and_then(|placement| {
            policy.admit_memory(&placement)?;
            Ok(memory)
        });
        // A refused memory is freed here, by being dropped.
        let memory = admitted.map_err(|error| error.on(gpu.device().uuid))?;
        let (blocks, arriving) = channel();
        let work = move || Filling::new(memory).take_all(&arriving);
        let filling = Builder::new().name("model-upload".to_owned()).spawn(work);
        let filling = filling.map_err(|error| {
            VramError::new(Code::Internal, format!("no thread to upload on: {error}"))
        })?;
        Ok(Self {
            gpu,
            policy,
            identity,
            tiling: Tiling::of(bytes_total),
            feeder: Feeder(blocks),
            filling: Some(filling),
        })
    }

    /// Where the file's blocks go.
    pub(crate) fn feeder(&self) -> Feeder {
        self.feeder.clone()
    }

    /// Ends the upload: the memory, with everything in it, or why not. What is refused is freed.
    fn end(&mut self) -> Result<Box<dyn Memory>, VramError> {
        // Feeders that are still about must not keep it waiting.
        drop(self.feeder.0.send(Fed::End));
        let filling = self.filling.take().map(JoinHandle::join);
        let Some(Ok(filling)) = filling else {
            let message = "the upload's thread died: nothing was sealed";
            return Err(VramError::new(Code::Internal, message));
        };
        filling.outcome?;
        if filling.filled_bytes != self.tiling.bytes_total() {
            let message = format!(
                "the file has {} bytes, and memory was made for {}: it changed meanwhile",
                filling.filled_bytes,
                self.tiling.bytes_total()
            );
            return Err(VramError::new(Code::SealMismatch, message));
        }
        Ok(filling.memory)
    }

    /// Seals what was uploaded, now that it is known what it had to be.
    pub(crate) fn seal(
        mut self,
        verified: &Verified,
        key: &SealKey,
        clock: &dyn Clock,
    ) -> Result<(Shard, Evidence), VramError> {
        let uuid = self.gpu.device().uuid;
        self.sealed(verified, key, clock)
            .map_err(|error| error.on(uuid))
    }

    fn sealed(
        &mut self,
        verified: &Verified,
        key: &SealKey,
        clock: &dyn Clock,
    ) -> Result<(Shard, Evidence), VramError> {
        let mut memory = self.end()?;
        let prepared = self.prepare(&mut *memory, verified);
        let (facts, record) = match prepared {
            Ok(prepared) => prepared,
            Err(error) => return Err(error_after(memory.release(), error)),
        };
        let mut shard = Shard {
            gpu: self.gpu.clone(),
            facts,
            record,
            memory: Mutex::new(Some(memory)),
            closing: AtomicBool::new(false),
        };
        match close(&mut shard, key, clock) {
            Ok(evidence) => Ok((shard, evidence)),
            // Whatever it was: nothing of it stays on the device.
            Err(error) => Err(error_after(shard.dispose(), error)),
        }
    }

    /// What the shard is to be, before the device has shown that it is.
    fn prepare(
        &self,
        memory: &mut dyn Memory,
        verified: &Verified,
    ) -> Result<(Facts, SealRecord), VramError> {
        let tiles = verified.tiles().ok_or_else(|| {
            VramError::new(Code::Internal, "the file was verified without tile values")
        })?;
        if tiles.tiling() != self.tiling {
            let message = "the verified file is not the one that was uploaded";
            return Err(VramError::new(Code::SealMismatch, message));
        }
        memory.flush()?;
        let placement = memory.placement()?;
        self.policy.admit_memory(&placement)?;
        let facts = Facts {
            tiles: tiles.clone(),
            tensors: TensorMap::of(verified.header()),
            policy: self.policy.clone(),
            scale: latency::scale(&*self.gpu)?,
            calibrated_seconds: None,
            access: Access::ReadWrite,
            allocation_id: placement.allocation_id,
            ecc_uncorrected: self.gpu.usage()?.ecc_uncorrected,
        };
        let record = self.record(&facts, &placement, verified);
        Ok((facts, record))
    }

    fn record(&self, facts: &Facts, placement: &Placement, verified: &Verified) -> SealRecord {
        let device = self.gpu.device();
        let Identity {
            shard_id,
            part,
            parts,
            policy,
        } = self.identity;
        SealRecord {
            version: SEAL_RECORD_VERSION,
            shard_id,
            part,
            parts,
            backend: device.backend,
            device: device.uuid,
            pci: device.pci,
            driver: device.driver.clone(),
            kernel: self.gpu.kernel().blake3,
            boot_id: boot::id(),
            ranges: vec![SealedRange {
                allocation_id: placement.allocation_id,
                offset: 0,
                bytes: self.tiling.bytes_total(),
            }],
            root: facts.tiles.root(),
            sha256: verified.sha256().to_string(),
            access: facts.access,
            policy,
            sealed_at_unix_ms: unix_ms(),
            mac: [0; 32],
        }
    }
}

impl Consumer for Upload {
    fn take(&mut self, block: &Block) {
        self.feeder.take(block);
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        // A load that was refused: the memory is cleared and freed as it is dropped.
        drop(self.end());
    }
}

impl Filling {
    fn new(memory: Box<dyn Memory>) -> Self {
        Self {
            memory,
            filled_bytes: 0,
            outcome: Ok(()),
        }
    }

    /// After a failure the blocks are only given back: the verdict on the file does not wait for it.
    fn take_all(mut self, blocks: &Receiver<Fed>) -> Self {
        while let Ok(Fed::Block(block)) = blocks.recv() {
            if self.outcome.is_ok() {
                self.outcome = self.take(&block);
            }
        }
        self
    }

    fn take(&mut self, block: &Block) -> Result<(), VramError> {
        let end = block.offset().saturating_add(block.bytes().len() as u64);
        if end > self.memory.bytes() {
            let message = "the file has more bytes than memory was made for: it changed meanwhile";
            return Err(VramError::new(Code::SealMismatch, message));
        }
        self.memory.upload(block.offset(), block.bytes())?;
        self.filled_bytes += block.bytes().len() as u64;
        if self.filled_bytes < self.memory.bytes() {
            return Ok(());
        }
        // Staging goes at once: the other files of a split model may have long to go.
        self.memory.flush()
    }
}

/// Checks everything, takes the device's right to write, and checks everything again: what was written in
/// between, by whomever, is found. The first check calibrates the second.
fn close(shard: &mut Shard, key: &SealKey, clock: &dyn Clock) -> Result<Evidence, VramError> {
    let control = Control::new();
    let watch = Watch {
        clock,
        control: &control,
    };
    let first = good(shard.check(&Level::Full, watch)?)?;
    shard.facts.calibrated_seconds = Some(first.timing.wall_seconds);
    let access = shard.with_memory(watch, |memory| memory.protect())?;
    if shard.facts.policy.require_read_only && access != Access::ReadOnly {
        let message = "the driver did not make the memory read-only";
        return Err(VramError::violation("requireReadOnly", message));
    }
    shard.facts.access = access;
    shard.record.access = access;
    shard.record = shard.record.clone().sealed(key);
    let evidence = good(shard.check(&Level::Full, watch)?)?;
    demanded(
        &shard.facts.policy,
        shard.gpu.device().driver_model,
        evidence,
    )
}

/// What is on the device must be the file, and must be on the device.
fn good(evidence: Evidence) -> Result<Evidence, VramError> {
    if evidence.verdict != Verdict::NotResident {
        return Ok(evidence);
    }
    let code = if evidence.content.bad_tiles_count > 0 {
        Code::SealMismatch
    } else {
        Code::NotResident
    };
    let message = format!(
        "{}; everything was freed and nothing was sealed",
        evidence.reasons.join("; ")
    );
    Err(VramError {
        evidence: Some(Box::new(evidence)),
        ..VramError::new(code, message)
    })
}

/// A seal that cannot show what is demanded of every later check is none. Where the system owns the memory
/// and may make it in RAM, that it was shown to be on the device is always demanded.
fn demanded(
    policy: &Policy,
    model: Option<DriverModel>,
    evidence: Evidence,
) -> Result<Evidence, VramError> {
    let systems = matches!(model, Some(DriverModel::Wddm | DriverModel::Mcdm));
    if systems && evidence.verdict == Verdict::Inconclusive {
        let message = evidence.reasons.join("; ");
        return Err(VramError {
            evidence: Some(Box::new(evidence)),
            ..VramError::violation("driverModel", message)
        });
    }
    fraction_shown(policy.resident_fraction_min, evidence)
}

/// Time must show as much as is demanded.
pub(crate) fn fraction_shown(
    demanded: Option<f64>,
    evidence: Evidence,
) -> Result<Evidence, VramError> {
    let shown = evidence.timing.resident_fraction_min.unwrap_or(0.0);
    if demanded.is_none_or(|demanded| shown >= demanded) {
        return Ok(evidence);
    }
    let message = format!(
        "time shows only {:.1} % of it to be on the device",
        shown * 100.0
    );
    Err(VramError {
        evidence: Some(Box::new(evidence)),
        ..VramError::violation("residentFractionMin", message)
    })
}

/// The first failure is told; one that came while freeing is told with it.
pub(crate) fn error_after(released: Result<u64, VramError>, mut error: VramError) -> VramError {
    if let Err(second) = released {
        error.message = format!("{}; freeing the memory failed too: {second}", error.message);
    }
    error
}

#[cfg(test)]
mod tests;
