//! The proof that reads nothing but the header: the kernel says that these are the bytes that were verified.
//!
//! Under fs-verity it says so by the digest that it holds every page to. Of a plain file it says so by the
//! inode's facts, which any writer changes, and by a lease, which shows that there is no writer left who could
//! without changing them: then and now. The first trusts the kernel, the second also root and the clock, and
//! that nobody prepared a write which hangs half-way, as no lease shows it.

use crate::guard::Setting;
use crate::guard::verity::VerityDigest;
use crate::inspect::read_header;
use crate::judge::{Proof, ProvenBy};
use crate::records::{Anchor, InodeFacts, RECORDED_BYTES_MIN, Records, RecordsReport, Tie};
use crate::{Ask, Control, FileFacts, Guard, Refusal, Tiles, platform};
use digest::{Blake3Digest, Sha256Digest};
use gguf::Header;
use std::fs::File;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

/// A file that changed less than that before it was verified may change again within one tick of a coarse clock.
const SETTLED_AFTER: Duration = Duration::from_secs(2);

/// Tile values that are read from their record when somebody asks for them.
#[derive(Debug)]
pub(crate) struct LaterTiles {
    records: Records,
    sha256: Sha256Digest,
    size: u64,
    root: Blake3Digest,
    tiles: OnceLock<Option<Tiles>>,
}

impl LaterTiles {
    pub(crate) fn root(&self) -> Blake3Digest {
        self.root
    }

    /// None where the record has gone meanwhile, or is another.
    pub(crate) fn tiles(&self) -> Option<&Tiles> {
        self.tiles.get_or_init(|| self.read()).as_ref()
    }

    fn read(&self) -> Option<Tiles> {
        let record = self.records.find(self.sha256, self.size).ok().flatten()?;
        record.tiles().filter(|tiles| tiles.root() == self.root)
    }
}

/// What a tie is looked up by: the kernel's word about the file, under the guard that gives it weight.
fn anchor(file: &File, setting: &Setting, ask: &Ask) -> Option<Anchor> {
    if let Some(digest) = setting.verity() {
        return Some(Anchor::Verity(digest));
    }
    let may = ask.proving.identity && setting.guard() == Guard::Leased;
    may.then(|| platform::inode_facts(file).ok())
        .flatten()
        .map(Anchor::Inode)
}

/// The proof, where there is a tie that binds this file to the expected digest; else all bytes must be read.
pub(crate) fn recall(
    file: &Arc<File>,
    facts: &FileFacts,
    ask: &Ask,
    setting: &Setting,
    report: &mut RecordsReport,
    control: &Control,
) -> Result<Option<Proof>, Refusal> {
    let Some((records, tie)) = tied(file, facts, ask, setting, report) else {
        return Ok(None);
    };
    let header = read_header(&**file, facts, ask.policy, control, Some(tie.header_bytes))
        .map_err(|refusal| refusal.with_sha256(tie.sha256))?;
    // What stands behind the header was looked at then, and gave as much as it gives now: nothing.
    if header.findings_count() != tie.findings {
        return Ok(None);
    }
    // A writer who came meanwhile makes the header's bytes doubtful, and so the rest.
    let stands = matches!(setting.guard(), Guard::FsVerity | Guard::Leased);
    if !stands {
        return Ok(None);
    }
    let recorded = tie.made;
    Ok(Some(Proof {
        sha256: tie.sha256,
        header: Arc::new(header),
        tiles: None,
        later: Some(LaterTiles {
            records: records.clone(),
            sha256: tie.sha256,
            size: tie.size,
            root: tie.root,
            tiles: OnceLock::new(),
        }),
        by: match setting.guard() {
            Guard::FsVerity => ProvenBy::FsVerity { recorded },
            _ => ProvenBy::Identity { recorded },
        },
        records: RecordsReport::default(),
    }))
}

fn tied<'ask>(
    file: &File,
    facts: &FileFacts,
    ask: &'ask Ask,
    setting: &Setting,
    report: &mut RecordsReport,
) -> Option<(&'ask Records, Tie)> {
    let records = ask.proving.records.as_ref()?;
    let expected = ask.expected?;
    // What breaks the format's text may stand anywhere in the file, so strictness reads it.
    let reads = ask.proving.flat_always || ask.policy.strict || facts.size < RECORDED_BYTES_MIN;
    if reads {
        return None;
    }
    let anchor = anchor(file, setting, ask)?;
    match records.find_tie(expected, facts.size, anchor) {
        Ok(tie) => tie.map(|tie| (records, tie)),
        Err(ignored) => {
            report.ignored = Some(ignored);
            None
        }
    }
}

/// Ties a digest that was just proven to the kernel's word about the file, where that has any weight. To be
/// called while the guard is held. A tie that cannot be written is no failure of the load.
pub(crate) fn remember(
    file: &File,
    facts: &FileFacts,
    ask: &Ask,
    setting: &Setting,
    proof: &mut Proof,
    started: SystemTime,
) {
    let Some(anchor) = anchor(file, setting, ask) else {
        return;
    };
    if let Anchor::Inode(inode) = anchor
        && !(is_settled(&inode, facts, started) && setting.guard() == Guard::Leased)
    {
        return;
    }
    tie(facts, ask, proof, anchor);
}

/// The same for a file that was just put under fs-verity.
pub(crate) fn tie_to_verity(
    facts: &FileFacts,
    ask: &Ask,
    proof: &mut Proof,
    measured: &VerityDigest,
) {
    if let Some(digest) = measured.sha256() {
        tie(facts, ask, proof, Anchor::Verity(digest));
    }
}

fn tie(facts: &FileFacts, ask: &Ask, proof: &mut Proof, anchor: Anchor) {
    let (Some(records), Some(tiles)) = (&ask.proving.records, &proof.tiles) else {
        return;
    };
    if facts.size < RECORDED_BYTES_MIN {
        return;
    }
    let proven = (proof.sha256, tiles);
    let stored = store(records, proven, facts.size, &proof.header, anchor);
    if let Err(failure) = stored {
        proof.records.stored.get_or_insert(Err(failure));
    }
}

/// The same inode as was opened, and quiet for a while before it was read.
fn is_settled(inode: &InodeFacts, facts: &FileFacts, started: SystemTime) -> bool {
    let since = started.duration_since(SystemTime::UNIX_EPOCH);
    let started_ns = since.map_or(0, |since| i128::try_from(since.as_nanos()).unwrap_or(0));
    let settled_ns = i128::try_from(SETTLED_AFTER.as_nanos()).unwrap_or(i128::MAX);
    (inode.dev, inode.ino, inode.ctime_ns) == (facts.dev, facts.ino, facts.ctime_ns)
        && started_ns.saturating_sub(inode.ctime_ns) >= settled_ns
}

/// One that is there already and says the same are left alone.
fn store(
    records: &Records,
    (sha256, tiles): (Sha256Digest, &Tiles),
    size: u64,
    header: &Header,
    anchor: Anchor,
) -> Result<(), String> {
    if let Ok(Some(known)) = records.find_tie(sha256, size, anchor)
        && known.root == tiles.root()
        && known.findings == header.findings_count()
    {
        return Ok(());
    }
    let told = (header.header_bytes(), header.findings_count());
    let tie = Tie::new((sha256, tiles.root()), size, told, anchor);
    records.store_tie(&tie, anchor)
}
