//! Leases: why there is none. They are taken in [`sys`](crate::sys).

use rustix::io::Errno;

/// What an error of taking a lease means.
pub(crate) fn lease_trouble(errno: i32) -> Option<&'static str> {
    Some(match Errno::from_raw_os_error(errno) {
        Errno::AGAIN => "the file is open for writing, or mapped for it, so no lease is given",
        Errno::ACCESS | Errno::PERM => {
            "only the file's owner, or who has CAP_LEASE, can take a lease"
        }
        Errno::INVAL => "leases are switched off here (fs.leases-enable), or unknown",
        _ => return None,
    })
}
