//! Records that were changed in every way: none of them is believed.

use super::{Found, HEAD_BYTES, Reason, Records};
use crate::Tiles;
use digest::{MacKey, Sha256, Sha256Digest, TILE_BYTES, TileValue, Tiling};
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

const SIZE: u64 = 5 * TILE_BYTES + 7;

/// A folder of records that is removed with the test.
struct Home(Records);

impl Home {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("verify-records-{}-{number}", std::process::id());
        Self(Records {
            folder: fs::canonicalize(std::env::temp_dir()).unwrap().join(name),
            key: MacKey::from([7; 32]),
            age_max: None,
        })
    }

    fn with_record(sha256: Sha256Digest) -> Self {
        let home = Self::new();
        assert_eq!(home.0.store(sha256, &tiles(SIZE)), Ok(true));
        home
    }

    fn path_of(&self, sha256: Sha256Digest) -> PathBuf {
        self.0.folder.join(format!("{sha256}.record"))
    }

    fn reason(&self, sha256: Sha256Digest) -> Reason {
        self.0.find(sha256, SIZE).unwrap_err().reason
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // A test that is about a missing folder leaves none.
        let _: std::io::Result<()> = fs::remove_dir_all(&self.0.folder);
    }
}

fn sha256(text: &str) -> Sha256Digest {
    let mut state = Sha256::new();
    state.update(text.as_bytes());
    state.finalize()
}

/// Values that no file has: what a record says is believed, not computed.
fn tiles(size: u64) -> Tiles {
    let tiling = Tiling::of(size);
    let values = (0..tiling.tiles()).map(|index| TileValue::from([index.to_le_bytes()[0]; 32]));
    Tiles::of(tiling, values.collect()).unwrap()
}

#[test]
fn what_was_stored_is_found() {
    let home = Home::with_record(sha256("a"));
    let record = home.0.find(sha256("a"), SIZE).unwrap().unwrap();
    assert!(record.says(&tiles(SIZE)));
    assert!(record.made.elapsed().unwrap() < Duration::from_secs(60));
    let Found::Tiles(found) = record.found else {
        panic!("no tiles")
    };
    assert_eq!(found.values(), tiles(SIZE).values());
}

#[test]
fn what_was_never_stored_is_not_there() {
    let home = Home::new();
    assert!(home.0.find(sha256("a"), SIZE).unwrap().is_none());
    let home = Home::with_record(sha256("a"));
    assert!(home.0.find(sha256("b"), SIZE).unwrap().is_none());
}

#[test]
fn a_file_of_another_size_does_not_have_the_digest() {
    let home = Home::with_record(sha256("a"));
    let record = home.0.find(sha256("a"), SIZE + 1).unwrap().unwrap();
    assert!(matches!(record.found, Found::OtherSize(SIZE)));
}

#[test]
fn a_bit_flipped_in_any_byte_is_noticed() {
    let home = Home::with_record(sha256("a"));
    let path = home.path_of(sha256("a"));
    let sound = fs::read(&path).unwrap();
    assert_eq!(sound.len(), HEAD_BYTES + 6 * 32);
    for at in 0..sound.len() {
        for bit in [0, 3, 7] {
            let mut bytes = sound.clone();
            bytes[at] ^= 1 << bit;
            fs::write(&path, &bytes).unwrap();
            let expected = match at {
                16..20 => Reason::Version,
                ..HEAD_BYTES => Reason::Forged,
                _ => Reason::Values,
            };
            assert_eq!(home.reason(sha256("a")), expected, "byte {at}, bit {bit}");
        }
    }
    fs::write(&path, &sound).unwrap();
    assert!(home.0.find(sha256("a"), SIZE).unwrap().is_some());
}

