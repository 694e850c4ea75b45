//! Work on the device: modules, kernels, streams, events.

use super::context::handle;
use super::table::{Driver, Fault, Opaque, call};
use std::ffi::{CStr, c_int, c_uint};

const STREAM_NON_BLOCKING: c_uint = 1;
const EVENT_DEFAULT: c_uint = 0;
/// The options by which the compiler's words are asked for: where they go, and how many bytes.
const LOG_OPTIONS: [c_int; 2] = [5, 6];
const LOG_OPTIONS_COUNT: c_uint = 2;
const LOG_BYTES: usize = 4096;

/// A loaded module.
#[derive(Clone, Copy, Debug)]
pub(in crate::cuda) struct Module(usize);

/// A kernel of a loaded module.
#[derive(Clone, Copy, Debug)]
pub(in crate::cuda) struct Function(usize);

/// A queue of work.
#[derive(Clone, Copy, Debug)]
pub(in crate::cuda) struct Stream(pub(super) usize);

/// A mark in a queue.
#[derive(Clone, Copy, Debug)]
pub(in crate::cuda) struct Event(usize);

/// How many blocks of how many threads.
#[derive(Clone, Copy, Debug)]
pub(in crate::cuda) struct LaunchShape {
    pub(in crate::cuda) blocks: u32,
    pub(in crate::cuda) threads: u32,
}

/// The kernels' structure of the same name: key words, first chunk, flags, root flag, and a 1.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(in crate::cuda) struct Hashing {
    pub(in crate::cuda) key: [u32; 8],
    pub(in crate::cuda) first_chunk: u64,
    pub(in crate::cuda) flags: u32,
    pub(in crate::cuda) root: u32,
    pub(in crate::cuda) one: u32,
}

impl Driver {
    /// Has the driver compile a module of PTX. The compiler's words come beside the fault.
    pub(in crate::cuda) fn load_module(&self, text: &CStr) -> Result<Module, (Fault, String)> {
        let mut log = vec![0_u8; LOG_BYTES];
        let loaded = self.load_module_into(text, &mut log);
        loaded.map_err(|fault| {
            let words = log.split(|&byte| byte == 0).next().unwrap_or_default();
            (fault, String::from_utf8_lossy(words).into_owned())
        })
    }

    fn load_module_into(&self, text: &CStr, log: &mut [u8]) -> Result<Module, Fault> {
        let mut module: Opaque = std::ptr::null_mut();
        // The second value is a number in a pointer's place, as the driver wants it.
        let mut values: [Opaque; 2] = [log.as_mut_ptr().cast(), handle(log.len())];
        let options = LOG_OPTIONS.as_ptr();
        call!(
            self,
            cuModuleLoadDataEx(
                &raw mut module,
                text.as_ptr().cast(),
                LOG_OPTIONS_COUNT,
                options,
                values.as_mut_ptr()
            )
        )?;
        Ok(Module(module.addr()))
    }

    pub(in crate::cuda) fn unload_module(&self, module: Module) -> Result<(), Fault> {
        call!(self, cuModuleUnload(handle(module.0)))
    }

    pub(in crate::cuda) fn function(&self, module: Module, name: &CStr) -> Result<Function, Fault> {
        let mut function: Opaque = std::ptr::null_mut();
        call!(
            self,
            cuModuleGetFunction(&raw mut function, handle(module.0), name.as_ptr())
        )?;
        Ok(Function(function.addr()))
    }

    /// `tiles(data, bytes, hashing, values)`.
    pub(in crate::cuda) fn launch_tiles(
        &self,
        function: Function,
        shape: LaunchShape,
        (mut data, mut bytes, mut hashing, mut values): (u64, u64, Hashing, u64),
        stream: Stream,
    ) -> Result<(), Fault> {
        let mut arguments: [Opaque; 4] = [
            (&raw mut data).cast(),
            (&raw mut bytes).cast(),
            (&raw mut hashing).cast(),
            (&raw mut values).cast(),
        ];
        self.launch(function, shape, &mut arguments, stream)
    }

