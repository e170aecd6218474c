// Y[M,N] = X[M,K] . W[K,N], or Y += ..., from half-precision factors (half.glsl). As matmul.comp: a workgroup makes one tile of Y, each
// thread ROWS x COLS of it; every element is one sum in ascending order of k, in partial sums of TILE_K.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
const uint ROWS = 4, COLS = 8;            // of one thread
const uint THREADS_M = 16, THREADS_N = 8; // of the workgroup
const uint TILE_M = ROWS * THREADS_M, TILE_N = COLS * THREADS_N, TILE_K = 32, THREADS = THREADS_M * THREADS_N;
layout(local_size_x = 128) in;
#include "half.glsl"

void add_tile(uint tm, uint tn, inout float sum[ROWS][COLS])
{
    float part[ROWS][COLS];
    for (uint r = 0; r < ROWS; r++)
        for (uint c = 0; c < COLS; c++)
            part[r][c] = 0.0;
    for (uint k = 0; k < TILE_K; k++) {
        float a[ROWS], b[COLS];
        for (uint r = 0; r < ROWS; r++)
            a[r] = float(tile_x[(tm + r * THREADS_M) * X_STRIDE + k]);
        for (uint c = 0; c < COLS; c++)
            b[c] = float(tile_w[k * W_STRIDE + tn + c * THREADS_N]);
        for (uint r = 0; r < ROWS; r++)
            for (uint c = 0; c < COLS; c++)
                part[r][c] = fma(a[r], b[c], part[r][c]);
    }
    for (uint r = 0; r < ROWS; r++)
        for (uint c = 0; c < COLS; c++)
            sum[r][c] += part[r][c];
}

void main()
{
    uint group;
    if (beyond_grid(group))
        return;
    uint tiles_n = (N + TILE_N - 1) / TILE_N, row0 = group / tiles_n * TILE_M, col0 = group % tiles_n * TILE_N;
    uint tm = gl_LocalInvocationIndex / THREADS_N, tn = gl_LocalInvocationIndex % THREADS_N;
    float sum[ROWS][COLS];
    for (uint r = 0; r < ROWS; r++)
        for (uint c = 0; c < COLS; c++)
            sum[r][c] = 0.0;
    find_largest(row0);
    for (uint k0 = 0; k0 < K; k0 += TILE_K) {
        barrier();
        load_tiles(row0, col0, k0);
        barrier();
        add_tile(tm, tn, sum);
    }
    for (uint r = 0; r < ROWS; r++)
        for (uint c = 0; c < COLS; c++)
            store(row0, col0, tm + r * THREADS_M, tn + c * THREADS_N, sum[r][c]);
}
