//! The room that is left for a copy in memory.

use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};
use std::path::Path;

/// How many bytes can still be put into memory: what the machine has available, what the
/// process's control groups allow, and how large its files may be. Whoever writes beyond the
/// last limit gets a signal that ends the process.
pub(crate) fn memory_room() -> Result<u64, i32> {
    let text = std::fs::read_to_string("/proc/meminfo")
        .map_err(|error| error.raw_os_error().unwrap_or(Errno::IO.raw_os_error()))?;
    let available = meminfo_bytes(&text).ok_or(Errno::IO.raw_os_error())?;
    let file_limit = getrlimit(Resource::Fsize).current.unwrap_or(u64::MAX);
    Ok(available.min(file_limit).min(groups_room()))
}

fn meminfo_bytes(text: &str) -> Option<u64> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// The least that any of the control groups, from our own up, has left. Without version 2 of
/// control groups nothing is known of them, and nothing is held against the copy.
fn groups_room() -> u64 {
    let own = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let own = own.lines().find_map(|line| line.strip_prefix("0::/"));
    let folder = Path::new("/sys/fs/cgroup").join(own.unwrap_or_default());
    let above = folder
        .ancestors()
        .take_while(|folder| folder.starts_with("/sys/fs/cgroup"));
    above.filter_map(group_room).min().unwrap_or(u64::MAX)
}

/// What is used and could be given up at once, the page cache, counts as room.
fn group_room(folder: &Path) -> Option<u64> {
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).ok();
    let most: u64 = read("memory.max")?.trim().parse().ok()?;
    let used: u64 = read("memory.current")?.trim().parse().ok()?;
    let stat = read("memory.stat").unwrap_or_default();
    let cache: u64 = stat
        .lines()
        .filter_map(|line| line.split_once(' '))
        .filter(|(name, _)| matches!(*name, "active_file" | "inactive_file"))
        .filter_map(|(_, bytes)| bytes.parse::<u64>().ok())
        .sum();
    Some(most.saturating_sub(used.saturating_sub(cache)))
}
