//! Records of full verifications: with one, a later load proves the same digest by tiles.
//!
//! A record says: the bytes with these tile values had this SHA-256. Its head is authenticated with a
//! secret key, and the head's root authenticates the values. Whoever has the key can write a record that
//! is believed; whoever has not can only make it be ignored, and then the load proves the SHA-256 itself.

mod folder;
mod head;
#[cfg(test)]
mod tests;
mod tie;

use crate::Tiles;
use digest::{MacKey, Sha256Digest, TileValue, Tiling};
use folder::Folder;
use head::{HEAD_BYTES, Head};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};
use tie::TIE_BYTES;
pub(crate) use tie::{Anchor, InodeFacts, Tie};

/// Smaller files are neither recorded nor looked up: their SHA-256 takes less than a millisecond.
pub(crate) const RECORDED_BYTES_MIN: u64 = (1 << 20) + 1;

const VALUE_BYTES: usize = 32;

/// A whole number of values.
const PIECE_BYTES: usize = 2048 * VALUE_BYTES;

/// A folder of records and the key that authenticates them. Nothing is opened before a load needs it.
#[derive(Clone, Debug)]
pub struct Records {
    /// An absolute path. Made where it is missing; not used where others may write to it.
    pub folder: PathBuf,
    /// Who knows it can write records that are believed.
    pub key: MacKey,
    /// An older record is ignored.
    pub age_max: Option<Duration>,
}

/// An authentic record of one file.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) made: SystemTime,
    pub(crate) found: Found,
}

/// What the record says of a file of the size at hand.
#[derive(Clone, Debug)]
pub(crate) enum Found {
    Tiles(Tiles),
    /// The digest belongs to a file of this size, and the one at hand has another.
    OtherSize(u64),
}

/// A record that was not believed, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ignored {
    /// What was wrong with it.
    pub reason: Reason,
    /// The same as a sentence.
    pub message: String,
}

/// Why a record was not believed. The spelling never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The folder is not one that only this user can write to.
    Folder,
    /// The record cannot be read.
    Unreadable,
    /// The record is longer or shorter than it should be.
    Length,
    /// Another version of this library wrote it in another form.
    Version,
    /// It was not written with this key, or was changed afterwards.
    Forged,
    /// It is an authentic record, under another model's name.
    OtherModel,
    /// It is older than allowed, or from the future.
    Stale,
    /// Its tile values do not make its root.
    Values,
}

impl Reason {
    /// The reason as records and metrics spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Folder => "folder",
            Self::Unreadable => "unreadable",
            Self::Length => "length",
            Self::Version => "version",
            Self::Forged => "forged",
            Self::OtherModel => "other-model",
            Self::Stale => "stale",
            Self::Values => "values",
        }
    }
}

impl Record {
    /// Its values, where it is one of a file of the size that was asked for.
    pub(crate) fn tiles(self) -> Option<Tiles> {
        match self.found {
            Found::Tiles(tiles) => Some(tiles),
            Found::OtherSize(_) => None,
        }
    }

    /// Whether the record has these values.
    pub(crate) fn says(&self, tiles: &Tiles) -> bool {
        matches!(&self.found, Found::Tiles(known) if known.root() == tiles.root())
    }
}

impl Ignored {
    /// Authentic, and yet not what the same bytes give now: memory or a disk has failed.
    pub(crate) fn contradicted() -> Self {
        Self::new(
            Reason::Values,
            "the record's tile values are not those of the bytes that have its SHA-256",
        )
    }

    fn new(reason: Reason, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { reason, message }
    }
}

/// What became of a load's record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordsReport {
    /// The record that was there and was not believed.
    pub ignored: Option<Ignored>,
    /// Whether a new one was written, or why that failed. None where none was to be.
    pub stored: Option<Result<(), String>>,
}

impl RecordsReport {
    /// Together with what was noticed before.
    pub(crate) fn with(self, before: &Self) -> Self {
        Self {
            ignored: before.ignored.clone().or(self.ignored),
            stored: self.stored,
        }
    }
}

impl Records {
    /// The record of the file with this digest, whose size is `size`. None where there is none.
    pub(crate) fn find(&self, sha256: Sha256Digest, size: u64) -> Result<Option<Record>, Ignored> {
        let Some(folder) = Folder::open(&self.folder)? else {
            return Ok(None);
        };
        let Some(mut file) = folder.open_record(&name_of(sha256))? else {
            return Ok(None);
        };
        let mut bytes = [0; HEAD_BYTES];
        file.read(&mut bytes)?;
        let head = Head::decode(&bytes, &self.key)?;
        if head.sha256 != sha256 {
            return Err(Ignored::new(
                Reason::OtherModel,
                "the record is that of another model",
            ));
        }
        self.judge_age(head.made)?;
        let found = if head.size == size {
            Found::Tiles(values(&mut file, &head)?)
        } else {
            Found::OtherSize(head.size)
        };
        Ok(Some(Record {
            made: head.made,
            found,
        }))
    }

