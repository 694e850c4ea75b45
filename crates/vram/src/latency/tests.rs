use super::{fewest, summary};
use crate::PageCycles;

fn pages(cycles: &[u32]) -> PageCycles {
    PageCycles {
        device_seconds: None,
        page_bytes: 2 << 20,
        cycles: cycles.to_vec(),
    }
}

#[test]
fn one_page_in_the_hosts_memory_stands_out() {
    let mut cycles = vec![700; 1000];
    cycles[617] = 2100;
    let latency = summary(&pages(&cycles), Some((690, 2200)));
    assert_eq!(latency.slow_pages, [617]);
    assert_eq!((latency.slow_pages_count, latency.pages), (1, 1000));
    assert_eq!((latency.cycles_median, latency.cycles_max), (700, 2100));
}

#[test]
fn pages_that_are_all_slow_are_found_by_the_scale() {
    let latency = summary(&pages(&[2150; 300]), Some((690, 2200)));
    assert_eq!(latency.slow_pages_count, 300);
    assert_eq!(latency.slow_pages.len(), 64, "the rest is counted");
}

#[test]
fn a_scale_whose_ends_meet_says_nothing() {
    for scale in [Some((700, 800)), Some((0, 800)), Some((900, 700)), None] {
        let latency = summary(&pages(&[700, 5000]), scale);
        assert_eq!((latency.slow_cycles, latency.slow_pages_count), (None, 0));
    }
}

#[test]
fn traffic_that_hits_a_page_once_is_forgotten() {
    let both = fewest(pages(&[700, 5000, 2200]), &pages(&[5000, 700, 2200]));
    assert_eq!(summary(&both, Some((690, 2200))).slow_pages, [2]);
}

#[test]
fn no_page_is_no_number() {
    let latency = summary(&pages(&[]), Some((690, 2200)));
    assert_eq!((latency.pages, latency.cycles_median), (0, 0));
}
