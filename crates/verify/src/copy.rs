//! The second look at a copy in memory, once it is sealed.
//!
//! While it is being filled, memory that can be sealed is a file like any other: whoever runs as the same user
//! can open it through procfs and write to it. So nothing is believed of it before nobody can.

use crate::checked::Checked;
use crate::load::look_again;
use crate::pass::{self, Tuning};
use crate::reader::Source;
use crate::ring::Failure;
use crate::{Code, Control, Refusal, Tiles};
use std::sync::Arc;

/// Holds every tile of the sealed copy against the bytes that were judged, on as many threads.
pub(crate) fn prove_copy<S: Source>(
    copy: &Arc<S>,
    tiles: &Tiles,
    threads: usize,
    control: &Control,
) -> Result<(), Refusal> {
    let size = tiles.tiling().bytes_total();
    if look_again(&**copy)?.size != size {
        return Err(spoilt(Failure::Short { offset: size }));
    }
    let checked = Arc::new(Checked {
        source: Arc::clone(copy),
        tiles: tiles.clone(),
    });
    let tuning = Tuning::of_threads(threads);
    // The bytes were counted when they were read.
    let uncounted = control.beside();
    pass::read(&checked, size, tuning, &uncounted, &mut []).map_err(spoilt)
}

fn spoilt(failure: Failure) -> Refusal {
    match failure {
        Failure::WrongTile { offset } | Failure::Short { offset } => Refusal {
            offset: Some(offset),
            ..Refusal::new(
                Code::ChangedWhileRead,
                "the copy in memory was changed before it was sealed: a process of the same user writes to it",
            )
        },
        other => other.into(),
    }
}

#[cfg(test)]
mod tests;
