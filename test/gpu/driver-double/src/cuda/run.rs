//! Modules, kernels, queues and marks.

use super::memory::flip;
use super::{call, freeing, put, take};
use crate::faults::Faults;
use crate::ptx::{Kernel, Launch, parse, run};
use crate::state::{ILLEGAL_ADDRESS, INVALID, State};
use std::ffi::{CStr, c_char, c_int, c_uint, c_void};

const INVALID_PTX: i32 = 218;
const UNSUPPORTED_PTX: i32 = 222;
const NOT_FOUND: i32 = 500;

#[unsafe(no_mangle)]
pub extern "C" fn cuModuleLoadDataEx(
    module: *mut *mut c_void,
    image: *const c_void,
    _options: c_uint,
    _names: *const c_int,
    values: *mut *mut c_void,
) -> c_int {
    call(|state, faults| {
        // SAFETY: cuda.h says that PTX is a text that ends in a zero byte.
        let text = unsafe { CStr::from_ptr(image.cast()) };
        if faults.has("ptx_too_new") {
            return Err(UNSUPPORTED_PTX);
        }
        let parsed = text.to_str().map_err(|error| error.to_string());
        let kernels = parsed.and_then(parse).map_err(|why| {
            if !values.is_null() {
                super::device::put_text(take(values).cast(), 1024, &why);
            }
            INVALID_PTX
        })?;
        let number = state.object("module");
        state.objects.remove(&number);
        state.modules.insert(number, kernels);
        put(module, std::ptr::without_provenance_mut(number));
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub extern "C" fn cuModuleUnload(module: *mut c_void) -> c_int {
    freeing(|state, _| {
        let found = state.modules.remove(&module.addr());
        found.map(drop).ok_or(INVALID)
    })
}

#[unsafe(no_mangle)]
pub extern "C" fn cuModuleGetFunction(
    function: *mut *mut c_void,
    module: *mut c_void,
    name: *const c_char,
) -> c_int {
    call(|state, _| {
        // SAFETY: cuda.h says that the name ends in a zero byte.
        let name = unsafe { CStr::from_ptr(name) }.to_string_lossy();
        let kernels = state.modules.get(&module.addr()).ok_or(INVALID)?;
        let found = kernels.iter().position(|kernel| kernel.name == name);
        let place = (module.addr() << 8) | (found.ok_or(NOT_FOUND)? + 1);
        put(function, std::ptr::without_provenance_mut(place));
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub extern "C" fn cuLaunchKernel(
    function: *mut c_void,
    blocks: c_uint,
    _: c_uint,
    _: c_uint,
    threads: c_uint,
    _: c_uint,
    _: c_uint,
    _shared: c_uint,
    _stream: *mut c_void,
    arguments: *mut *mut c_void,
    _extra: *mut *mut c_void,
) -> c_int {
    call(|state, faults| {
        flip_once(state, faults);
        let (module, index) = (function.addr() >> 8, function.addr() & 0xff);
        let kernels = state.modules.get(&module).ok_or(INVALID)?;
        let kernel = kernels.get(index.wrapping_sub(1)).ok_or(INVALID)?;
        fail_hard(&kernel.name, faults);
        let mut parameters = gather(kernel, arguments);
        let wrong = faults.text("wrong").unwrap_or_default();
        if wrong == kernel.name || wrong == "1" && kernel.name == "tiles" {
            // Another key, and so another digest.
            parameters[16] ^= 1;
        }
        let view = state.view(faults);
        let launch = Launch {
            blocks,
            threads,
            parameters: &parameters,
            view: &view,
        };
        match run(kernel, &launch) {
            Ok(bytes) => state.pass_launch(bytes, faults),
            Err(why) => {
                // As on a device, the caller hears of it by its next call.
                eprintln!("driver double: {why}");
                state.sticky = Some(ILLEGAL_ADDRESS);
            }
        }
        Ok(())
    })
}

/// As drivers with faults of their own do.
fn fail_hard(kernel: &str, faults: &Faults) {
    if faults.text("crash") == Some(kernel) {
        std::process::abort();
    }
    while faults.text("hang") == Some(kernel) {
        std::thread::park();
    }
}

fn gather(kernel: &Kernel, arguments: *mut *mut c_void) -> Vec<u8> {
    let mut parameters = vec![0; kernel.parameter_bytes()];
    for (at, parameter) in kernel.parameters.iter().enumerate() {
        let argument: *const u8 = take(arguments.wrapping_add(at)).cast();
        for byte in 0..parameter.bytes {
            parameters[parameter.offset + byte] = take(argument.wrapping_add(byte));
        }
    }
    parameters
}

fn flip_once(state: &mut State, faults: &Faults) {
    if let (Some(offset), Some(range)) = (faults.number("flip"), state.meant_mapping(faults))
        && state.flipped.insert((range.id, offset))
    {
        flip(&range, offset);
    }
}

#[unsafe(no_mangle)]
pub extern "C" fn cuStreamCreateWithPriority(
    stream: *mut *mut c_void,
    _: c_uint,
    _: c_int,
) -> c_int {
    call(|state, _| {
        put(
            stream,
            std::ptr::without_provenance_mut(state.object("stream")),
        );
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub extern "C" fn cuStreamSynchronize(_stream: *mut c_void) -> c_int {
    call(|_, _| Ok(()))
}

#[unsafe(no_mangle)]
pub extern "C" fn cuCtxSynchronize() -> c_int {
    call(|_, _| Ok(()))
}

#[unsafe(no_mangle)]
pub extern "C" fn cuStreamDestroy_v2(stream: *mut c_void) -> c_int {
    freeing(|state, _| {
        let found = state.objects.remove(&stream.addr());
        found.map(drop).ok_or(INVALID)
    })
}

#[unsafe(no_mangle)]
pub extern "C" fn cuEventCreate(event: *mut *mut c_void, _: c_uint) -> c_int {
    call(|state, _| {
        let number = usize::try_from(state.number()).map_err(|_| INVALID)?;
        state.events.insert(number, 0);
        put(event, std::ptr::without_provenance_mut(number));
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub extern "C" fn cuEventRecord(event: *mut c_void, _stream: *mut c_void) -> c_int {
    call(|state, _| {
        let now = state.nanoseconds;
        let event = state.events.get_mut(&event.addr()).ok_or(INVALID)?;
        *event = now;
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub extern "C" fn cuEventSynchronize(_event: *mut c_void) -> c_int {
    call(|_, _| Ok(()))
}

#[unsafe(no_mangle)]
pub extern "C" fn cuEventElapsedTime(
    milliseconds: *mut f32,
    from: *mut c_void,
    to: *mut c_void,
) -> c_int {
    call(|state, _| {
        let at = |event: *mut c_void| state.events.get(&event.addr()).copied();
        let (from, to) = (at(from).ok_or(INVALID)?, at(to).ok_or(INVALID)?);
        #[allow(
            clippy::cast_precision_loss,
            reason = "the driver's own unit is a float"
        )]
        put(milliseconds, to.saturating_sub(from) as f32 / 1e6);
        Ok(())
    })
}

#[unsafe(no_mangle)]
pub extern "C" fn cuEventDestroy_v2(event: *mut c_void) -> c_int {
    freeing(|state, _| {
        let found = state.events.remove(&event.addr());
        found.map(drop).ok_or(INVALID)
    })
}
