//! Evidence as plain values, level by level.

use std::fmt::Write;

use napi::bindgen_prelude::BigInt;
use napi_derive::napi;
use vram::{
    Accounting, BadTile, Content, Evidence, Freshness, FreshnessMethod, KernelFacts, Latency,
    Placement, Timing,
};

use crate::control::saturating;

#[napi(object, object_from_js = false)]
pub struct EvidenceView {
    pub level: String,
    pub verdict: &'static str,
    pub reasons: Vec<String>,
    pub device_uuid: String,
    pub kernel: KernelView,
    pub accounting: AccountingView,
    pub placement: PlacementView,
    pub content: ContentView,
    pub timing: TimingView,
    pub freshness: FreshnessView,
    pub at_unix_ms: i64,
    /// Of a split model, what each of its files showed; absent for a model of one file.
    pub parts: Option<Vec<EvidenceView>>,
}

#[napi(object, object_from_js = false)]
pub struct KernelView {
    pub name: &'static str,
    pub blake3: String,
    pub driver_library: String,
}

#[napi(object, object_from_js = false)]
pub struct AccountingView {
    pub total_bytes: i64,
    pub free_bytes: Option<i64>,
    pub process_bytes: Option<i64>,
    pub evicted_bytes: Option<i64>,
    pub ecc_uncorrected: Option<i64>,
    pub row_remap_pending: Option<bool>,
}

#[napi(object, object_from_js = false)]
pub struct PlacementView {
    pub memory_type: &'static str,
    pub managed: Option<bool>,
    pub on_device: Option<bool>,
    pub pinned: Option<bool>,
    pub host_visible: Option<bool>,
    pub allocation_id: Option<BigInt>,
    pub allocation_bytes: Option<i64>,
    pub access: &'static str,
}

#[napi(object, object_from_js = false)]
pub struct ContentView {
    pub bytes_total: i64,
    pub bytes_checked: i64,
    pub tiles_checked: i64,
    pub root: Option<String>,
    pub bad_tiles_count: i64,
    pub bad_tiles: Vec<BadTileView>,
}

#[napi(object, object_from_js = false)]
pub struct BadTileView {
    /// Of a split model: which part, counted from 1.
    pub part: Option<u32>,
    pub index: i64,
    pub offset: i64,
    pub bytes: i64,
    pub expected: String,
    pub actual: String,
    pub tensors: Vec<String>,
}

#[napi(object, object_from_js = false)]
pub struct TimingView {
    pub wall_seconds: f64,
    pub device_seconds: Option<f64>,
    pub bytes_per_second: f64,
    pub calibrated_seconds: Option<f64>,
    pub tries: u32,
    pub resident_fraction_min: Option<f64>,
    pub paged_in: bool,
    pub latency: Option<LatencyView>,
}

#[napi(object, object_from_js = false)]
pub struct LatencyView {
    pub pages: i64,
    pub page_bytes: i64,
    pub cycles_min: u32,
    pub cycles_median: u32,
    pub cycles_max: u32,
    pub local_cycles: Option<u32>,
    pub host_cycles: Option<u32>,
    pub slow_cycles: Option<u32>,
    pub slow_pages_count: i64,
    pub slow_pages: Vec<i64>,
}

#[napi(object, object_from_js = false)]
pub struct FreshnessView {
    pub method: &'static str,
    pub nonce: Option<String>,
    pub response: Option<String>,
    /// What the book has, where whoever asked gave it.
    pub expected: Option<String>,
}

impl From<Evidence> for EvidenceView {
    fn from(seen: Evidence) -> Self {
        Self {
            level: seen.level.as_str().to_owned(),
            verdict: seen.verdict.as_str(),
            reasons: seen.reasons,
            device_uuid: seen.device.to_string(),
            kernel: seen.kernel.into(),
            accounting: seen.accounting.into(),
            placement: seen.placement.into(),
            content: seen.content.into(),
            timing: seen.timing.into(),
            freshness: seen.freshness.into(),
            at_unix_ms: saturating(seen.at_unix_ms),
            parts: (!seen.parts.is_empty())
                .then(|| seen.parts.into_iter().map(EvidenceView::from).collect()),
        }
    }
}

