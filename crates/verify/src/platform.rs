//! The seam to the operating system: every call and every error number of Linux is in this file.
//!
//! Elsewhere nothing can be opened: [`open_root`] says so, and no root means no load.

#[cfg(target_os = "linux")]
pub(crate) use linux::*;
#[cfg(not(target_os = "linux"))]
pub(crate) use unsupported::*;

/// What an error of opening means to the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    not(target_os = "linux"),
    allow(dead_code, reason = "nothing is opened there")
)]
pub(crate) enum Trouble {
    /// The path left the root.
    Escapes,
    /// A part of the path is not there, or cannot be.
    Missing,
    /// A permission is missing.
    Denied,
    /// A socket, or a device without a driver.
    Special,
    /// Too many symbolic links.
    Loop,
    /// Something moved meanwhile: look again.
    Busy,
    /// The kernel or a sandbox does not offer the call.
    CallMissing,
    /// This platform is not supported.
    #[cfg(not(target_os = "linux"))]
    Unsupported,
    /// Anything else.
    Other,
}

/// What an error of fs-verity means, with what to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    not(target_os = "linux"),
    allow(dead_code, reason = "nothing is measured there")
)]
pub(crate) enum VerityTrouble {
    /// It could be on, and is not.
    Off,
    /// It is on already.
    Exists,
    /// It cannot be had here.
    Absent(&'static str),
    /// It can be had once somebody else is done.
    Busy(&'static str),
    /// A permission is missing.
    Denied(&'static str),
    /// Anything else.
    Failed,
}

/// A failed call: its error number and what that means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) trouble: Trouble,
    pub(crate) errno: i32,
}

#[cfg(target_os = "linux")]
mod linux {
    use super::{Fault, Trouble, VerityTrouble};
    use crate::records::InodeFacts;
    use crate::{FileFacts, sys};
    use rustix::fs::{
        self, Advice, AtFlags, Dir, FileType, FlockOperation, MemfdFlags, Mode, OFlags,
        ResolveFlags, SealFlags, StatxFlags,
    };
    use rustix::io::Errno;
    use rustix::process::{Resource, geteuid, getrlimit};
    use std::ffi::OsStr;
    use std::fs::{File, Metadata};
    use std::hash::{BuildHasher, RandomState};
    use std::io;
    use std::os::fd::{AsFd, AsRawFd};
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt};
    use std::path::{Path, PathBuf};

    /// The kernel's `PATH_MAX`, which counts the closing NUL byte.
    pub(crate) const PATH_BYTES_MAX: usize = 4095;

    const FOLDER: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

    /// `NONBLOCK`: a FIFO must not hold the open. `NOCTTY`: a terminal must not become ours.
    const FILE: OFlags = OFlags::RDONLY
        .union(OFlags::NONBLOCK)
        .union(OFlags::NOCTTY)
        .union(OFlags::CLOEXEC);

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

    /// Opens the root itself. Its path is the operator's and is followed as it stands.
    pub(crate) fn open_root(path: &Path) -> Result<File, Fault> {
        Ok(fs::open(path, FOLDER, Mode::empty())?.into())
    }

    /// Whether openat2 works here. A sandbox may answer EPERM instead of ENOSYS.
    pub(crate) fn has_openat2(root: &File) -> bool {
        let beneath = ResolveFlags::BENEATH;
        let answer = fs::openat2(root, c".", FOLDER, Mode::empty(), beneath);
        !matches!(answer, Err(Errno::NOSYS | Errno::PERM))
    }

    /// Opens a file so that the kernel lets no part of the path leave the root.
    pub(crate) fn open_beneath(root: &File, path: &[u8]) -> Result<File, Fault> {
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        Ok(fs::openat2(root, path, FILE, Mode::empty(), resolve)?.into())
    }

    /// Whether a path that ended in ELOOP runs through a magic link, as those of /proc/self/fd.
    /// Opens nothing: a magic link out of the root is refused here with EXDEV.
    pub(crate) fn has_magic_link(root: &File, path: &[u8]) -> bool {
        let look = OFlags::PATH | OFlags::CLOEXEC;
        let answer = fs::openat2(root, path, look, Mode::empty(), ResolveFlags::BENEATH);
        matches!(answer, Err(Errno::XDEV))
    }

    /// A descriptor of one entry of a folder, not followed, not opened, with no side effect.
    pub(crate) fn look_at(folder: &File, name: &[u8]) -> Result<File, Fault> {
        let look = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(fs::openat(folder, name, look, Mode::empty())?.into())
    }

    /// Opens one entry of a folder for reading; a symbolic link is refused.
    pub(crate) fn open_entry(folder: &File, name: &[u8]) -> Result<File, Fault> {
        let flags = FILE | OFlags::NOFOLLOW;
        Ok(fs::openat(folder, name, flags, Mode::empty())?.into())
    }

    /// Where a symbolic link points.
    pub(crate) fn link_target(link: &File) -> Result<Vec<u8>, Fault> {
        Ok(fs::readlinkat(link, c"", Vec::new())?.into_bytes())
    }

    /// Whether the inode is procfs's, whose links do not lead where their text says.
    pub(crate) fn is_on_procfs(file: &File) -> Result<bool, Fault> {
        Ok(fs::fstatfs(file)?.f_type == fs::PROC_SUPER_MAGIC)
    }

    /// What the inode is, size and times included.
    pub(crate) fn metadata(file: &File) -> Result<Metadata, Fault> {
        Ok(file.metadata()?)
    }

    pub(crate) fn facts(metadata: &Metadata) -> FileFacts {
        FileFacts {
            dev: metadata.dev(),
            ino: metadata.ino(),
            size: metadata.size(),
            nlink: metadata.nlink(),
            mtime_ns: nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
            ctime_ns: nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// The facts by which an inode is told again.
    pub(crate) fn inode_facts(file: &File) -> Result<InodeFacts, i32> {
        let wanted = StatxFlags::BASIC_STATS | StatxFlags::BTIME;
        let found = fs::statx(file, c"", fs::AtFlags::EMPTY_PATH, wanted);
        let found = found.map_err(Errno::raw_os_error)?;
        if found.stx_mask & wanted.bits() != wanted.bits() {
            return Err(Errno::OPNOTSUPP.raw_os_error());
        }
        let time = |time: fs::StatxTimestamp| nanoseconds(time.tv_sec, time.tv_nsec.into());
        Ok(InodeFacts {
            dev: fs::makedev(found.stx_dev_major, found.stx_dev_minor),
            ino: found.stx_ino,
            generation: sys::generation(file)?.into(),
            btime_ns: time(found.stx_btime),
            ctime_ns: time(found.stx_ctime),
        })
    }

    fn nanoseconds(seconds: i64, rest: i64) -> i128 {
        i128::from(seconds) * 1_000_000_000 + i128::from(rest)
    }

    pub(crate) fn same_inode(one: &Metadata, other: &Metadata) -> bool {
        (one.dev(), one.ino()) == (other.dev(), other.ino())
    }

    /// What a thing that is not a regular file is, with its article.
    pub(crate) fn kind_name(metadata: &Metadata) -> &'static str {
        let kind = metadata.file_type();
        match () {
            () if kind.is_dir() => "a folder",
            () if kind.is_fifo() => "a FIFO",
            () if kind.is_socket() => "a socket",
            () if kind.is_char_device() => "a character device",
            () if kind.is_block_device() => "a block device",
            () => "a special file",
        }
    }

    /// Doubles the kernel's read-ahead. Only advice: nothing depends on its being taken.
    pub(crate) fn advise_sequential(file: &File) {
        let _: Result<(), Errno> = fs::fadvise(file, 0, None, Advice::Sequential);
    }

    /// The type of the file system that the file lies on.
    pub(crate) fn file_system(file: &File) -> Result<u64, i32> {
        let found = fs::fstatfs(file).map_err(Errno::raw_os_error)?;
        #[allow(clippy::cast_sign_loss, reason = "a bit pattern of 32 bits")]
        Ok(found.f_type as u64 & 0xFFFF_FFFF)
    }

    /// The name that people know a file system by.
    pub(crate) fn file_system_name(kind: u64) -> &'static str {
        match kind {
            0x794C_7630 => "overlayfs",
            0x6969 => "NFS",
            0x0102_1994 => "tmpfs",
            0x6573_5546 => "FUSE",
            0x0102_1997 => "9p",
            0xFF53_4D42 | 0xFE53_4D42 => "SMB",
            0x00C3_6400 => "Ceph",
            0x8584_58F6 => "ramfs",
            0x5846_5342 => "XFS",
            0x9123_683E => "btrfs",
            0xEF53 => "ext4",
            0xF2F5_2010 => "f2fs",
            0xE0F5_E1E2 => "EROFS",
            0x7371_7368 => "squashfs",
            0x2FC1_2FC1 => "ZFS",
            _ => "this file system",
        }
    }

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

    /// What keeps a file from being protected by fs-verity, before all of it was read: the kernel has
    /// the last word.
    pub(crate) fn may_write(file: &File) -> Result<(), i32> {
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        match fs::accessat(fs::CWD, path, fs::Access::WRITE_OK, fs::AtFlags::EACCESS) {
            // Kernels before 5.8 cannot be asked, and without procfs nobody can be.
            Ok(()) | Err(Errno::NOSYS | Errno::NOENT) => Ok(()),
            Err(errno) => Err(errno.raw_os_error()),
        }
    }

    /// What an error of measuring or enabling fs-verity means, and what to do.
    pub(crate) fn verity_trouble(errno: i32, kind: u64) -> VerityTrouble {
        use VerityTrouble::{Absent, Busy, Denied, Exists, Failed, Off};
        match Errno::from_raw_os_error(errno) {
            Errno::NODATA => Off,
            Errno::EXIST => Exists,
            Errno::NOTTY => Absent("this file system has no fs-verity: ext4, btrfs and f2fs have"),
            Errno::OPNOTSUPP => Absent(verity_missing(kind)),
            Errno::INVAL | Errno::NOPKG => Absent(
                "this kernel has no fs-verity with SHA-256 and blocks of 4 KiB, which its pages must have",
            ),
            Errno::ROFS => Absent("the file system is mounted read-only"),
            Errno::NOKEY | Errno::KEYREJECTED => Absent(
                "this host demands signatures that the kernel checks (fs.verity.require_signatures)",
            ),
            Errno::FBIG => Absent("the file is too large for fs-verity"),
            Errno::TXTBSY => Busy("the file is open for writing: close it there, then try again"),
            Errno::BUSY => Busy("somebody else is enabling fs-verity on this file just now"),
            Errno::ACCESS => Denied("enabling fs-verity takes permission to write to the file"),
            Errno::PERM => {
                Denied("the file may not be changed: it is append-only or immutable (lsattr)")
            }
            _ => Failed,
        }
    }

    /// Two causes have one error number.
    fn verity_missing(kind: u64) -> &'static str {
        let feature = match kind {
            0xEF53 => "/sys/fs/ext4/features/verity",
            0xF2F5_2010 => "/sys/fs/f2fs/features/verity",
            _ => return "this kernel is built without fs-verity (CONFIG_FS_VERITY)",
        };
        match (Path::new(feature).exists(), kind) {
            (false, _) => "this kernel is built without fs-verity (CONFIG_FS_VERITY)",
            (true, 0xEF53) => {
                "the file system lacks the verity feature: unmount it, run tune2fs -O verity on its device, \
                 which takes blocks of 4 KiB, and mount it again"
            }
            (true, _) => "the file system lacks the verity feature: it must be made with it",
        }
    }

