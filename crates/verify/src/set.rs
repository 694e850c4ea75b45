//! A split model: all of its parts opened, guarded and read as one, and accepted together or not at all.

use crate::abreast::{self, BLOCK_BYTES, Entry, Outcome, PartConsumer, Tuning};
use crate::copy::prove_copy;
use crate::guard::{Hold, Setting};
use crate::judge::{Proof, guarded, mismatch};
use crate::links::Links;
use crate::load::open;
use crate::prove::{by_tiles, recorded, remember, too_large};
use crate::records::RecordsReport;
use crate::{Ask, Code, Consumer, Control, FileFacts, Guard, Refusal, Root, SplitName, Verified};
use digest::{Sha256, Sha256Digest};
use gguf::{Header, Policy};
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// More parts than that are no model that anybody has seen, and each takes a descriptor.
pub const PARTS_MAX: usize = 1024;

/// What is asked of a set beside what is asked of any model.
#[derive(Clone, Debug)]
pub struct SetAsk {
    /// `path` is the first part's; `expected` is the digest of the set; `bytes_max` is for all parts together.
    pub whole: Ask,
    /// The digests that the parts must have, in order; those that are missing are computed all the same.
    pub parts: Vec<Option<Sha256Digest>>,
}

/// A set whose every part was read, hashed and judged. Only [`load_set`] builds one.
#[derive(Debug)]
pub struct VerifiedSet {
    parts: Vec<Verified>,
    sha256: Sha256Digest,
    links: Links,
    seconds: f64,
}

impl VerifiedSet {
    /// The parts, in order.
    pub fn parts(&self) -> &[Verified] {
        &self.parts
    }

    /// The digest of the set: see [`set_digest`].
    pub fn sha256(&self) -> Sha256Digest {
        self.sha256
    }

    /// The first part's link beside the others: what an engine opens.
    pub fn path(&self) -> &Path {
        self.links.first()
    }

    /// How long opening, reading and judging took.
    pub fn seconds(&self) -> f64 {
        self.seconds
    }

    /// The parts, the links to them, which are removed when they are dropped, and the digest.
    pub fn into_parts(self) -> (Vec<Verified>, Links, Sha256Digest) {
        (self.parts, self.links, self.sha256)
    }
}

/// The digest of a set: SHA-256 of its parts' digests, in order, each in lower-case hexadecimal with a line feed
/// behind it. It is what `sha256sum NAME-*.gguf | cut -c1-64 | sha256sum` says.
pub fn set_digest(parts: impl IntoIterator<Item = Sha256Digest>) -> Sha256Digest {
    let mut sha256 = Sha256::new();
    for part in parts {
        sha256.update(format!("{part}\n").as_bytes());
    }
    sha256.finalize()
}

/// Loads a set by its first part. Blocks until the verdict; to be called on a thread that may block.
///
/// The order of judgement is that of [`load`](crate::load), each step for all parts before the next: the paths, the
/// reading, the digests, the formats, and last what the parts say of each other.
///
/// In the folder `links_in` one is made with links to the parts under their names.
pub fn load_set(
    root: &Root,
    ask: &SetAsk,
    links_in: &Path,
    control: &Control,
) -> Result<VerifiedSet, Refusal> {
    guarded(|| {
        let started = Instant::now();
        let name = first_part(&ask.whole.path)?;
        let (parts, sha256) = verify_all(root, &name, ask, control, |_| Vec::new())?;
        Ok(VerifiedSet {
            links: Links::make(links_in, &name, &parts)?,
            parts,
            sha256,
            seconds: started.elapsed().as_secs_f64(),
        })
    })
}

/// Verifies a set as [`load_set`] does and hands the blocks of each part to a consumer of its own as they pass, on
/// several threads. `begin` is given the parts' sizes in bytes, in order, once all are open and before a byte is read,
/// and answers with their consumers; those that it leaves out have none. The bytes are not yet judged then: nothing
/// made of them may be used before this returns.
pub fn load_set_into(
    root: &Root,
    ask: &SetAsk,
    control: &Control,
    begin: impl FnOnce(&[u64]) -> Vec<PartConsumer>,
) -> Result<(Vec<Verified>, Sha256Digest), Refusal> {
    guarded(|| {
        let name = first_part(&ask.whole.path)?;
        verify_all(root, &name, ask, control, begin)
    })
}