impl From<KernelFacts> for KernelView {
    fn from(kernel: KernelFacts) -> Self {
        Self {
            name: kernel.name,
            blake3: kernel.blake3.to_string(),
            driver_library: kernel.driver_library,
        }
    }
}

impl From<Accounting> for AccountingView {
    fn from(seen: Accounting) -> Self {
        Self {
            total_bytes: saturating(seen.total_bytes),
            free_bytes: seen.free_bytes.map(saturating),
            process_bytes: seen.process_bytes.map(saturating),
            evicted_bytes: seen.evicted_bytes.map(saturating),
            ecc_uncorrected: seen.ecc_uncorrected.map(saturating),
            row_remap_pending: seen.row_remap_pending,
        }
    }
}

impl From<Placement> for PlacementView {
    fn from(seen: Placement) -> Self {
        Self {
            memory_type: seen.memory_type.as_str(),
            managed: seen.managed,
            on_device: seen.on_device,
            pinned: seen.pinned,
            host_visible: seen.host_visible,
            allocation_id: seen.allocation_id.map(BigInt::from),
            allocation_bytes: seen.allocation_bytes.map(saturating),
            access: seen.access.as_str(),
        }
    }
}

impl From<Content> for ContentView {
    fn from(seen: Content) -> Self {
        Self {
            bytes_total: saturating(seen.bytes_total),
            bytes_checked: saturating(seen.bytes_checked),
            tiles_checked: saturating(seen.tiles_checked),
            root: seen.root.map(|root| root.to_string()),
            bad_tiles_count: saturating(seen.bad_tiles_count),
            bad_tiles: seen.bad_tiles.into_iter().map(BadTileView::from).collect(),
        }
    }
}

impl From<BadTile> for BadTileView {
    fn from(tile: BadTile) -> Self {
        Self {
            part: tile.part,
            index: saturating(tile.index),
            offset: saturating(tile.offset),
            bytes: saturating(tile.bytes),
            expected: hex(tile.expected.as_bytes()),
            actual: hex(tile.actual.as_bytes()),
            tensors: tile.tensors,
        }
    }
}

impl From<Timing> for TimingView {
    fn from(seen: Timing) -> Self {
        Self {
            wall_seconds: seen.wall_seconds,
            device_seconds: seen.device_seconds,
            bytes_per_second: seen.bytes_per_second,
            calibrated_seconds: seen.calibrated_seconds,
            tries: seen.tries,
            resident_fraction_min: seen.resident_fraction_min,
            paged_in: seen.paged_in,
            latency: seen.latency.map(LatencyView::from),
        }
    }
}

impl From<Latency> for LatencyView {
    fn from(seen: Latency) -> Self {
        Self {
            pages: saturating(seen.pages),
            page_bytes: saturating(seen.page_bytes),
            cycles_min: seen.cycles_min,
            cycles_median: seen.cycles_median,
            cycles_max: seen.cycles_max,
            local_cycles: seen.local_cycles,
            host_cycles: seen.host_cycles,
            slow_cycles: seen.slow_cycles,
            slow_pages_count: saturating(seen.slow_pages_count),
            slow_pages: seen.slow_pages.into_iter().map(saturating).collect(),
        }
    }
}

impl From<Freshness> for FreshnessView {
    fn from(seen: Freshness) -> Self {
        Self {
            method: FreshnessMethod::as_str(seen.method),
            nonce: seen.nonce.map(|bytes| hex(&bytes)),
            response: seen.response.map(|bytes| hex(&bytes)),
            expected: seen.expected.map(|bytes| hex(&bytes)),
        }
    }
}

/// Lower-case hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
