//! Running a kernel: block by block, in each block every warp up to the next barrier, in each warp the threads
//! that stand furthest back until they stand with the others.

use super::instruction::{Access, Instruction, Kernel, Operation, Preset, Space};
use super::lanes::{LANES, Lanes, compute};
use crate::memory::View;

/// What a kernel is started with.
pub(crate) struct Launch<'a> {
    pub(crate) blocks: u32,
    pub(crate) threads: u32,
    pub(crate) parameters: &'a [u8],
    pub(crate) view: &'a View,
}

/// A place that no thread reaches: it waits, or has returned.
const WAITING: usize = usize::MAX - 1;
const ENDED: usize = usize::MAX;

/// 32 threads, each at its own place, with registers side by side.
struct Warp {
    /// Where each thread goes on; where it goes on after the barrier, in `after`.
    at: [usize; LANES],
    after: [usize; LANES],
    clock: [u64; LANES],
    registers: Vec<Lanes>,
    /// The number of its first thread.
    first: u32,
}

/// One block at work.
struct Block<'a> {
    kernel: &'a Kernel,
    launch: &'a Launch<'a>,
    number: u32,
    shared: Vec<u8>,
    bytes: u64,
}

/// Runs all of it: how many bytes it read of global memory, or what it did wrong.
pub(crate) fn run(kernel: &Kernel, launch: &Launch<'_>) -> Result<u64, String> {
    let mut bytes = 0;
    for number in 0..launch.blocks {
        let mut block = Block {
            kernel,
            launch,
            number,
            shared: vec![0; usize::try_from(kernel.shared_bytes).unwrap_or(0)],
            bytes: 0,
        };
        block.run()?;
        bytes += block.bytes;
    }
    Ok(bytes)
}

