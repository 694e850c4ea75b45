//! One part of a set on its way to being verified.

use super::SetAsk;
use crate::abreast::{Entry, Outcome, PartConsumer};
use crate::copy::prove_copy;
use crate::guard::{Hold, Setting};
use crate::judge::Proof;
use crate::load::open;
use crate::prove::{by_tiles, recorded, remember};
use crate::records::RecordsReport;
use crate::{Ask, Consumer, Control, FileFacts, Guard, Refusal, Root, SplitName, Verified};
use std::fs::File;
use std::sync::Arc;
use std::time::Instant;

/// One part on its way.
pub(super) struct Member {
    place: usize,
    count: usize,
    ask: Ask,
    file: Arc<File>,
    pub(super) facts: FileFacts,
    setting: Option<Setting>,
    pub(super) consumer: Option<PartConsumer>,
    report: RecordsReport,
    digest_expected: bool,
}

/// Each from its own path, all before any byte is read: a missing part costs nothing.
pub(super) fn open_all(
    root: &Root,
    name: &SplitName,
    ask: &SetAsk,
    control: &Control,
) -> Result<Vec<Member>, Refusal> {
    let open_one = |place| {
        let (file, facts) = open_part(root, name, place, control)?;
        let expected = ask.parts.get(place).copied().flatten();
        Ok(Member {
            place,
            count: name.count(),
            ask: Ask {
                path: name.part(place),
                expected,
                bytes_max: u64::MAX,
                ..ask.whole.clone()
            },
            file: Arc::new(file),
            facts,
            setting: None,
            consumer: None,
            report: RecordsReport::default(),
            digest_expected: expected.or(ask.whole.expected).is_some(),
        })
    };
    (0..name.count()).map(open_one).collect()
}

pub(super) fn open_part(
    root: &Root,
    name: &SplitName,
    place: usize,
    control: &Control,
) -> Result<(File, FileFacts), Refusal> {
    let opened = open(root, &name.part(place), control);
    opened.map_err(|refusal| in_part(refusal, place, name.count()))
}

impl Member {
    /// Before the first byte of any part is read.
    pub(super) fn guard(&mut self, room: u64) -> Result<(), Refusal> {
        let setting = Setting::begin(&self.file, self.facts.size, room, self.ask.guarding)?;
        self.setting = Some(setting);
        Ok(())
    }

    pub(super) fn refuses(&self, refusal: Refusal) -> Refusal {
        let facts = refusal.facts.unwrap_or(self.facts);
        in_part(
            Refusal {
                records: self.report.clone(),
                ..refusal.with_facts(facts)
            },
            self.place,
            self.count,
        )
    }

    /// A proof by an earlier verification's record, on all threads; none where there is no record.
    pub(super) fn proven_by_record(&mut self, control: &Control) -> Result<Option<Proof>, Refusal> {
        let found = recorded(&self.facts, &self.ask, &mut self.report);
        let Some((expected, record)) = found else {
            return Ok(None);
        };
        let mut consumers: Vec<&mut dyn Consumer> = Vec::new();
        if let Some(setting) = &mut self.setting {
            consumers.extend(setting.consumer());
        }
        if let Some(consumer) = &mut self.consumer {
            consumers.push(&mut **consumer);
        }
        let (file, facts, ask) = (&self.file, &self.facts, &self.ask);
        by_tiles(file, facts, ask, expected, record, control, &mut consumers).map(Some)
    }

    pub(super) fn entry(&mut self) -> Entry<File> {
        let sealing = self.setting.as_mut().and_then(Setting::lend_sealing);
        Entry {
            source: Arc::clone(&self.file),
            facts: self.facts,
            expected: self.ask.expected,
            policy: self.ask.policy,
            // A sealed copy is held against them.
            tiles: self.ask.proving.tiles || sealing.is_some(),
            sealing,
            consumer: self.consumer.take(),
        }
    }

    /// The format, once all digests are known to be right.
    pub(super) fn judge(&mut self, outcome: Outcome) -> Result<Proof, Refusal> {
        if let Some(setting) = &mut self.setting {
            setting.take_back(outcome.sealing);
        }
        let proof = Proof {
            tiles: outcome.tiles,
            ..outcome.hashed.verdict()?
        };
        remember(&proof, &self.ask, &mut self.report);
        Ok(proof)
    }

    /// The guard at the end of the reading, and the file that is guarded.
    fn settle(&mut self, proof: &Proof, control: &Control) -> Result<(Hold, Arc<File>), Refusal> {
        let setting = self.setting.take().ok_or_else(Refusal::internal)?;
        let (hold, file) = setting.finish(Arc::clone(&self.file))?;
        if hold.guard() == Guard::Sealed {
            let tiles = proof.tiles.as_ref().ok_or_else(Refusal::internal)?;
            prove_copy(&file, tiles, self.ask.proving.threads(), control)?;
        }
        Ok((hold, file))
    }

    pub(super) fn verified(
        mut self,
        proof: Proof,
        started: Instant,
        control: &Control,
    ) -> Result<Verified, Refusal> {
        let settled = self.settle(&proof, control);
        let refused = |it: Refusal| self.refuses(it.with_sha256(proof.sha256));
        let (hold, file) = settled.map_err(refused)?;
        let proof = Proof {
            records: self.report,
            ..proof
        };
        let seconds = started.elapsed().as_secs_f64();
        let expected = self.digest_expected;
        Ok(Verified::of(
            proof, hold, file, self.facts, expected, seconds,
        ))
    }
}

/// Says which part it is; the first is number 1, as in the names.
fn in_part(refusal: Refusal, place: usize, count: usize) -> Refusal {
    Refusal {
        part: u32::try_from(place + 1).ok(),
        message: format!("part {} of {count}: {}", place + 1, refusal.message),
        ..refusal
    }
}
