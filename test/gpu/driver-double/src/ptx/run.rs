//! Running a kernel: block by block, in each block every thread up to the next barrier.

use super::instruction::{
    Access, Comparison, Instruction, Kernel, Operand, Operation, Space, Special, Width,
};
use crate::memory::View;

/// What a kernel is started with.
pub(crate) struct Launch<'a> {
    pub(crate) blocks: u32,
    pub(crate) threads: u32,
    pub(crate) parameters: &'a [u8],
    pub(crate) view: &'a View,
}

/// A program counter that has returned.
const ENDED: usize = usize::MAX;

struct Thread {
    at: usize,
    clock: u64,
    registers: Vec<u64>,
}

/// One block at work.
struct Block<'a> {
    kernel: &'a Kernel,
    launch: &'a Launch<'a>,
    number: u32,
    shared: Vec<u8>,
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
        };
        bytes += block.run()?;
    }
    Ok(bytes)
}

/// What a thread does next.
enum Next {
    Go,
    Wait,
    End,
}

impl Block<'_> {
    fn run(&mut self) -> Result<u64, String> {
        let mut threads: Vec<Thread> = (0..self.launch.threads)
            .map(|_| Thread {
                at: 0,
                clock: 0,
                registers: vec![0; self.kernel.registers],
            })
            .collect();
        let mut bytes = 0;
        loop {
            let (mut waiting, mut ended) = (0, 0);
            for (number, thread) in threads.iter_mut().enumerate() {
                match self.up_to_barrier(thread, number, &mut bytes)? {
                    Next::Wait => waiting += 1,
                    _ => ended += 1,
                }
            }
            match (waiting, ended) {
                (0, _) => return Ok(bytes),
                (_, 0) => {}
                // Threads that have left count as arrived on real devices; the kernels never rely on it.
                _ => {
                    return Err(format!(
                        "{waiting} threads wait for {ended} that have ended"
                    ));
                }
            }
        }
    }

    fn up_to_barrier(
        &mut self,
        thread: &mut Thread,
        number: usize,
        bytes: &mut u64,
    ) -> Result<Next, String> {
        let kernel = self.kernel;
        while let Some(instruction) = kernel.instructions.get(thread.at) {
            thread.at += 1;
            thread.clock += 1;
            if let Some((register, value)) = instruction.guard
                && (thread.registers[register] & 1 == 1) != value
            {
                continue;
            }
            let step = self.step(instruction, thread, number as u64, bytes);
            match step.map_err(|why| self.at(instruction, number, &why))? {
                Next::Go => {}
                Next::Wait => return Ok(Next::Wait),
                Next::End => break,
            }
        }
        thread.at = ENDED;
        Ok(Next::End)
    }

    fn at(&self, instruction: &Instruction, thread: usize, why: &str) -> String {
        let (name, line) = (&self.kernel.name, instruction.line);
        let block = self.number;
        format!("{name}, line {line}, block {block}, thread {thread}: {why}")
    }

    #[inline]
    fn value(&self, operand: Operand, thread: &Thread, number: u64) -> u64 {
        match operand {
            Operand::Register(register) => thread.registers[register],
            Operand::Constant(value) => value,
            Operand::Special(Special::Thread) => number,
            Operand::Special(Special::Threads) => self.launch.threads.into(),
            Operand::Special(Special::Block) => self.number.into(),
            Operand::Special(Special::Blocks) => self.launch.blocks.into(),
            Operand::Special(Special::Clock) => thread.clock,
        }
    }

    #[inline]
    fn step(
        &mut self,
        instruction: &Instruction,
        thread: &mut Thread,
        number: u64,
        bytes: &mut u64,
    ) -> Result<Next, String> {
        let source = |index: usize| self.value(instruction.sources[index], thread, number);
        match instruction.operation {
            Operation::Branch(target) => thread.at = target,
            Operation::Barrier => return Ok(Next::Wait),
            Operation::Return => return Ok(Next::End),
            Operation::Load(access) => {
                let address = source(3).wrapping_add_signed(access.offset);
                if access.uncached {
                    thread.clock += self.launch.view.cycles(address);
                }
                if access.space == Space::Global {
                    self.check(access, address, false)?;
                    *bytes += (access.count * access.bytes) as u64;
                }
                for index in 0..access.count {
                    let place = address + (index * access.bytes) as u64;
                    thread.registers[instruction.targets[index]] = self.load(access, place)?;
                }
            }
            Operation::Store(access) => {
                let address = source(3).wrapping_add_signed(access.offset);
                let values = [source(0), source(1), source(2)];
                if access.space == Space::Global {
                    self.check(access, address, true)?;
                }
                for (index, value) in values.into_iter().take(access.count).enumerate() {
                    self.store(access, address + (index * access.bytes) as u64, value)?;
                }
            }
            operation => {
                let result = compute(operation, source(0), source(1), source(2));
                thread.registers[instruction.targets[0]] = result;
            }
        }
        Ok(Next::Go)
    }

    fn load(&self, access: Access, address: u64) -> Result<u64, String> {
        let mut raw = [0; 8];
        let into = &mut raw[..access.bytes];
        match access.space {
            Space::Global => {
                // SAFETY: the device's memory is this process's, and `check` found that these bytes
                // exist; the state's lock keeps them until the kernel has ended.
                unsafe {
                    std::ptr::copy_nonoverlapping(
                        address as *const u8,
                        into.as_mut_ptr(),
                        access.bytes,
                    );
                }
            }
            Space::Shared => into.copy_from_slice(inside(&self.shared, address, access.bytes)?),
            Space::Parameters => {
                into.copy_from_slice(inside(self.launch.parameters, address, access.bytes)?);
            }
        }
        Ok(u64::from_le_bytes(raw))
    }

    fn store(&mut self, access: Access, address: u64, value: u64) -> Result<(), String> {
        let raw = value.to_le_bytes();
        let from = &raw[..access.bytes];
        match access.space {
            Space::Global => {
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

    fn check(&self, access: Access, address: u64, write: bool) -> Result<(), String> {
        let bytes = (access.count * access.bytes) as u64;
        if !address.is_multiple_of(bytes) {
            return Err(format!("misaligned address {address:#x}"));
        }
        self.launch.view.check(address, bytes, write)
    }
}

fn inside(memory: &[u8], address: u64, bytes: usize) -> Result<&[u8], String> {
    let start = usize::try_from(address).unwrap_or(usize::MAX);
    let found = memory.get(start..start.saturating_add(bytes));
    found.ok_or_else(|| format!("load behind the end at {address}"))
}

fn mask(width: Width) -> u64 {
    u64::MAX >> (64 - width.bits.clamp(1, 64))
}

fn extend(value: u64, width: Width) -> i64 {
    let unused = 64 - width.bits.clamp(1, 64);
    (value << unused).cast_signed() >> unused
}

/// As a number of its type, in so many bits that nothing is lost.
fn number(value: u64, width: Width) -> i128 {
    if width.signed {
        extend(value, width).into()
    } else {
        (value & mask(width)).into()
    }
}

#[inline]
fn compute(operation: Operation, a: u64, b: u64, c: u64) -> u64 {
    match operation {
        Operation::Move(width) => a & mask(width),
        Operation::Add(width) => a.wrapping_add(b) & mask(width),
        Operation::Subtract(width) => a.wrapping_sub(b) & mask(width),
        Operation::Multiply(width) => a.wrapping_mul(b) & mask(width),
        Operation::MultiplyWide(width) => {
            let product = number(a, width).wrapping_mul(number(b, width));
            let [low, _] = split(product);
            low & (u64::MAX >> (64 - (2 * width.bits).clamp(1, 64)))
        }
        Operation::MultiplyAdd(width) => a.wrapping_mul(b).wrapping_add(c) & mask(width),
        Operation::Minimum(width) => pick(a, b, width, number(a, width) <= number(b, width)),
        Operation::Maximum(width) => pick(a, b, width, number(a, width) >= number(b, width)),
        Operation::And => a & b,
        Operation::Or => a | b,
        Operation::Xor => a ^ b,
        Operation::Not(width) => !a & mask(width),
        Operation::ShiftLeft(width) => shifted(b, width, |by| a << by) & mask(width),
        Operation::ShiftRight(width) if width.signed => {
            (extend(a, width) >> (b & 0xffff_ffff).min(63)).cast_unsigned() & mask(width)
        }
        Operation::ShiftRight(width) => shifted(b, width, |by| (a & mask(width)) >> by),
        Operation::FunnelLeft => (funnel(a, b) << (c & 31)) >> 32,
        Operation::FunnelRight => (funnel(a, b) >> (c & 31)) & 0xffff_ffff,
        Operation::Compare(comparison, width) => {
            u64::from(compare(comparison, number(a, width), number(b, width)))
        }
        Operation::Select => {
            if c & 1 == 1 {
                a
            } else {
                b
            }
        }
        Operation::Convert { from, to } => {
            let value = if from.signed {
                extend(a, from).cast_unsigned()
            } else {
                a & mask(from)
            };
            value & mask(to)
        }
        Operation::Load(_)
        | Operation::Store(_)
        | Operation::Branch(_)
        | Operation::Barrier
        | Operation::Return => 0,
    }
}

/// The lower and the upper half of the bits.
fn split(value: i128) -> [u64; 2] {
    let bits = value.cast_unsigned();
    let half = |bits: u128| u64::try_from(bits & u128::from(u64::MAX)).unwrap_or(0);
    [half(bits), half(bits >> 64)]
}

fn pick(a: u64, b: u64, width: Width, first: bool) -> u64 {
    (if first { a } else { b }) & mask(width)
}

fn shifted(by: u64, width: Width, shift: impl FnOnce(u64) -> u64) -> u64 {
    let by = by & 0xffff_ffff;
    if by >= width.bits.into() {
        0
    } else {
        shift(by)
    }
}

fn funnel(low: u64, high: u64) -> u64 {
    (high << 32) | (low & 0xffff_ffff)
}

fn compare(comparison: Comparison, a: i128, b: i128) -> bool {
    match comparison {
        Comparison::Equal => a == b,
        Comparison::NotEqual => a != b,
        Comparison::Less => a < b,
        Comparison::LessOrEqual => a <= b,
        Comparison::Greater => a > b,
        Comparison::GreaterOrEqual => a >= b,
    }
}
