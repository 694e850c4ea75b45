//! Error numbers: which pass by themselves, and how they are told to people.

use rustix::io::Errno;
use std::io;

/// Whether the condition may end although nobody repairs anything. EIO is not among them: the
/// block layer has retried before it says so, and fs-verity says EIO of a corrupted block.
pub(crate) fn passes_by_itself(errno: i32) -> bool {
    let passing = [
        Errno::AGAIN,
        Errno::INTR,
        Errno::NOMEM,
        Errno::MFILE,
        Errno::NFILE,
        Errno::STALE,
        Errno::TIMEDOUT,
        Errno::BUSY,
    ];
    passing.iter().any(|known| known.raw_os_error() == errno)
}

/// The error's symbol and the system's words for it.
pub(crate) fn errno_text(errno: i32) -> String {
    let words = io::Error::from_raw_os_error(errno);
    match errno_symbol(Errno::from_raw_os_error(errno)) {
        Some(symbol) => format!("{symbol}, {words}"),
        None => words.to_string(),
    }
}

fn errno_symbol(errno: Errno) -> Option<&'static str> {
    Some(match errno {
        Errno::AGAIN => "EAGAIN",
        Errno::BUSY => "EBUSY",
        Errno::EXIST => "EEXIST",
        Errno::FBIG => "EFBIG",
        Errno::INTR => "EINTR",
        Errno::INVAL => "EINVAL",
        Errno::IO => "EIO",
        Errno::LOOP => "ELOOP",
        Errno::MFILE => "EMFILE",
        Errno::NAMETOOLONG => "ENAMETOOLONG",
        Errno::NFILE => "ENFILE",
        Errno::NOMEM => "ENOMEM",
        Errno::NOSYS => "ENOSYS",
        Errno::OVERFLOW => "EOVERFLOW",
        Errno::STALE => "ESTALE",
        Errno::TIMEDOUT => "ETIMEDOUT",
        Errno::ACCESS => "EACCES",
        Errno::NOSPC => "ENOSPC",
        Errno::NODATA => "ENODATA",
        Errno::NOTTY => "ENOTTY",
        Errno::OPNOTSUPP => "EOPNOTSUPP",
        Errno::PERM => "EPERM",
        Errno::ROFS => "EROFS",
        Errno::TXTBSY => "ETXTBSY",
        _ => return None,
    })
}
