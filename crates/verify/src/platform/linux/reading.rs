//! Reading an open file, wherever in it.

use rustix::fs::{self, Advice};
use rustix::io::Errno;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Doubles the kernel's read-ahead. Only advice: nothing depends on its being taken.
pub(crate) fn advise_sequential(file: &File) {
    let _: Result<(), Errno> = fs::fadvise(file, 0, None, Advice::Sequential);
}

pub(crate) fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    file.read_at(buffer, offset)
}
