//! What `scripts/gpu-check.mjs` does to sealed memory, and beside it, by raw driver calls. Blocks the thread that
//! calls it: each use has a process of its own, which may hang or lose its context.

#![allow(
    clippy::needless_pass_by_value,
    reason = "what crosses from JavaScript is owned: its memory may move or change"
)]

use napi::bindgen_prelude::{BigInt, Buffer, Error, Result};
use napi_derive::napi;
use raw_driver::{Answer, Attribute, Place, Raw, Runtime, Way};

/// The driver on one device, and an engine's runtime where one was opened.
#[napi]
pub struct Probe {
    raw: Raw,
    runtime: Option<Runtime>,
    ordinal: i32,
}

/// Retains the device's primary context.
#[napi(catch_unwind)]
pub fn open(ordinal: i32) -> Result<Probe> {
    Ok(Probe {
        raw: Raw::open(ordinal).map_err(refused)?,
        runtime: None,
        ordinal,
    })
}

/// A call's answer.
#[napi(object, object_from_js = false)]
pub struct AnswerView {
    /// The driver's function.
    pub call: &'static str,
    /// 0 is success, -1 that there is no such function.
    pub status: i32,
    /// The driver's name for it.
    pub name: String,
}

/// A write: what the call said, and what the next wait said.
#[napi(object, object_from_js = false)]
pub struct AttemptView {
    /// Of the call itself.
    pub asked: AnswerView,
    /// Of cuCtxSynchronize after it.
    pub waited: AnswerView,
}

/// What the driver says of an address; a text where it does not say.
#[napi(object, object_from_js = false)]
pub struct AttributeView {
    /// Such as `memoryType`.
    pub name: &'static str,
    /// Nothing where the driver does not say.
    pub value: Option<i64>,
    /// Why it does not.
    pub refused: Option<String>,
}

#[napi]
impl Probe {
    /// From now on `cudaMalloc` of this library makes what an engine would; its version.
    #[napi(catch_unwind)]
    pub fn use_runtime(&mut self, library: String) -> Result<i32> {
        let runtime = Runtime::open(&library, self.ordinal).map_err(refused)?;
        let version = runtime.version().map_err(refused)?;
        self.runtime = Some(runtime);
        Ok(version)
    }

    /// An engine's device memory: by cudaMalloc where a runtime is in use, else by what lies under it.
    #[napi(catch_unwind)]
    pub fn engine_memory(&self, bytes: i64) -> Result<BigInt> {
        let bytes = size(bytes)?;
        let made = match &self.runtime {
            Some(runtime) => runtime.allocate(bytes),
            None => self.raw.allocate(Place::Device, bytes),
        };
        made.map(BigInt::from).map_err(refused)
    }

    /// Copies into an engine's memory.
    #[napi(catch_unwind)]
    pub fn engine_copy(&self, address: BigInt, bytes: &[u8]) -> Result<()> {
        let address = pointer(&address)?;
        let copied = match &self.runtime {
            Some(runtime) => runtime.copy_in(address, bytes),
            None => self.raw.copy_in(address, bytes),
        };
        copied.ok().map_err(refused)
    }

    /// Memory of a kind: `device`, `host` or `managed`.
    #[napi(catch_unwind)]
    pub fn allocate(&self, kind: String, bytes: i64) -> Result<BigInt> {
        let place = match kind.as_str() {
            "device" => Place::Device,
            "host" => Place::Host,
            "managed" => Place::Managed,
            _ => return Err(Error::from_reason(format!("no kind of memory: {kind}"))),
        };
        let made = self.raw.allocate(place, size(bytes)?);
        made.map(BigInt::from).map_err(refused)
    }

    /// Puts bytes into memory of any kind.
    #[napi(catch_unwind)]
    pub fn fill(&self, address: BigInt, bytes: &[u8]) -> Result<()> {
        self.raw.fill(pointer(&address)?, bytes).map_err(refused)
    }

    /// Copies out of the device's memory.
    #[napi(catch_unwind)]
    pub fn copy_out(&self, address: BigInt, bytes: i64) -> Result<Buffer> {
        let mut into = vec![0; size(bytes)?];
        let copied = self.raw.copy_out(&mut into, pointer(&address)?);
        copied.ok().map_err(refused)?;
        Ok(into.into())
    }

    /// Writes at most a mebibyte in the way of this name, and waits.
    #[napi(catch_unwind)]
    pub fn write(&self, way: String, address: BigInt) -> Result<AttemptView> {
        let found = Way::named(&way).ok_or_else(|| Error::from_reason(format!("no way: {way}")))?;
        let attempt = self.raw.write(found, pointer(&address)?).map_err(refused)?;
        Ok(AttemptView {
            asked: attempt.asked.into(),
            waited: attempt.waited.into(),
        })
    }

    /// Gives the device the right to write to a mapping, or takes it.
    #[napi(catch_unwind)]
    pub fn set_writable(&self, address: BigInt, bytes: i64, writable: bool) -> Result<()> {
        let set = self
            .raw
            .set_writable(pointer(&address)?, size(bytes)?, writable);
        set.ok().map_err(refused)
    }

    /// Asks that managed memory be moved to the device, or to the host.
    #[napi(catch_unwind)]
    pub fn prefetch(&self, address: BigInt, bytes: i64, to_device: bool) -> Result<AnswerView> {
        let asked = self
            .raw
            .prefetch(pointer(&address)?, size(bytes)?, to_device);
        Ok(asked.into())
    }

    /// What the driver says of an address; of managed memory, what it was asked for too.
    #[napi(catch_unwind)]
    pub fn attributes(&self, address: BigInt, bytes: i64) -> Result<Vec<AttributeView>> {
        let (address, bytes) = (pointer(&address)?, size(bytes)?);
        let of_pointer = self.raw.pointer_attributes(address);
        let of_range = self.raw.range_attributes(address, bytes);
        let all = of_pointer.into_iter().chain(of_range);
        Ok(all.map(AttributeView::from).collect())
    }

    /// Seconds that a copy of so many bytes from pinned memory takes at best.
    #[napi(catch_unwind)]
    pub fn copy_in_seconds(&self, bytes: i64, tries: u32) -> Result<f64> {
        let took = self
            .raw
            .copy_in_time(size(bytes)?, tries)
            .map_err(refused)?;
        Ok(took.as_secs_f64())
    }
}

impl From<Answer> for AnswerView {
    fn from(Answer { call, status, name }: Answer) -> Self {
        Self { call, status, name }
    }
}

impl From<Attribute> for AttributeView {
    fn from(
        Attribute {
            name,
            value,
            answer,
        }: Attribute,
    ) -> Self {
        Self {
            name,
            value,
            refused: answer.ok().err().map(|answer| answer.to_string()),
        }
    }
}

fn refused(answer: Answer) -> Error {
    Error::from_reason(answer.to_string())
}

fn size(bytes: i64) -> Result<usize> {
    usize::try_from(bytes).map_err(|_| Error::from_reason("a negative size"))
}

fn pointer(address: &BigInt) -> Result<u64> {
    let (negative, value, lossless) = address.get_u64();
    if negative || !lossless {
        return Err(Error::from_reason("no device address"));
    }
    Ok(value)
}
