//! A load: from a path beneath the root to the proof that its bytes were judged, or a refusal.

use crate::copy::prove_copy;
use crate::guard::{Hold, Setting};
use crate::judge::{Proof, ProvenBy, guarded};
use crate::pass::{Consumer, TUNING};
use crate::prove::{prove, small_enough};
use crate::reader::Source;
use crate::recall::{self, recall};
use crate::records::{Records, RecordsReport};
use crate::set::judge_lone;
use crate::{Control, FileFacts, Guard, Guarding, Refusal, Root, Tiles, late, platform, window};
use digest::{Blake3Digest, Sha256Digest, sha256_implementation};
use gguf::{Header, Policy};
use std::fs::File;
use std::num::NonZero;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::{Instant, SystemTime};

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Ask {
    /// The file's path as bytes: relative to the root, or absolute and below it.
    pub path: Vec<u8>,
    /// The digest that the file must have; computed and reported in any case.
    pub expected: Option<Sha256Digest>,
    /// A larger file is refused before it is read, in bytes.
    pub bytes_max: u64,
    /// What the parser refuses.
    pub policy: Policy,
    /// How the digest is proven.
    pub proving: Proving,
    /// What must keep the bytes from changing afterwards.
    pub guarding: Guarding,
}

/// How the digest is proven, and what is made on the way.
#[derive(Clone, Debug)]
pub struct Proving {
    /// Make tile values beside the SHA-256: a quarter of a core's work more, on a second core.
    pub tiles: bool,
    /// Where full verifications are recorded, so that a later load of the same digest is proven by tiles.
    pub records: Option<Records>,
    /// Where there are records: believe also that the inode that was verified is what it was, if its facts are the
    /// same and a lease shows that nobody can have written to it. Trusts root, the kernel and the clock.
    pub identity: bool,
    /// Compute the SHA-256 in any case, whatever was recorded.
    pub flat_always: bool,
    /// Threads that a proof by tiles runs on, at most [`THREADS_MAX`]; 0 for as many as may run at once.
    pub threads: usize,
}

/// More threads than that would cost more memory than they bring speed: each holds a block.
pub const THREADS_MAX: usize = 32;

impl Default for Proving {
    fn default() -> Self {
        Self {
            tiles: true,
            records: None,
            identity: false,
            flat_always: false,
            threads: 0,
        }
    }
}

impl Proving {
    pub(crate) fn threads(&self) -> usize {
        let threads = match self.threads {
            0 => std::thread::available_parallelism().map_or(1, NonZero::get),
            chosen => chosen,
        };
        threads.min(THREADS_MAX)
    }
}

/// A model whose every byte was read, hashed and judged. Only [`load`] builds one.
///
/// It keeps the file open: the descriptor is the file that was verified, whatever its path comes
/// to mean. What keeps its bytes from changing is its [`Guard`].
#[derive(Debug)]
pub struct Verified {
    /// Dropped before the file, so that the lease is given back while somebody can.
    hold: Hold,
    file: Arc<File>,
    facts: FileFacts,
    proof: Proof,
    /// Tile values that were first needed after the verdict.
    late_tiles: Mutex<Option<Tiles>>,
    digest_expected: bool,
    seconds: f64,
}

impl Verified {
    pub(crate) fn of(
        proof: Proof,
        hold: Hold,
        file: Arc<File>,
        facts: FileFacts,
        digest_expected: bool,
        seconds: f64,
    ) -> Self {
        Self {
            hold,
            file,
            facts,
            proof,
            late_tiles: Mutex::default(),
            digest_expected,
            seconds,
        }
    }

    /// The file's facts when it was opened, which were the same when it had been read.
    pub fn facts(&self) -> &FileFacts {
        &self.facts
    }

    /// The digest of all bytes.
    pub fn sha256(&self) -> Sha256Digest {
        self.proof.sha256
    }

    /// The tile values of the same bytes, unless they were not asked for.
    pub fn tiles(&self) -> Option<&Tiles> {
        self.proof.tiles()
    }

    /// The BLAKE3 digest of the same bytes, unless tile values were not asked for.
    pub fn blake3(&self) -> Option<Blake3Digest> {
        self.proof.blake3()
    }

    /// What proves the digest.
    pub fn proven_by(&self) -> ProvenBy {
        self.proof.by
    }

    /// What became of the record of an earlier verification, and of this one's.
    pub fn records(&self) -> &RecordsReport {
        &self.proof.records
    }

    /// Copies these bytes out of the file, every tile checked on its way against the value that was verified:
    /// whatever became of the file, the copy is of the bytes that were judged, or [`ChangedAfterCheck`](crate::Code::ChangedAfterCheck).
    /// Where tile values were not asked for, the first copy waits for them: the whole file is read and proven anew.
    pub fn read(&self, range: Range<u64>, control: &Control) -> Result<Vec<u8>, Refusal> {
        let tiles = self.tiles_at_last(control)?;
        guarded(|| window::read(&*self.file, &tiles, range, control))
            .map_err(|refusal| refusal.with_facts(self.facts))
    }

    /// The tile values, also where they were not asked for: the first call then reads the whole file and proves it
    /// anew.
    pub fn tiles_at_last(&self, control: &Control) -> Result<Tiles, Refusal> {
        if let Some(tiles) = self.tiles() {
            return Ok(tiles.clone());
        }
        guarded(|| late::tiles(&self.late_tiles, &self.file, self.sha256(), control))
            .map_err(|refusal| refusal.with_facts(self.facts))
    }

