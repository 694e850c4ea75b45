#version 450
#extension GL_GOOGLE_include_directive : require
// One level of the tree above the tiles: `count` values at `from` become half as many at `to`, an odd last one is carried up.
#include "blake3.glsl"

layout(local_size_x = 128) in;

layout(std430, set = 1, binding = 0) buffer Values { uint values[]; };

void main() {
    uint i = gl_GlobalInvocationID.x, pairs = told.count >> 1;
    if (i < pairs) {
        uint m[16], cv[8];
        for (uint k = 0; k < 16; k++) m[k] = values[(told.from + 2 * i) * 8 + k];
        for (uint k = 0; k < 8; k++) cv[k] = told.key[k];
        compress(cv, m, 0, 0, BLOCK_BYTES, told.flags | PARENT | (told.count == 2 ? told.root : 0));
        for (uint k = 0; k < 8; k++) values[(told.to + i) * 8 + k] = cv[k];
    } else if (i == pairs && (told.count & 1) == 1) {
        for (uint k = 0; k < 8; k++) values[(told.to + i) * 8 + k] = values[(told.from + told.count - 1) * 8 + k];
    }
}