    /// Memory of `size` bytes, all zero, that can be sealed.
    pub(crate) fn sealable(size: u64) -> Result<File, i32> {
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        // Kernels before 6.3 do not know that memory need not be executable.
        let made = fs::memfd_create(c"model", flags | MemfdFlags::NOEXEC_SEAL)
            .or_else(|_| fs::memfd_create(c"model", flags))
            .map_err(Errno::raw_os_error)?;
        fs::ftruncate(&made, size).map_err(Errno::raw_os_error)?;
        Ok(made.into())
    }

    /// Seals memory for ever and opens it anew, for reading only.
    pub(crate) fn seal(memory: File) -> Result<File, i32> {
        let all = SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL;
        fs::fcntl_add_seals(&memory, all).map_err(Errno::raw_os_error)?;
        let path = format!("/proc/self/fd/{}", memory.as_raw_fd());
        // Without procfs the first descriptor has to do; the seals stop its writes too.
        Ok(File::open(path).unwrap_or(memory))
    }

    /// Writes all bytes from `offset` on.
    pub(crate) fn write_at(file: &File, bytes: &[u8], offset: u64) -> Result<(), i32> {
        let written = file.write_all_at(bytes, offset);
        written.map_err(|error| error.raw_os_error().unwrap_or(Errno::NOSPC.raw_os_error()))
    }

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

