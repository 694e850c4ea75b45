//! Instructions, once they were understood.

/// A kernel: its parameters, its shared memory and its instructions.
#[derive(Debug)]
pub(crate) struct Kernel {
    pub(crate) name: String,
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) shared_bytes: u64,
    pub(crate) registers: usize,
    /// Registers that hold the same throughout: constants, and what a thread is told of itself.
    pub(crate) preset: Vec<(usize, Preset)>,
    pub(crate) instructions: Vec<Instruction>,
}

/// Where a parameter lies among the others, in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parameter {
    pub(crate) offset: usize,
    pub(crate) bytes: usize,
}

impl Kernel {
    pub(crate) fn parameter_bytes(&self) -> usize {
        let last = self.parameters.last();
        last.map_or(0, |last| last.offset + last.bytes)
    }
}

/// One instruction: when it runs, what it does, from where to where.
#[derive(Clone, Debug)]
pub(crate) struct Instruction {
    /// The register that must have this value.
    pub(crate) guard: Option<(usize, bool)>,
    pub(crate) operation: Operation,
    pub(crate) targets: [usize; 4],
    /// Registers too, all of them.
    pub(crate) sources: [usize; 4],
    pub(crate) line: usize,
}

/// A number and its type: bits, and whether the highest is a sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Width {
    pub(crate) bits: u32,
    pub(crate) signed: bool,
}

/// What a register holds from the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Preset {
    Constant(u64),
    Thread,
    Threads,
    Block,
    Blocks,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Space {
    Global,
    Shared,
    Parameters,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// A load or store: `count` values of `bytes` each, at the address in the last source plus `offset`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Access {
    pub(crate) space: Space,
    pub(crate) count: usize,
    pub(crate) bytes: usize,
    pub(crate) offset: i64,
    /// Past the caches, and so timed.
    pub(crate) uncached: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Move(Width),
    /// The thread's own clock.
    Clock,
    Add(Width),
    Subtract(Width),
    Multiply(Width),
    MultiplyWide(Width),
    MultiplyAdd(Width),
    Minimum(Width),
    Maximum(Width),
    And,
    Or,
    Xor,
    Not(Width),
    ShiftLeft(Width),
    ShiftRight(Width),
    FunnelLeft,
    FunnelRight,
    Compare(Comparison, Width),
    Select,
    Convert {
        from: Width,
        to: Width,
    },
    Load(Access),
    Store(Access),
    Branch(usize),
    Barrier,
    Return,
}
