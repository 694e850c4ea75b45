//! Hashing on the device: a list of commands, room for the values, and a way back for them.

use super::gpu::Opened;
use super::memory::Segments;
use super::shaders::Orders;
use super::sys::{Buffer, Commands, Place, Recording, Sets, Shader};
use crate::{Code, HashJob, HashRun, RootJob, VramError};
use digest::{Blake3Digest, TileValue};
use std::sync::Arc;

const VALUE_BYTES: u64 = 32;
const TILE_CHUNKS: u64 = 256;

/// Invocations of a workgroup that makes parents.
const PARENTS_OF_WORKGROUP: u64 = 128;

/// Every device lets a shader reach so many bytes at once.
pub(super) const REACH_BYTES: u64 = 128 << 20;

/// What hashes one piece of memory.
pub(super) struct Worker {
    /// Before what its commands use: dropped, they wait.
    pub(super) commands: Commands,
    room: Option<Room>,
    opened: Arc<Opened>,
}

/// Memory for values on the device, and for those that go back to the host.
struct Room {
    set: Sets,
    values: Buffer,
    back: Buffer,
}

impl Worker {
    pub(super) fn new(opened: Arc<Opened>) -> Result<Self, VramError> {
        Ok(Self {
            commands: Commands::new(opened.device.clone())?,
            opened,
            room: None,
        })
    }

    /// The values of the job's tiles.
    pub(super) fn hash(
        &mut self,
        segments: &Segments,
        job: &HashJob,
    ) -> Result<HashRun, VramError> {
        let pieces = pieces(job, 0)?;
        self.make_room(job.tiles)?;
        self.send(|opened, room, list| {
            list.mark_start();
            list.barrier();
            run_tiles(opened, segments, room, &pieces, list);
            list.mark_end();
            room.bring_back(list, 0, job.tiles);
        })?;
        Ok(HashRun {
            // A clock that fails is none.
            device_seconds: self.commands.seconds().ok().flatten(),
            values: self.values(job.tiles)?,
        })
    }

    /// The digest of the whole message, all of whose levels are computed on the device.
    pub(super) fn root(
        &mut self,
        segments: &Segments,
        job: &RootJob<'_>,
    ) -> Result<Blake3Digest, VramError> {
        let tiles = job.tiling.tiles();
        // The tiles' values, and behind them those of the level above.
        self.make_room(tiles.saturating_add(tiles.div_ceil(2)))?;
        for slice in job.slices() {
            let slice = slice?;
            let pieces = pieces(&slice, slice.first)?;
            self.send(|opened, room, list| {
                list.barrier();
                run_tiles(opened, segments, room, &pieces, list);
            })?;
        }
        self.fold(tiles, job.key)
    }

    /// Level by level, from one part of the room to the other and back.
    fn fold(&mut self, tiles: u64, key: Option<[u8; 32]>) -> Result<Blake3Digest, VramError> {
        let levels = levels(tiles, key)?;
        let top = levels.last().map_or(0, |level| u64::from(level.to));
        self.send(|opened, room, list| {
            for level in &levels {
                list.barrier();
                let Some(set) = room.set.at(0) else { continue };
                let parents = (&opened.pipelines, Shader::Parents);
                let above = u64::from(level.count).div_ceil(2);
                let workgroups = above.div_ceil(PARENTS_OF_WORKGROUP);
                let workgroups = u32::try_from(workgroups).unwrap_or(u32::MAX);
                list.run(parents, (1, &[set]), &level.told(), workgroups);
            }
            room.bring_back(list, top, 1);
        })?;
        let root = self.values(1)?;
        let root = root.first().ok_or_else(too_few)?;
        Ok((*root.as_bytes()).into())
    }

