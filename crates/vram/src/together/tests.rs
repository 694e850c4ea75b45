use super::together;
use crate::evidence::{BadTile, Content, Latency, Placement, Timing};
use crate::{Access, Code, Evidence, Freshness, FreshnessMethod, MemoryType, Verdict};

/// Of a part of so many bytes, all of them right and shown to be on the device.
fn part(bytes: u64) -> Evidence {
    Evidence {
        placement: Placement {
            memory_type: MemoryType::Device,
            allocation_id: Some(bytes),
            allocation_bytes: Some(bytes + 1),
            access: Access::ReadOnly,
            ..Placement::default()
        },
        content: Content {
            bytes_total: bytes,
            bytes_checked: bytes,
            tiles_checked: 1,
            root: Some([7; 32].into()),
            ..Content::default()
        },
        timing: Timing {
            wall_seconds: 0.5,
            device_seconds: Some(0.25),
            calibrated_seconds: Some(1.0),
            tries: 1,
            resident_fraction_min: Some(0.5),
            latency: Some(latency(2)),
            ..Timing::default()
        },
        at_unix_ms: bytes,
        ..Evidence::bare(Verdict::Resident)
    }
}

fn latency(pages: u64) -> Latency {
    Latency {
        pages,
        page_bytes: 4096,
        cycles_min: 5,
        cycles_median: 6,
        cycles_max: 7,
        ..Latency::default()
    }
}

fn broken(mut part: Evidence, verdict: Verdict, reason: &str) -> Evidence {
    part.verdict = verdict;
    part.reasons = vec![reason.to_owned()];
    part
}

#[test]
fn of_one_file_it_is_what_it_was() {
    let only = together(vec![part(10)], Some(0.9)).unwrap();
    assert_eq!((only.verdict, only.parts.len()), (Verdict::Resident, 0));
    assert_eq!(only.content.root, Some([7; 32].into()));
    let none = together(Vec::new(), None).unwrap_err();
    assert_eq!(none.code, Code::Internal);
}

#[test]
fn sums_are_of_all_files_and_no_ones_number_stands_for_all() {
    let mut weak = part(30);
    weak.timing.resident_fraction_min = Some(0.9);
    let all = together(vec![part(10), weak], None).unwrap();
    assert_eq!(all.content.bytes_total, 40);
    assert_eq!(all.content.bytes_checked, 40);
    assert_eq!(all.content.root, None);
    assert_eq!(all.placement.allocation_id, None);
    assert_eq!(all.placement.allocation_bytes, Some(42));
    assert_eq!(all.placement.access, Access::ReadOnly);
    assert_eq!(all.timing.device_seconds, Some(0.5));
    assert!((all.timing.bytes_per_second - 40.0).abs() < 1e-9);
    // 5 of 10 bytes and 27 of 30.
    let fraction = all.timing.resident_fraction_min.unwrap();
    assert!((fraction - 0.8).abs() < 1e-9, "{fraction}");
    assert_eq!(all.parts.len(), 2);
    assert_eq!(all.at_unix_ms, 30);
}

#[test]
fn what_one_file_does_not_say_is_not_said_of_all() {
    let mut silent = part(10);
    silent.timing.device_seconds = None;
    silent.timing.resident_fraction_min = None;
    silent.timing.latency = None;
    silent.placement.access = Access::ReadWrite;
    let all = together(vec![part(10), silent], None).unwrap();
    assert_eq!(all.timing.device_seconds, None);
    assert_eq!(all.timing.resident_fraction_min, None);
    assert!(all.timing.latency.is_none());
    assert_eq!(all.placement.access, Access::ReadWrite);
}

#[test]
fn the_worst_verdict_counts_with_its_file_and_what_all_say_is_said_once() {
    let lost = broken(part(10), Verdict::NotResident, "it is the host's");
    let busy = || broken(part(10), Verdict::Inconclusive, "it was slow");
    let all = together(vec![busy(), part(10), lost], Some(0.9)).unwrap();
    assert_eq!(all.verdict, Verdict::NotResident);
    assert_eq!(
        all.reasons,
        ["part 1: it was slow", "part 3: it is the host's"]
    );
    let all = together(vec![busy(), busy()], None).unwrap();
    assert_eq!(all.reasons, ["it was slow"]);
}

