// What the products of the backward pass in half precision share: Y[M,N] = X[M,K] . W[K,N], or Y += ..., sums in float32. Tiles of X and W are
// rounded to half precision on their way into shared memory. Each row of X is multiplied by a power of two before, so that its largest number
// lies between 2^13 and 2^14, and W by w_scale, another one: nothing overflows, and of what is small enough to lose digits the row's largest
// number is 2^27 times as large. Both are undone in the sums, which no rounding sees.
// Define TILE_M, TILE_N, TILE_K and THREADS before including this.

#define PUSH \
    uint M, N, K; \
    uint x_offset, x_stride, w_offset, w_stride, y_offset, y_stride; \
    uint accumulate; \
    float w_scale, w_unscale;
#include "grid.glsl"

layout(binding = 0) readonly buffer X { float x[]; };
layout(binding = 1) readonly buffer W { float w[]; };
layout(binding = 2) buffer Y { float y[]; };

// Rows are padded, so that those below each other start in different banks.
const uint X_STRIDE = TILE_K + 8, W_STRIDE = TILE_N + 8;
shared float16_t tile_x[TILE_M * X_STRIDE];
shared float16_t tile_w[TILE_K * W_STRIDE];
shared uint largest[TILE_M]; // of each row of X, without its sign, as bits: those of floats are in order

const uint LOOKERS = 16; // threads that look for it in one row

void find_largest(uint row0)
{
    uint thread = gl_LocalInvocationIndex;
    for (uint r = thread; r < TILE_M; r += THREADS)
        largest[r] = 0;
    barrier();
    for (uint r = thread / LOOKERS; r < TILE_M && row0 + r < M; r += THREADS / LOOKERS) {
        uint most = 0;
        for (uint k = thread % LOOKERS; k < K; k += LOOKERS)
            most = max(most, floatBitsToUint(x[x_offset + (row0 + r) * x_stride + k]) & 0x7fffffff);
        atomicMax(largest[r], most);
    }
    barrier();
}

// The exponent of a row's factor, as float32 has it. Rows that are zero, or hold what is no number, stay as they are.
uint scale_exponent(uint r)
{
    uint exponent = largest[r] >> 23;
    return largest[r] == 0 || exponent == 255 ? 127 : min(267 - exponent, 253);
}

float scale_of(uint r)
{
    return uintBitsToFloat(scale_exponent(r) << 23);
}

float unscale_of(uint r)
{
    return uintBitsToFloat((254 - scale_exponent(r)) << 23);
}

void load_tiles(uint row0, uint col0, uint k0)
{
    for (uint i = gl_LocalInvocationIndex; i < TILE_M * TILE_K; i += THREADS) {
        uint r = i / TILE_K, k = i % TILE_K;
        tile_x[r * X_STRIDE + k] = float16_t(row0 + r < M && k0 + k < K ? x[x_offset + (row0 + r) * x_stride + k0 + k] * scale_of(r) : 0.0);
    }
    for (uint i = gl_LocalInvocationIndex; i < TILE_K * TILE_N; i += THREADS) {
        uint k = i / TILE_N, c = i % TILE_N;
        tile_w[k * W_STRIDE + c] = float16_t(k0 + k < K && col0 + c < N ? w[w_offset + (k0 + k) * w_stride + col0 + c] * w_scale : 0.0);
    }
}

void store(uint row0, uint col0, uint r, uint c, float sum)
{
    if (row0 + r >= M || col0 + c >= N)
        return;
    uint at = y_offset + (row0 + r) * y_stride + col0 + c;
    float value = sum * w_unscale * unscale_of(r);
    y[at] = accumulate != 0 ? y[at] + value : value;
}
