//! The Node binding: export table, threads and conversions. Knows no algorithm.
//!
//! Plain values come in, one opaque handle goes out. A refusal crosses as data; only a bug crosses as an error.

#![allow(
    clippy::needless_pass_by_value,
    reason = "what crosses from JavaScript is owned: its memory may move or change"
)]

mod bytes_pass;
mod control;
mod lock;
mod metadata;
mod model;
mod policy;
mod proving;
mod root;
mod set;
mod space;
mod store;
mod sync_at_exit;
mod system_failure;
mod thread;
mod verdict;
mod vram;

use napi::bindgen_prelude::{
    Buffer, BufferSlice, ClassInstance, Env, Error, Object, Result, Uint8Array,
};
use napi_derive::napi;

use bytes_pass::NativeBytesPass;
use control::NativeControl;
use lock::Locking;
use model::NativeModel;
use policy::Policy;
use root::{FileAsk, NativeRoot, Opened};
use set::SplitPath;
use store::{StoreAsk, WholeFile};
use sync_at_exit::NativeSyncAtExit;
use vram::{Place, Range, RecordChecked, SealRecordView};

/// The version that the JavaScript side compares with its own.
#[napi]
pub fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}

/// The answer of [`about`].
#[napi(object, object_from_js = false)]
pub struct About {
    /// False where no containment is implemented: there every root is refused.
    pub supported: bool,
    /// The SHA-256 implementation that this processor gets.
    pub sha256: &'static str,
    /// The SHA-256 implementation of several files at once.
    pub sha256_lanes: &'static str,
    /// The BLAKE3 implementation that this processor gets.
    pub blake3: &'static str,
}

/// What this build runs on and with. Fails where the digests do: nothing may be judged there.
#[napi]
pub fn about() -> Result<About> {
    digest::self_test().map_err(|wrong| Error::from_reason(wrong.to_string()))?;
    Ok(About {
        supported: cfg!(target_os = "linux"),
        sha256: digest::sha256_implementation(),
        sha256_lanes: digest::Lanes::detect().implementation(),
        blake3: digest::blake3_implementation(),
    })
}

/// Opens the folder that every path must stay beneath.
#[napi(catch_unwind)]
pub fn open_root(path: &[u8]) -> Opened {
    root::open(path)
}

/// A handle to stop and watch one call.
#[napi]
pub fn new_control() -> NativeControl {
    NativeControl::default()
}

/// Starts a pass over bytes that JavaScript pushes.
#[napi(catch_unwind)]
pub fn start_bytes(
    total_bytes: i64,
    sha256: Option<String>,
    policy: Policy,
    control: &NativeControl,
) -> Result<NativeBytesPass> {
    bytes_pass::start(total_bytes, sha256.as_deref(), policy, control)
}

/// What the name of a split model's file says; null for any other path.
#[napi(catch_unwind)]
pub fn split_path(path: &[u8]) -> Option<SplitPath> {
    set::split_path(path)
}

/// The path of a part, from 0, of the split model that `path` names a part of.
#[napi(catch_unwind)]
pub fn split_part(path: &[u8], index: u32) -> Option<Buffer> {
    set::split_part(path, index)
}

/// Takes an exclusive advisory lock on a file, made where it is missing.
#[napi(catch_unwind)]
pub fn lock_file(path: String) -> Locking {
    lock::take(&path)
}

/// Space for a file that grows, ahead of its end, which stays where it is. False where there is none to be had.
#[napi(catch_unwind)]
pub fn allocate_space(fd: i32, offset: i64, bytes: i64) -> bool {
    let range = (u64::try_from(offset), u64::try_from(bytes));
    matches!(range, (Ok(offset), Ok(bytes)) if space::allocate(fd, offset, bytes))
}

/// Syncs the descriptor's file once more when this environment is torn down.
#[napi(catch_unwind)]
pub fn sync_at_exit(env: Env, fd: i32) -> Result<NativeSyncAtExit> {
    sync_at_exit::register(env, fd)
}