    /// A folder of this process alone, locked for as long as it is held: who finds one that is not locked
    /// knows that its maker is gone.
    #[derive(Debug)]
    pub(crate) struct PrivateFolder {
        folder: File,
        path: PathBuf,
    }

    impl PrivateFolder {
        /// Makes the folder and locks it. Somebody who sweeps may get hold of it in between, and then it is not ours.
        pub(crate) fn create(path: PathBuf) -> Result<Self, i32> {
            fs::mkdir(&path, Mode::RWXU).map_err(Errno::raw_os_error)?;
            let locked = Self::locked(path)?.ok_or(Errno::BUSY.raw_os_error())?;
            let names = fs::fstat(&locked.folder).map_err(Errno::raw_os_error)?;
            if names.st_nlink == 0 {
                return Err(Errno::NOENT.raw_os_error());
            }
            Ok(locked)
        }

        /// The folder of a process that is gone; none where it is still held, or somebody else's.
        pub(crate) fn abandoned(path: PathBuf) -> Option<Self> {
            let found = Self::locked(path).ok().flatten()?;
            let owner = fs::fstat(&found.folder).ok()?.st_uid;
            (owner == geteuid().as_raw()).then_some(found)
        }

        fn locked(path: PathBuf) -> Result<Option<Self>, i32> {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let opened = fs::open(&path, flags, Mode::empty()).map_err(Errno::raw_os_error)?;
            match fs::flock(&opened, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => Ok(Some(Self {
                    folder: opened.into(),
                    path,
                })),
                Err(Errno::WOULDBLOCK) => Ok(None),
                Err(errno) => Err(errno.raw_os_error()),
            }
        }

