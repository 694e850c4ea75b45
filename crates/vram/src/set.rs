//! Sealing a split model: all of its files, or none.

use crate::model::Model;
use crate::sealing::{Feeder, Identity, Upload, error_after, fraction_shown};
use crate::together::together;
use crate::{
    BackendKind, Code, DeviceUuid, Evidence, Gpu, Handle, Policy, SealKey, SealRecord, Vault,
    VramError,
};
use std::sync::Arc;
use verify::Verified;

/// A split model on its way to the device: one upload a file. Dropped, everything is freed.
pub struct SetSealing<'vault> {
    vault: &'vault Vault,
    uploads: Vec<Upload>,
    fraction_min: Option<f64>,
    key: Option<SealKey>,
}

/// A sealed split model.
#[derive(Debug)]
pub struct SealedSet {
    /// Its name from now on.
    pub handle: Handle,
    /// What was sealed of each file, in order, under this vault's MAC.
    pub records: Vec<SealRecord>,
    /// What the last look before this answer saw, of all files and of each.
    pub evidence: Evidence,
}

impl Vault {
    /// Makes room for files of so many bytes, which are one model; refuses a device that the policy does not admit, or
    /// that has no room for all of them. Each file's blocks go to its feeder.
    ///
    /// # Errors
    /// As [`Vault::begin`]; of one file, `part` says of which.
    pub fn begin_set(
        &self,
        device: DeviceUuid,
        backend: Option<BackendKind>,
        parts: &[u64],
        policy: &Policy,
    ) -> Result<SetSealing<'_>, VramError> {
        let gpu = self.gpu(device, backend)?;
        policy.admit(gpu.device())?;
        let total = parts.iter().fold(0_u64, |sum, &it| sum.saturating_add(it));
        policy.admit_bytes(total, &gpu.usage()?)?;
        Ok(SetSealing {
            vault: self,
            uploads: begin_all(&gpu, parts, policy)?,
            fraction_min: policy.resident_fraction_min,
            key: None,
        })
    }
}

/// The first file that cannot be had ends it, and those before it are freed as they are dropped.
fn begin_all(gpu: &Arc<dyn Gpu>, parts: &[u64], policy: &Policy) -> Result<Vec<Upload>, VramError> {
    let count = u32::try_from(parts.len()).unwrap_or(u32::MAX);
    let identity = Identity::new(policy, count)?;
    // What time shows is said of all files together: one can be too small for it.
    let of_each = Policy {
        resident_fraction_min: None,
        ..policy.clone()
    };
    let begun = (1..).zip(parts).map(|(part, &bytes)| {
        let identity = Identity { part, ..identity };
        let begun = Upload::begin(gpu.clone(), bytes, of_each.clone(), identity);
        begun.map_err(|error| error.in_part(part, parts.len()))
    });
    begun.collect()
}

impl SetSealing<'_> {
    /// To be sealed under this key instead of the vault's own.
    #[must_use]
    pub fn under(self, key: Option<SealKey>) -> Self {
        Self { key, ..self }
    }

    /// Where the blocks of each file go, in order.
    pub fn feeders(&self) -> Vec<Feeder> {
        self.uploads.iter().map(Upload::feeder).collect()
    }

    /// Seals every file that was uploaded, now that the load has given its proof of all of them.
    ///
    /// # Errors
    /// As [`crate::Sealing::finish`], about a `part` or all of them. Everything is freed then.
    pub fn finish(self, verified: &[Verified]) -> Result<SealedSet, VramError> {
        let Self {
            vault,
            uploads,
            fraction_min,
            key,
        } = self;
        let mut model = Model {
            shards: Vec::with_capacity(uploads.len()),
            fraction_min,
        };
        if uploads.len() != verified.len() {
            let message = "other files were verified than room was made for";
            return Err(VramError::new(Code::Internal, message));
        }
        match seal_all(vault, uploads, (verified, key.as_ref()), &mut model) {
            Ok(evidence) => Ok(SealedSet {
                records: model.records(),
                handle: vault.keep(model),
                evidence,
            }),
            Err(error) => Err(error_after(model.dispose(), error)),
        }
    }
}

/// One after another, as they share the device. The uploads behind one that fails are dropped, and so freed.
fn seal_all(
    vault: &Vault,
    uploads: Vec<Upload>,
    (verified, key): (&[Verified], Option<&SealKey>),
    into: &mut Model,
) -> Result<Evidence, VramError> {
    let count = uploads.len();
    let mut seen = Vec::with_capacity(count);
    for (part, (upload, verified)) in (1..).zip(uploads.into_iter().zip(verified)) {
        let sealed = vault.seal(upload, verified, key);
        let (shard, evidence) = sealed.map_err(|it| it.in_part(part, count))?;
        into.shards.push(Arc::new(shard));
        seen.push(evidence);
    }
    fraction_shown(into.fraction_min, together(seen, None)?)
}
