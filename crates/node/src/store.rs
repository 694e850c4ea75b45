//! Files that are either not there or complete and durable: written under another name, synced, renamed, and their
//! folders synced. Many in one go, on a thread of their own: a published tree has one file for 256 records.

use std::collections::BTreeSet;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use napi::bindgen_prelude::Uint8Array;
use napi_derive::napi;

use crate::system_failure::SystemFailure;

/// Open at a time; there may be thousands of files, and a process has 1,024 descriptors.
const OPEN_MAX: usize = 64;
/// The suffix while a file is written. The same as that of the JavaScript side, which cleans up after both.
const HALF_WRITTEN: &str = ".tmp";

/// One file to be there.
#[napi(object, object_to_js = false)]
pub struct StoreAsk {
    /// Its final name.
    pub path: String,
    /// All of it.
    pub content: Uint8Array,
}

/// The same, owned: memory of JavaScript's may change while another thread reads it.
pub(crate) struct WholeFile {
    path: PathBuf,
    content: Vec<u8>,
}

impl From<StoreAsk> for WholeFile {
    fn from(ask: StoreAsk) -> Self {
        Self {
            path: ask.path.into(),
            content: ask.content.to_vec(),
        }
    }
}

/// All of them, or the first failure; files that came before it may be in place.
pub(crate) fn store(files: &[WholeFile]) -> Option<SystemFailure> {
    files
        .chunks(OPEN_MAX)
        .find_map(|some| store_some(some).err())
}

fn store_some(files: &[WholeFile]) -> Result<(), SystemFailure> {
    let mut folders = BTreeSet::new();
    for file in files {
        let folder = file.path.parent().unwrap_or(Path::new("/"));
        if folders.insert(folder.to_owned()) {
            make_folder(folder, &mut folders)?;
        }
    }
    // All are written before the first is synced: most of one journal transaction serves them all.
    let written = files.iter().map(write).collect::<Result<Vec<_>, _>>()?;
    for (file, handle) in files.iter().zip(written) {
        handle
            .sync_data()
            .map_err(|error| told(&error, "sync", &file.path))?;
    }
    for WholeFile { path, .. } in files {
        std::fs::rename(half_written(path), path).map_err(|error| told(&error, "rename", path))?;
    }
    folders.iter().try_for_each(|folder| sync_folder(folder))
}

fn write(file: &WholeFile) -> Result<File, SystemFailure> {
    let write = || {
        let mut handle = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed())
            .open(half_written(&file.path))?;
        handle.write_all(&file.content)?;
        Ok(handle)
    };
    write().map_err(|error: io::Error| told(&error, "write", &file.path))
}

/// Makes what is missing of a folder's path, and notes each parent of a new one: a name is durable when the folder that
/// holds it is synced.
fn make_folder(folder: &Path, to_sync: &mut BTreeSet<PathBuf>) -> Result<(), SystemFailure> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Ok(()) => {
            to_sync.extend(folder.parent().map(Path::to_owned));
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let parent = folder
                .parent()
                .ok_or_else(|| told(&error, "make", folder))?;
            make_folder(parent, to_sync)?;
            make_folder(folder, to_sync)
        }
        Err(error) => Err(told(&error, "make", folder)),
    }
}

fn sync_folder(folder: &Path) -> Result<(), SystemFailure> {
    let sync = || File::open(folder)?.sync_all();
    sync().map_err(|error| told(&error, "sync", folder))
}

fn half_written(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(HALF_WRITTEN);
    name.into()
}

fn told(error: &io::Error, action: &str, path: &Path) -> SystemFailure {
    SystemFailure::new(error, &format!("cannot {action} {}", path.display()))
}
