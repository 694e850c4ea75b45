//! Bytes that are pushed from outside through the same pass as a file's.
//!
//! They are copied into private buffers before anyone looks at them. What the caller's memory
//! becomes afterwards, or becomes during the copy, can change the verdict but not the safety.

use crate::control::lock;
use crate::judge::{Judge, Proof, guarded};
use crate::pass::{self, TUNING, Tuning};
use crate::ring::{Claim, Failure, Ring};
use crate::tiles::Tiler;
use crate::{Code, Control, Refusal};
use digest::{Blake3Digest, Sha256Digest, sha256_implementation};
use gguf::{Header, Policy};
use std::io;
use std::sync::{Arc, Mutex};
use std::thread::{Builder, JoinHandle};
use std::time::Instant;

/// Bytes that were all hashed and judged. Only [`BytesPass::finish`] builds one.
#[derive(Debug)]
pub struct VerifiedBytes {
    proof: Proof,
    blake3: Blake3Digest,
    size: u64,
    digest_expected: bool,
    seconds: f64,
}

impl VerifiedBytes {
    /// The digest of all bytes.
    pub fn sha256(&self) -> Sha256Digest {
        self.proof.sha256
    }

    /// The BLAKE3 digest of all bytes.
    pub fn blake3(&self) -> Blake3Digest {
        self.blake3
    }

    /// How many bytes there were.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// What the header says.
    pub fn header(&self) -> &Arc<Header> {
        &self.proof.header
    }

    /// Whether the digest was asked for, or only computed.
    pub fn digest_expected(&self) -> bool {
        self.digest_expected
    }

    /// The instructions that computed the digest.
    pub fn implementation(&self) -> &'static str {
        sha256_implementation()
    }

    /// How long it took from the start to the verdict.
    pub fn seconds(&self) -> f64 {
        self.seconds
    }
}

/// A running pass over pushed bytes. Dropping it ends the pass and frees its memory.
pub struct BytesPass {
    ring: Arc<Ring>,
    control: Control,
    total: u64,
    /// The block that is being filled, and how far.
    progress: Mutex<Progress>,
    /// The thread that judges, or why it could not be started; taken by `finish`.
    judging: Option<io::Result<JoinHandle<Result<VerifiedBytes, Refusal>>>>,
}

#[derive(Default)]
struct Progress {
    filling: Option<(Claim, usize)>,
    /// How many bytes were offered and taken.
    accepted: u64,
}

impl BytesPass {
    /// Starts a pass over exactly `total` bytes on a thread of its own.
    pub fn start(
        total: u64,
        expected: Option<Sha256Digest>,
        policy: Policy,
        control: Control,
    ) -> Self {
        Self::start_tuned(total, expected, policy, control, TUNING)
    }

    fn start_tuned(
        total: u64,
        expected: Option<Sha256Digest>,
        policy: Policy,
        control: Control,
        tuning: Tuning,
    ) -> Self {
        let ring = Ring::new(tuning.shape(total));
        control.start(total);
        let task = Task {
            ring: Arc::clone(&ring),
            control: control.clone(),
            judge: Judge::new(total, expected, policy),
            total,
            block_bytes: tuning.block_bytes,
        };
        let judging = Builder::new()
            .name("model-judge".to_owned())
            .spawn(move || task.run());
        if judging.is_err() {
            ring.close();
        }
        Self {
            ring,
            control,
            total,
            progress: Mutex::default(),
            judging: Some(judging),
        }
    }

    /// Copies as many of the next bytes as there is room for and says how many. Never blocks.
    /// Once the verdict no longer depends on them, bytes are taken and thrown away.
    pub fn offer(&self, bytes: &[u8]) -> usize {
        self.offer_from(bytes.len(), &mut |start, space| {
            let end = start + space.len();
            space.copy_from_slice(bytes.get(start..end).unwrap_or_default());
        })
    }

