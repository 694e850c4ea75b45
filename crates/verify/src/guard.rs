//! Guards: what keeps the bytes from changing between the verdict and their use, and its name.

mod lease;
mod sealing;
pub(crate) mod verity;
mod watch;

use crate::pass::Consumer;
use crate::{Code, Refusal};
use digest::Sha256Digest;
pub(crate) use lease::Lease;
pub(crate) use sealing::Sealing;
use std::fs::File;
use std::sync::Arc;
use verity::VerityDigest;

/// What stands between a verified file and whoever would change it, the weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Guard {
    /// The inode is held, its bytes are not: whoever may write to the file still can.
    Pinned,
    /// A read lease was held from before the first byte was read until now: nobody has the file
    /// open for writing, or mapped for it, and who wants to has to wait.
    Leased,
    /// The bytes were copied into sealed memory as they were hashed; the model is that memory.
    Sealed,
    /// The kernel checks every page against a digest that belongs to the file.
    FsVerity,
}

impl Guard {
    /// The name that options, records and reports use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pinned => "pinned",
            Self::Leased => "leased",
            Self::Sealed => "sealed",
            Self::FsVerity => "fs-verity",
        }
    }

    /// The guard of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        let all = [Self::Pinned, Self::Leased, Self::Sealed, Self::FsVerity];
        all.into_iter().find(|guard| guard.as_str() == name)
    }
}

/// Which guards are tried, and which is the least that is accepted.
#[derive(Clone, Copy, Debug)]
pub struct Guarding {
    /// The best to try. None tries all that cost nothing: fs-verity where it is on, then a lease.
    pub best: Option<Guard>,
    /// With a lesser one the load is refused.
    pub least: Guard,
}

impl Default for Guarding {
    fn default() -> Self {
        Self {
            best: None,
            least: Guard::Pinned,
        }
    }
}

impl Guarding {
    /// A demand outweighs a wish. Sealing costs as much memory as the model has, and is never tried
    /// unasked.
    pub(crate) fn tries(self, guard: Guard) -> bool {
        let asked = self
            .best
            .map_or(guard != Guard::Sealed, |best| guard <= best.max(self.least));
        guard >= self.least && (asked || guard == self.least)
    }
}

/// A guard and what it is made of.
#[derive(Debug)]
enum Held {
    Pinned,
    Leased(Arc<Lease>),
    Sealed,
    FsVerity(VerityDigest),
}

/// The guard that a model ended up with.
#[derive(Debug)]
pub(crate) struct Hold {
    held: Held,
    /// Why it is no better one, sentence by sentence.
    shortfalls: Vec<String>,
}

impl Hold {
    /// What guards the bytes now: a broken lease guards nothing.
    pub(crate) fn guard(&self) -> Guard {
        match &self.held {
            Held::Leased(lease) if lease.holds() => Guard::Leased,
            Held::Pinned | Held::Leased(_) => Guard::Pinned,
            Held::Sealed => Guard::Sealed,
            Held::FsVerity(_) => Guard::FsVerity,
        }
    }

    /// Whether the bytes were guarded better than they are now.
    pub(crate) fn is_broken(&self) -> bool {
        matches!(&self.held, Held::Leased(lease) if !lease.holds())
    }

    pub(crate) fn shortfall(&self) -> Option<String> {
        (!self.shortfalls.is_empty()).then(|| self.shortfalls.join("; "))
    }

    pub(crate) fn verity(&self) -> Option<String> {
        match &self.held {
            Held::FsVerity(digest) => Some(digest.to_string()),
            _ => None,
        }
    }
}

/// Guards while the file is read.
pub(crate) struct Setting {
    asked: Guarding,
    hold: Hold,
    sealing: Option<Sealing>,
}

