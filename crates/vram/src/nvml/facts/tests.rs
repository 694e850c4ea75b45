use super::{ProcessUse, used_by};

#[test]
fn what_a_process_holds_is_told_or_absent_but_never_a_guess() {
    let list = |bytes| {
        [
            ProcessUse { pid: 1, bytes: 7 },
            ProcessUse { pid: 42, bytes },
        ]
    };
    assert_eq!(used_by(42, &list(84_000_000_000)), Some(84_000_000_000));
    // Under WDDM, and in containers.
    assert_eq!(used_by(42, &list(u64::MAX)), None);
    assert_eq!(used_by(42, &list(0)), None);
    assert_eq!(used_by(43, &list(9)), None);
    assert_eq!(used_by(42, &[]), None);
}
