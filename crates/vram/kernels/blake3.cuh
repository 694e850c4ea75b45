// BLAKE3's compression function, written from its specification: the state of 16 words lies in registers, and each round takes
// the message in the order that the permutation, applied so many times, would give it.
#pragma once
#include "device.cuh"

enum { CHUNK_START = 1, CHUNK_END = 2, PARENT = 4, ROOT = 8 };  // KEYED_HASH, 16, comes from the host

#define IV0 0x6A09E667u
#define IV1 0xBB67AE85u
#define IV2 0x3C6EF372u
#define IV3 0xA54FF53Au

DEVICE u32 rotate(u32 x, int n) { return (x >> n) | (x << (32 - n)); }

// Additions go to the integer pipe, which the rotations and the exclusive ors fill already, or, as multiplications by a 1 that
// the compiler cannot know, to the pipe of the floats, which idles. Which is faster is the device's affair, and is measured there.
enum Adding { PLAIN, BY_MULTIPLYING };

template <Adding adding>
DEVICE u32 sum(u32 a, u32 b, u32 one) {
    if (adding == PLAIN) return a + b;
    u32 r; asm("mad.lo.u32 %0, %1, %2, %3;" : "=r"(r) : "r"(a), "r"(one), "r"(b)); return r;
}

#define ADD(a, b) a = sum<adding>(a, b, one)
#define MIX(a, b, c, d, x, y) do {                    \
    ADD(a, b); ADD(a, x); d = rotate(d ^ a, 16);      \
    ADD(c, d);            b = rotate(b ^ c, 12);      \
    ADD(a, b); ADD(a, y); d = rotate(d ^ a, 8);       \
    ADD(c, d);            b = rotate(b ^ c, 7); } while (0)

#define ROUND(i0, i1, i2, i3, i4, i5, i6, i7, i8, i9, ia, ib, ic, id, ie, if_) do { \
    MIX(v0, v4, v8, vc, m[i0], m[i1]); MIX(v1, v5, v9, vd, m[i2], m[i3]);           \
    MIX(v2, v6, va, ve, m[i4], m[i5]); MIX(v3, v7, vb, vf, m[i6], m[i7]);           \
    MIX(v0, v5, va, vf, m[i8], m[i9]); MIX(v1, v6, vb, vc, m[ia], m[ib]);           \
    MIX(v2, v7, v8, vd, m[ic], m[id]); MIX(v3, v4, v9, ve, m[ie], m[if_]); } while (0)

// The chaining value is replaced by the next one. `one` is 1.
template <Adding adding>
DEVICE void compress(u32 cv[8], const u32 m[16], u64 counter, u32 block_bytes, u32 flags, u32 one) {
    u32 v0 = cv[0], v1 = cv[1], v2 = cv[2], v3 = cv[3], v4 = cv[4], v5 = cv[5], v6 = cv[6], v7 = cv[7];
    u32 v8 = IV0, v9 = IV1, va = IV2, vb = IV3;
    u32 vc = (u32)counter, vd = (u32)(counter >> 32), ve = block_bytes, vf = flags;
    ROUND( 0,  1,  2,  3,  4,  5,  6,  7,  8,  9, 10, 11, 12, 13, 14, 15);
    ROUND( 2,  6,  3, 10,  7,  0,  4, 13,  1, 11, 12,  5,  9, 14, 15,  8);
    ROUND( 3,  4, 10, 12, 13,  2,  7, 14,  6,  5,  9,  0, 11, 15,  8,  1);
    ROUND(10,  7, 12,  9, 14,  3, 13, 15,  4,  0, 11,  2,  5,  8,  1,  6);
    ROUND(12, 13,  9, 11, 15, 10, 14,  8,  7,  2,  5,  3,  0,  1,  6,  4);
    ROUND( 9, 14, 11,  5,  8, 12, 15,  1, 13,  3,  0, 10,  2,  6,  4,  7);
    ROUND(11, 15,  5,  0,  1,  9,  8,  6, 14, 10,  2, 12,  3,  4,  7, 13);
    cv[0] = v0 ^ v8; cv[1] = v1 ^ v9; cv[2] = v2 ^ va; cv[3] = v3 ^ vb;
    cv[4] = v4 ^ vc; cv[5] = v5 ^ vd; cv[6] = v6 ^ ve; cv[7] = v7 ^ vf;
}
