//! Tile values of a file that was verified without them, made when bytes are first asked for.

use crate::block::Block;
use crate::load::look_again;
use crate::pass::{self, Consumer, TUNING};
use crate::ring::Failure;
use crate::tiles::Tiler;
use crate::{Code, Control, Refusal, Tiles};
use digest::{Sha256, Sha256Digest};
use std::fs::File;
use std::sync::{Arc, Mutex, TryLockError};
use std::thread::sleep;
use std::time::Duration;

/// How long a waiting reader takes to hear that it is cancelled.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// The values, computed once, from bytes that still have the verified digest.
pub(crate) fn tiles(
    known: &Mutex<Option<Tiles>>,
    file: &Arc<File>,
    sha256: Sha256Digest,
    control: &Control,
) -> Result<Tiles, Refusal> {
    loop {
        let mut known = match known.try_lock() {
            Ok(known) => known,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) if control.is_cancelled() => {
                return Err(Refusal::aborted());
            }
            Err(TryLockError::WouldBlock) => {
                sleep(LOOK_EVERY);
                continue;
            }
        };
        if let Some(tiles) = &*known {
            return Ok(tiles.clone());
        }
        let tiles = proven(file, sha256, control)?;
        *known = Some(tiles.clone());
        return Ok(tiles);
    }
}

fn proven(file: &Arc<File>, sha256: Sha256Digest, control: &Control) -> Result<Tiles, Refusal> {
    let size = look_again(&**file)?.size;
    let mut tiler = Tiler::start(size, TUNING.block_bytes);
    let mut hashing = Hashing(Sha256::new());
    match pass::read(file, size, TUNING, control, &mut [&mut tiler, &mut hashing]) {
        Err(Failure::Short { .. }) => return Err(changed()),
        answer => answer?,
    }
    if hashing.0.finalize() != sha256 {
        return Err(changed());
    }
    tiler.finish()
}

struct Hashing(Sha256);

impl Consumer for Hashing {
    fn take(&mut self, block: &Block) {
        self.0.update(block.bytes());
    }
}

fn changed() -> Refusal {
    Refusal::new(
        Code::ChangedAfterCheck,
        "the file was changed after it was verified; none of its bytes are handed out, load the model again",
    )
}
