//! The folder of records, held by its descriptor: read without following links, written whole or not.

use super::{Ignored, Reason};
use digest::TileValue;
use std::fs::File;
use std::io::{self, BufWriter, Read as _, Write as _};
use std::path::Path;

#[cfg(target_os = "linux")]
use linux as system;
#[cfg(not(target_os = "linux"))]
use unsupported as system;

pub(super) struct Folder(File);

/// A record that is open for reading.
pub(super) struct RecordFile {
    file: File,
    length: u64,
}

impl Folder {
    /// None where there is no such folder.
    pub(super) fn open(path: &Path) -> Result<Option<Self>, Ignored> {
        match system::open_folder(path) {
            Ok(folder) => {
                let trouble = system::trouble_with(&folder).map_err(|error| refused(&error))?;
                trouble.map_or(Ok(Some(Self(folder))), |why| {
                    Err(Ignored::new(Reason::Folder, why))
                })
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(refused(&error)),
        }
    }

    /// Makes the folder, and those above it, where they are missing; readable by this user alone.
    pub(super) fn make(path: &Path) -> Result<Self, Ignored> {
        system::make_folder(path).map_err(|error| refused(&error))?;
        Self::open(path)?
            .ok_or_else(|| Ignored::new(Reason::Folder, "the record folder has gone again"))
    }

    pub(super) fn open_record(&self, name: &str) -> Result<Option<RecordFile>, Ignored> {
        let file = match system::open_record(&self.0, name) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unreadable(&error)),
        };
        let metadata = file.metadata().map_err(|error| unreadable(&error))?;
        if !metadata.is_file() {
            let message = "the record is not a regular file";
            return Err(Ignored::new(Reason::Unreadable, message));
        }
        let length = metadata.len();
        Ok(Some(RecordFile { file, length }))
    }

    /// Writes under another name, and gives the record its own name when all of it is on the disk. False
    /// where somebody else is writing the same record just now.
    pub(super) fn write(
        &self,
        name: &str,
        head: &[u8],
        values: &[TileValue],
    ) -> Result<bool, String> {
        let new = format!("{name}.new");
        let Some(file) = self.begin(&new).map_err(|error| failed(&error))? else {
            return Ok(false);
        };
        // The lock is held until the name has changed: nobody else gets hold of what is half written.
        write_all(&file, head, values)
            .and_then(|()| system::rename(&self.0, &new, name))
            .and_then(|()| self.0.sync_all())
            .map(|()| true)
            .map_err(|error| failed(&error))
    }

    /// The new file, empty and locked. What a writer that died has left is used again: its lock died with it.
    fn begin(&self, new: &str) -> io::Result<Option<File>> {
        let file = system::create(&self.0, new)?;
        if !system::lock(&file)? || !system::is_named(&self.0, new, &file)? {
            return Ok(None);
        }
        file.set_len(0)?;
        Ok(Some(file))
    }
}

fn write_all(file: &File, head: &[u8], values: &[TileValue]) -> io::Result<()> {
    let mut writer = BufWriter::with_capacity(1 << 16, file);
    writer.write_all(head)?;
    for value in values {
        writer.write_all(value.as_bytes())?;
    }
    writer.into_inner()?.sync_all()
}

impl RecordFile {
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Fills the buffer; a file that ends before is a cut record.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Result<(), Ignored> {
        self.file
            .read_exact(buffer)
            .map_err(|error| read_failure(&error))
    }
}

fn read_failure(error: &io::Error) -> Ignored {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return Ignored::new(Reason::Length, "the record is cut");
    }
    unreadable(error)
}

fn unreadable(error: &io::Error) -> Ignored {
    Ignored::new(
        Reason::Unreadable,
        format!("the record cannot be read: {error}"),
    )
}

fn refused(error: &io::Error) -> Ignored {
    Ignored::new(
        Reason::Folder,
        format!("the record folder cannot be used: {error}"),
    )
}