    /// Sends a list that uses the room, and waits until it is done.
    fn send(
        &mut self,
        record: impl FnOnce(&Opened, &Room, &Recording<'_>),
    ) -> Result<(), VramError> {
        let room = self.room.as_ref().ok_or_else(too_few)?;
        let opened = &self.opened;
        self.commands.send(|list| record(opened, room, list))?;
        Ok(self.commands.wait()?)
    }

    /// Room for so many values. What lay there before may be lost.
    fn make_room(&mut self, values: u64) -> Result<(), VramError> {
        let bytes = values.saturating_mul(VALUE_BYTES);
        if self
            .room
            .as_ref()
            .is_some_and(|room| room.values.bytes() >= bytes)
        {
            return Ok(());
        }
        if bytes > REACH_BYTES {
            let message = format!("{values} values at once are more than a shader can reach");
            return Err(VramError::new(Code::Internal, message));
        }
        self.room = None;
        let device = || self.opened.device.clone();
        let bytes = bytes.max(VALUE_BYTES).next_power_of_two();
        let values = Buffer::new(device(), bytes, Place::Device)?;
        self.room = Some(Room {
            set: Sets::of(device(), &self.opened.pipelines, [&values].into_iter())?,
            back: Buffer::new(device(), bytes, Place::ToHost)?,
            values,
        });
        Ok(())
    }

    fn values(&mut self, count: u64) -> Result<Vec<TileValue>, VramError> {
        let back = self.room.as_mut().map(|room| room.back.host_bytes());
        let (values, _) = back.unwrap_or_default().as_chunks::<32>();
        let values = usize::try_from(count).ok().and_then(|n| values.get(..n));
        let values = values.ok_or_else(too_few)?;
        Ok(values.iter().map(|&value| value.into()).collect())
    }
}

impl Room {
    /// So many values, from value `first` on.
    fn bring_back(&self, list: &Recording<'_>, first: u64, count: u64) {
        list.barrier();
        let from = (&self.values, first * VALUE_BYTES);
        list.copy(from, (&self.back, 0), count * VALUE_BYTES);
        list.barrier_to_host();
    }
}

/// A run of tiles that lie in one segment.
struct Piece {
    segment: usize,
    tiles: u32,
    orders: Orders,
}

fn run_tiles(
    opened: &Opened,
    segments: &Segments,
    room: &Room,
    pieces: &[Piece],
    list: &Recording<'_>,
) {
    for piece in pieces {
        let sets = segments.set(piece.segment).zip(room.set.at(0));
        let Some((data, values)) = sets else { continue };
        let tiles = (&opened.pipelines, Shader::Tiles);
        let told = piece.orders.told();
        list.run(tiles, (0, &[data, values]), &told, piece.tiles);
    }
}

/// The job, cut where segments end. Its first value goes to place `to`.
fn pieces(job: &HashJob, to: u64) -> Result<Vec<Piece>, VramError> {
    let end = job.first.checked_add(job.tiles);
    let end = end.filter(|&end| end <= job.tiling.tiles() && job.tiles > 0);
    let end = end.ok_or_else(outside)?;
    let mut pieces = Vec::new();
    let mut first = job.first;
    while first < end {
        let segment = first / Segments::TILES;
        let behind = end.min((segment + 1) * Segments::TILES);
        let start = job.tiling.range(first).ok_or_else(outside)?.start;
        let stop = job.tiling.range(behind - 1).ok_or_else(outside)?.end;
        pieces.push(Piece {
            segment: usize::try_from(segment).map_err(|_| outside())?,
            tiles: small(behind - first)?,
            orders: Orders {
                key: job.key,
                first_chunk: first * TILE_CHUNKS,
                may_be_root: job.tiling.tiles() == 1,
                from: small(first % Segments::TILES)?,
                count: small(stop - start)?,
                to: small(to + (first - job.first))?,
            },
        });
        first = behind;
    }
    Ok(pieces)
}

/// The levels above so many tiles: none above one alone, which is the root.
fn levels(tiles: u64, key: Option<[u8; 32]>) -> Result<Vec<Orders>, VramError> {
    let (mut from, mut to) = (0, tiles);
    let mut count = tiles;
    let mut levels = Vec::new();
    while count > 1 {
        levels.push(Orders {
            key,
            first_chunk: 0,
            may_be_root: true,
            from: small(from)?,
            count: small(count)?,
            to: small(to)?,
        });
        (from, to) = (to, from);
        count = count.div_ceil(2);
    }
    Ok(levels)
}

fn small(number: u64) -> Result<u32, VramError> {
    u32::try_from(number).map_err(|_| outside())
}

fn outside() -> VramError {
    VramError::new(
        Code::Internal,
        "a run of tiles outside of the memory was to be hashed",
    )
}

fn too_few() -> VramError {
    VramError::new(Code::Internal, "the device gave fewer values than tiles")
}
