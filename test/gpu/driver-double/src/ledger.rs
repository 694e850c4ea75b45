//! The memory of a device that several processes use: who holds how much of it.
//!
//! Each process has a file in the folder that `ledger` names, with the bytes that it holds, and a lock on it for as
//! long as it lives: what a dead process held is free again, as a real driver sees to it.

use crate::faults::Faults;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// This process's own file, locked, and what it says.
static OWN: Mutex<Option<(File, u64)>> = Mutex::new(None);

/// What other processes hold of the device, in bytes.
pub(crate) fn others(faults: &Faults) -> u64 {
    in_turn(faults, held).unwrap_or(0)
}

/// Whether there is room for `bytes` more beside `used` of this process and what the others hold. From then on they
/// are this process's.
pub(crate) fn claim(faults: &Faults, used: u64, bytes: u64, total: u64) -> bool {
    let fits = |others: u64| used.saturating_add(bytes).saturating_add(others) <= total;
    let claimed = in_turn(faults, |folder| {
        fits(held(folder)) && write(folder, used + bytes)
    });
    claimed.unwrap_or_else(|| fits(0))
}

/// What this process holds from now on.
pub(crate) fn note(faults: &Faults, used: u64) {
    let own = OWN.lock().unwrap_or_else(PoisonError::into_inner);
    let noted = own.as_ref().is_some_and(|(_, noted)| *noted == used);
    drop(own);
    if !noted {
        in_turn(faults, |folder| write(folder, used));
    }
}

/// One at a time among all processes; a turn ends with its file, whatever happens. Nothing where nobody shares.
fn in_turn<T>(faults: &Faults, work: impl FnOnce(&Path) -> T) -> Option<T> {
    let folder = Path::new(faults.text("ledger")?);
    let turn = open(&folder.join("turn"))?;
    turn.lock().ok()?;
    Some(work(folder))
}

/// Of all others that live. A lock that can be had is a dead process's.
fn held(folder: &Path) -> u64 {
    let own = std::process::id();
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let of = |entry: &std::fs::DirEntry| entry.file_name().to_str()?.parse::<u32>().ok();
    let others = entries.filter(|entry| of(entry).is_some_and(|process| process != own));
    let bytes = others.filter_map(|entry| {
        let mut file = File::open(entry.path()).ok()?;
        if file.try_lock_shared().is_ok() {
            return None;
        }
        let mut text = String::new();
        file.read_to_string(&mut text).ok()?;
        text.parse::<u64>().ok()
    });
    bytes.sum()
}

fn write(folder: &Path, used: u64) -> bool {
    let mut own = OWN.lock().unwrap_or_else(PoisonError::into_inner);
    if own.is_none() {
        let file = open(&folder.join(std::process::id().to_string()));
        let locked = file.filter(|file| file.lock().is_ok());
        *own = locked.map(|file| (file, 0));
    }
    let Some((file, noted)) = own.as_mut() else {
        return false;
    };
    *noted = used;
    // Always as many digits: nothing is left of a longer number.
    let text = format!("{used:020}");
    file.seek(SeekFrom::Start(0)).is_ok() && file.write_all(text.as_bytes()).is_ok()
}

fn open(path: &Path) -> Option<File> {
    let mut options = OpenOptions::new();
    let options = options.read(true).write(true).create(true).truncate(false);
    options.open(path).ok()
}
