//! What only the double can tell its tests: its clock, what is still held, what was freed without being cleared.

use crate::state::{State, whatever};

/// The device's clock, in nanoseconds.
#[unsafe(no_mangle)]
pub extern "C" fn driver_double_nanoseconds() -> u64 {
    whatever().nanoseconds
}

/// Bytes other than zero in mappings that were given back.
#[unsafe(no_mangle)]
pub extern "C" fn driver_double_dirty_bytes() -> u64 {
    whatever().dirty_bytes
}

/// How many things are held: memory, addresses, modules, queues, marks and contexts.
#[unsafe(no_mangle)]
pub extern "C" fn driver_double_held() -> u64 {
    held(&whatever())
}

/// How many calls were made, those that give something back left out.
#[unsafe(no_mangle)]
pub extern "C" fn driver_double_calls() -> u64 {
    whatever().calls
}

fn held(state: &State) -> u64 {
    let objects = state.objects.len() + state.modules.len() + state.events.len();
    let memory = state.ranges.len() + state.reserved.len() + state.allocations.len();
    objects as u64 + memory as u64 + state.contexts
}