#[test]
fn a_record_cut_anywhere_or_longer_is_noticed() {
    let home = Home::with_record(sha256("a"));
    let path = home.path_of(sha256("a"));
    let sound = fs::read(&path).unwrap();
    for length in 0..sound.len() {
        fs::write(&path, &sound[..length]).unwrap();
        assert_eq!(home.reason(sha256("a")), Reason::Length, "length {length}");
    }
    for more in [1, 32, 1000] {
        let mut bytes = sound.clone();
        bytes.resize(sound.len() + more, 0);
        fs::write(&path, &bytes).unwrap();
        assert_eq!(home.reason(sha256("a")), Reason::Length);
    }
}

#[test]
fn two_tiles_that_changed_places_are_noticed() {
    let home = Home::with_record(sha256("a"));
    let path = home.path_of(sha256("a"));
    let mut bytes = fs::read(&path).unwrap();
    let (first, second) = bytes[HEAD_BYTES..].split_at_mut(32);
    first.swap_with_slice(&mut second[..32]);
    fs::write(&path, &bytes).unwrap();
    assert_eq!(home.reason(sha256("a")), Reason::Values);
}

#[test]
fn the_record_of_another_model_under_this_ones_name_is_noticed() {
    let home = Home::with_record(sha256("a"));
    fs::rename(home.path_of(sha256("a")), home.path_of(sha256("b"))).unwrap();
    assert_eq!(home.reason(sha256("b")), Reason::OtherModel);
}

#[test]
fn another_key_s_record_is_not_believed() {
    let home = Home::with_record(sha256("a"));
    let foreign = Records {
        key: MacKey::from([8; 32]),
        ..home.0.clone()
    };
    let ignored = foreign.find(sha256("a"), SIZE).unwrap_err();
    assert_eq!(ignored.reason, Reason::Forged);
}

#[test]
fn an_old_record_is_stale_where_age_counts() {
    let home = Home::with_record(sha256("a"));
    std::thread::sleep(Duration::from_millis(20));
    let strict = |age_max| Records {
        age_max: Some(age_max),
        ..home.0.clone()
    };
    let old = strict(Duration::from_millis(1)).find(sha256("a"), SIZE);
    assert_eq!(old.unwrap_err().reason, Reason::Stale);
    let young = strict(Duration::from_secs(3600)).find(sha256("a"), SIZE);
    assert!(young.unwrap().is_some());
}

#[test]
fn a_huge_record_takes_no_memory() {
    let home = Home::with_record(sha256("a"));
    let file = fs::File::options()
        .write(true)
        .open(home.path_of(sha256("a")))
        .unwrap();
    file.set_len(1 << 40).unwrap();
    assert_eq!(home.reason(sha256("a")), Reason::Length);
}

#[cfg(target_os = "linux")]
mod hostile {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn a_folder_that_others_may_write_to_is_not_used() {
        let home = Home::with_record(sha256("a"));
        for mode in [0o720, 0o702, 0o777] {
            fs::set_permissions(&home.0.folder, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(home.reason(sha256("a")), Reason::Folder);
            assert!(
                home.0
                    .store(sha256("b"), &tiles(SIZE))
                    .unwrap_err()
                    .contains("chmod")
            );
        }
    }

    #[test]
    fn links_and_things_that_are_no_files_are_not_followed() {
        let home = Home::with_record(sha256("a"));
        let elsewhere = home.0.folder.join("elsewhere");
        fs::rename(home.path_of(sha256("a")), &elsewhere).unwrap();
        symlink(&elsewhere, home.path_of(sha256("a"))).unwrap();
        assert_eq!(home.reason(sha256("a")), Reason::Unreadable);
        fs::create_dir(home.path_of(sha256("b"))).unwrap();
        assert_eq!(home.reason(sha256("b")), Reason::Unreadable);
        // A store replaces the link itself, not what it leads to.
        let before = fs::read(&elsewhere).unwrap();
        assert_eq!(home.0.store(sha256("a"), &tiles(99)), Ok(true));
        assert_eq!(fs::read(&elsewhere).unwrap(), before);
        assert!(
            fs::symlink_metadata(home.path_of(sha256("a")))
                .unwrap()
                .is_file()
        );
    }

