//! Opening beneath the root: a path in, a regular file out that lies inside, or a refusal.

mod lexical;
mod walk;

use crate::platform::{self, Fault, Trouble};
use crate::{Code, FileFacts, Refusal};
use std::fs::File;
use std::path::{Path, PathBuf};

/// How often a path is looked up again when folders on it are renamed meanwhile.
const ATTEMPTS_MAX: u32 = 64;

/// How paths are resolved beneath the root. Both hold the same promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolver {
    /// The kernel's openat2 with `RESOLVE_BENEATH` and `RESOLVE_NO_MAGICLINKS`.
    Openat2,
    /// A walk from folder to folder that follows symbolic links itself, for kernels and sandboxes
    /// without openat2. It also refuses every link on procfs, and paths nested too deep.
    Walk,
}

/// The folder that no path may leave, held by its descriptor.
#[derive(Debug)]
pub struct Root {
    folder: File,
    /// The root's own absolute paths: under these an absolute path is taken as one inside.
    spellings: [PathBuf; 2],
    resolver: Resolver,
}

impl Root {
    /// Opens the root once; it stays the same folder even if its path comes to mean another.
    pub fn open(path: &Path) -> Result<Self, Refusal> {
        let mut root = Self::open_with(path, Resolver::Walk)?;
        if platform::has_openat2(&root.folder) {
            root.resolver = Resolver::Openat2;
        }
        Ok(root)
    }

    /// Opens the root with a resolver of the caller's choice.
    pub fn open_with(path: &Path, resolver: Resolver) -> Result<Self, Refusal> {
        let folder = platform::open_root(path).map_err(refuse_root)?;
        let given = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let canonical = std::fs::canonicalize(path).unwrap_or_else(|_| given.clone());
        Ok(Self {
            folder,
            spellings: [canonical, given],
            resolver,
        })
    }

    /// The root's path when it was opened, without symbolic links.
    pub fn path(&self) -> &Path {
        let [canonical, _] = &self.spellings;
        canonical
    }

    /// How paths are resolved here.
    pub fn resolver(&self) -> Resolver {
        self.resolver
    }

    /// The path relative to the root, if its text allows for one: where it leads is another question.
    pub fn relative<'path>(&self, path: &'path [u8]) -> Option<&'path [u8]> {
        self.inside(path).ok()
    }

    /// Opens the regular file that `path` names, relative or absolute.
    pub(crate) fn open_file(&self, path: &[u8]) -> Result<(File, FileFacts), Refusal> {
        let inside = self.inside(path)?;
        let file = self
            .resolve(inside)
            .map_err(|fault| refuse(fault, inside))?;
        let metadata = platform::metadata(&file).map_err(|fault| refuse(fault, inside))?;
        let facts = platform::facts(&metadata);
        if metadata.is_file() {
            Ok((file, facts))
        } else {
            Err(not_regular(platform::kind_name(&metadata)).with_facts(facts))
        }
    }

    /// The path relative to the root. Only its text is looked at; resolving it is still guarded.
    fn inside<'path>(&self, path: &'path [u8]) -> Result<&'path [u8], Refusal> {
        if path.is_empty() {
            return Err(Refusal::new(Code::NotFound, "the path is empty"));
        }
        if path.contains(&0) {
            return Err(Refusal::new(
                Code::PathTraversal,
                "the path holds a NUL byte, which no file's name can",
            ));
        }
        if !path.starts_with(b"/") {
            return Ok(path);
        }
        let mut spellings = self.spellings.iter();
        spellings
            .find_map(|root| lexical::below(path, root.as_os_str().as_encoded_bytes()))
            .ok_or_else(traversal)
    }

    fn resolve(&self, path: &[u8]) -> Result<File, Fault> {
        let mut answer = self.resolve_once(path);
        for _ in 1..ATTEMPTS_MAX {
            if !matches!(&answer, Err(fault) if fault.trouble == Trouble::Busy) {
                break;
            }
            std::thread::yield_now();
            answer = self.resolve_once(path);
        }
        answer
    }

    fn resolve_once(&self, path: &[u8]) -> Result<File, Fault> {
        match self.resolver {
            Resolver::Openat2 => beneath(&self.folder, path),
            Resolver::Walk => walk::open(&self.folder, path),
        }
    }
}

/// The kernel says ELOOP both of a loop and of a magic link; the latter is an escape.
fn beneath(root: &File, path: &[u8]) -> Result<File, Fault> {
    platform::open_beneath(root, path).map_err(|fault| {
        let looped = fault.trouble == Trouble::Loop;
        if looped && platform::has_magic_link(root, path) {
            return Fault::escapes();
        }
        fault
    })
}

fn traversal() -> Refusal {
    Refusal::new(
        Code::PathTraversal,
        "the path leaves the root; name a file inside it",
    )
}

fn not_regular(kind: &str) -> Refusal {
    let message = format!("the path names {kind}; a model is a regular file");
    Refusal::new(Code::NotRegularFile, message)
}

/// A path whose text climbs above the root is an escape even if it failed earlier for another
/// reason: `missing/../../etc/passwd` must not pass for an honest mistake.
fn refuse(fault: Fault, path: &[u8]) -> Refusal {
    if fault.trouble == Trouble::Escapes || lexical::climbs(path) {
        return traversal().with_errno(fault.errno);
    }
    let refusal = match fault.trouble {
        Trouble::Missing => Refusal::new(Code::NotFound, "there is no such file under the root"),
        Trouble::Denied => Refusal::new(
            Code::PermissionDenied,
            "the process may not read the file, or not enter a folder on the way to it",
        ),
        Trouble::Special => not_regular("a socket or a device"),
        Trouble::Loop => Refusal::new(
            Code::Io,
            "the path leads through too many symbolic links, perhaps in a circle",
        ),
        Trouble::Busy => Refusal {
            retriable: true,
            ..Refusal::new(
                Code::Io,
                "the path kept changing while it was looked up; try again",
            )
        },
        _ => Refusal::io("opening the file", Some(fault.errno)),
    };
    refusal.with_errno(fault.errno)
}

fn refuse_root(fault: Fault) -> Refusal {
    let refusal = match fault.trouble {
        Trouble::Missing => Refusal::new(Code::NotFound, "the root is not an existing folder"),
        Trouble::Denied => Refusal::new(
            Code::PermissionDenied,
            "the process may not enter a folder on the way to the root",
        ),
        #[cfg(not(target_os = "linux"))]
        Trouble::Unsupported => {
            return Refusal::new(
                Code::PlatformUnsupported,
                "models can be verified on Linux only: elsewhere no file can be held inside a root",
            );
        }
        _ => Refusal::io("opening the root", Some(fault.errno)),
    };
    refusal.with_errno(fault.errno)
}
