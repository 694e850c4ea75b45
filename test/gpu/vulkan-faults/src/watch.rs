//! What memory holds as it is freed, where the host sees it, as on a processor: prints `dirty-bytes`, how many bytes lay in pages
//! that were not all 0, and `freed-bytes`, after each piece.

use super::Found;
use std::collections::HashMap;
use std::ffi::{CStr, c_void};
use std::sync::atomic::{AtomicPtr, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

type Device = *mut c_void;
type Ignored = *const c_void;

const PAGE_BYTES: usize = 4096;
const ZEROES: [u8; PAGE_BYTES] = [0; PAGE_BYTES];

/// As the specification lays it out.
#[repr(C)]
struct Wanted {
    kind: i32,
    next: Ignored,
    bytes: u64,
    memory_type: u32,
}

type Allocate = unsafe extern "system" fn(Device, *const Wanted, Ignored, *mut u64) -> i32;
type Map = unsafe extern "system" fn(Device, u64, u64, u64, u32, *mut *mut u8) -> i32;
type Free = unsafe extern "system" fn(Device, u64, Ignored);

static ALLOCATE: AtomicPtr<c_void> = AtomicPtr::new(std::ptr::null_mut());
static MAP: AtomicPtr<c_void> = AtomicPtr::new(std::ptr::null_mut());
static FREE: AtomicPtr<c_void> = AtomicPtr::new(std::ptr::null_mut());

#[derive(Default)]
struct Seen {
    /// Bytes, and where they are mapped; 0 where they are not.
    pieces: HashMap<u64, (u64, usize)>,
    dirty_bytes: u64,
    freed_bytes: u64,
}

static SEEN: Mutex<Option<Seen>> = Mutex::new(None);

/// Our function in the place of a real one, where we have one.
pub(crate) fn instead_of(name: &CStr, found: Found) -> Option<Found> {
    let (real, ours) = match name.to_bytes() {
        b"vkAllocateMemory" => (&ALLOCATE, allocate as Found),
        b"vkMapMemory" => (&MAP, map as Found),
        b"vkFreeMemory" => (&FREE, free as Found),
        _ => return None,
    };
    real.store(found, Relaxed);
    Some(ours)
}

fn with_seen<T>(body: impl FnOnce(&mut Seen) -> T) -> T {
    let mut seen: MutexGuard<'_, Option<Seen>> =
        SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    body(seen.get_or_insert_default())
}

unsafe extern "system" fn allocate(
    device: Device,
    wanted: *const Wanted,
    ignored: Ignored,
    memory: *mut u64,
) -> i32 {
    // SAFETY: the real function was stored before anybody got this one.
    let real = unsafe { std::mem::transmute::<Found, Allocate>(ALLOCATE.load(Relaxed)) };
    // SAFETY: the caller keeps the real function's rules.
    let result = unsafe { real(device, wanted, ignored, memory) };
    if result == 0 {
        // SAFETY: it succeeded, so that the structure was one.
        let bytes = unsafe { (*wanted).bytes };
        // SAFETY: it succeeded, so that the handle was written.
        let memory = unsafe { *memory };
        with_seen(|seen| seen.pieces.insert(memory, (bytes, 0)));
    }
    result
}

unsafe extern "system" fn map(
    device: Device,
    memory: u64,
    offset: u64,
    bytes: u64,
    flags: u32,
    start: *mut *mut u8,
) -> i32 {
    // SAFETY: the real function was stored before anybody got this one.
    let real = unsafe { std::mem::transmute::<Found, Map>(MAP.load(Relaxed)) };
    // SAFETY: the caller keeps the real function's rules.
    let result = unsafe { real(device, memory, offset, bytes, flags, start) };
    if result == 0 {
        // SAFETY: it succeeded, so that the address was written.
        let start = unsafe { *start } as usize;
        with_seen(|seen| {
            if let Some(piece) = seen.pieces.get_mut(&memory) {
                piece.1 = start;
            }
        });
    }
    result
}

unsafe extern "system" fn free(device: Device, memory: u64, ignored: Ignored) {
    if let Some((bytes, mapped)) = with_seen(|seen| seen.pieces.remove(&memory)) {
        let mut start = mapped as *mut u8;
        if mapped == 0 {
            // SAFETY: the memory is alive and not mapped; on a processor the host sees all of it.
            unsafe { map(device, memory, 0, u64::MAX, 0, &raw mut start) };
        }
        count(start, bytes);
    }
    // SAFETY: the real function was stored before anybody got this one.
    let real = unsafe { std::mem::transmute::<Found, Free>(FREE.load(Relaxed)) };
    // SAFETY: the caller keeps the real function's rules; freeing unmaps.
    unsafe { real(device, memory, ignored) };
}

fn count(start: *const u8, bytes: u64) {
    let length = if start.is_null() { 0 } else { bytes };
    let length = usize::try_from(length).unwrap_or(0);
    let start = if length == 0 {
        std::ptr::NonNull::dangling().as_ptr()
    } else {
        start.cast_mut()
    };
    // SAFETY: so many bytes are mapped there, and nothing is on its way that writes them.
    let held = unsafe { std::slice::from_raw_parts(start, length) };
    // Page by page, which is one comparison each, also where nothing is optimized.
    let pages = held.chunks(PAGE_BYTES);
    let dirty = pages.filter(|page| ZEROES.get(..page.len()) != Some(page));
    let dirty = dirty.map(<[u8]>::len).sum::<usize>() as u64;
    with_seen(|seen| {
        seen.dirty_bytes += dirty;
        seen.freed_bytes += length as u64;
        println!("dirty-bytes {}", seen.dirty_bytes);
        println!("freed-bytes {}", seen.freed_bytes);
    });
}
