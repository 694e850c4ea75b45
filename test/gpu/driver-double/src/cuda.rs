//! The driver's functions.

mod device;
mod memory;
mod run;

pub(crate) use device::{put_text, total};
pub(crate) use memory::{cuMemAlloc_v2, cuMemcpyHtoD_v2};

use crate::faults::Faults;
use crate::ledger;
use crate::state::{OUT_OF_MEMORY, State, device};

/// Fills a caller's place, where there is one.
pub(crate) fn put<T>(place: *mut T, value: T) {
    if !place.is_null() {
        // SAFETY: cuda.h and nvml.h say that the place has room for a value of this type.
        unsafe { place.write_unaligned(value) };
    }
}

/// Takes a value from where a caller says that it is.
pub(crate) fn take<T: Copy>(place: *const T) -> T {
    // SAFETY: cuda.h says that a value of this type lies there.
    unsafe { place.read_unaligned() }
}

/// One call to a device that still answers.
fn call(work: impl FnOnce(&mut State, &Faults) -> Result<(), i32>) -> i32 {
    freeing(|state, faults| {
        state.calls += 1;
        if faults.number("fail_call") == Some(state.calls) {
            return Err(OUT_OF_MEMORY);
        }
        work(state, faults)
    })
}

/// One call that gives something back, which never fails on demand: what it leaves would be held for good.
fn freeing(work: impl FnOnce(&mut State, &Faults) -> Result<(), i32>) -> i32 {
    match device() {
        Ok((mut state, faults)) => {
            let done = work(&mut state, &faults);
            ledger::note(&faults, state.used_bytes());
            done.err().unwrap_or(0)
        }
        Err(status) => status,
    }
}
