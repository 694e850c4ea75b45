//! Memory: plain, mapped, the host's; copies; what is said of addresses.

use super::device::total;
use super::{call, freeing, put, take};
use crate::faults::Faults;
use crate::ledger;
use crate::memory::{Kind, PAGE_BYTES, Range};
use crate::state::{Held, ILLEGAL_ADDRESS, INVALID, OUT_OF_MEMORY, State};
use std::alloc::Layout;
use std::ffi::{c_int, c_uint, c_void};

const PINNED: c_int = 1;
const DEVICE: c_int = 1;
const ELSEWHERE: c_int = 2;
const PLAIN_ALIGN: usize = 512;
const READ_MOSTLY: c_int = 1;
const NO_PLACE: c_int = -2;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Properties {
    kind: c_int,
    handle_types: c_int,
    location: Location,
    win32_metadata: usize,
    flags: [u8; 8],
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Location {
    kind: c_int,
    id: c_int,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct AccessDescription {
    location: Location,
    flags: c_int,
}

#[unsafe(no_mangle)]
pub extern "C" fn cuMemGetInfo_v2(free: *mut usize, all: *mut usize) -> c_int {
    call(|state, faults| {
        put(free, usize::try_from(left(state, faults)).unwrap_or(0));
        put(all, usize::try_from(total(faults)).unwrap_or(0));
        Ok(())
    })
}

fn left(state: &State, faults: &Faults) -> u64 {
    let used = state.used_bytes().saturating_add(ledger::others(faults));
    let left = total(faults).saturating_sub(used);
    faults.number("free").unwrap_or(left)
}

fn take_from(state: &State, faults: &Faults, bytes: u64) -> Result<(), i32> {
    if faults.has("oom") || !ledger::claim(faults, state.used_bytes(), bytes, total(faults)) {
        return Err(OUT_OF_MEMORY);
    }
    Ok(())
}

/// Zeroed memory of this process, which stands for the device's.
fn backing(bytes: u64, align: usize) -> Result<(u64, Layout), i32> {
    let bytes = usize::try_from(bytes).ok().filter(|&bytes| bytes > 0);
    let layout = bytes.and_then(|bytes| Layout::from_size_align(bytes, align).ok());
    let layout = layout.ok_or(INVALID)?;
    // SAFETY: the layout is not empty.
    let start = unsafe { std::alloc::alloc_zeroed(layout) };
    if start.is_null() {
        return Err(OUT_OF_MEMORY);
    }
    Ok((start as u64, layout))
}

fn give_back(address: u64, layout: Layout) {
    // SAFETY: it is memory of `backing` with this layout, and its table entry has just been taken out.
    unsafe { std::alloc::dealloc(address as *mut u8, layout) };
}

fn bytes_of<'a>(range: &Range) -> &'a mut [u8] {
    let bytes = usize::try_from(range.bytes).unwrap_or(0);
    // SAFETY: the range is in the table, so that its memory exists; the state's lock is held.
    unsafe { std::slice::from_raw_parts_mut(range.start as *mut u8, bytes) }
}

#[unsafe(no_mangle)]
pub extern "C" fn cuMemAlloc_v2(address: *mut u64, bytes: usize) -> c_int {
    call(|state, faults| {
        take_from(state, faults, bytes as u64)?;
        put(address, plain(state, bytes as u64, Kind::Plain)?);
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub extern "C" fn cuMemAllocManaged(address: *mut u64, bytes: usize, _: c_uint) -> c_int {
    call(|state, _| {
        put(address, plain(state, bytes as u64, Kind::Managed)?);
        Ok(())
    })
}

fn plain(state: &mut State, bytes: u64, kind: Kind) -> Result<u64, i32> {
    let (start, layout) = backing(bytes, PLAIN_ALIGN)?;
    let range = Range {
        start,
        bytes,
        writable: true,
        readable: true,
        kind,
        id: state.number(),
    };
    state.ranges.insert(start, (range, layout));
    Ok(start)
}

#[unsafe(no_mangle)]
pub extern "C" fn cuMemFree_v2(address: u64) -> c_int {
    freeing(|state, _| free_plain(state, address))
}

fn free_plain(state: &mut State, address: u64) -> Result<(), i32> {
    if state
        .ranges
        .get(&address)
        .is_none_or(|(range, _)| range.kind == Kind::Mapped)
    {
        return Err(INVALID);
    }
    let (_, layout) = state.ranges.remove(&address).ok_or(INVALID)?;
    give_back(address, layout);
    Ok(())
}

#[unsafe(no_mangle)]
pub extern "C" fn cuMemHostAlloc(address: *mut *mut c_void, bytes: usize, _: c_uint) -> c_int {
    call(|state, _| {
        let start = plain(state, bytes as u64, Kind::Host)?;
        put(address, start as *mut c_void);
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub extern "C" fn cuMemFreeHost(address: *mut c_void) -> c_int {
    freeing(|state, _| free_plain(state, address as u64))
}

#[unsafe(no_mangle)]
pub extern "C" fn cuMemHostGetDevicePointer_v2(
    address: *mut u64,
    host: *mut c_void,
    _: c_uint,
) -> c_int {
    put(address, host as u64);
    0
}

#[unsafe(no_mangle)]
pub extern "C" fn cuMemGetAllocationGranularity(
    bytes: *mut usize,
    _: *const Properties,
    _: c_int,
) -> c_int {
    put(bytes, usize::try_from(PAGE_BYTES).unwrap_or(0));
    0
}

#[unsafe(no_mangle)]
pub extern "C" fn cuMemCreate(
    handle: *mut u64,
    bytes: usize,
    properties: *const Properties,
    _: u64,
) -> c_int {
    call(|state, faults| {
        let wanted = take(properties);
        let bytes = bytes as u64;
        let right = wanted.kind == PINNED && wanted.location.kind == DEVICE;
        if !right || wanted.location.id != 0 || !bytes.is_multiple_of(PAGE_BYTES) {
            return Err(INVALID);
        }
        take_from(state, faults, bytes)?;
        let number = state.number();
        let held = Held {
            bytes,
            references: 1,
            mapped_at: None,
        };
        state.allocations.insert(number, held);
        put(handle, number);
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub extern "C" fn cuMemRelease(handle: u64) -> c_int {
    freeing(|state, _| {
        let held = state.allocations.get_mut(&handle).ok_or(INVALID)?;
        held.references = held.references.checked_sub(1).ok_or(INVALID)?;
        forget_unused(state, handle);
        Ok(())
    })
}

fn forget_unused(state: &mut State, handle: u64) {
    let held = state.allocations.get(&handle);
    if held.is_some_and(|held| held.references == 0 && held.mapped_at.is_none()) {
        state.allocations.remove(&handle);
    }
}

#[unsafe(no_mangle)]
pub extern "C" fn cuMemAddressReserve(
    address: *mut u64,
    bytes: usize,
    _align: usize,
    _wanted: u64,
    _: u64,
) -> c_int {
    call(|state, _| {
        let align = usize::try_from(PAGE_BYTES).map_err(|_| INVALID)?;
        let (start, layout) = backing(bytes as u64, align)?;
        state.reserved.insert(start, layout);
        put(address, start);
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub extern "C" fn cuMemAddressFree(address: u64, _bytes: usize) -> c_int {
    freeing(|state, _| {
        let layout = state.reserved.remove(&address).ok_or(INVALID)?;
        give_back(address, layout);
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub extern "C" fn cuMemMap(
    address: u64,
    bytes: usize,
    _offset: usize,
    handle: u64,
    _: u64,
) -> c_int {
    call(|state, _| {
        let held = state.allocations.get_mut(&handle).ok_or(INVALID)?;
        if held.bytes != bytes as u64 || !state.reserved.contains_key(&address) {
            return Err(INVALID);
        }
        held.mapped_at = Some(address);
        let layout = state.reserved.remove(&address).ok_or(INVALID)?;
        let range = Range {
            start: address,
            bytes: bytes as u64,
            writable: false,
            readable: false,
            kind: Kind::Mapped,
            id: state.number(),
        };
        state.ranges.insert(address, (range, layout));
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub extern "C" fn cuMemUnmap(address: u64, _bytes: usize) -> c_int {
    freeing(|state, _| {
        let (range, layout) = state.ranges.remove(&address).ok_or(INVALID)?;
        let dirty = bytes_of(&range).iter().filter(|&&byte| byte != 0).count();
        state.dirty_bytes += dirty as u64;
        state.reserved.insert(address, layout);
        let found = state.allocations.iter_mut();
        let found = found
            .filter(|(_, held)| held.mapped_at == Some(address))
            .last();
        let Some((&handle, held)) = found else {
            return Err(INVALID);
        };
        held.mapped_at = None;
        forget_unused(state, handle);
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub extern "C" fn cuMemSetAccess(
    address: u64,
    _bytes: usize,
    access: *const AccessDescription,
    _count: usize,
) -> c_int {
    call(|state, faults| {
        let wanted = take(access);
        if wanted.location.kind != DEVICE || wanted.location.id != 0 {
            return Err(INVALID);
        }
        let (range, _) = state.ranges.get_mut(&address).ok_or(INVALID)?;
        range.readable = wanted.flags & 1 != 0;
        range.writable = wanted.flags & 2 != 0 || faults.has("unprotected");
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub extern "C" fn cuMemGetAccess(flags: *mut u64, _: *const Location, address: u64) -> c_int {
    call(|state, _| {
        let range = state.range_at(address).ok_or(INVALID)?;
        put(
            flags,
            u64::from(range.readable) | (u64::from(range.writable) << 1),
        );
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub extern "C" fn cuMemRetainAllocationHandle(handle: *mut u64, address: *mut c_void) -> c_int {
    call(|state, _| {
        let range = state.range_at(address as u64).ok_or(INVALID)?;
        let mut all = state.allocations.iter_mut();
        let found = all.find(|(_, held)| held.mapped_at == Some(range.start));
        let (&number, held) = found.ok_or(INVALID)?;
        held.references += 1;
        put(handle, number);
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub extern "C" fn cuMemGetAllocationPropertiesFromHandle(
    properties: *mut Properties,
    _handle: u64,
) -> c_int {
    call(|_, faults| {
        let kind = if faults.has("elsewhere") {
            ELSEWHERE
        } else {
            DEVICE
        };
        let answer = Properties {
            kind: PINNED,
            handle_types: 0,
            location: Location { kind, id: 0 },
            win32_metadata: 0,
            flags: [0; 8],
        };
        put(properties, answer);
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub extern "C" fn cuMemcpyHtoDAsync_v2(
    address: u64,
    from: *const c_void,
    bytes: usize,
    _: *mut c_void,
) -> c_int {
    call(|state, faults| {
        writable(state, faults, address, bytes as u64)?;
        // SAFETY: cuda.h says that so many bytes lie there, and `writable` found room for them.
        unsafe { std::ptr::copy_nonoverlapping(from.cast::<u8>(), address as *mut u8, bytes) };
        state.pass_copy(bytes as u64);
        flip_passing(state, faults, address, bytes as u64);
        Ok(())
    })
}

/// A store that the mapping forbids ends the context, as on a real device.
fn writable(state: &mut State, faults: &Faults, address: u64, bytes: u64) -> Result<(), i32> {
    let checked = state.view(faults).check(address, bytes, true);
    checked.map_err(|why| {
        eprintln!("driver double: {why}");
        state.sticky = Some(ILLEGAL_ADDRESS);
        ILLEGAL_ADDRESS
    })
}

fn flip_passing(state: &State, faults: &Faults, address: u64, bytes: u64) {
    let (Some(offset), Some(range)) = (faults.number("flip_copy"), state.range_at(address)) else {
        return;
    };
    let place = range.start + offset;
    if faults.number("mapping").is_some() && state.meant_mapping(faults) != Some(range) {
        return;
    }
    if range.kind == Kind::Mapped && (address..address + bytes).contains(&place) {
        flip(&range, offset);
    }
}

pub(super) fn flip(range: &Range, offset: u64) {
    let at = usize::try_from(offset).unwrap_or(usize::MAX);
    if let Some(byte) = bytes_of(range).get_mut(at) {
        *byte ^= 0x10;
    }
}

#[unsafe(no_mangle)]
pub extern "C" fn cuMemcpyDtoDAsync_v2(to: u64, from: u64, bytes: usize, _: *mut c_void) -> c_int {
    call(|state, faults| {
        let checked = state.view(faults).check(from, bytes as u64, false);
        checked.map_err(|_| INVALID)?;
        writable(state, faults, to, bytes as u64)?;
        // SAFETY: both checks found that so many bytes exist; they may overlap.
        unsafe { std::ptr::copy(from as *const u8, to as *mut u8, bytes) };
        state.pass_launch(2 * bytes as u64, faults);
        Ok(())
    })
}

/// Done at once, as all work here is.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemcpyHtoD_v2(address: u64, from: *const c_void, bytes: usize) -> c_int {
    cuMemcpyHtoDAsync_v2(address, from, bytes, std::ptr::null_mut())
}

#[unsafe(no_mangle)]
pub extern "C" fn cuMemcpyDtoD_v2(to: u64, from: u64, bytes: usize) -> c_int {
    cuMemcpyDtoDAsync_v2(to, from, bytes, std::ptr::null_mut())
}

#[unsafe(no_mangle)]
pub extern "C" fn cuMemsetD8_v2(address: u64, value: u8, bytes: usize) -> c_int {
    cuMemsetD8Async(address, value, bytes, std::ptr::null_mut())
}

/// Managed memory stays where it is.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemPrefetchAsync(address: u64, _: usize, _: c_int, _: *mut c_void) -> c_int {
    call(|state, _| managed(state, address))
}

/// The last place that managed memory was asked to be moved to: none, as cuda.h writes it.
#[unsafe(no_mangle)]
pub extern "C" fn cuMemRangeGetAttribute(
    value: *mut c_void,
    _: usize,
    attribute: c_int,
    address: u64,
    _: usize,
) -> c_int {
    call(|state, _| {
        managed(state, address)?;
        put(
            value.cast(),
            if attribute == READ_MOSTLY {
                0
            } else {
                NO_PLACE
            },
        );
        Ok(())
    })
}

fn managed(state: &State, address: u64) -> Result<(), i32> {
    let range = state.range_at(address).ok_or(INVALID)?;
    (range.kind == Kind::Managed).then_some(()).ok_or(INVALID)
}

#[unsafe(no_mangle)]
pub extern "C" fn cuMemcpyDtoH_v2(into: *mut c_void, address: u64, bytes: usize) -> c_int {
    call(|state, faults| {
        let checked = state.view(faults).check(address, bytes as u64, false);
        checked.map_err(|_| INVALID)?;
        // SAFETY: cuda.h says that the place has room for so many bytes, and they exist.
        unsafe { std::ptr::copy_nonoverlapping(address as *const u8, into.cast::<u8>(), bytes) };
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub extern "C" fn cuMemsetD8Async(address: u64, value: u8, bytes: usize, _: *mut c_void) -> c_int {
    call(|state, faults| {
        writable(state, faults, address, bytes as u64)?;
        // SAFETY: `writable` found that so many bytes exist.
        unsafe { std::ptr::write_bytes(address as *mut u8, value, bytes) };
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub extern "C" fn cuPointerGetAttributes(
    count: c_uint,
    attributes: *const c_int,
    values: *mut *mut c_void,
    address: u64,
) -> c_int {
    call(|state, faults| {
        let range = state.range_at(address).ok_or(INVALID)?;
        for at in 0..count as usize {
            let place = take(values.wrapping_add(at));
            match take(attributes.wrapping_add(at)) {
                2 => put(place.cast(), memory_type(&range, faults)),
                7 => put(place.cast(), range.id),
                8 => put(
                    place.cast(),
                    u8::from(range.kind == Kind::Managed || faults.has("managed")),
                ),
                9 => put(place.cast(), 0_i32),
                _ => return Err(INVALID),
            }
        }
        Ok(())
    })
}

fn memory_type(range: &Range, faults: &Faults) -> u32 {
    if range.kind == Kind::Host || faults.has("host") {
        1
    } else {
        2
    }
}

#[unsafe(no_mangle)]
pub extern "C" fn cuMemGetAddressRange_v2(
    start: *mut u64,
    bytes: *mut usize,
    address: u64,
) -> c_int {
    call(|state, _| {
        let range = state.range_at(address).ok_or(INVALID)?;
        put(start, range.start);
        put(bytes, usize::try_from(range.bytes).unwrap_or(0));
        Ok(())
    })
}
