//! A seal: the load's own blocks go to the device as they are hashed.

use std::sync::Arc;
use std::time::Instant;

use napi_derive::napi;
use verify::{Ask, Block, Consumer, Control, Root, Verified, load_into};
use vram::{Code, Sealed, Sealing, Vault, VramError};

use super::evidence::EvidenceView;
use super::failure::VramFailure;
use super::place::Spot;
use super::record::SealRecordView;
use super::shard::NativeShard;
use super::vault;
use crate::model::NativeGguf;
use crate::proving::{Proof, RecordNotes};
use crate::thread::Held;
use crate::verdict::{Facts, Refusal};

/// The file's verdict, and what became of its seal: one of `refusal`, `failure` and `shard` is there.
#[napi(object, object_from_js = false)]
#[derive(Default)]
pub(crate) struct SealedView {
    pub refusal: Option<Refusal>,
    pub failure: Option<VramFailure>,
    pub shard: Option<NativeShard>,
    pub gguf: Option<NativeGguf>,
    pub facts: Option<Facts>,
    pub sha256: Option<String>,
    pub blake3: Option<String>,
    pub proof: Option<Proof>,
    pub records: Option<RecordNotes>,
    pub evidence: Option<EvidenceView>,
    /// One a file.
    pub seals: Option<Vec<SealRecordView>>,
    /// From the first look at the file to the seal.
    pub seconds: Option<f64>,
}

impl Held for SealedView {
    fn held_bytes(&self) -> i64 {
        self.gguf.as_ref().map_or(0, NativeGguf::held_bytes)
    }
}

pub(super) fn run(root: &Root, ask: &Ask, spot: Spot, control: &Control) -> SealedView {
    let vault = match vault::shared() {
        Ok(vault) => vault,
        Err(error) => return SealedView::from(error),
    };
    let started = Instant::now();
    let mut upload = Upload::new(&vault, spot, control);
    let loaded = load_into(root, ask, control, &mut [&mut upload]);
    match (upload.state, loaded) {
        // The device comes first: it is why the reading was stopped.
        (State::Failed(error), _) => SealedView::from(error),
        (_, Err(refusal)) => SealedView::from(refusal),
        (State::Filling(sealing), Ok(verified)) => {
            let sealed = sealing.finish(&verified);
            let seconds = started.elapsed().as_secs_f64();
            match sealed {
                Ok(sealed) => made(&vault, sealed, &verified, seconds),
                Err(error) => SealedView {
                    failure: Some(error.into()),
                    ..SealedView::of(&verified)
                },
            }
        }
        (State::Waiting(_), Ok(_)) => SealedView::from(VramError::new(
            Code::Internal,
            "the file was verified without a byte of it being read",
        )),
    }
}

fn made(vault: &Arc<Vault>, sealed: Sealed, verified: &Verified, seconds: f64) -> SealedView {
    SealedView {
        seals: Some(vec![(&sealed.record).into()]),
        evidence: Some(sealed.evidence.into()),
        shard: Some(NativeShard::new(Arc::clone(vault), sealed.handle)),
        seconds: Some(seconds),
        ..SealedView::of(verified)
    }
}

/// Makes room on the device once the file is open and its size known, and fills it.
struct Upload<'run> {
    vault: &'run Vault,
    control: &'run Control,
    state: State<'run>,
}

enum State<'run> {
    Waiting(Option<Spot>),
    Filling(Sealing<'run>),
    Failed(VramError),
}

impl<'run> Upload<'run> {
    fn new(vault: &'run Vault, spot: Spot, control: &'run Control) -> Self {
        Self {
            vault,
            control,
            state: State::Waiting(Some(spot)),
        }
    }

    /// A device that cannot take the model ends the reading: there is nothing left to read for.
    fn begin(&mut self, spot: Spot) {
        let bytes = self.control.bytes_total();
        let begun = self
            .vault
            .begin(spot.device, Some(spot.backend), bytes, spot.policy);
        self.state = match begun {
            Ok(sealing) => State::Filling(sealing.under(spot.key)),
            Err(error) => {
                self.control.cancel();
                State::Failed(error.on(spot.device))
            }
        };
    }
}

impl Consumer for Upload<'_> {
    fn take(&mut self, block: &Block) {
        if let State::Waiting(spot) = &mut self.state
            && let Some(spot) = spot.take()
        {
            self.begin(spot);
        }
        if let State::Filling(sealing) = &mut self.state {
            sealing.take(block);
        }
    }
}

impl SealedView {
    /// What is known of the file.
    pub(super) fn of(verified: &Verified) -> Self {
        Self {
            gguf: Some(NativeGguf::new(verified.header())),
            facts: Some(verified.facts().into()),
            sha256: Some(verified.sha256().to_string()),
            blake3: verified.tiles().map(|tiles| tiles.root().to_string()),
            proof: Some(verified.proven_by().into()),
            records: Some(verified.records().into()),
            ..Self::default()
        }
    }
}

impl From<VramError> for SealedView {
    fn from(error: VramError) -> Self {
        Self {
            failure: Some(error.into()),
            ..Self::default()
        }
    }
}

impl From<verify::Refusal> for SealedView {
    fn from(refusal: verify::Refusal) -> Self {
        Self {
            records: Some((&refusal.records).into()),
            refusal: Some(refusal.into()),
            ..Self::default()
        }
    }
}
