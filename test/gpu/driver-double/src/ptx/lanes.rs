//! Arithmetic on a warp's worth of threads at once, which the compiler turns into vectors.

use super::instruction::{Comparison, Operation, Width};

/// Threads of a warp.
pub(crate) const LANES: usize = 32;

/// One register of every thread of a warp.
pub(crate) type Lanes = [u64; LANES];

fn map(a: &Lanes, work: impl Fn(u64) -> u64) -> Lanes {
    std::array::from_fn(|lane| work(a[lane]))
}

fn zip(a: &Lanes, b: &Lanes, work: impl Fn(u64, u64) -> u64) -> Lanes {
    std::array::from_fn(|lane| work(a[lane], b[lane]))
}

fn zip3(a: &Lanes, b: &Lanes, c: &Lanes, work: impl Fn(u64, u64, u64) -> u64) -> Lanes {
    std::array::from_fn(|lane| work(a[lane], b[lane], c[lane]))
}

/// What the operation makes of its sources, lane by lane.
pub(crate) fn compute(operation: Operation, a: &Lanes, b: &Lanes, c: &Lanes) -> Lanes {
    match operation {
        Operation::Move(width) => {
            let mask = mask(width);
            map(a, |a| a & mask)
        }
        Operation::Add(width) => {
            let mask = mask(width);
            zip(a, b, |a, b| a.wrapping_add(b) & mask)
        }
        Operation::Subtract(width) => {
            let mask = mask(width);
            zip(a, b, |a, b| a.wrapping_sub(b) & mask)
        }
        Operation::And => zip(a, b, |a, b| a & b),
        Operation::Or => zip(a, b, |a, b| a | b),
        Operation::Xor => zip(a, b, |a, b| a ^ b),
        Operation::FunnelLeft => zip3(a, b, c, |a, b, c| (funnel(a, b) << (c & 31)) >> 32),
        Operation::FunnelRight => zip3(a, b, c, |a, b, c| (funnel(a, b) >> (c & 31)) & 0xffff_ffff),
        Operation::Select => zip3(a, b, c, |a, b, c| if c & 1 == 1 { a } else { b }),
        Operation::Compare(comparison, width) => zip(a, b, |a, b| {
            u64::from(compare(comparison, number(a, width), number(b, width)))
        }),
        _ => rare(operation, a, b, c),
    }
}

/// What no inner loop does.
fn rare(operation: Operation, a: &Lanes, b: &Lanes, c: &Lanes) -> Lanes {
    match operation {
        Operation::Multiply(width) => zip(a, b, |a, b| a.wrapping_mul(b) & mask(width)),
        Operation::MultiplyWide(width) => zip(a, b, |a, b| multiply_wide(a, b, width)),
        Operation::MultiplyAdd(width) => zip3(a, b, c, |a, b, c| {
            a.wrapping_mul(b).wrapping_add(c) & mask(width)
        }),
        Operation::Minimum(width) => zip(a, b, |a, b| {
            pick(a, b, width, number(a, width) <= number(b, width))
        }),
        Operation::Maximum(width) => zip(a, b, |a, b| {
            pick(a, b, width, number(a, width) >= number(b, width))
        }),
        Operation::Not(width) => map(a, |a| !a & mask(width)),
        Operation::ShiftLeft(width) => {
            zip(a, b, |a, b| shifted(b, width, |by| a << by) & mask(width))
        }
        Operation::ShiftRight(width) if width.signed => zip(a, b, |a, b| {
            (extend(a, width) >> (b & 0xffff_ffff).min(63)).cast_unsigned() & mask(width)
        }),
        Operation::ShiftRight(width) => {
            zip(a, b, |a, b| shifted(b, width, |by| (a & mask(width)) >> by))
        }
        Operation::Convert { from, to } if from.signed => {
            map(a, |a| extend(a, from).cast_unsigned() & mask(to))
        }
        Operation::Convert { from, to } => map(a, |a| a & mask(from) & mask(to)),
        _ => *a,
    }
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

/// Twice as many bits as the sources have; of more than 64, the lower ones.
fn multiply_wide(a: u64, b: u64, width: Width) -> u64 {
    let product = number(a, width).wrapping_mul(number(b, width));
    let low = product.cast_unsigned() & u128::from(u64::MAX);
    let low = u64::try_from(low).unwrap_or(0);
    low & (u64::MAX >> (64 - (2 * width.bits).clamp(1, 64)))
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
