//! A private folder in which every part of a set is found under its name, by a link to its open descriptor.
//!
//! Engines work out the other parts' names from the first one's, so a descriptor's own path is not enough for
//! them. The links lead to `/proc/self/fd`: they work in this process alone, for as long as the set is held.

use crate::platform::{self, PrivateFolder};
use crate::{Code, Refusal, SplitName, Verified};
use std::path::{Path, PathBuf};

/// How the folders are named; whoever finds one that nobody holds may remove it.
const PREFIX: &str = "model-loader-set-";

/// Tries, should a name be taken or a folder be swept away before it was locked.
const TRIES_MAX: u32 = 16;

/// The folder, which is removed with its links when this is dropped.
#[derive(Debug)]
pub struct Links {
    folder: PrivateFolder,
    names: Vec<Vec<u8>>,
    first: PathBuf,
}

impl Links {
    /// Makes a folder in `base`, after having removed those that crashed processes left there.
    pub(crate) fn make(base: &Path, name: &SplitName, parts: &[Verified]) -> Result<Self, Refusal> {
        let base = platform::trusted_folder(base).map_err(|reason| unusable(&reason))?;
        sweep(&base);
        let folder = new_folder(&base).map_err(|errno| failed("making the folder", errno))?;
        let mut links = Self {
            first: folder.path().join(platform::file_name(&link_name(name, 0))),
            folder,
            names: Vec::with_capacity(parts.len()),
        };
        for (place, part) in parts.iter().enumerate() {
            let file_name = link_name(name, place);
            let linked = links.folder.link(part, &file_name);
            linked.map_err(|errno| failed("making a link", errno))?;
            links.names.push(file_name);
        }
        Ok(links)
    }

    /// The link to the first part.
    pub fn first(&self) -> &Path {
        &self.first
    }
}

impl Drop for Links {
    fn drop(&mut self) {
        self.folder.remove(&self.names);
    }
}

/// The part's own name. One that is no text is replaced: engines take paths as text, and only the numbers matter.
fn link_name(name: &SplitName, place: usize) -> Vec<u8> {
    let path = name.part(place);
    let own = path.rsplit(|&byte| byte == b'/').next().unwrap_or(&path);
    if std::str::from_utf8(own).is_ok() {
        return own.to_vec();
    }
    let (number, count) = (place + 1, name.count());
    format!("model-{number:05}-of-{count:05}.gguf").into_bytes()
}

fn new_folder(base: &Path) -> Result<PrivateFolder, i32> {
    let mut tried = 0;
    loop {
        tried += 1;
        let path = base.join(format!("{PREFIX}{:016x}", platform::unlikely_number()));
        match PrivateFolder::create(path) {
            Err(_) if tried < TRIES_MAX => {}
            answer => return answer,
        }
    }
}

/// What a crashed process left behind is locked by nobody. What cannot be removed is left alone: it holds nothing
/// but links that lead nowhere.
fn sweep(base: &Path) {
    let Ok(entries) = std::fs::read_dir(base) else {
        return;
    };
    for entry in entries.flatten() {
        let ours = entry
            .file_name()
            .to_str()
            .is_some_and(|it| it.starts_with(PREFIX));
        if ours && let Some(abandoned) = PrivateFolder::abandoned(entry.path()) {
            abandoned.remove_all();
        }
    }
}

fn unusable(reason: &str) -> Refusal {
    let message = format!(
        "a split model is handed over in a folder of links, and there is no safe place for one: {reason}; set TMPDIR"
    );
    Refusal::new(Code::Io, message)
}

fn failed(doing: &str, errno: i32) -> Refusal {
    let doing = format!("{doing} through which the parts are handed over");
    Refusal::io(&doing, Some(errno))
}