fn verify_all(
    root: &Root,
    name: &SplitName,
    ask: &SetAsk,
    control: &Control,
    begin: impl FnOnce(&[u64]) -> Vec<PartConsumer>,
) -> Result<(Vec<Verified>, Sha256Digest), Refusal> {
    let started = Instant::now();
    let mut members = open_all(root, name, ask, control)?;
    let bytes = small_enough(&members, &ask.whole)?;
    for member in &mut members {
        member.guard(bytes).map_err(|it| member.refuses(it))?;
    }
    let sizes: Vec<u64> = members.iter().map(|member| member.facts.size).collect();
    for (member, consumer) in members.iter_mut().zip(begin(&sizes)) {
        member.consumer = Some(consumer);
    }
    let (proofs, sha256) = prove_all(&mut members, &ask.whole, control)?;
    let mut parts = Vec::with_capacity(members.len());
    for (member, proof) in members.into_iter().zip(proofs) {
        parts.push(member.verified(proof, started, control)?);
    }
    Ok((parts, sha256))
}

/// Refuses a file that says it is one of several: what an engine would make of it nobody has judged.
pub(crate) fn judge_lone(header: &Header, path: &[u8], policy: Policy) -> Result<(), Refusal> {
    let Some(split) = header.split().filter(|split| split.count > 1) else {
        return Ok(());
    };
    if !policy.engine_safety {
        return Ok(());
    }
    let (number, count) = (u32::from(split.no) + 1, split.count);
    let what_to_do = match SplitName::of(path) {
        Some(_) => "load the set by its first part",
        None => {
            "its name must end in -00001-of-00003.gguf or the like, with the numbers of this part and set"
        }
    };
    Err(Refusal {
        offset: header
            .pair_named(b"split.count")
            .map(|it| it.value_offset()),
        field: Some("split.count".to_owned()),
        ..Refusal::new(
            Code::Gguf(gguf::Code::BadSplit),
            format!("the file is part {number} of {count} of a split model: {what_to_do}"),
        )
    })
}

/// As [`find`](crate::find), every part of the set that is named by its first; what is found of each.
pub fn find_set(root: &Root, path: &[u8]) -> Result<Vec<FileFacts>, Refusal> {
    guarded(|| {
        let name = first_part(path)?;
        let places = 0..name.count();
        let found = places.map(|place| open_part(root, &name, place, &Control::new()));
        found.map(|opened| Ok(opened?.1)).collect()
    })
}

fn first_part(path: &[u8]) -> Result<SplitName, Refusal> {
    let refuse = |code, message: String| Err(Refusal::new(Code::Gguf(code), message));
    let Some(name) = SplitName::of(path).filter(|name| name.place() == 0) else {
        let message = "the path does not name the first part of a split model";
        return refuse(gguf::Code::BadSplit, message.to_owned());
    };
    if name.count() > PARTS_MAX {
        let message = format!(
            "the name promises {} parts, and a split model has {PARTS_MAX} at most",
            name.count()
        );
        return refuse(gguf::Code::LimitExceeded, message);
    }
    Ok(name)
}

/// One part on its way.
struct Member {
    place: usize,
    count: usize,
    ask: Ask,
    file: Arc<File>,
    facts: FileFacts,
    setting: Option<Setting>,
    consumer: Option<PartConsumer>,
    report: RecordsReport,
    digest_expected: bool,
}

