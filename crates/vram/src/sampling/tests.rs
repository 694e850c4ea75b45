use super::{all, choose, judge, runs};
use crate::{Code, Level};
use digest::{TILE_BYTES, Tiling};

#[test]
fn all_tiles_come_once_and_in_order() {
    for (tiles, run_max) in [(1, 4), (4, 4), (5, 4), (9, 1)] {
        let runs = all(Tiling::of(tiles * TILE_BYTES), run_max);
        let listed: Vec<u64> = runs
            .iter()
            .flat_map(|&(first, n)| first..first + n)
            .collect();
        assert_eq!(listed, (0..tiles).collect::<Vec<_>>());
        assert!(runs.iter().all(|&(_, n)| n <= run_max));
    }
    assert_eq!(all(Tiling::of(0), 4), [(0, 1)]);
}

#[test]
fn a_sample_has_its_size_and_no_tile_twice() {
    let tiling = Tiling::of(1000 * TILE_BYTES);
    for (fraction, count) in [(1e-9, 1), (0.01, 10), (0.5, 500), (1.0, 1000)] {
        let runs = runs(tiling, fraction, 4096).unwrap();
        let listed: Vec<u64> = runs
            .iter()
            .flat_map(|&(first, n)| first..first + n)
            .collect();
        assert_eq!(listed.len(), count);
        assert!(listed.windows(2).all(|two| two[0] < two[1]));
        assert!(listed.iter().all(|&tile| tile < 1000));
    }
}

#[test]
fn every_tile_is_met_sooner_or_later() {
    let mut met = std::collections::BTreeSet::new();
    for _ in 0..400 {
        met.extend(choose(20, 2).unwrap());
    }
    assert_eq!(met.len(), 20);
}

#[test]
fn a_fraction_that_is_none_is_refused() {
    for fraction in [0.0, -0.1, 1.1, f64::NAN, f64::INFINITY] {
        let error = judge(&Level::Sample(fraction)).unwrap_err();
        assert_eq!(error.code, Code::BadRange);
    }
}