    #[test]
    fn a_fifo_does_not_hold_the_load() {
        let home = Home::with_record(sha256("a"));
        fs::remove_file(home.path_of(sha256("a"))).unwrap();
        let made = std::process::Command::new("mkfifo")
            .arg(home.path_of(sha256("a")))
            .status();
        assert!(made.unwrap().success());
        assert_eq!(home.reason(sha256("a")), Reason::Unreadable);
    }

    #[test]
    fn a_folder_that_is_a_link_or_a_file_is_refused() {
        let home = Home::with_record(sha256("a"));
        let link = home.0.folder.with_extension("link");
        symlink(&home.0.folder, &link).unwrap();
        let through = Records {
            folder: link.clone(),
            ..home.0.clone()
        };
        assert_eq!(
            through.find(sha256("a"), SIZE).unwrap_err().reason,
            Reason::Folder
        );
        fs::remove_file(&link).unwrap();
        let file = Records {
            folder: home.path_of(sha256("a")),
            ..home.0.clone()
        };
        assert_eq!(
            file.find(sha256("a"), SIZE).unwrap_err().reason,
            Reason::Folder
        );
        assert!(file.store(sha256("a"), &tiles(SIZE)).is_err());
    }

    #[test]
    fn records_are_private_and_nothing_else_is_left() {
        let home = Home::with_record(sha256("a"));
        let mode = |path: &PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&home.path_of(sha256("a"))), 0o600);
        assert_eq!(mode(&home.0.folder), 0o700);
        assert_eq!(fs::read_dir(&home.0.folder).unwrap().count(), 1);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn who_finds_another_at_work_leaves_it_and_takes_over_from_the_dead() {
    let home = Home::with_record(sha256("a"));
    let new = home.0.folder.join(format!("{}.record.new", sha256("b")));
    fs::write(&new, vec![1; 1 << 20]).unwrap();
    let writer = fs::File::options().write(true).open(&new).unwrap();
    writer.lock().unwrap();
    assert_eq!(home.0.store(sha256("b"), &tiles(SIZE)), Ok(false));
    drop(writer);
    assert_eq!(home.0.store(sha256("b"), &tiles(SIZE)), Ok(true));
    assert!(home.0.find(sha256("b"), SIZE).unwrap().is_some());
    assert!(!new.exists());
}

#[cfg(target_os = "linux")]
#[test]
fn what_stands_in_a_new_record_s_way_is_not_written_to() {
    let home = Home::with_record(sha256("a"));
    let new = home.0.folder.join(format!("{}.record.new", sha256("b")));
    let victim = home.path_of(sha256("a"));
    let before = fs::read(&victim).unwrap();
    fs::hard_link(&victim, &new).unwrap();
    assert!(home.0.store(sha256("b"), &tiles(SIZE)).is_err());
    fs::remove_file(&new).unwrap();
    std::os::unix::fs::symlink(&victim, &new).unwrap();
    assert!(home.0.store(sha256("b"), &tiles(SIZE)).is_err());
    fs::remove_file(&new).unwrap();
    let made = std::process::Command::new("mkfifo").arg(&new).status();
    assert!(made.unwrap().success());
    assert!(home.0.store(sha256("b"), &tiles(SIZE)).is_err());
    assert_eq!(fs::read(&victim).unwrap(), before);
    assert!(home.0.find(sha256("b"), SIZE).unwrap().is_none());
}

#[test]
fn writers_and_readers_at_once_see_whole_records_only() {
    let home = Home::with_record(sha256("a"));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..50 {
                    home.0.store(sha256("a"), &tiles(SIZE)).unwrap();
                    assert!(home.0.find(sha256("a"), SIZE).unwrap().is_some());
                }
            });
        }
    });
}
