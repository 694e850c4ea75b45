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

/// A new file that is left behind by a process that died is taken over after so many seconds.
const ABANDONED_SECONDS: u64 = 600;

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
        let written = write_all(file, head, values)
            .and_then(|()| system::rename(&self.0, &new, name))
            .and_then(|()| self.0.sync_all());
        written.map(|()| true).map_err(|error| {
            // What is half written must not stand in the way of the next one; it may have its name already.
            let _: io::Result<()> = system::remove(&self.0, &new);
            failed(&error)
        })
    }

    /// Only one at a time writes a record; one that died does not hold it for ever.
    fn begin(&self, new: &str) -> io::Result<Option<File>> {
        match system::create(&self.0, new) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            answer => return answer.map(Some),
        }
        if !self.is_abandoned(new)? {
            return Ok(None);
        }
        system::remove(&self.0, new)?;
        system::create(&self.0, new).map(Some)
    }

    fn is_abandoned(&self, new: &str) -> io::Result<bool> {
        let metadata = match system::open_record(&self.0, new) {
            // Its writer has just finished.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            answer => answer?.metadata()?,
        };
        let age = metadata.modified()?.elapsed().unwrap_or_default();
        Ok(age.as_secs() >= ABANDONED_SECONDS)
    }
}

fn write_all(file: File, head: &[u8], values: &[TileValue]) -> io::Result<()> {
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
    use rustix::fs::{self, AtFlags, Mode, OFlags};
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

    pub(super) fn create(folder: &File, name: &str) -> io::Result<File> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        Ok(fs::openat(folder, name, flags, Mode::RUSR | Mode::WUSR)?.into())
    }

    pub(super) fn rename(folder: &File, from: &str, to: &str) -> io::Result<()> {
        Ok(fs::renameat(folder, from, folder, to)?)
    }

    pub(super) fn remove(folder: &File, name: &str) -> io::Result<()> {
        Ok(fs::unlinkat(folder, name, AtFlags::empty())?)
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

    pub(super) fn remove(_: &File, _: &str) -> io::Result<()> {
        unsupported()
    }
}