    /// As `offer`, of `length` bytes that `copy` puts into the room it is given, from the start it
    /// is given: for memory that must not be borrowed because others write to it.
    pub fn offer_from(&self, length: usize, copy: &mut dyn FnMut(usize, &mut [u8])) -> usize {
        let mut progress = lock(&self.progress);
        let mut taken = 0;
        while taken < length {
            if self.control.is_cancelled() || progress.is_over(self.total, &self.ring) {
                progress.accepted = progress.accepted.saturating_add((length - taken) as u64);
                return length;
            }
            let Some(count) = progress.fill(&self.ring, length - taken, |space| copy(taken, space))
            else {
                break;
            };
            taken += count;
        }
        taken
    }

    /// Waits until `offer` would take something, or the pass was cancelled.
    pub fn wait_room(&self) {
        let progress = lock(&self.progress);
        let has_room = progress.filling.is_some() || progress.is_over(self.total, &self.ring);
        drop(progress);
        if !has_room {
            self.ring.wait_for_room(&self.control);
        }
    }

    /// Waits for the verdict on all bytes. Fewer or more than announced are a refusal.
    pub fn finish(mut self) -> Result<VerifiedBytes, Refusal> {
        let accepted = lock(&self.progress).accepted;
        self.ring.end(Failure::Short { offset: accepted });
        let judging = self.judging.take().ok_or_else(Refusal::internal)?;
        let judging = judging
            .map_err(|error| Refusal::io("starting a judging thread", error.raw_os_error()))?;
        let verdict = judging.join().unwrap_or_else(|_| Err(Refusal::internal()));
        let interrupted = matches!(&verdict, Err(refusal) if is_interruption(refusal.code));
        if accepted > self.total && !interrupted {
            return Err(overrun(self.total));
        }
        verdict
    }
}

impl Drop for BytesPass {
    fn drop(&mut self) {
        self.ring.end(Failure::Aborted);
        self.ring.close();
    }
}

impl Progress {
    fn is_over(&self, total: u64, ring: &Ring) -> bool {
        self.accepted >= total || (self.filling.is_none() && ring.wants_nothing())
    }

    /// Fills what is left of the current block, or some of it. None if no buffer is free.
    fn fill(&mut self, ring: &Ring, length: usize, copy: impl FnOnce(&mut [u8])) -> Option<usize> {
        let (mut claim, start) = match self.filling.take() {
            Some(filling) => filling,
            None => (ring.try_claim()?, 0),
        };
        let space = claim.space();
        let block_bytes = space.len();
        let end = block_bytes.min(start.saturating_add(length));
        copy(space.get_mut(start..end).unwrap_or_default());
        if end == block_bytes {
            ring.publish(claim);
        } else {
            self.filling = Some((claim, end));
        }
        self.accepted += (end - start) as u64;
        Some(end - start)
    }
}

/// What the judging thread owns.
struct Task {
    ring: Arc<Ring>,
    control: Control,
    judge: Judge,
    total: u64,
    block_bytes: usize,
}

impl Task {
    fn run(mut self) -> Result<VerifiedBytes, Refusal> {
        guarded(move || {
            let started = Instant::now();
            let mut tiler = Tiler::start(self.total, self.block_bytes);
            pass::drive(
                &self.ring,
                &self.control,
                &mut [&mut tiler, &mut self.judge],
            )?;
            let digest_expected = self.judge.expects_digest();
            Ok(VerifiedBytes {
                proof: self.judge.hashed().verdict()?,
                blake3: tiler.finish()?.root(),
                size: self.total,
                digest_expected,
                seconds: started.elapsed().as_secs_f64(),
            })
        })
    }
}

/// Whether the pass ended for a reason that has nothing to do with the bytes.
fn is_interruption(code: Code) -> bool {
    matches!(code, Code::Aborted | Code::Internal)
}

fn overrun(total: u64) -> Refusal {
    let message = format!("more bytes came than the {total} that were announced");
    Refusal {
        offset: Some(total),
        ..Refusal::new(Code::ChangedWhileRead, message)
    }
}