fn failed(error: &io::Error) -> String {
    format!("the record could not be written: {error}")
}

#[cfg(target_os = "linux")]
mod linux {
    use rustix::fs::{self, AtFlags, FlockOperation, Mode, OFlags};
    use rustix::io::Errno;
    use std::fs::{DirBuilder, File};
    use std::io;
    use std::os::unix::fs::{DirBuilderExt, MetadataExt};
    use std::path::Path;

    const WRITABLE_BY_OTHERS: u32 = 0o022;

    pub(super) fn make_folder(path: &Path) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(path)
    }

    pub(super) fn open_folder(path: &Path) -> io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(fs::open(path, flags, Mode::empty())?.into())
    }

    /// Whoever else can write here can have records ignored, and put files in the new ones' way.
    pub(super) fn trouble_with(folder: &File) -> io::Result<Option<String>> {
        let metadata = folder.metadata()?;
        let me = rustix::process::geteuid().as_raw();
        if metadata.uid() != me {
            let owner = metadata.uid();
            return Ok(Some(format!(
                "the record folder belongs to user {owner}, and this process runs as {me}; give it a folder of its own"
            )));
        }
        let mode = metadata.mode() & 0o777;
        let open = mode & WRITABLE_BY_OTHERS != 0;
        Ok(open.then(|| {
            format!(
                "the record folder can be written by others (mode {mode:o}); run: chmod go-w on it"
            )
        }))
    }

    pub(super) fn open_record(folder: &File, name: &str) -> io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        Ok(fs::openat(folder, name, flags, Mode::empty())?.into())
    }

    /// Opened for writing, and made where it is missing. Nothing is written to what is no file of its own.
    pub(super) fn create(folder: &File, name: &str) -> io::Result<File> {
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file: File = fs::openat(folder, name, flags, Mode::RUSR | Mode::WUSR)?.into();
        let metadata = file.metadata()?;
        if !metadata.is_file() || metadata.nlink() > 1 {
            return Err(io::Error::other(format!(
                "{name} is in the way: it is no file, or has other names"
            )));
        }
        Ok(file)
    }

    /// False where somebody else holds the lock.
    pub(super) fn lock(file: &File) -> io::Result<bool> {
        match fs::flock(file, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) => Ok(false),
            answer => Ok(answer.map(|()| true)?),
        }
    }

    /// Whether the name still leads to this file: who held the lock before may have given it another.
    pub(super) fn is_named(folder: &File, name: &str, file: &File) -> io::Result<bool> {
        match fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => Ok(false),
            answer => {
                let (named, metadata) = (answer?, file.metadata()?);
                Ok(named.st_dev == metadata.dev() && named.st_ino == metadata.ino())
            }
        }
    }

    pub(super) fn rename(folder: &File, from: &str, to: &str) -> io::Result<()> {
        Ok(fs::renameat(folder, from, folder, to)?)
    }
}

#[cfg(not(target_os = "linux"))]
mod unsupported {
    //! No root can be opened here, so no load asks for a record.

    use std::fs::File;
    use std::io;
    use std::path::Path;

    fn unsupported<T>() -> io::Result<T> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn make_folder(_: &Path) -> io::Result<()> {
        unsupported()
    }

    pub(super) fn open_folder(_: &Path) -> io::Result<File> {
        unsupported()
    }

    pub(super) fn trouble_with(_: &File) -> io::Result<Option<String>> {
        unsupported()
    }

    pub(super) fn open_record(_: &File, _: &str) -> io::Result<File> {
        unsupported()
    }

    pub(super) fn create(_: &File, _: &str) -> io::Result<File> {
        unsupported()
    }

    pub(super) fn rename(_: &File, _: &str, _: &str) -> io::Result<()> {
        unsupported()
    }

    pub(super) fn lock(_: &File) -> io::Result<bool> {
        unsupported()
    }

    pub(super) fn is_named(_: &File, _: &str, _: &File) -> io::Result<bool> {
        unsupported()
    }
}
