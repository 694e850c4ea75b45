//! What stands beside a model: small files beneath the root that say something about it, whether it is there at all, and
//! where it really lies.

use crate::judge::guarded;
use crate::load::open;
use crate::prove::too_large;
use crate::reader::read_exact_at;
use crate::{Control, FileFacts, Refusal, Root, platform};

/// Whether the path opens a regular file beneath the root: the refusals of a load that come before its reading. For a
/// call that ends for another reason, and must not hide an attack behind it.
pub fn find(root: &Root, path: &[u8]) -> Result<FileFacts, Refusal> {
    guarded(|| open(root, path, &Control::new()).map(|(_, facts)| facts))
}

/// Reads a regular file beneath the root whole. What is larger than `bytes_max` is refused unread.
pub fn read_small(root: &Root, path: &[u8], bytes_max: u64) -> Result<Vec<u8>, Refusal> {
    guarded(|| {
        let (file, facts) = open(root, path, &Control::new())?;
        if facts.size > bytes_max {
            return Err(too_large("the file has", facts.size, bytes_max));
        }
        let mut bytes = vec![0; usize::try_from(facts.size).unwrap_or(0)];
        read_exact_at(&file, &mut bytes, 0)?;
        Ok(bytes)
    })
}

/// Where the file that `path` opens really lies: an absolute path without symbolic links, as the kernel knows it.
pub fn real_path(root: &Root, path: &[u8]) -> Result<Vec<u8>, Refusal> {
    guarded(|| {
        let (file, facts) = open(root, path, &Control::new())?;
        platform::real_path(&file).map_err(|errno| {
            Refusal::io("asking the kernel for the file's path", Some(errno)).with_facts(facts)
        })
    })
}
