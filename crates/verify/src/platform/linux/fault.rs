//! A failed call, from the kernel's error number or as the walk itself finds it.

use crate::platform::{Fault, Trouble};
use rustix::io::Errno;
use std::io;

impl From<Errno> for Fault {
    fn from(errno: Errno) -> Self {
        Self {
            trouble: trouble(errno),
            errno: errno.raw_os_error(),
        }
    }
}

fn trouble(errno: Errno) -> Trouble {
    match errno {
        Errno::XDEV => Trouble::Escapes,
        Errno::NOENT | Errno::NOTDIR | Errno::NAMETOOLONG => Trouble::Missing,
        Errno::ACCESS | Errno::PERM => Trouble::Denied,
        Errno::NXIO | Errno::NODEV => Trouble::Special,
        Errno::LOOP => Trouble::Loop,
        Errno::AGAIN | Errno::INTR => Trouble::Busy,
        Errno::NOSYS => Trouble::CallMissing,
        _ => Trouble::Other,
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Errno::from_io_error(&error).unwrap_or(Errno::IO).into()
    }
}

impl Fault {
    pub(crate) fn escapes() -> Self {
        Errno::XDEV.into()
    }

    /// Not the kernel's ENAMETOOLONG: the path may exist, but not for us.
    pub(crate) fn too_deep() -> Self {
        Self {
            trouble: Trouble::Other,
            errno: Errno::NAMETOOLONG.raw_os_error(),
        }
    }

    pub(crate) fn not_a_folder() -> Self {
        Errno::NOTDIR.into()
    }

    pub(crate) fn empty_name() -> Self {
        Errno::NOENT.into()
    }

    pub(crate) fn name_too_long() -> Self {
        Errno::NAMETOOLONG.into()
    }

    pub(crate) fn too_many_links() -> Self {
        Errno::LOOP.into()
    }

    pub(crate) fn moved() -> Self {
        Errno::AGAIN.into()
    }
}
