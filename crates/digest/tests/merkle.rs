//! Chains and folds against their definition, written the slow way.

use digest::{MerkleError, Sha256, Sha256Digest, fold, leaf_hash, link_lines};
use proptest::prelude::*;

const NONE: &str = "0000000000000000000000000000000000000000000000000000000000000000";

fn sha256(parts: &[&[u8]]) -> Sha256Digest {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
    }
    hash.finalize()
}

/// The naive twin: text in, text out, one line after the other.
fn chained(fills: &[String], previous: &str) -> (String, Vec<String>) {
    let (mut text, mut leaves, mut head) = (String::new(), Vec::new(), previous.to_owned());
    for fill in fills {
        let line = format!("{{\"fill\":\"{fill}\",\"prev\":\"{head}\"}}");
        head = sha256(&[&[0], line.as_bytes()]).to_string();
        text.extend([&line, "\n"]);
        leaves.push(head.clone());
    }
    (text, leaves)
}

fn unlinked(fills: &[String]) -> Vec<u8> {
    let line = |fill: &String| format!("{{\"fill\":\"{fill}\",\"prev\":\"{NONE}\"}}\n");
    fills.iter().map(line).collect::<String>().into_bytes()
}

/// The tree's definition: one hash is itself, more are split in halves.
fn root(hashes: &[[u8; 32]]) -> Sha256Digest {
    if let [one] = hashes {
        return (*one).into();
    }
    let (left, right) = hashes.split_at(hashes.len() / 2);
    sha256(&[&[1], root(left).as_bytes(), root(right).as_bytes()])
}

proptest! {
    #[test]
    fn lines_are_chained_as_one_after_the_other_would_be(fills in prop::collection::vec("[ -~]{0,300}", 0..140), start in "[0-9a-f]{64}") {
        let (text, leaves) = chained(&fills, &start);
        let mut lines = unlinked(&fills);
        prop_assert_eq!(link_lines(&mut lines, &start).unwrap(), leaves.concat());
        prop_assert_eq!(String::from_utf8(lines).unwrap(), text);
    }

    #[test]
    fn a_batch_goes_on_where_the_one_before_ended(fills in prop::collection::vec("[a-z]{0,80}", 2..20), cut in 1_usize..19) {
        let (first, second) = fills.split_at(cut.min(fills.len() - 1));
        let mut halves = [unlinked(first), unlinked(second)];
        let [one, two] = &mut halves;
        let before = link_lines(one, NONE).unwrap();
        link_lines(two, &before[before.len() - 64..]).unwrap();
        prop_assert_eq!(String::from_utf8(halves.concat()).unwrap(), chained(&fills, NONE).0);
    }

    #[test]
    fn no_bytes_at_all_make_it_panic(mut lines in prop::collection::vec(any::<u8>(), 0..300), previous in ".{0,70}") {
        let _ = link_lines(&mut lines, &previous);
    }
}

#[test]
fn hashes_are_folded_as_the_trees_definition_says() {
    for height in 0..=8 {
        let hashes: Vec<[u8; 32]> = (0..1_u32 << height)
            .map(|i| *leaf_hash(&i.to_le_bytes()).as_bytes())
            .collect();
        assert_eq!(fold(&hashes.concat()), Ok(root(&hashes)), "height {height}");
    }
}

#[test]
fn what_is_no_perfect_tree_is_refused() {
    for bytes in [0, 1, 31, 33, 63, 65, 96, 160, 8_191] {
        assert_eq!(fold(&vec![7; bytes]), Err(MerkleError::NotPerfect(bytes)));
    }
}

#[test]
fn a_line_without_room_for_a_hash_is_refused() {
    let room = "0".repeat(64);
    for bad in [
        "\n".to_owned(),
        "\"}\n".to_owned(),
        format!("{}\"}}\n", "0".repeat(63)),
        format!("{room}\"}}"),
        format!("{room}\"]\n"),
        format!("{room} \"}} \n"),
    ] {
        assert_eq!(
            link_lines(&mut bad.into_bytes(), NONE),
            Err(MerkleError::NoRoom)
        );
    }
    assert_eq!(
        link_lines(&mut format!("{room}\"}}\n").into_bytes(), NONE)
            .unwrap()
            .len(),
        64
    );
}

#[test]
fn what_is_no_hash_is_not_chained_to() {
    for bad in ["", "00", &"0".repeat(63), &"g".repeat(64), &"0".repeat(65)] {
        assert_eq!(link_lines(&mut [], bad), Err(MerkleError::NoHash));
    }
}
