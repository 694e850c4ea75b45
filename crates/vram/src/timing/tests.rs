use super::{paged_in, resident_fraction_min};
use crate::Link;

fn link(gigabytes_per_second: f64) -> Link {
    Link {
        bytes_per_second: gigabytes_per_second * 1e9,
        name: String::new(),
    }
}

#[test]
fn the_bound_is_what_the_link_cannot_have_brought() {
    let near = |a: f64, b: f64| (a - b).abs() < 0.005;
    // The design's own examples: H100, RTX 3060, Grace-Hopper.
    let h100 = resident_fraction_min(40_000_000_000, 40.0 / 1500.0, &link(63.0), 50_000_000);
    assert!(near(h100, 0.957), "{h100}");
    let rtx = resident_fraction_min(10_000_000_000, 10.0 / 300.0, &link(31.5), 3_000_000);
    assert!(near(rtx, 0.895), "{rtx}");
    let grace = resident_fraction_min(40_000_000_000, 40.0 / 1500.0, &link(450.0), 50_000_000);
    assert!(near(grace, 0.70), "{grace}");
}

#[test]
fn slow_small_or_timeless_proves_nothing() {
    let nothing = |bytes, seconds| resident_fraction_min(bytes, seconds, &link(63.0), 50_000_000);
    assert!(nothing(40_000_000_000, 1.0) <= 0.0);
    assert!(nothing(40_000_000, 0.001) <= 0.0);
    assert!(nothing(0, 0.001) <= 0.0);
    assert!(nothing(40_000_000_000, 0.0) <= 0.0);
}

#[test]
fn a_wait_far_beyond_the_devices_work_is_told() {
    assert!(paged_in(1.0, Some(0.03)));
    assert!(!paged_in(0.04, Some(0.03)));
    // A busy host adds milliseconds, which say nothing.
    assert!(!paged_in(0.05, Some(0.0001)));
    assert!(!paged_in(1.0, None));
}
