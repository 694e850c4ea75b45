//! Paths by which others open a file: of folders that nobody else can change, and of open files.

use rustix::fs;
use rustix::io::Errno;
use rustix::process::geteuid;
use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The folder without links on its way, if nobody but root and this user can put another in its place.
pub(crate) fn trusted_folder(path: &Path) -> Result<PathBuf, String> {
    let real =
        std::fs::canonicalize(path).map_err(|error| format!("{}: {error}", path.display()))?;
    for folder in real.ancestors() {
        let found =
            std::fs::metadata(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let (mode, owner) = (found.mode(), found.uid());
        let sticky = mode & 0o1000 != 0;
        let known = owner == 0 || owner == geteuid().as_raw();
        if !known || (mode & 0o022 != 0 && !sticky) {
            return Err(format!("{} can be changed by others", folder.display()));
        }
    }
    Ok(real)
}

/// The path of an open file, as procfs tells it.
pub(crate) fn real_path(file: &File) -> Result<Vec<u8>, i32> {
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    let path = fs::readlink(path, Vec::new()).map_err(Errno::raw_os_error)?;
    Ok(path.into_bytes())
}

/// The last part of a path.
pub(crate) fn file_name(path: &[u8]) -> &OsStr {
    Path::new(OsStr::from_bytes(path))
        .file_name()
        .unwrap_or_default()
}
