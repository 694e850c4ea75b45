//! What the operating system says about an opened file.

/// Facts of one inode, taken from the descriptor and never from the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileFacts {
    /// The device that holds the file.
    pub dev: u64,
    /// The inode's number on that device.
    pub ino: u64,
    /// The file's size in bytes.
    pub size: u64,
    /// How many names the inode has.
    pub nlink: u64,
    /// When the content last changed, in nanoseconds since 1970. Anyone who may write can set it.
    pub mtime_ns: i128,
    /// When content, name or permissions last changed, in nanoseconds since 1970.
    pub ctime_ns: i128,
}

impl FileFacts {
    /// What differs between two looks at one inode, as words for a message.
    pub(crate) fn change_since(&self, before: &Self) -> Option<&'static str> {
        if self.size != before.size {
            return Some("its size changed");
        }
        let same_times = (self.mtime_ns, self.ctime_ns) == (before.mtime_ns, before.ctime_ns);
        (!same_times).then_some("its content, name or permissions changed")
    }
}
