//! The calls of Linux, and what it means by its error numbers.

mod errno;
mod fault;
mod file_system;
mod inode;
mod lease;
mod memory_room;
mod opening;
mod path;
mod private_folder;
mod reading;
mod sealed_memory;
mod verity;

pub(crate) use errno::{errno_text, passes_by_itself};
pub(crate) use file_system::{file_system, file_system_name, is_on_procfs};
pub(crate) use inode::{facts, inode_facts, kind_name, metadata, same_inode};
pub(crate) use lease::lease_trouble;
pub(crate) use memory_room::memory_room;
pub(crate) use opening::{
    PATH_BYTES_MAX, has_magic_link, has_openat2, link_target, look_at, open_beneath, open_entry,
    open_root,
};
pub(crate) use path::{file_name, real_path, trusted_folder};
pub(crate) use private_folder::{PrivateFolder, unlikely_number};
pub(crate) use reading::{advise_sequential, read_at};
pub(crate) use sealed_memory::{seal, sealable, write_at};
pub(crate) use verity::{may_write, verity_trouble};
