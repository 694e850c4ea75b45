//! The proofs of all parts, and what the parts must be together.

use super::member::Member;
use super::set_digest;
use crate::abreast::{self, BLOCK_BYTES, Outcome, Tuning};
use crate::judge::{Proof, mismatch};
use crate::{Ask, Code, Control, Refusal};
use digest::Sha256Digest;
use gguf::{Header, Policy};

/// Proves the parts that have a record by it, one after another on all threads, and reads the others abreast.
pub(super) fn prove_all(
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
