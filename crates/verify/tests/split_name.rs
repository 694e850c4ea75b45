//! Which paths name a part of a set, and how the names of the others follow.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use verify::SplitName;

fn of(path: &str) -> Option<(usize, usize)> {
    let name = SplitName::of(path.as_bytes())?;
    Some((name.place(), name.count()))
}

#[test]
fn names_as_the_splitting_tools_write_them_are_read() {
    assert_eq!(of("m-00001-of-00003.gguf"), Some((0, 3)));
    assert_eq!(of("a/b-c/m.Q4_K_M-00003-of-00003.gguf"), Some((2, 3)));
    assert_eq!(of("m-65535-of-65535.gguf"), Some((65_534, 65_535)));
    assert_eq!(
        of("m-00001-of-00002-00002-of-00002.gguf"),
        Some((1, 2)),
        "the last numbers count"
    );
}

#[test]
fn anything_else_is_a_name_like_any_other() {
    for path in [
        "",
        "m.gguf",
        "m-00001-of-00001.gguf",
        "m-00000-of-00003.gguf",
        "m-00004-of-00003.gguf",
        "m-00001-of-00003.GGUF",
        "m-0001-of-0003.gguf",
        "m-000001-of-000003.gguf",
        "m-00001-of-99999.gguf",
        "m-+0001-of-00003.gguf",
        "m-00001-of-00003.gguf/",
        "m00001-of-00003.gguf",
        "-00001-of-00003.gguf",
        "a/-00001-of-00003.gguf",
        "m-00001-00003.gguf",
        "of-00003.gguf",
        "-of-00003.gguf",
    ] {
        assert_eq!(of(path), None, "{path}");
    }
}

#[test]
fn every_part_has_the_name_that_it_is_read_from() {
    let first = SplitName::of(b"\xff/m-00001-of-00012.gguf").unwrap();
    for place in 0..12 {
        let path = first.part(place);
        let name = SplitName::of(&path).unwrap();
        assert_eq!((name.place(), name.count()), (place, 12));
        assert_eq!(name.part(0), b"\xff/m-00001-of-00012.gguf");
    }
}