impl Block<'_> {
    fn run(&mut self) -> Result<(), String> {
        let firsts = (0..self.launch.threads).step_by(LANES);
        let mut warps: Vec<Warp> = firsts.map(|first| self.warp(first)).collect();
        loop {
            let (mut waiting, mut ended) = (0, 0);
            for warp in &mut warps {
                self.up_to_barrier(warp)?;
                waiting += count(&warp.at, WAITING);
                ended += count(&warp.at, ENDED);
            }
            if waiting == 0 {
                return Ok(());
            }
            // Threads of a last warp that never were have ended from the start. Real devices let others
            // go on without threads that have returned; the kernels never rely on it.
            let spare = warps.len() * LANES - self.launch.threads as usize;
            if ended > spare {
                return Err(format!(
                    "{waiting} threads wait for others that have returned"
                ));
            }
            for warp in &mut warps {
                warp.pass_barrier();
            }
        }
    }

    fn warp(&self, first: u32) -> Warp {
        let thread = |lane: usize| u64::from(first) + lane as u64;
        let mut registers = vec![[0; LANES]; self.kernel.registers];
        for &(register, preset) in &self.kernel.preset {
            registers[register] = std::array::from_fn(|lane| match preset {
                Preset::Constant(value) => value,
                Preset::Thread => thread(lane),
                Preset::Threads => self.launch.threads.into(),
                Preset::Block => self.number.into(),
                Preset::Blocks => self.launch.blocks.into(),
            });
        }
        let exists = |lane: usize| thread(lane) < u64::from(self.launch.threads);
        Warp {
            at: std::array::from_fn(|lane| if exists(lane) { 0 } else { ENDED }),
            after: [0; LANES],
            clock: [0; LANES],
            registers,
            first,
        }
    }

    /// Until every thread waits or has returned.
    fn up_to_barrier(&mut self, warp: &mut Warp) -> Result<(), String> {
        loop {
            let here = warp.at.iter().copied().min().unwrap_or(ENDED);
            if here >= WAITING {
                return Ok(());
            }
            if here >= self.kernel.instructions.len() {
                warp.send(warp.standing_at(here), ENDED);
                continue;
            }
            self.together(warp, here)?;
        }
    }

    /// Runs the threads at one place until they part, stop, or meet others.
    fn together(&mut self, warp: &mut Warp, mut here: usize) -> Result<(), String> {
        let kernel = self.kernel;
        let group = warp.standing_at(here);
        let others = (0..LANES).filter(|&lane| !has(group, lane));
        let others = others.map(|lane| warp.at[lane]).min().unwrap_or(ENDED);
        while let Some(instruction) = kernel.instructions.get(here) {
            let active = group & warp.guarded(instruction);
            warp.tick(group);
            here += 1;
            match instruction.operation {
                Operation::Branch(target) => {
                    warp.send(group, here);
                    warp.send(active, target);
                    return Ok(());
                }
                Operation::Barrier => {
                    warp.send(group, here);
                    warp.wait(active, here);
                    return Ok(());
                }
                Operation::Return => {
                    warp.send(group, here);
                    warp.send(active, ENDED);
                    return Ok(());
                }
                _ => self.step(instruction, warp, active)?,
            }
            if here >= others {
                break;
            }
        }
        warp.send(group, here);
        Ok(())
    }

    fn step(
        &mut self,
        instruction: &Instruction,
        warp: &mut Warp,
        active: u32,
    ) -> Result<(), String> {
        match instruction.operation {
            Operation::Load(access) => self.loads(instruction, access, warp, active),
            Operation::Store(access) => self.stores(instruction, access, warp, active),
            Operation::Clock => {
                let clock = warp.clock;
                warp.keep(instruction.targets[0], &clock, active);
                Ok(())
            }
            operation => {
                let [a, b, c, _] = instruction.sources;
                let registers = &warp.registers;
                let result = compute(operation, &registers[a], &registers[b], &registers[c]);
                warp.keep(instruction.targets[0], &result, active);
                Ok(())
            }
        }
    }

    fn loads(
        &mut self,
        instruction: &Instruction,
        access: Access,
        warp: &mut Warp,
        active: u32,
    ) -> Result<(), String> {
        for lane in (0..LANES).filter(|&lane| has(active, lane)) {
            let address = warp.registers[instruction.sources[3]][lane];
            let address = address.wrapping_add_signed(access.offset);
            if access.uncached {
                warp.clock[lane] += self.launch.view.cycles(address);
            }
            let loaded = self.load(access, address);
            let values = loaded.map_err(|why| self.at(instruction, warp, lane, &why))?;
            let targets = &instruction.targets[..access.count];
            for (&target, value) in targets.iter().zip(values) {
                warp.registers[target][lane] = value;
            }
        }
        Ok(())
    }

    fn stores(
        &mut self,
        instruction: &Instruction,
        access: Access,
        warp: &Warp,
        active: u32,
    ) -> Result<(), String> {
        for lane in (0..LANES).filter(|&lane| has(active, lane)) {
            let address = warp.registers[instruction.sources[3]][lane];
            let address = address.wrapping_add_signed(access.offset);
            let sources = &instruction.sources[..access.count];
            for (index, &source) in sources.iter().enumerate() {
                let place = address + (index * access.bytes) as u64;
                let value = warp.registers[source][lane];
                let stored = self.store(access, place, value);
                stored.map_err(|why| self.at(instruction, warp, lane, &why))?;
            }
        }
        Ok(())
    }

    fn at(&self, instruction: &Instruction, warp: &Warp, lane: usize, why: &str) -> String {
        let (name, number, block) = (&self.kernel.name, instruction.line, self.number);
        let thread = warp.first as usize + lane;
        format!("{name}, line {number}, block {block}, thread {thread}: {why}")
    }

    fn load(&mut self, access: Access, address: u64) -> Result<[u64; 4], String> {
        let mut raw = [0; 32];
        let bytes = access.count * access.bytes;
        let into = &mut raw[..bytes];
        match access.space {
            Space::Global => {
                self.check(bytes as u64, address, false)?;
                self.bytes += bytes as u64;
                // SAFETY: the device's memory is this process's, and `check` found that these bytes
                // exist; the state's lock keeps them until the kernel has ended.
                unsafe {
                    std::ptr::copy_nonoverlapping(address as *const u8, into.as_mut_ptr(), bytes);
                }
            }
            Space::Shared => into.copy_from_slice(inside(&self.shared, address, bytes)?),
            Space::Parameters => {
                into.copy_from_slice(inside(self.launch.parameters, address, bytes)?);
            }
        }
        let mut values = [0; 4];
        for (value, raw) in values.iter_mut().zip(into.chunks(access.bytes)) {
            let mut whole = [0; 8];
            whole[..raw.len()].copy_from_slice(raw);
            *value = u64::from_le_bytes(whole);
        }
        Ok(values)
    }

    fn store(&mut self, access: Access, address: u64, value: u64) -> Result<(), String> {
        let raw = value.to_le_bytes();
        let from = &raw[..access.bytes];
        match access.space {
            Space::Global => {
                self.check(access.bytes as u64, address, true)?;
                // SAFETY: as for loads; nothing else of this process has a reference into it.
                unsafe {
                    std::ptr::copy_nonoverlapping(from.as_ptr(), address as *mut u8, access.bytes);
                }
            }
            Space::Shared => {
                let start = usize::try_from(address).unwrap_or(usize::MAX);
                let end = start.saturating_add(access.bytes);
                let place = self.shared.get_mut(start..end);
                place
                    .ok_or("store behind shared memory")?
                    .copy_from_slice(from);
            }
            Space::Parameters => return Err("store to a parameter".to_owned()),
        }
        Ok(())
    }

    fn check(&self, bytes: u64, address: u64, write: bool) -> Result<(), String> {
        if !address.is_multiple_of(bytes) {
            return Err(format!("misaligned address {address:#x}"));
        }
        self.launch.view.check(address, bytes, write)
    }
}