#[test]
fn what_time_must_show_it_must_show_of_all_bytes_together() {
    let seen = |demanded| together(vec![part(10), part(10)], Some(demanded)).unwrap();
    assert_eq!(seen(0.5).verdict, Verdict::Resident);
    let short = seen(0.6);
    assert_eq!(short.verdict, Verdict::Inconclusive);
    assert!(
        short.reasons.concat().contains("50.0 %"),
        "{:?}",
        short.reasons
    );
    // A check that reads no content, or not all of it, is asked for nothing.
    let mut quick = part(10);
    quick.content.bytes_checked = 0;
    let all = together(vec![quick.clone(), quick], Some(0.6)).unwrap();
    assert_eq!(all.verdict, Verdict::Resident);
}

#[test]
fn bad_tiles_say_which_file_they_are_in_and_pages_are_numbered_on() {
    let tile = BadTile {
        part: None,
        index: 4,
        offset: 4 << 18,
        bytes: 1 << 18,
        expected: [0; 32].into(),
        actual: [1; 32].into(),
        tensors: vec!["w".to_owned()],
    };
    let mut bad = part(10);
    bad.content.bad_tiles = vec![tile; 40];
    bad.content.bad_tiles_count = 100;
    bad.timing.latency = Some(Latency {
        slow_pages: vec![1],
        slow_pages_count: 1,
        ..latency(3)
    });
    let all = together(vec![part(10), bad.clone(), bad], None).unwrap();
    let parts: Vec<_> = all.content.bad_tiles.iter().map(|it| it.part).collect();
    assert_eq!(parts.len(), 64, "as many as one file names");
    assert_eq!(
        (parts[0], parts[39], parts[40]),
        (Some(2), Some(2), Some(3))
    );
    assert_eq!(all.content.bad_tiles_count, 200);
    let pages = all.timing.latency.unwrap();
    assert_eq!((pages.pages, pages.slow_pages), (8, vec![3, 6]));
}

#[test]
fn the_answer_to_a_nonce_is_made_of_all_answers_in_order() {
    let answered = |response: u8| Evidence {
        freshness: Freshness {
            method: FreshnessMethod::FreshMac,
            nonce: Some([9; 32]),
            response: Some([response; 32]),
            expected: None,
        },
        ..part(10)
    };
    let all = together(vec![answered(1), answered(2)], None).unwrap();
    let expected = blake3::keyed_hash(&[9; 32], &[[1; 32], [2; 32]].concat());
    assert_eq!(all.freshness.response, Some(*expected.as_bytes()));
    assert_eq!(all.freshness.nonce, Some([9; 32]));
    let half = together(vec![answered(1), part(10)], None).unwrap();
    assert_eq!(half.freshness.response, None);
}

#[test]
fn parts_that_cannot_all_be_on_the_device_are_not() {
    // Each part would fit into what is left of the process, and both do not: 8 of the 20 bytes are out.
    let mut parts = vec![part(10), part(10)];
    for part in &mut parts {
        part.verdict = Verdict::Inconclusive;
        part.reasons = vec!["they may be this model's, or others'".to_owned()];
        part.accounting.process_bytes = Some(12);
        part.accounting.evicted_bytes = Some(9);
    }
    let all = together(parts.clone(), None).unwrap();
    assert_eq!(all.verdict, Verdict::NotResident);
    assert!(all.reasons[0].contains("at least 8 bytes"), "{all:?}");
    // An APU's memory is the host's, wherever it is said to be.
    for part in &mut parts {
        part.verdict = Verdict::Unified;
    }
    assert_eq!(together(parts, None).unwrap().verdict, Verdict::Unified);
}