/// Puts files in place, each whole and durable, on a thread of its own. Resolves with what failed, or null.
#[napi(catch_unwind)]
pub fn store_files(env: &Env, files: Vec<StoreAsk>) -> Result<Object<'_>> {
    let files: Vec<_> = files.into_iter().map(WholeFile::from).collect();
    thread::promise(env, "store-files", move || store::store(&files))
}

/// Chains the lines of a block in place and returns their leaf hashes, 64 digits each: see `digest::link_lines`.
#[napi(catch_unwind)]
pub fn link_lines(mut lines: BufferSlice, previous: String) -> Result<String> {
    digest::link_lines(&mut lines, &previous).map_err(|error| Error::from_reason(error.to_string()))
}

/// The root above a power of two of hashes that lie side by side: see `digest::fold`.
#[napi(catch_unwind)]
pub fn fold_hashes(hashes: &[u8]) -> Result<Buffer> {
    let root = digest::fold(hashes).map_err(|error| Error::from_reason(error.to_string()))?;
    Ok(root.as_bytes().to_vec().into())
}

/// Asks every GPU driver for its devices, or those of one interface alone, on a thread of its own. A missing driver is an
/// answer.
#[napi(catch_unwind)]
pub fn vram_devices(env: &Env, backend: Option<String>) -> Result<Object<'_>> {
    vram::devices(env, backend.as_deref())
}

/// What Linux DRM counts for this process, on a thread of its own.
#[napi(catch_unwind)]
pub fn vram_drm_use(env: &Env) -> Result<Object<'_>> {
    thread::promise(env, "vram-drm", vram::drm_use)
}

/// Reads the file once, and seals the very bytes that are judged, on a thread of its own.
#[napi(catch_unwind)]
pub fn vram_seal<'env>(
    env: &'env Env,
    root: &NativeRoot,
    path: &[u8],
    ask: FileAsk,
    place: Place,
    control: &NativeControl,
) -> Result<Object<'env>> {
    vram::seal(env, root.prepare(path, ask)?, place, control)
}

/// As [`vram_seal`], all parts of a split model, which is named by its first. `parts` are their digests, as for a load.
#[napi(catch_unwind)]
pub fn vram_seal_set<'env>(
    env: &'env Env,
    root: &NativeRoot,
    path: &[u8],
    ask: FileAsk,
    parts: Vec<String>,
    place: Place,
    control: &NativeControl,
) -> Result<Object<'env>> {
    let prepared = root.prepare_set(path, ask, &parts)?;
    vram::seal_set(env, prepared, place, control)
}

/// The BLAKE3 digest of the file of so many bytes whose tiles have these values, 32 bytes each.
#[napi(catch_unwind)]
pub fn tile_list_root(values: &[u8], size_bytes: i64) -> Result<String> {
    vram::tile_list::root(values, size_bytes)
}

/// The answer to a fresh challenge of a sealed model whose files' tiles have these values.
#[napi(catch_unwind)]
pub fn tile_list_response(files: Vec<Uint8Array>, nonce: &[u8]) -> Result<String> {
    vram::tile_list::response(&files, nonce)
}

/// Whether a seal record bears the seal of this process, or of the secret's key.
#[napi(catch_unwind)]
pub fn vram_check_record(record: SealRecordView, secret: Option<&[u8]>) -> RecordChecked {
    vram::check_record(&record, secret)
}

/// Hashes memory that another library allocated, and compares it with the tensors of the model, whose files these are.
#[napi(catch_unwind)]
pub fn vram_verify_ranges<'env>(
    env: &'env Env,
    files: Vec<ClassInstance<'env, NativeModel>>,
    ranges: Vec<Range>,
    place: Place,
    control: &NativeControl,
) -> Result<Object<'env>> {
    vram::verify_ranges(env, &files, ranges, place, control)
}

/// How fast the device hashes so many bytes of its own memory, beside how fast it copies them.
#[napi(catch_unwind)]
pub fn vram_measure<'env>(
    env: &'env Env,
    bytes: i64,
    place: Place,
    control: &NativeControl,
) -> Result<Object<'env>> {
    vram::measure(env, bytes, place, control)
}
