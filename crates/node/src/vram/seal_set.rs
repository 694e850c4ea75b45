//! A seal of a split model: each part's blocks go to the device as they are hashed, and all parts are sealed or none.

use std::sync::Arc;
use std::time::Instant;

use digest::Sha256Digest;
use napi_derive::napi;
use verify::{Control, PartConsumer, Root, SetAsk, Verified, load_set_into};
use vram::{Code, SetSealing, Vault, VramError};

use super::evidence::EvidenceView;
use super::failure::VramFailure;
use super::place::Spot;
use super::record::SealRecordView;
use super::seal::SealedView;
use super::shard::NativeShard;
use super::vault;
use crate::proving::RecordNotes;
use crate::thread::Held;
use crate::verdict::Refusal;

/// The set's verdict, and what became of its seal: one of `refusal`, `failure` and `shard` is there.
#[napi(object, object_from_js = false)]
#[derive(Default)]
pub(crate) struct SealedSetView {
    pub refusal: Option<Refusal>,
    pub failure: Option<VramFailure>,
    pub shard: Option<NativeShard>,
    /// What is known of the files, in order, once they are verified.
    pub parts: Option<Vec<SealedView>>,
    /// The digest of the set.
    pub sha256: Option<String>,
    pub records: Option<RecordNotes>,
    pub evidence: Option<EvidenceView>,
    /// One a file.
    pub seals: Option<Vec<SealRecordView>>,
    /// From the first look at the files to the seal.
    pub seconds: Option<f64>,
}

impl Held for SealedSetView {
    fn held_bytes(&self) -> i64 {
        self.parts.iter().flatten().map(Held::held_bytes).sum()
    }
}

pub(super) fn run(root: &Root, ask: &SetAsk, spot: Spot, control: &Control) -> SealedSetView {
    let vault = match vault::shared() {
        Ok(vault) => vault,
        Err(error) => return SealedSetView::from(error),
    };
    let started = Instant::now();
    let mut begun = None;
    let loaded = load_set_into(root, ask, control, |sizes| {
        let sealing = vault.begin_set(spot.device, Some(spot.backend), sizes, &spot.policy);
        let consumers = sealing.as_ref().map_or_else(
            |_| {
                // A device that cannot take the model ends the reading: there is nothing left to read for.
                control.cancel();
                Vec::new()
            },
            consumers,
        );
        begun = Some(sealing);
        consumers
    });
    match (begun, loaded) {
        // The device comes first: it is why the reading was stopped.
        (Some(Err(error)), _) => SealedSetView::from(error.on(spot.device)),
        (_, Err(refusal)) => SealedSetView::from(refusal),
        (Some(Ok(sealing)), Ok((parts, sha256))) => {
            let sealed = finish(&vault, sealing.under(spot.key), &parts, sha256);
            SealedSetView {
                seconds: Some(started.elapsed().as_secs_f64()),
                ..sealed
            }
        }
        (None, Ok(_)) => SealedSetView::from(VramError::new(
            Code::Internal,
            "the files were verified without a byte of them being read",
        )),
    }
}

fn consumers(sealing: &SetSealing<'_>) -> Vec<PartConsumer> {
    let feeders = sealing.feeders().into_iter();
    feeders.map(|feeder| Box::new(feeder) as _).collect()
}

fn finish(
    vault: &Arc<Vault>,
    sealing: SetSealing<'_>,
    parts: &[Verified],
    sha256: Sha256Digest,
) -> SealedSetView {
    let known = SealedSetView {
        parts: Some(parts.iter().map(SealedView::of).collect()),
        sha256: Some(sha256.to_string()),
        ..SealedSetView::default()
    };
    match sealing.finish(parts) {
        Ok(sealed) => SealedSetView {
            seals: Some(sealed.records.iter().map(SealRecordView::from).collect()),
            evidence: Some(sealed.evidence.into()),
            shard: Some(NativeShard::new(Arc::clone(vault), sealed.handle)),
            ..known
        },
        Err(error) => SealedSetView {
            failure: Some(error.into()),
            ..known
        },
    }
}

impl From<VramError> for SealedSetView {
    fn from(error: VramError) -> Self {
        Self {
            failure: Some(error.into()),
            ..Self::default()
        }
    }
}

impl From<verify::Refusal> for SealedSetView {
    fn from(refusal: verify::Refusal) -> Self {
        Self {
            records: Some((&refusal.records).into()),
            refusal: Some(refusal.into()),
            ..Self::default()
        }
    }
}