/// Each from its own path, all before any byte is read: a missing part costs nothing.
fn open_all(
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

fn open_part(
    root: &Root,
    name: &SplitName,
    place: usize,
    control: &Control,
) -> Result<(File, FileFacts), Refusal> {
    let opened = open(root, &name.part(place), control);
    opened.map_err(|refusal| in_part(refusal, place, name.count()))
}

/// The bytes of all parts, if they are not too many.
fn small_enough(members: &[Member], ask: &Ask) -> Result<u64, Refusal> {
    let total = members
        .iter()
        .fold(0_u64, |sum, member| sum.saturating_add(member.facts.size));
    if total > ask.bytes_max {
        return Err(too_large("the parts have", total, ask.bytes_max));
    }
    Ok(total)
}

impl Member {
    /// Before the first byte of any part is read.
    fn guard(&mut self, room: u64) -> Result<(), Refusal> {
        let setting = Setting::begin(&self.file, self.facts.size, room, self.ask.guarding)?;
        self.setting = Some(setting);
        Ok(())
    }

    fn refuses(&self, refusal: Refusal) -> Refusal {
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
    fn proven_by_record(&mut self, control: &Control) -> Result<Option<Proof>, Refusal> {
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

    fn entry(&mut self) -> Entry<File> {
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
    fn judge(&mut self, outcome: Outcome) -> Result<Proof, Refusal> {
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

    fn verified(
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

/// Proves the parts that have a record by it, one after another on all threads, and reads the others abreast.
fn prove_all(
    members: &mut [Member],
    ask: &Ask,
    control: &Control,
) -> Result<(Vec<Proof>, Sha256Digest), Refusal> {
    control.start_set(members.iter().map(|member| member.facts.size).sum());
    let mut proofs: Vec<Option<Proof>> = Vec::with_capacity(members.len());
    for member in members.iter_mut() {
        let proof = member.proven_by_record(control);
        proofs.push(proof.map_err(|refusal| member.refuses(refusal))?);
    }
    let unproven: Vec<usize> = (0..)
        .zip(&proofs)
        .filter(|(_, it)| it.is_none())
        .map(|(place, _)| place)
        .collect();
    let outcomes = read_abreast(members, &unproven, ask, control)?;
    let sha256 = judge_set_digest(&proofs, &outcomes, ask)?;
    for (place, outcome) in unproven.into_iter().zip(outcomes) {
        let (Some(member), Some(proof)) = (members.get_mut(place), proofs.get_mut(place)) else {
            return Err(Refusal::internal());
        };
        let judged = member.judge(outcome);
        *proof = Some(judged.map_err(|refusal| member.refuses(refusal))?);
    }
    let proofs: Vec<Proof> = proofs.into_iter().flatten().collect();
    judge_together(members, &proofs, ask.policy)?;
    Ok((proofs, sha256))
}

fn read_abreast(
    members: &mut [Member],
    unproven: &[usize],
    ask: &Ask,
    control: &Control,
) -> Result<Vec<Outcome>, Refusal> {
    let tuning = Tuning {
        block_bytes: BLOCK_BYTES,
        threads: ask.proving.threads(),
    };
    let entries: Vec<_> = unproven
        .iter()
        .filter_map(|&place| members.get_mut(place).map(Member::entry))
        .collect();
    abreast::read(entries, tuning, control).map_err(|(index, refusal)| {
        let about_one = !matches!(refusal.code, Code::Aborted | Code::Internal);
        let member = unproven.get(index).and_then(|&place| members.get(place));
        match member.filter(|_| about_one) {
            Some(member) => member.refuses(refusal),
            None => refusal,
        }
    })
}

/// The digest of the set, which may have been promised, before any format is looked at.
fn judge_set_digest(
    proofs: &[Option<Proof>],
    outcomes: &[Outcome],
    ask: &Ask,
) -> Result<Sha256Digest, Refusal> {
    let mut read = outcomes.iter().map(|outcome| outcome.hashed.sha256);
    let digests = proofs.iter().filter_map(|proof| match proof {
        Some(proof) => Some(proof.sha256),
        None => read.next(),
    });
    let sha256 = set_digest(digests);
    match ask.expected {
        Some(expected) if expected != sha256 => Err(Refusal {
            message: "the parts do not have the expected digest of the set, which is the SHA-256 of their digests in \
                      order, a line each; do not use them, fetch the model again"
                .to_owned(),
            ..mismatch(expected, sha256)
        }),
        _ => Ok(sha256),
    }
}

fn judge_together(members: &[Member], proofs: &[Proof], policy: Policy) -> Result<(), Refusal> {
    let headers: Vec<&Header> = proofs.iter().map(|proof| &*proof.header).collect();
    gguf::judge_set(&headers, policy).map_err(|gguf::SetError { part, error }| {
        match (members.get(part), proofs.get(part)) {
            (Some(member), Some(proof)) => {
                member.refuses(Refusal::from(error).with_sha256(proof.sha256))
            }
            _ => error.into(),
        }
    })
}

/// Says which part it is; the first is number 1, as in the names.
fn in_part(refusal: Refusal, place: usize, count: usize) -> Refusal {
    Refusal {
        part: u32::try_from(place + 1).ok(),
        message: format!("part {} of {count}: {}", place + 1, refusal.message),
        ..refusal
    }
}
