#version 450
#extension GL_GOOGLE_include_directive : require
// BLAKE3 in tiles: a tile is a subtree of 256 chunks of 1 KiB, and one workgroup makes its value. The buffer is one of the
// pieces that a model lies in, and starts with a whole tile. `from` is the first tile in it, `count` the message's bytes from
// there on (none is a message too), `to` the place of the first value.
#include "blake3.glsl"

// 128 invocations are what every device can run at once, so each takes two chunks.
const uint CHUNK_BYTES = 1024, TILE_CHUNKS = 256, INVOCATIONS = 128, QUADS_OF_CHUNK = 64, QUADS_OF_BLOCK = 4;
layout(local_size_x = 128) in;

layout(std430, set = 0, binding = 0) readonly buffer Data { uvec4 quads[]; };
layout(std430, set = 1, binding = 0) writeonly buffer Values { uint values[]; };

shared uint nodes[8][TILE_CHUNKS];  // word by word, so that invocations side by side meet no bank twice

// One block at a quad. The buffer goes on to the next whole chunk, so that nothing outside of it is read.
void load(out uint m[16], uint quad) {
    for (uint i = 0; i < QUADS_OF_BLOCK; i++) {
        uvec4 q = quads[quad + i];
        m[4 * i] = q.x; m[4 * i + 1] = q.y; m[4 * i + 2] = q.z; m[4 * i + 3] = q.w;
    }
}

// Zeroes behind the block's last byte: what lies there is no part of the message.
void cut(inout uint m[16], uint bytes) {
    for (uint i = 0; i < 16; i++) {
        uint left = bytes > 4 * i ? bytes - 4 * i : 0;
        m[i] &= left >= 4 ? 0xffffffffu : (1u << (8 * left)) - 1;
    }
}

// The chaining value of one chunk, which has at most 1024 bytes. Only its last block can be a short one.
void hash_chunk(inout uint cv[8], uint quad, uint bytes, uint low, uint high, uint root) {
    uint m[16], flags = told.flags | CHUNK_START;
    uint last = bytes == 0 ? 0 : (bytes - 1) / BLOCK_BYTES;
    for (uint b = 0; b < last; b++) {
        load(m, quad + b * QUADS_OF_BLOCK);
        compress(cv, m, low, high, BLOCK_BYTES, flags);
        flags = told.flags;
    }
    uint rest = bytes - last * BLOCK_BYTES;
    load(m, quad + last * QUADS_OF_BLOCK);
    cut(m, rest);
    compress(cv, m, low, high, rest, flags | CHUNK_END | root);
}

void main() {
    uint invocation = gl_LocalInvocationID.x, tile = gl_WorkGroupID.x;
    uint chunks = max((told.count + CHUNK_BYTES - 1) / CHUNK_BYTES, 1u);
    uint n = min(chunks - tile * TILE_CHUNKS, TILE_CHUNKS);
    for (uint node = invocation; node < n; node += INVOCATIONS) {
        uint cv[8], chunk = tile * TILE_CHUNKS + node;
        for (uint i = 0; i < 8; i++) cv[i] = told.key[i];
        uint low = told.chunk_low + chunk, high = told.chunk_high + (low < chunk ? 1 : 0);
        uint quad = (told.from * TILE_CHUNKS + chunk) * QUADS_OF_CHUNK;
        hash_chunk(cv, quad, min(told.count - chunk * CHUNK_BYTES, CHUNK_BYTES), low, high, chunks == 1 ? told.root : 0);
        for (uint i = 0; i < 8; i++) nodes[i][node] = cv[i];
    }
    barrier();
    // Level by level. An odd last node is carried up, which gives BLAKE3's tree with its largest subtrees on the left.
    while (n > 1) {
        uint pairs = n >> 1, m[16], up[8];
        bool merges = invocation < pairs, carries = (n & 1) == 1 && invocation == pairs;
        if (merges) {
            for (uint i = 0; i < 8; i++) {
                m[i] = nodes[i][2 * invocation]; m[8 + i] = nodes[i][2 * invocation + 1]; up[i] = told.key[i];
            }
            compress(up, m, 0, 0, BLOCK_BYTES, told.flags | PARENT | (n == 2 ? told.root : 0));
        } else if (carries) {
            for (uint i = 0; i < 8; i++) up[i] = nodes[i][n - 1];
        }
        barrier();
        if (merges || carries) for (uint i = 0; i < 8; i++) nodes[i][invocation] = up[i];
        barrier();
        n = pairs + (n & 1);
    }
    if (invocation < 8) values[(told.to + tile) * 8 + invocation] = nodes[invocation][0];
}
