//! The walk from folder to folder, for kernels and sandboxes without openat2.
//!
//! Each name is looked at without being followed, from the descriptor of the folder it lies in.
//! `..` takes the last descriptor off a stack and never asks the kernel, so that a folder moved
//! meanwhile cannot lead out. Links are read and walked like the path itself.

use super::lexical;
use crate::platform::{self, Fault};
use std::fs::{File, Metadata};

/// As many as the kernel follows in one path.
const LINKS_MAX: u32 = 40;

/// Bounds the open descriptors of one walk: far above any model store, far below a process's limit.
const FOLDERS_DEEP_MAX: usize = 128;

/// Opens what `path` names beneath `root`. A thing that is neither file nor folder is looked at
/// but not opened: opening a device may do something.
pub(super) fn open(root: &File, path: &[u8]) -> Result<File, Fault> {
    let mut walk = Walk {
        root,
        folders: Vec::new(),
        names: Vec::new(),
        links: 0,
    };
    walk.go_on_with(path)?;
    while let Some(name) = walk.names.pop() {
        if let Some(found) = walk.step(&name)? {
            return Ok(found);
        }
    }
    Ok(walk.here().try_clone()?)
}

struct Walk<'root> {
    root: &'root File,
    /// The folders below the root that were entered and not left, innermost last.
    folders: Vec<File>,
    /// The names still to go, the next one last.
    names: Vec<Vec<u8>>,
    links: u32,
}

impl Walk<'_> {
    fn here(&self) -> &File {
        self.folders.last().unwrap_or(self.root)
    }

    /// Puts a path's names before those still to go.
    fn go_on_with(&mut self, path: &[u8]) -> Result<(), Fault> {
        if path.len() > platform::PATH_BYTES_MAX {
            return Err(Fault::name_too_long());
        }
        if lexical::names_folder(path) {
            self.names.push(b".".to_vec());
        }
        self.names
            .extend(lexical::parts(path).rev().map(<[u8]>::to_vec));
        Ok(())
    }

    /// Takes one name; the answer is the thing found if it ends the walk.
    fn step(&mut self, name: &[u8]) -> Result<Option<File>, Fault> {
        match name {
            b"." => Ok(None),
            b".." => {
                let left = self.folders.pop();
                left.map(|_| None).ok_or_else(Fault::escapes)
            }
            _ => self.enter(name),
        }
    }

    fn enter(&mut self, name: &[u8]) -> Result<Option<File>, Fault> {
        let seen = platform::look_at(self.here(), name)?;
        let metadata = platform::metadata(&seen)?;
        if metadata.is_symlink() {
            self.follow(&seen)?;
        } else if metadata.is_dir() {
            self.descend(seen)?;
        } else if !self.names.is_empty() {
            return Err(Fault::not_a_folder());
        } else if metadata.is_file() {
            return self.take(name, &metadata).map(Some);
        } else {
            return Ok(Some(seen));
        }
        Ok(None)
    }

    fn descend(&mut self, folder: File) -> Result<(), Fault> {
        if self.folders.len() == FOLDERS_DEEP_MAX {
            return Err(Fault::too_deep());
        }
        self.folders.push(folder);
        Ok(())
    }

    /// Links of procfs may jump anywhere whatever their text says, so none is followed.
    fn follow(&mut self, link: &File) -> Result<(), Fault> {
        self.links += 1;
        if self.links > LINKS_MAX {
            return Err(Fault::too_many_links());
        }
        if platform::is_on_procfs(link)? {
            return Err(Fault::escapes());
        }
        let target = platform::link_target(link)?;
        match target.first() {
            None => Err(Fault::empty_name()),
            Some(b'/') => Err(Fault::escapes()),
            Some(_) => self.go_on_with(&target),
        }
    }

    /// Opens the very inode that was looked at; anything else was put there meanwhile.
    fn take(&self, name: &[u8], seen: &Metadata) -> Result<File, Fault> {
        let file = platform::open_entry(self.here(), name).map_err(|fault| {
            let swapped = fault == Fault::too_many_links();
            if swapped { Fault::moved() } else { fault }
        })?;
        let same = platform::same_inode(&platform::metadata(&file)?, seen);
        if same { Ok(file) } else { Err(Fault::moved()) }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::Walk;
    use crate::platform::{self, Fault};
    use std::path::Path;

    #[test]
    fn what_was_put_there_after_the_look_is_not_taken() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = platform::open_root(folder).unwrap();
        let walk = Walk {
            root: &root,
            folders: Vec::new(),
            names: Vec::new(),
            links: 0,
        };
        let look = |name| platform::metadata(&platform::look_at(&root, name).unwrap()).unwrap();
        assert!(walk.take(b"Cargo.toml", &look(b"Cargo.toml")).is_ok());
        let other = look(b"src");
        let answer = walk.take(b"Cargo.toml", &other);
        assert_eq!(answer.unwrap_err(), Fault::moved());
    }
}
