//! Which instructions run, and how messages are dealt out to them.

use super::stream::{LastBlocks, Sha256Stream};
use super::{Block, State, one};
use crate::{Sha256, Sha256Digest};
use std::fmt;
use std::sync::OnceLock;

/// From how many streams on sixteen lanes pay: with fewer, a few at a time are faster than sixteen
/// with empty seats.
#[cfg(target_arch = "x86_64")]
const AVX512_STREAMS_MIN: usize = 13;

/// A way to compute several SHA-256 digests at once.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Lanes(Kernels);

/// What this CPU has, and what was found to work.
#[derive(Clone, Copy, PartialEq, Eq)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is a fact about the CPU"
)]
struct Kernels {
    /// The CPU's own instructions for SHA-256.
    sha: bool,
    /// Those with 32 registers, in which four streams have room; in 16 only three have.
    wide: bool,
    avx512: bool,
}

impl Lanes {
    /// The best that this CPU has, found once. What gives a wrong answer to the self-test is not used, nor
    /// is anything in a portable build.
    pub fn detect() -> Self {
        static FOUND: OnceLock<Lanes> = OnceLock::new();
        *FOUND.get_or_init(Self::tested)
    }

    fn tested() -> Self {
        let found = if cfg!(feature = "portable") {
            Kernels::NONE
        } else {
            Kernels::of_cpu()
        };
        let works = |kernels: Kernels| Self(kernels).passes_self_test();
        let sha = found.sha
            && works(Kernels {
                sha: true,
                ..Kernels::NONE
            });
        let wide = sha
            && found.wide
            && works(Kernels {
                sha,
                wide: true,
                ..Kernels::NONE
            });
        let avx512 = found.avx512
            && works(Kernels {
                avx512: true,
                ..Kernels::NONE
            });
        Self(Kernels { sha, wide, avx512 })
    }

    /// One message after another: the twin, and the way to switch the others off.
    pub const fn one_by_one() -> Self {
        Self(Kernels::NONE)
    }

    /// What runs, for the record.
    pub const fn implementation(self) -> &'static str {
        match (self.0.sha, self.0.wide, self.0.avx512) {
            (true, true, true) => "x86 SHA-NI x4, AVX-512 x16",
            (true, true, false) if cfg!(target_arch = "aarch64") => "ARMv8 SHA2 x4",
            (true, true, false) => "x86 SHA-NI x4",
            (true, false, true) => "x86 SHA-NI x3, AVX-512 x16",
            (true, false, false) => "x86 SHA-NI x3",
            (false, _, true) => "AVX-512 x16",
            (false, _, false) => "one by one",
        }
    }

    /// Gives each stream its next bytes. Streams may be as many, and their bytes as long, as they like;
    /// bytes of equal length are the fastest. Streams without bytes wait.
    pub fn update(self, streams: &mut [&mut Sha256Stream], bytes: &[&[u8]]) {
        let taken: Vec<_> = streams
            .iter_mut()
            .zip(bytes)
            .map(|(stream, bytes)| stream.blocks(bytes))
            .collect();
        // First the blocks that earlier bytes began.
        self.advance(streams, taken.iter().map(|(first, _)| first.as_slice()));
        self.advance(streams, taken.iter().map(|&(_, blocks)| blocks));
    }

    fn advance<'a>(
        self,
        streams: &mut [&mut Sha256Stream],
        blocks: impl Iterator<Item = &'a [Block]>,
    ) {
        let work = streams.iter_mut().zip(blocks).map(|(stream, blocks)| Work {
            state: &mut stream.state,
            blocks,
        });
        self.run(work.collect());
    }

    /// The digests of whole messages.
    pub fn digests(self, messages: &[&[u8]]) -> Vec<Sha256Digest> {
        let mut streams = vec![Sha256Stream::new(); messages.len()];
        let mut each: Vec<&mut Sha256Stream> = streams.iter_mut().collect();
        self.update(&mut each, messages);
        let last: Vec<_> = each.iter().map(|stream| stream.last_blocks()).collect();
        self.advance(&mut each, last.iter().map(LastBlocks::blocks));
        streams.iter().map(Sha256Stream::digest).collect()
    }

    /// The longest go first, as many at a time as a kernel takes, as far as the shortest of them goes.
    fn run(self, mut work: Vec<Work<'_>>) {
        loop {
            work.retain(|item| !item.blocks.is_empty());
            work.sort_by_key(|item| std::cmp::Reverse(item.blocks.len()));
            let width = self.width(work.len()).min(work.len());
            let Some(now @ [_, ..]) = work.get_mut(..width) else {
                return;
            };
            let count = now.iter().map(|item| item.blocks.len()).min().unwrap_or(0);
            self.compress(now, count);
        }
    }

    fn width(self, streams: usize) -> usize {
        #[cfg(target_arch = "x86_64")]
        if self.0.avx512 && (streams >= AVX512_STREAMS_MIN || (!self.0.sha && streams > 1)) {
            return super::avx512::LANES;
        }
        match streams {
            2.. if self.0.sha => streams.min(if self.0.wide { 4 } else { 3 }),
            _ => 1,
        }
    }

    /// Takes `count` blocks of each of these streams, which a kernel has room for.
    fn compress(self, now: &mut [Work<'_>], count: usize) {
        match now {
            [only] => only.alone(count),
            #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
            [_, _] if self.0.sha => sha::<2>(now, count, self.0.wide),
            #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
            [_, _, _] if self.0.sha => sha::<3>(now, count, self.0.wide),
            #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
            [_, _, _, _] if self.0.sha => sha::<4>(now, count, self.0.wide),
            #[cfg(target_arch = "x86_64")]
            many if self.0.avx512 => avx512(many, count),
            many => many.iter_mut().for_each(|item| item.alone(count)),
        }
    }

    /// Messages of every length about a block's and a seat's edges, against one stream at a time.
    fn passes_self_test(self) -> bool {
        let text: Vec<u8> = (0..2048_u32)
            .map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
            .collect();
        [2, 3, 4, 5, 11, 16, 17].iter().all(|&count| {
            let messages: Vec<&[u8]> = (0..count)
                .filter_map(|i| text.get(i..1000 + 37 * i))
                .collect();
            let expected = messages.iter().map(|message| single(message));
            expected.eq(self.digests(&messages))
        })
    }
}

