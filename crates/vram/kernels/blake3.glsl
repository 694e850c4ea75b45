// BLAKE3's compression function, written from its specification, and what both shaders are told. Functions keep the committed
// words few: a driver puts them in line.

const uint CHUNK_START = 1, CHUNK_END = 2, PARENT = 4;  // ROOT, 8, and KEYED_HASH, 16, come from the host
const uint BLOCK_BYTES = 64;

// 60 bytes, as the host lays them out. What the last three mean is each shader's own affair.
layout(push_constant) uniform Told {
    uint key[8];
    uint chunk_low, chunk_high;  // the first chunk's number in the whole message
    uint flags;                  // KEYED_HASH or nothing
    uint root;                   // ROOT where the last value may be the message's
    uint from, count, to;
} told;

uint rotate(uint x, int n) { return (x >> n) | (x << (32 - n)); }

void mix_words(inout uint a, inout uint b, inout uint c, inout uint d, uint x, uint y) {
    a += b + x; d = rotate(d ^ a, 16);
    c += d;     b = rotate(b ^ c, 12);
    a += b + y; d = rotate(d ^ a, 8);
    c += d;     b = rotate(b ^ c, 7);
}

// A round, after which the message is in the next one's order.
void mix_all(inout uint v[16], inout uint m[16]) {
    mix_words(v[0], v[4], v[ 8], v[12], m[ 0], m[ 1]);
    mix_words(v[1], v[5], v[ 9], v[13], m[ 2], m[ 3]);
    mix_words(v[2], v[6], v[10], v[14], m[ 4], m[ 5]);
    mix_words(v[3], v[7], v[11], v[15], m[ 6], m[ 7]);
    mix_words(v[0], v[5], v[10], v[15], m[ 8], m[ 9]);
    mix_words(v[1], v[6], v[11], v[12], m[10], m[11]);
    mix_words(v[2], v[7], v[ 8], v[13], m[12], m[13]);
    mix_words(v[3], v[4], v[ 9], v[14], m[14], m[15]);
    m = uint[](m[2], m[6], m[3], m[10], m[7], m[0], m[4], m[13], m[1], m[11], m[12], m[5], m[9], m[14], m[15], m[8]);
}

// The chaining value is replaced by the next one. Rounds are written out, and every index is a constant: so all of it lies in
// registers, and putting the message in order costs nothing.
void compress(inout uint cv[8], uint m[16], uint counter_low, uint counter_high, uint block_bytes, uint flags) {
    uint v[16] = uint[](cv[0], cv[1], cv[2], cv[3], cv[4], cv[5], cv[6], cv[7],
        0x6A09E667u, 0xBB67AE85u, 0x3C6EF372u, 0xA54FF53Au, counter_low, counter_high, block_bytes, flags);
    mix_all(v, m);
    mix_all(v, m);
    mix_all(v, m);
    mix_all(v, m);
    mix_all(v, m);
    mix_all(v, m);
    mix_all(v, m);
    for (uint i = 0; i < 8; i++) cv[i] = v[i] ^ v[i + 8];
}
