//! A split model: all of its parts opened, guarded and read as one, and accepted together or not at all.

mod lone;
mod member;
mod proofs;

pub(crate) use lone::judge_lone;

use crate::abreast::PartConsumer;
use crate::judge::guarded;
use crate::links::Links;
use crate::prove::too_large;
use crate::{Ask, Code, Control, FileFacts, Refusal, Root, SplitName, Verified};
use digest::{Sha256, Sha256Digest};
use member::{Member, open_all, open_part};
use proofs::prove_all;
use std::path::Path;
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

/// As [`find`](crate::find), every part of the set that is named by its first; what is found of each.
pub fn find_set(root: &Root, path: &[u8]) -> Result<Vec<FileFacts>, Refusal> {
    guarded(|| {
        let name = first_part(path)?;
        let places = 0..name.count();
        let found = places.map(|place| open_part(root, &name, place, &Control::new()));
        found.map(|opened| Ok(opened?.1)).collect()
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