        pub(crate) fn path(&self) -> &Path {
            &self.path
        }

        /// A link of that name to an open file of this process.
        pub(crate) fn link(&self, file: &impl AsFd, name: &[u8]) -> Result<(), i32> {
            let target = format!("/proc/self/fd/{}", file.as_fd().as_raw_fd());
            fs::symlinkat(target, &self.folder, name).map_err(Errno::raw_os_error)
        }

        /// What fails here leaves an empty name behind, which a later sweep removes.
        pub(crate) fn remove(&self, names: &[Vec<u8>]) {
            for name in names {
                let _: Result<(), Errno> =
                    fs::unlinkat(&self.folder, name.as_slice(), AtFlags::empty());
            }
            let _: Result<(), Errno> = fs::rmdir(&self.path);
        }

        /// Removes the links of a folder whose maker is gone, and nothing else.
        pub(crate) fn remove_all(&self) {
            let names = Dir::read_from(&self.folder).into_iter().flatten().flatten();
            let links = names.filter(|entry| entry.file_type() == FileType::Symlink);
            let names: Vec<_> = links
                .map(|entry| entry.file_name().to_bytes().to_vec())
                .collect();
            self.remove(&names);
        }
    }

    /// The folder without links on its way, if nobody but root and this user can put another in its place.
    pub(crate) fn trusted_folder(path: &Path) -> Result<PathBuf, String> {
        let real =
            std::fs::canonicalize(path).map_err(|error| format!("{}: {error}", path.display()))?;
        for folder in real.ancestors() {
            let found = std::fs::metadata(folder)
                .map_err(|error| format!("{}: {error}", folder.display()))?;
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

    /// A number that no other call is likely to have got.
    pub(crate) fn unlikely_number() -> u64 {
        RandomState::new().hash_one(std::time::SystemTime::now())
    }

    pub(crate) fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        file.read_at(buffer, offset)
    }

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
}

#[cfg(not(target_os = "linux"))]
mod unsupported {
    //! No promise of the gate holds here, so every door is shut: opening a root fails, and the
    //! rest can only be reached with a root.

    use super::{Fault, Trouble, VerityTrouble};
    use crate::FileFacts;
    use crate::records::InodeFacts;
    use std::ffi::OsStr;
    use std::fs::{File, Metadata};
    use std::io;
    use std::path::{Path, PathBuf};

    pub(crate) const PATH_BYTES_MAX: usize = 0;

    const UNSUPPORTED: Fault = Fault {
        trouble: Trouble::Unsupported,
        errno: 0,
    };

    impl From<io::Error> for Fault {
        fn from(_: io::Error) -> Self {
            UNSUPPORTED
        }
    }

    impl Fault {
        pub(crate) fn escapes() -> Self {
            UNSUPPORTED
        }

        pub(crate) fn too_deep() -> Self {
            UNSUPPORTED
        }

        pub(crate) fn not_a_folder() -> Self {
            UNSUPPORTED
        }

        pub(crate) fn empty_name() -> Self {
            UNSUPPORTED
        }