impl fmt::Debug for Lanes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lanes({})", self.implementation())
    }
}

fn single(message: &[u8]) -> Sha256Digest {
    let mut sha256 = Sha256::new();
    sha256.update(message);
    sha256.finalize()
}

/// A stream's state and the blocks that it has not taken yet.
struct Work<'a> {
    state: &'a mut State,
    blocks: &'a [Block],
}

impl<'a> Work<'a> {
    fn take(&mut self, count: usize) -> &'a [Block] {
        let (now, later) = self.blocks.split_at(count.min(self.blocks.len()));
        self.blocks = later;
        now
    }

    fn alone(&mut self, count: usize) {
        let blocks = self.take(count);
        one(self.state, blocks);
    }
}

impl Kernels {
    const NONE: Self = Self {
        sha: false,
        wide: false,
        avx512: false,
    };

    #[cfg(target_arch = "x86_64")]
    fn of_cpu() -> Self {
        let avx512f = is_x86_feature_detected!("avx512f");
        Self {
            sha: is_x86_feature_detected!("sha")
                && is_x86_feature_detected!("ssse3")
                && is_x86_feature_detected!("sse4.1"),
            wide: avx512f && is_x86_feature_detected!("avx512vl"),
            avx512: avx512f && is_x86_feature_detected!("avx512bw"),
        }
    }

    #[cfg(target_arch = "aarch64")]
    fn of_cpu() -> Self {
        let sha = std::arch::is_aarch64_feature_detected!("sha2");
        Self {
            sha,
            wide: sha,
            avx512: false,
        }
    }

    /// One stream at a time may have the CPU's own instructions all the same, through the sha2 crate.
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    const fn of_cpu() -> Self {
        Self::NONE
    }
}

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
fn sha<const N: usize>(now: &mut [Work<'_>], count: usize, wide: bool) {
    let mut states = [[0; 8]; N];
    let mut blocks: [&[Block]; N] = [&[]; N];
    seat(now, count, &mut states, &mut blocks);
    compress(&mut states, blocks, wide);
    unseat(now, &states);
}

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code, reason = "instructions that not every CPU has")]
fn compress<const N: usize>(states: &mut [State; N], blocks: [&[Block]; N], wide: bool) {
    if wide {
        // SAFETY: `Kernels::wide` is only true where the CPU has these features.
        unsafe { super::sha_ni::compress_wide(states, blocks) }
    } else {
        // SAFETY: `Kernels::sha` is only true where the CPU has these features.
        unsafe { super::sha_ni::compress(states, blocks) }
    }
}

#[cfg(target_arch = "aarch64")]
#[allow(unsafe_code, reason = "instructions that not every CPU has")]
fn compress<const N: usize>(states: &mut [State; N], blocks: [&[Block]; N], _wide: bool) {
    // SAFETY: `Kernels::sha` is only true where the CPU has these features.
    unsafe { super::armv8::compress(states, blocks) }
}

#[cfg(target_arch = "x86_64")]
fn avx512(now: &mut [Work<'_>], count: usize) {
    let mut states = [[0; 8]; super::avx512::LANES];
    // An empty seat computes what the first one does; nobody looks at it.
    let mut blocks = [now.first().map_or(&[][..], |first| first.blocks); super::avx512::LANES];
    for of in &mut blocks {
        *of = of.get(..count).unwrap_or_default();
    }
    seat(now, count, &mut states, &mut blocks);
    #[allow(unsafe_code, reason = "instructions that not every CPU has")]
    // SAFETY: `Kernels::avx512` is only true where the CPU has these features.
    unsafe {
        super::avx512::compress(&mut states, blocks);
    }
    unseat(now, &states);
}

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
fn seat<'a>(now: &mut [Work<'a>], count: usize, states: &mut [State], blocks: &mut [&'a [Block]]) {
    for ((item, state), of) in now.iter_mut().zip(states).zip(blocks) {
        *state = *item.state;
        *of = item.take(count);
    }
}

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
fn unseat(now: &mut [Work<'_>], states: &[State]) {
    for (item, state) in now.iter_mut().zip(states) {
        *item.state = *state;
    }
}