impl Setting {
    /// To be called before the first byte is read: a lease that is taken later proves nothing.
    /// `room` is what must fit in memory if this is to: the file, and those that are guarded with it.
    pub(crate) fn begin(
        file: &Arc<File>,
        size: u64,
        room: u64,
        asked: Guarding,
    ) -> Result<Self, Refusal> {
        let mut shortfalls = Vec::new();
        let mut noted = |reason: String| shortfalls.push(reason);
        // That most files have none is no news to who did not name it.
        let named = [asked.best, Some(asked.least)].contains(&Some(Guard::FsVerity));
        let mut noted_if_named = |reason| {
            if named {
                noted(reason);
            }
        };
        let measure = || verity::measure(file).map_err(|shortage| shortage.to_string());
        let verity = tried(asked, Guard::FsVerity, measure, &mut noted_if_named);
        let needs_more = verity.is_none();
        let sealing = needs_more
            .then(|| {
                tried(
                    asked,
                    Guard::Sealed,
                    || Sealing::start(size, room),
                    &mut noted,
                )
            })
            .flatten();
        let demanded = asked.least == Guard::Leased;
        let lease = needs_more
            .then(|| {
                tried(
                    asked,
                    Guard::Leased,
                    || Lease::take(file, demanded),
                    &mut noted,
                )
            })
            .flatten();
        let kind = match (verity, lease) {
            (Some(digest), _) => Held::FsVerity(digest),
            (None, Some(lease)) => Held::Leased(lease),
            (None, None) => Held::Pinned,
        };
        let hold = Hold {
            held: kind,
            shortfalls,
        };
        if sealing.is_none() && hold.guard() < asked.least {
            return Err(unavailable(asked.least, &hold));
        }
        Ok(Self {
            asked,
            hold,
            sealing,
        })
    }

    /// What guards the bytes now.
    pub(crate) fn guard(&self) -> Guard {
        self.hold.guard()
    }

    /// The digest that the kernel measured, where it is a SHA-256.
    pub(crate) fn verity(&self) -> Option<Sha256Digest> {
        match &self.hold.held {
            Held::FsVerity(digest) => digest.sha256(),
            _ => None,
        }
    }

    /// Whoever has to see the blocks for the guard's sake.
    pub(crate) fn consumer(&mut self) -> Option<&mut dyn Consumer> {
        self.sealing.as_mut().map(|sealing| sealing as _)
    }

    /// The copy that is to be filled, for whoever takes the blocks elsewhere; to be given back.
    pub(crate) fn lend_sealing(&mut self) -> Option<Sealing> {
        self.sealing.take()
    }

    pub(crate) fn take_back(&mut self, sealing: Option<Sealing>) {
        self.sealing = sealing;
    }

    /// To be called after the last byte was read and judged: the guard, and the file that is guarded.
    pub(crate) fn finish(mut self, file: Arc<File>) -> Result<(Hold, Arc<File>), Refusal> {
        let mut guarded = file;
        if let Some(sealing) = self.sealing.take() {
            match sealing.finish() {
                Ok(memory) => {
                    guarded = Arc::new(memory);
                    self.hold.held = Held::Sealed;
                }
                Err(reason) => self.hold.shortfalls.push(reason),
            }
        }
        self.settle_lease();
        if self.hold.guard() < self.asked.least {
            return Err(unavailable(self.asked.least, &self.hold));
        }
        Ok((self.hold, guarded))
    }

    /// A lease that was broken meanwhile was never a guard of this model.
    fn settle_lease(&mut self) {
        if self.hold.is_broken() {
            self.hold.held = Held::Pinned;
            let reason =
                "the lease was broken: somebody asked to write to the file while it was read";
            self.hold.shortfalls.push(reason.to_owned());
        }
    }
}

fn tried<T>(
    asked: Guarding,
    guard: Guard,
    take: impl FnOnce() -> Result<T, String>,
    noted: &mut impl FnMut(String),
) -> Option<T> {
    if !asked.tries(guard) {
        return None;
    }
    take().map_err(noted).ok()
}

fn unavailable(least: Guard, hold: &Hold) -> Refusal {
    let reasons = hold.shortfall().unwrap_or_default();
    let message = format!("the guard {} cannot be had: {reasons}", least.as_str());
    Refusal {
        expected: Some(least.as_str().to_owned()),
        actual: Some(hold.guard().as_str().to_owned()),
        ..Refusal::new(Code::GuardUnavailable, message)
    }
}