    /// Writes the record of a file whose SHA-256 was just proven. Durable and whole, or not there. False
    /// where somebody else is writing it just now.
    pub(crate) fn store(&self, sha256: Sha256Digest, tiles: &Tiles) -> Result<bool, String> {
        let head = Head {
            sha256,
            root: tiles.root(),
            size: tiles.tiling().bytes_total(),
            made: SystemTime::now(),
        };
        let folder = Folder::make(&self.folder).map_err(|ignored| ignored.message)?;
        folder.write(&name_of(sha256), &head.encode(&self.key), tiles.values())
    }

    /// The tie of this digest to what the kernel says of a file of this size. None where there is none, or where
    /// it binds another file: a copy of the same model is no forgery.
    pub(crate) fn find_tie(
        &self,
        sha256: Sha256Digest,
        size: u64,
        anchor: Anchor,
    ) -> Result<Option<Tie>, Ignored> {
        let Some(folder) = Folder::open(&self.folder)? else {
            return Ok(None);
        };
        let Some(mut file) = folder.open_record(&tie_name_of(sha256, anchor))? else {
            return Ok(None);
        };
        let mut bytes = [0; TIE_BYTES];
        file.read(&mut bytes)?;
        let Some(tie) = Tie::decode(&bytes, &self.key)? else {
            return Ok(None);
        };
        if tie.sha256 != sha256 {
            return Err(Ignored::new(
                Reason::OtherModel,
                "the tie is that of another model",
            ));
        }
        self.judge_age(tie.made)?;
        Ok((tie.size == size && tie.binds(anchor)).then_some(tie))
    }

    /// Writes a tie; durable and whole, or not there.
    pub(crate) fn store_tie(&self, tie: &Tie, anchor: Anchor) -> Result<(), String> {
        let folder = Folder::make(&self.folder).map_err(|ignored| ignored.message)?;
        let name = tie_name_of(tie.sha256, anchor);
        folder.write(&name, &tie.encode(&self.key), &[]).map(|_| ())
    }

    fn judge_age(&self, made: SystemTime) -> Result<(), Ignored> {
        let Some(age_max) = self.age_max else {
            return Ok(());
        };
        match SystemTime::now().duration_since(made) {
            Ok(age) if age <= age_max => Ok(()),
            Ok(_) => Err(Ignored::new(
                Reason::Stale,
                "the record is older than the options allow",
            )),
            Err(_) => Err(Ignored::new(
                Reason::Stale,
                "the record is from the future, so its age is unknown",
            )),
        }
    }
}

fn name_of(sha256: Sha256Digest) -> String {
    format!("{sha256}.record")
}

fn tie_name_of(sha256: Sha256Digest, anchor: Anchor) -> String {
    format!("{sha256}.{}", anchor.suffix())
}

/// The values behind the head, as many as the file has tiles, which must make the head's root. Called only
/// for a file that has the recorded size, so that no record can size the allocation.
fn values(file: &mut folder::RecordFile, head: &Head) -> Result<Tiles, Ignored> {
    let tiling = Tiling::of(head.size);
    let length = tiling.tiles().saturating_mul(VALUE_BYTES as u64);
    if file.length() != length.saturating_add(HEAD_BYTES as u64) {
        return Err(Ignored::new(
            Reason::Length,
            "the record is cut, or has something behind it",
        ));
    }
    let tiles = Tiles::of(tiling, read_values(file, tiling.tiles())?).ok();
    let sound = tiles.filter(|tiles| tiles.root() == head.root);
    sound.ok_or_else(|| {
        Ignored::new(
            Reason::Values,
            "the record's tile values do not make the root that was authenticated",
        )
    })
}

/// In pieces, so that a large model's values are in memory once.
fn read_values(file: &mut folder::RecordFile, count: u64) -> Result<Vec<TileValue>, Ignored> {
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let mut values: Vec<TileValue> = Vec::new();
    let reserved = values.try_reserve_exact(count);
    reserved.map_err(|_| {
        Ignored::new(
            Reason::Unreadable,
            "there is no memory for the record's values",
        )
    })?;
    let mut piece = vec![0; PIECE_BYTES];
    while values.len() < count {
        let length = PIECE_BYTES.min((count - values.len()) * VALUE_BYTES);
        let bytes = piece.get_mut(..length).unwrap_or_default();
        file.read(bytes)?;
        let (found, _) = bytes.as_chunks::<VALUE_BYTES>();
        values.extend(found.iter().map(|&value| TileValue::from(value)));
    }
    Ok(values)
}