    /// `parents(values, count, hashing, above)`.
    pub(in crate::cuda) fn launch_parents(
        &self,
        function: Function,
        shape: LaunchShape,
        (mut values, mut count, mut hashing, mut above): (u64, u64, Hashing, u64),
        stream: Stream,
    ) -> Result<(), Fault> {
        let mut arguments: [Opaque; 4] = [
            (&raw mut values).cast(),
            (&raw mut count).cast(),
            (&raw mut hashing).cast(),
            (&raw mut above).cast(),
        ];
        self.launch(function, shape, &mut arguments, stream)
    }

    /// `latency(base, pages, page_bytes_log2, seed, loads, zero, cycles)`.
    pub(in crate::cuda) fn launch_latency(
        &self,
        function: Function,
        shape: LaunchShape,
        (mut base, mut pages, mut page_bytes_log2, mut seed, mut loads, mut cycles): (
            u64,
            u64,
            u32,
            u32,
            u32,
            u64,
        ),
        stream: Stream,
    ) -> Result<(), Fault> {
        let mut zero = 0_u32;
        let mut arguments: [Opaque; 7] = [
            (&raw mut base).cast(),
            (&raw mut pages).cast(),
            (&raw mut page_bytes_log2).cast(),
            (&raw mut seed).cast(),
            (&raw mut loads).cast(),
            (&raw mut zero).cast(),
            (&raw mut cycles).cast(),
        ];
        self.launch(function, shape, &mut arguments, stream)
    }

    /// The driver copies the arguments before it returns, by the sizes that the kernel's text gives.
    fn launch(
        &self,
        function: Function,
        LaunchShape { blocks, threads }: LaunchShape,
        arguments: &mut [Opaque],
        stream: Stream,
    ) -> Result<(), Fault> {
        let nothing = std::ptr::null_mut();
        call!(
            self,
            cuLaunchKernel(
                handle(function.0),
                blocks,
                1,
                1,
                threads,
                1,
                1,
                0,
                handle(stream.0),
                arguments.as_mut_ptr(),
                nothing
            )
        )
    }

    /// A queue of the lowest priority: inference goes first.
    pub(in crate::cuda) fn new_stream(&self) -> Result<Stream, Fault> {
        let mut stream: Opaque = std::ptr::null_mut();
        call!(
            self,
            cuStreamCreateWithPriority(&raw mut stream, STREAM_NON_BLOCKING, 0)
        )?;
        Ok(Stream(stream.addr()))
    }

    pub(in crate::cuda) fn wait_for_stream(&self, stream: Stream) -> Result<(), Fault> {
        call!(self, cuStreamSynchronize(handle(stream.0)))
    }

    pub(in crate::cuda) fn end_stream(&self, stream: Stream) -> Result<(), Fault> {
        call!(self, cuStreamDestroy_v2(handle(stream.0)))
    }

    pub(in crate::cuda) fn new_event(&self) -> Result<Event, Fault> {
        let mut event: Opaque = std::ptr::null_mut();
        call!(self, cuEventCreate(&raw mut event, EVENT_DEFAULT))?;
        Ok(Event(event.addr()))
    }

    pub(in crate::cuda) fn record(&self, event: Event, stream: Stream) -> Result<(), Fault> {
        call!(self, cuEventRecord(handle(event.0), handle(stream.0)))
    }

    pub(in crate::cuda) fn wait_for_event(&self, event: Event) -> Result<(), Fault> {
        call!(self, cuEventSynchronize(handle(event.0)))
    }

    /// Seconds between two marks.
    pub(in crate::cuda) fn seconds_between(&self, a: Event, b: Event) -> Result<f64, Fault> {
        let mut milliseconds = 0.0_f32;
        call!(
            self,
            cuEventElapsedTime(&raw mut milliseconds, handle(a.0), handle(b.0))
        )?;
        Ok(f64::from(milliseconds) / 1000.0)
    }

    pub(in crate::cuda) fn end_event(&self, event: Event) -> Result<(), Fault> {
        call!(self, cuEventDestroy_v2(handle(event.0)))
    }
}
