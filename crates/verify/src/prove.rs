//! The proof of a digest: by the SHA-256 of all bytes, or by tiles that a record knows.

use crate::checked::Checked;
use crate::judge::{HeaderJudge, Judge, Proof, ProvenBy, unchanged};
use crate::load::look_again;
use crate::pass::{self, Consumer, Tuning};
use crate::reader::Source;
use crate::records::{Found, Ignored, RECORDED_BYTES_MIN, Record, RecordsReport};
use crate::ring::Failure;
use crate::tiles::Tiler;
use crate::{Ask, Code, Control, FileFacts, Guard, Refusal};
use digest::Sha256Digest;
use std::sync::Arc;

/// Proves by tiles where a record allows it, and by the SHA-256 otherwise.
pub(crate) fn prove<S: Source>(
    source: &Arc<S>,
    facts: &FileFacts,
    ask: &Ask,
    tuning: Tuning,
    control: &Control,
    consumers: &mut [&mut dyn Consumer],
) -> Result<Proof, Refusal> {
    small_enough(facts, ask)?;
    let mut report = RecordsReport::default();
    let proof = match recorded(facts, ask, &mut report) {
        Some((expected, record)) => {
            by_tiles(source, facts, ask, expected, record, control, consumers)
        }
        None => by_sha256(source, facts, ask, tuning, control, consumers)
            .inspect(|proof| remember(proof, ask, &mut report)),
    };
    match proof {
        Ok(proof) => Ok(Proof {
            records: report,
            ..proof
        }),
        Err(refusal) => Err(Refusal {
            records: report,
            ..refusal
        }),
    }
}

/// The record of the expected digest, where it may be used and is believed.
pub(crate) fn recorded(
    facts: &FileFacts,
    ask: &Ask,
    report: &mut RecordsReport,
) -> Option<(Sha256Digest, Record)> {
    let records = ask.proving.records.as_ref()?;
    let expected = ask.expected?;
    if ask.proving.flat_always || facts.size < RECORDED_BYTES_MIN {
        return None;
    }
    match records.find(expected, facts.size) {
        Ok(record) => record.map(|record| (expected, record)),
        Err(ignored) => {
            report.ignored = Some(ignored);
            None
        }
    }
}

/// Records a proof by SHA-256, unless a record is there that says the same.
pub(crate) fn remember(proof: &Proof, ask: &Ask, report: &mut RecordsReport) {
    let (Some(records), Some(tiles)) = (&ask.proving.records, &proof.tiles) else {
        return;
    };
    if tiles.tiling().bytes_total() < RECORDED_BYTES_MIN {
        return;
    }
    if report.ignored.is_none() {
        match records.find(proof.sha256, tiles.tiling().bytes_total()) {
            Ok(Some(record)) if record.says(tiles) => return,
            Ok(Some(_)) => report.ignored = Some(Ignored::contradicted()),
            Ok(None) => {}
            Err(ignored) => report.ignored = Some(ignored),
        }
    }
    report.stored = match records.store(proof.sha256, tiles) {
        Ok(written) => written.then_some(Ok(())),
        Err(failure) => Some(Err(failure)),
    };
}

/// Reads everything, then judges in the fixed order: the reading, the digest, the format.
fn by_sha256<S: Source>(
    source: &Arc<S>,
    facts: &FileFacts,
    ask: &Ask,
    tuning: Tuning,
    control: &Control,
    consumers: &mut [&mut dyn Consumer],
) -> Result<Proof, Refusal> {
    let mut judge = Judge::new(facts.size, ask.expected, ask.policy);
    // A copy is proven by them.
    let wants_tiles = ask.proving.tiles || ask.guarding.tries(Guard::Sealed);
    let mut tiler = wants_tiles.then(|| Tiler::start(facts.size, tuning.block_bytes));
    let mut everyone: Vec<&mut dyn Consumer> = Vec::with_capacity(consumers.len() + 2);
    // First, so that its thread has the block before this one is busy with it.
    everyone.extend(tiler.iter_mut().map(|tiler| tiler as _));
    everyone.extend(consumers.iter_mut().map(|consumer| &mut **consumer as _));
    everyone.push(&mut judge);
    pass::read(source, facts.size, tuning, control, &mut everyone)?;
    let hashed = judge.hashed();
    unchanged(facts, &look_again(&**source)?).map_err(|r| r.with_sha256(hashed.sha256))?;
    let proof = hashed.verdict()?;
    Ok(Proof {
        tiles: tiler.map(Tiler::finish).transpose()?,
        ..proof
    })
}

/// Checks every tile on the threads that read them, and parses the same bytes. A record that is believed
/// decides: what differs from it does not have the digest, and no second opinion is asked for.
pub(crate) fn by_tiles<S: Source>(
    source: &Arc<S>,
    facts: &FileFacts,
    ask: &Ask,
    expected: Sha256Digest,
    record: Record,
    control: &Control,
    consumers: &mut [&mut dyn Consumer],
) -> Result<Proof, Refusal> {
    let tiles = match record.found {
        Found::Tiles(tiles) => tiles,
        Found::OtherSize(size) => return Err(other_size(expected, size, facts.size)),
    };
    let checked = Arc::new(Checked {
        source: Arc::clone(source),
        tiles: tiles.clone(),
    });
    let mut parser = HeaderJudge::new(facts.size, ask.policy);
    let mut everyone: Vec<&mut dyn Consumer> = Vec::with_capacity(consumers.len() + 1);
    everyone.extend(consumers.iter_mut().map(|consumer| &mut **consumer as _));
    everyone.push(&mut parser);
    let tuning = Tuning::of_threads(ask.proving.threads());
    let reading = pass::read(&checked, facts.size, tuning, control, &mut everyone);
    match reading {
        Ok(()) | Err(Failure::WrongTile { .. }) => unchanged(facts, &look_again(&**source)?)?,
        Err(_) => {}
    }
    reading.map_err(|failure| expecting(expected, failure.into()))?;
    Ok(Proof {
        sha256: expected,
        header: parser.verdict(expected)?,
        tiles: Some(tiles),
        later: None,
        by: ProvenBy::Tiles {
            recorded: record.made,
        },
        records: RecordsReport::default(),
    })
}

fn expecting(expected: Sha256Digest, refusal: Refusal) -> Refusal {
    let mismatch = refusal.code == Code::DigestMismatch;
    Refusal {
        expected: mismatch.then(|| expected.to_string()),
        ..refusal
    }
}

fn other_size(expected: Sha256Digest, recorded: u64, size: u64) -> Refusal {
    let message = format!(
        "the file has {size} bytes, and the one that had the expected SHA-256 when it was last proven had \
         {recorded}; do not use it, fetch the model again"
    );
    Refusal {
        expected: Some(expected.to_string()),
        ..Refusal::new(Code::DigestMismatch, message)
    }
}

pub(crate) fn small_enough(facts: &FileFacts, ask: &Ask) -> Result<(), Refusal> {
    if facts.size > ask.bytes_max {
        return Err(too_large("the file has", facts.size, ask.bytes_max));
    }
    Ok(())
}

pub(crate) fn too_large(what: &str, size: u64, bytes_max: u64) -> Refusal {
    Refusal {
        expected: Some(bytes_max.to_string()),
        actual: Some(size.to_string()),
        ..Refusal::new(
            Code::TooLarge,
            format!("{what} {size} bytes, more than the {bytes_max} that are allowed"),
        )
    }
}
