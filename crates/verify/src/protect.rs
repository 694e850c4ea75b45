//! Protecting: a file is judged as for a load, and then the kernel holds it to the bytes that were judged.
//!
//! The digest that the kernel measures is compared with one that was made from the very bytes that
//! were hashed and parsed. There is no way back: a protected file can be replaced, and never changed.

use crate::guard::Lease;
use crate::guard::verity::{self, VerityDigest};
use crate::judge::{Proof, ProvenBy, guarded};
use crate::load::open;
use crate::merkling::Merkling;
use crate::pass::TUNING;
use crate::prove::{prove, small_enough};
use crate::recall;
use crate::records::RecordsReport;
use crate::{Ask, Code, Control, FileFacts, Refusal, Root, Tiles};
use digest::Sha256Digest;
use gguf::Header;
use std::fs::File;
use std::sync::Arc;

/// A model that was judged and is under fs-verity. It holds no descriptor.
#[derive(Debug)]
pub struct Protected {
    facts: FileFacts,
    proof: Proof,
    seal: Seal,
    digest_expected: bool,
}

/// What the kernel says, and what we make of it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seal {
    measured: VerityDigest,
    was_on: bool,
    compared: bool,
}

impl Protected {
    /// The file's facts before it was protected.
    pub fn facts(&self) -> &FileFacts {
        &self.facts
    }

    /// The digest of all bytes.
    pub fn sha256(&self) -> Sha256Digest {
        self.proof.sha256
    }

    /// The tile values of the same bytes.
    pub fn tiles(&self) -> Option<&Tiles> {
        self.proof.tiles()
    }

    /// What the header says.
    pub fn header(&self) -> &Arc<Header> {
        &self.proof.header
    }

    /// What proves the digest.
    pub fn proven_by(&self) -> ProvenBy {
        self.proof.by
    }

    /// What became of the record of an earlier verification, and of this one's.
    pub fn records(&self) -> &RecordsReport {
        &self.proof.records
    }

    /// Whether the digest was asked for, or only computed.
    pub fn digest_expected(&self) -> bool {
        self.digest_expected
    }

    /// The digest by which the kernel checks the file, as `sha256:HEX`.
    pub fn verity_digest(&self) -> String {
        self.seal.measured.to_string()
    }

    /// Whether somebody had protected it before.
    pub fn was_protected(&self) -> bool {
        self.seal.was_on
    }

    /// Whether the kernel's digest was compared with one made from the bytes that were judged. Not where
    /// somebody protected it before with a salt, other blocks or another algorithm.
    pub fn digest_compared(&self) -> bool {
        self.seal.compared
    }
}

/// Judges one file and protects it. Blocks until the verdict; once the kernel has begun, nothing stops it.
pub fn protect(root: &Root, ask: &Ask, control: &Control) -> Result<Protected, Refusal> {
    guarded(|| {
        let (file, facts) = open(root, &ask.path, control)?;
        let file = Arc::new(file);
        let judged = judge_and_seal(&file, &facts, ask, control);
        let (proof, seal) = judged.map_err(|refusal| refusal.with_facts(facts))?;
        Ok(Protected {
            facts,
            proof,
            seal,
            digest_expected: ask.expected.is_some(),
        })
    })
}

fn judge_and_seal(
    file: &Arc<File>,
    facts: &FileFacts,
    ask: &Ask,
    control: &Control,
) -> Result<(Proof, Seal), Refusal> {
    small_enough(facts, ask)?;
    let opening = Opening::look(file)?;
    let mut merkling = Merkling::start();
    let mut proof = prove(file, facts, ask, TUNING, control, &mut [&mut merkling])?;
    let sealed = merkling
        .finish()
        .and_then(|computed| opening.seal(file, computed, control));
    let seal = sealed.map_err(|refusal| refusal.with_sha256(proof.sha256))?;
    // The next load needs to read nothing.
    recall::tie_to_verity(facts, ask, &mut proof, &seal.measured);
    Ok((proof, seal))
}

/// How the file was found.
enum Opening {
    Protected,
    /// Where a lease can be had, nobody writes between the reading and the protecting.
    Plain(Option<Arc<Lease>>),
}

impl Opening {
    /// What can be refused before the first byte is read is refused here.
    fn look(file: &Arc<File>) -> Result<Self, Refusal> {
        match verity::measure(file) {
            Ok(_) => Ok(Self::Protected),
            Err(shortage) if shortage.is_off() => {
                verity::could_enable(file).map_err(|shortage| shortage.refusal())?;
                Ok(Self::Plain(Lease::take(file, true).ok()))
            }
            Err(shortage) => Err(shortage.refusal()),
        }
    }

    fn seal(self, file: &File, computed: Sha256Digest, control: &Control) -> Result<Seal, Refusal> {
        let was_on = match self {
            Self::Protected => true,
            Self::Plain(lease) => {
                quiet(lease.as_deref())?;
                if control.is_cancelled() {
                    return Err(Refusal::aborted());
                }
                verity::enable(file).map_err(|shortage| shortage.refusal())?;
                // Held until here: no writer came in between.
                drop(lease);
                false
            }
        };
        let measured = verity::measure(file).map_err(|shortage| shortage.refusal())?;
        let compared = !was_on || verity::is_of_our_form(file);
        if compared {
            agree(&VerityDigest::of(computed), &measured)?;
        }
        Ok(Seal {
            measured,
            was_on,
            compared,
        })
    }
}

fn quiet(lease: Option<&Lease>) -> Result<(), Refusal> {
    if lease.is_none_or(Lease::holds) {
        return Ok(());
    }
    let message = "somebody asked to write to the file while it was verified; nothing was protected, try again when \
                   nobody writes to it";
    Err(Refusal {
        expected: Some("fs-verity".to_owned()),
        retriable: true,
        ..Refusal::new(Code::GuardUnavailable, message)
    })
}

/// The lease and the times of the file say so too; this is the proof.
fn agree(computed: &VerityDigest, measured: &VerityDigest) -> Result<(), Refusal> {
    if computed == measured {
        return Ok(());
    }
    Err(Refusal {
        expected: Some(computed.to_string()),
        actual: Some(measured.to_string()),
        retriable: false,
        ..Refusal::new(
            Code::ChangedWhileRead,
            "what is protected now is not what was verified: the file changed in between, and can only be replaced; \
             delete it and fetch the model again",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::{Code, VerityDigest, agree};

    #[test]
    fn other_bytes_than_the_verified_ones_are_told_with_both_digests() {
        let ours = VerityDigest::of([1; 32].into());
        let other = VerityDigest::of([2; 32].into());
        assert!(agree(&ours, &ours.clone()).is_ok());
        let refusal = agree(&ours, &other).unwrap_err();
        assert_eq!(refusal.code, Code::ChangedWhileRead);
        assert!(!refusal.retriable);
        assert_eq!(
            refusal.expected,
            Some(format!("sha256:{}", "01".repeat(32)))
        );
        assert_eq!(refusal.actual, Some(format!("sha256:{}", "02".repeat(32))));
    }
}