    /// What the header says.
    pub fn header(&self) -> &Arc<Header> {
        &self.proof.header
    }

    /// Whether the digest was asked for, or only computed.
    pub fn digest_expected(&self) -> bool {
        self.digest_expected
    }

    /// What keeps the bytes from changing now. A lease that somebody broke is none any more.
    pub fn guard(&self) -> Guard {
        self.hold.guard()
    }

    /// Whether the bytes were guarded better when they were handed over.
    pub fn guard_broken(&self) -> bool {
        self.hold.is_broken()
    }

    /// Why the guard is no better one, of those that were to be tried.
    pub fn guard_shortfall(&self) -> Option<String> {
        self.hold.shortfall()
    }

    /// The digest by which the kernel checks the file, as `sha256:HEX`, under fs-verity.
    pub fn verity_digest(&self) -> Option<String> {
        self.hold.verity()
    }

    /// The instructions that computed the digest.
    pub fn implementation(&self) -> &'static str {
        sha256_implementation()
    }

    /// How long opening, reading and judging took.
    pub fn seconds(&self) -> f64 {
        self.seconds
    }
}

#[cfg(unix)]
impl std::os::fd::AsFd for Verified {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// Loads one model. Blocks until the verdict; to be called on a thread that may block.
pub fn load(root: &Root, ask: &Ask, control: &Control) -> Result<Verified, Refusal> {
    load_into(root, ask, control, &mut [])
}

/// Loads one model and hands its blocks to `consumers` as they pass. The bytes are not yet judged
/// then: nothing made of them may be used before this returns a [`Verified`].
pub fn load_into(
    root: &Root,
    ask: &Ask,
    control: &Control,
    consumers: &mut [&mut dyn Consumer],
) -> Result<Verified, Refusal> {
    guarded(|| {
        let started = Instant::now();
        let (file, facts) = open(root, &ask.path, control)?;
        let file = Arc::new(file);
        let (proof, hold, file) = guard_and_prove(file, &facts, ask, control, consumers)
            .map_err(|refusal| refusal.with_facts(facts))?;
        let expected = ask.expected.is_some();
        let seconds = started.elapsed().as_secs_f64();
        Ok(Verified::of(proof, hold, file, facts, expected, seconds))
    })
}

fn guard_and_prove(
    file: Arc<File>,
    facts: &FileFacts,
    ask: &Ask,
    control: &Control,
    consumers: &mut [&mut dyn Consumer],
) -> Result<(Proof, Hold, Arc<File>), Refusal> {
    // Before the guard, which may be a copy in memory.
    small_enough(facts, ask)?;
    let mut setting = Setting::begin(&file, facts.size, facts.size, ask.guarding)?;
    // Whoever wants the blocks has them read.
    let alone = consumers.is_empty() && setting.consumer().is_none();
    let mut notes = RecordsReport::default();
    let recalled = if alone {
        recall(&file, facts, ask, &setting, &mut notes, control)?
    } else {
        None
    };
    let proven = recalled.map_or_else(
        || read_all(&file, facts, ask, &mut setting, control, consumers),
        Ok,
    );
    let proof = proven.map_err(|refusal| refusal.with_notes(&notes))?;
    let sha256 = proof.sha256;
    judge_lone(&proof.header, &ask.path, ask.policy).map_err(|it| it.with_sha256(sha256))?;
    let ended = setting.finish(file);
    let (hold, file) = ended.map_err(|refusal| refusal.with_sha256(sha256))?;
    if hold.guard() == Guard::Sealed {
        let tiles = proof.tiles().ok_or_else(Refusal::internal)?;
        prove_copy(&file, tiles, ask.proving.threads(), control)
            .map_err(|refusal| refusal.with_sha256(sha256))?;
    }
    let records = proof.records.with(&notes);
    Ok((Proof { records, ..proof }, hold, file))
}

/// Reads every byte, and ties what was proven to what the kernel says of the file.
fn read_all(
    file: &Arc<File>,
    facts: &FileFacts,
    ask: &Ask,
    setting: &mut Setting,
    control: &Control,
    consumers: &mut [&mut dyn Consumer],
) -> Result<Proof, Refusal> {
    let started = SystemTime::now();
    let mut everyone: Vec<&mut dyn Consumer> = Vec::with_capacity(consumers.len() + 1);
    everyone.extend(setting.consumer());
    everyone.extend(consumers.iter_mut().map(|consumer| &mut **consumer as _));
    let mut proof = prove(file, facts, ask, TUNING, control, &mut everyone)?;
    recall::remember(file, facts, ask, setting, &mut proof, started);
    Ok(proof)
}

pub(crate) fn open(
    root: &Root,
    path: &[u8],
    control: &Control,
) -> Result<(File, FileFacts), Refusal> {
    if control.is_cancelled() {
        return Err(Refusal::aborted());
    }
    root.open_file(path)
}

pub(crate) fn look_again<S: Source>(source: &S) -> Result<FileFacts, Refusal> {
    source.facts().map_err(|platform::Fault { errno, .. }| {
        Refusal::io("looking at the file after reading it", Some(errno))
    })
}

#[cfg(test)]
mod tests;