impl Warp {
    fn standing_at(&self, place: usize) -> u32 {
        bits(|lane| self.at[lane] == place)
    }

    /// Those whose guard lets them.
    fn guarded(&self, instruction: &Instruction) -> u32 {
        instruction.guard.map_or(u32::MAX, |(register, value)| {
            let guard = &self.registers[register];
            bits(|lane| (guard[lane] & 1 == 1) == value)
        })
    }

    fn tick(&mut self, group: u32) {
        for (lane, clock) in self.clock.iter_mut().enumerate() {
            *clock += u64::from(group >> lane & 1);
        }
    }

    fn send(&mut self, group: u32, place: usize) {
        for (lane, at) in self.at.iter_mut().enumerate() {
            if has(group, lane) {
                *at = place;
            }
        }
    }

    fn wait(&mut self, group: u32, after: usize) {
        for lane in (0..LANES).filter(|&lane| has(group, lane)) {
            self.after[lane] = after;
        }
        self.send(group, WAITING);
    }

    fn pass_barrier(&mut self) {
        for (at, after) in self.at.iter_mut().zip(self.after) {
            if *at == WAITING {
                *at = after;
            }
        }
    }

    fn keep(&mut self, register: usize, values: &Lanes, active: u32) {
        let target = &mut self.registers[register];
        if active == u32::MAX {
            *target = *values;
            return;
        }
        for (lane, target) in target.iter_mut().enumerate() {
            if has(active, lane) {
                *target = values[lane];
            }
        }
    }
}

fn has(group: u32, lane: usize) -> bool {
    group >> lane & 1 == 1
}

fn bits(is: impl Fn(usize) -> bool) -> u32 {
    (0..LANES).fold(0, |bits, lane| bits | u32::from(is(lane)) << lane)
}

fn count(places: &[usize; LANES], wanted: usize) -> usize {
    places.iter().filter(|&&place| place == wanted).count()
}

fn inside(memory: &[u8], address: u64, bytes: usize) -> Result<&[u8], String> {
    let start = usize::try_from(address).unwrap_or(usize::MAX);
    let found = memory.get(start..start.saturating_add(bytes));
    found.ok_or_else(|| format!("load behind the end at {address}"))
}
