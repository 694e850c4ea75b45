//! A driver's library: why it could not be opened, and where it came from.

use std::error::Error;

/// The reason, in the system's words.
pub(crate) fn reason(error: &libloading::Error) -> String {
    error
        .source()
        .map_or_else(|| error.to_string(), ToString::to_string)
}

/// The file whose code stands at an address of this process, by the kernel's own list.
pub(crate) fn file_at(address: usize) -> Option<String> {
    let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
    maps.lines().find_map(|line| {
        let (range, rest) = line.split_once(' ')?;
        let (start, end) = range.split_once('-')?;
        let number = |text| usize::from_str_radix(text, 16).ok();
        let inside = (number(start)?..number(end)?).contains(&address);
        let path = rest.find('/').and_then(|at| rest.get(at..))?;
        inside.then(|| path.to_owned())
    })
}