        pub(crate) fn name_too_long() -> Self {
            UNSUPPORTED
        }

        pub(crate) fn too_many_links() -> Self {
            UNSUPPORTED
        }

        pub(crate) fn moved() -> Self {
            UNSUPPORTED
        }
    }

    pub(crate) fn open_root(_: &Path) -> Result<File, Fault> {
        Err(UNSUPPORTED)
    }

    pub(crate) fn has_openat2(_: &File) -> bool {
        false
    }

    pub(crate) fn open_beneath(_: &File, _: &[u8]) -> Result<File, Fault> {
        Err(UNSUPPORTED)
    }

    pub(crate) fn has_magic_link(_: &File, _: &[u8]) -> bool {
        false
    }

    pub(crate) fn look_at(_: &File, _: &[u8]) -> Result<File, Fault> {
        Err(UNSUPPORTED)
    }

    pub(crate) fn open_entry(_: &File, _: &[u8]) -> Result<File, Fault> {
        Err(UNSUPPORTED)
    }

    pub(crate) fn link_target(_: &File) -> Result<Vec<u8>, Fault> {
        Err(UNSUPPORTED)
    }

    pub(crate) fn is_on_procfs(_: &File) -> Result<bool, Fault> {
        Err(UNSUPPORTED)
    }

    pub(crate) fn metadata(_: &File) -> Result<Metadata, Fault> {
        Err(UNSUPPORTED)
    }

    pub(crate) fn facts(metadata: &Metadata) -> FileFacts {
        FileFacts {
            dev: 0,
            ino: 0,
            size: metadata.len(),
            nlink: 0,
            mtime_ns: 0,
            ctime_ns: 0,
        }
    }

    pub(crate) fn inode_facts(_: &File) -> Result<InodeFacts, i32> {
        Err(0)
    }

    pub(crate) fn same_inode(_: &Metadata, _: &Metadata) -> bool {
        false
    }

    pub(crate) fn kind_name(_: &Metadata) -> &'static str {
        "not a regular file"
    }

    pub(crate) fn advise_sequential(_: &File) {}

    pub(crate) fn read_at(_: &File, _: &mut [u8], _: u64) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(crate) fn passes_by_itself(_: i32) -> bool {
        false
    }

    pub(crate) fn errno_text(errno: i32) -> String {
        io::Error::from_raw_os_error(errno).to_string()
    }

    pub(crate) fn file_system(_: &File) -> Result<u64, i32> {
        Err(0)
    }

    pub(crate) fn file_system_name(_: u64) -> &'static str {
        "this file system"
    }

    pub(crate) fn lease_trouble(_: i32) -> Option<&'static str> {
        None
    }

    pub(crate) fn may_write(_: &File) -> Result<(), i32> {
        Err(0)
    }

    pub(crate) fn verity_trouble(_: i32, _: u64) -> VerityTrouble {
        VerityTrouble::Absent("this platform has no fs-verity")
    }

    pub(crate) fn sealable(_: u64) -> Result<File, i32> {
        Err(0)
    }

    pub(crate) fn seal(_: File) -> Result<File, i32> {
        Err(0)
    }

    pub(crate) fn write_at(_: &File, _: &[u8], _: u64) -> Result<(), i32> {
        Err(0)
    }

    pub(crate) fn memory_room() -> Result<u64, i32> {
        Err(0)
    }

    #[derive(Debug)]
    pub(crate) struct PrivateFolder;

    impl PrivateFolder {
        pub(crate) fn create(_: PathBuf) -> Result<Self, i32> {
            Err(0)
        }

        pub(crate) fn abandoned(_: PathBuf) -> Option<Self> {
            None
        }

        pub(crate) fn path(&self) -> &Path {
            Path::new("")
        }

        pub(crate) fn link<T>(&self, _: &T, _: &[u8]) -> Result<(), i32> {
            Err(0)
        }

        pub(crate) fn remove(&self, _: &[Vec<u8>]) {}

        pub(crate) fn remove_all(&self) {}
    }

    pub(crate) fn trusted_folder(_: &Path) -> Result<PathBuf, String> {
        Err("this platform is not supported".to_owned())
    }

    pub(crate) fn real_path(_: &File) -> Result<Vec<u8>, i32> {
        Err(0)
    }

    pub(crate) fn file_name(_: &[u8]) -> &OsStr {
        OsStr::new("")
    }

    pub(crate) fn unlikely_number() -> u64 {
        0
    }
}
