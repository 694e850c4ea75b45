// BLAKE3 in tiles: a tile is a subtree of 256 chunks of 1 KiB, and one block of threads makes its value.
#pragma once
#include "blake3.cuh"

enum { CHUNK_BYTES = 1024, TILE_CHUNKS = 256, BLOCK_BYTES = 64, PARENT_THREADS = 128 };

struct __attribute__((aligned(16))) Quad { u32 x, y, z, w; };

// As the host lays it out. `flags` is KEYED_HASH or nothing; `root` is ROOT where the only tile is the whole message; `one` is 1.
struct Hashing { u32 key[8]; u64 first_chunk; u32 flags; u32 root; u32 one; };

// 64 bytes at an address that 16 divides.
DEVICE void load_aligned(u32 m[16], const u8* from) {
    const Quad* quads = (const Quad*)from;
    UNROLL
    for (int i = 0; i < 4; i++) {
        Quad q = quads[i];
        m[4 * i] = q.x; m[4 * i + 1] = q.y; m[4 * i + 2] = q.z; m[4 * i + 3] = q.w;
    }
}

// `bytes` bytes at any address; zeroes behind them. Nothing outside of them is read.
DEVICE void load_bytes(u32 m[16], const u8* from, u32 bytes) {
    UNROLL
    for (u32 i = 0; i < 16; i++) {
        u32 word = 0;
        UNROLL
        for (u32 k = 0; k < 4; k++)
            if (4 * i + k < bytes) word |= (u32)from[4 * i + k] << (8 * k);
        m[i] = word;
    }
}

// The chaining value of one chunk, which has 1 to 1024 bytes.
template <Adding adding>
DEVICE void hash_chunk(u32 cv[8], const u8* chunk, u32 bytes, u64 counter, u32 root, const Hashing& p) {
    u32 blocks = (bytes + BLOCK_BYTES - 1) / BLOCK_BYTES;
    bool fast = bytes == CHUNK_BYTES && ((u64)chunk & 15) == 0;
    NO_UNROLL
    for (u32 b = 0; b < blocks; b++) {
        u32 m[16], length = BLOCK_BYTES;
        if (fast) {
            load_aligned(m, chunk + b * BLOCK_BYTES);
        } else {
            length = bytes - b * BLOCK_BYTES < BLOCK_BYTES ? bytes - b * BLOCK_BYTES : BLOCK_BYTES;
            load_bytes(m, chunk + b * BLOCK_BYTES, length);
        }
        u32 ends = (b == 0 ? CHUNK_START : 0) | (b == blocks - 1 ? CHUNK_END | root : 0);
        compress<adding>(cv, m, counter, length, p.flags | ends, p.one);
    }
}

// Tile t of `data` gets its value in values[8 t .. 8 t + 7]. Any number of blocks shares the tiles out.
template <Adding adding>
DEVICE void hash_tiles(const u8* __restrict__ data, u64 bytes, const Hashing& p, u32* __restrict__ values) {
    SHARED static u32 s[8][TILE_CHUNKS];  // word by word, so that threads side by side meet no bank twice
    u32 thread = thread_index();
    u64 chunks = (bytes + CHUNK_BYTES - 1) / CHUNK_BYTES;
    u64 count = (chunks + TILE_CHUNKS - 1) / TILE_CHUNKS;
    for (u64 t = block_index(); t < count; t += block_count()) {
        u64 chunk = t * TILE_CHUNKS + thread;
        u64 left = chunks - t * TILE_CHUNKS;
        u32 n = left < TILE_CHUNKS ? (u32)left : TILE_CHUNKS;
        u32 cv[8];
        UNROLL
        for (int i = 0; i < 8; i++) cv[i] = p.key[i];
        if (thread < n) {
            u64 start = chunk * CHUNK_BYTES;
            u32 length = bytes - start < CHUNK_BYTES ? (u32)(bytes - start) : CHUNK_BYTES;
            hash_chunk<adding>(cv, data + start, length, p.first_chunk + chunk, chunks == 1 ? p.root : 0, p);
        }
        UNROLL
        for (int i = 0; i < 8; i++) s[i][thread] = cv[i];
        barrier();
        // Level by level. An odd last node is carried up, which gives BLAKE3's tree with its largest subtrees on the left.
        while (n > 1) {
            u32 half = n >> 1, m[16], up[8];
            bool merges = thread < half, carries = (n & 1) && thread == half;
            if (merges) {
                UNROLL
                for (int i = 0; i < 8; i++) {
                    m[i] = s[i][2 * thread]; m[8 + i] = s[i][2 * thread + 1]; up[i] = p.key[i];
                }
                compress<adding>(up, m, 0, BLOCK_BYTES, p.flags | PARENT | (n == 2 ? p.root : 0), p.one);
            } else if (carries) {
                UNROLL
                for (int i = 0; i < 8; i++) up[i] = s[i][n - 1];
            }
            barrier();
            if (merges || carries) {
                UNROLL
                for (int i = 0; i < 8; i++) s[i][thread] = up[i];
            }
            barrier();
            n = half + (n & 1);
        }
        if (thread < 8) values[t * 8 + thread] = s[thread][0];
        barrier();
    }
}

KERNEL __attribute__((launch_bounds(TILE_CHUNKS, 2)))
tiles(const u8* __restrict__ data, u64 bytes, Hashing p, u32* __restrict__ values) {
    hash_tiles<PLAIN>(data, bytes, p, values);
}

KERNEL __attribute__((launch_bounds(TILE_CHUNKS, 2)))
tiles_by_multiplying(const u8* __restrict__ data, u64 bytes, Hashing p, u32* __restrict__ values) {
    hash_tiles<BY_MULTIPLYING>(data, bytes, p, values);
}

// One level of the tree above the tiles: `count` values become half as many, an odd last one is carried up.
KERNEL __attribute__((launch_bounds(PARENT_THREADS)))
parents(const u32* __restrict__ values, u64 count, Hashing p, u32* __restrict__ above) {
    u64 i = (u64)block_index() * PARENT_THREADS + thread_index();
    u64 half = count >> 1;
    if (i < half) {
        u32 m[16], cv[8];
        UNROLL
        for (int k = 0; k < 16; k++) m[k] = values[i * 16 + k];
        UNROLL
        for (int k = 0; k < 8; k++) cv[k] = p.key[k];
        compress<PLAIN>(cv, m, 0, BLOCK_BYTES, p.flags | PARENT | (count == 2 ? p.root : 0), p.one);
        UNROLL
        for (int k = 0; k < 8; k++) above[i * 8 + k] = cv[k];
    } else if (i == half && (count & 1)) {
        UNROLL
        for (int k = 0; k < 8; k++) above[i * 8 + k] = values[(count - 1) * 8 + k];
    }
}
