// The latency probe: where does each page live? One thread a page makes dependent loads at places that the seed chooses, each
// past the first cache, and keeps the fewest cycles that one took. The device's own memory, another device's and the host's
// differ by a factor of two to four, so that one page in the host's memory stands out among thousands.
#pragma once
#include "device.cuh"

enum { PROBE_THREADS = 32 };

DEVICE u32 load_uncached(const u32* p) {
    u32 r; asm volatile("ld.global.cv.u32 %0, [%1];" : "=r"(r) : "l"(p) : "memory"); return r;
}

// `zero` must be 0, which the compiler cannot know: so every address depends on the value that was loaded before it, and the
// clock is read only after the load has come back.
KERNEL __attribute__((launch_bounds(PROBE_THREADS)))
latency(const u8* base, u64 pages, u32 page_bytes_log2, u32 seed, u32 loads, u32 zero, u32* cycles) {
    u64 page = (u64)block_index() * PROBE_THREADS + thread_index();
    if (page >= pages) return;
    const u8* start = base + (page << page_bytes_log2);
    u32 mask = ((1u << page_bytes_log2) - 1) & ~31u;
    u32 x = (seed ^ ((u32)page * 2654435761u)) | 1u, value = 0, fewest = 0xffffffffu;
    NO_UNROLL
    for (u32 i = 0; i < loads; i++) {
        x ^= x << 13; x ^= x >> 17; x ^= x << 5; x ^= value & zero;
        u32 before = clock_cycles();
        value = load_uncached((const u32*)(start + (x & mask)));
        u32 wait; asm volatile("and.b32 %0, %1, %2;" : "=r"(wait) : "r"(value), "r"(zero) : "memory");
        u32 took = clock_cycles() + wait - before;
        fewest = took < fewest ? took : fewest;
    }
    cycles[page] = fewest;
}
