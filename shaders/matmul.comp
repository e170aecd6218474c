// Y[M,N] = X[M,K] . W + bias, or Y += ...; W is [N,K] (the layout of a linear layer: forward) or [K,N] (its gradient).
// A workgroup makes one TILE_M x TILE_N tile of Y, each thread ROWS x COLS of it; tiles of X and W pass through shared memory.
// Every element of Y is one sum in ascending order of k, in partial sums of TILE_K, whatever M, N and the place in the tile:
// results do not depend on how rows are batched.
#version 450
#extension GL_GOOGLE_include_directive : require

layout(constant_id = 0) const bool W_IS_NK = true;
layout(local_size_x = 64) in;

#define PUSH \
    uint M, N, K; \
    uint x_offset, x_stride, w_offset, w_stride, y_offset, y_stride; \
    uint use_bias, bias_offset, accumulate;
#include "grid.glsl"

layout(binding = 0) readonly buffer X { float x[]; };
layout(binding = 1) readonly buffer W { float w[]; };
layout(binding = 2) buffer Y { float y[]; };
layout(binding = 3) readonly buffer Bias { float bias[]; };

const uint ROWS = 4, COLS = 8;               // of one thread
const uint THREADS_M = 8, THREADS_N = 8;     // of the workgroup
const uint TILE_M = ROWS * THREADS_M, TILE_N = COLS * THREADS_N, TILE_K = 16;
const uint PAD = 1;                          // keeps columns of a shared tile in different banks

shared float tile_x[TILE_K][TILE_M + PAD];
shared float tile_w[TILE_K][TILE_N + PAD];

void load_x(uint row0, uint k0, uint thread)
{
    for (uint i = thread; i < TILE_M * TILE_K; i += 64) {
        uint r = i / TILE_K, k = i % TILE_K;
        tile_x[k][r] = row0 + r < M && k0 + k < K ? x[x_offset + (row0 + r) * x_stride + k0 + k] : 0.0;
    }
}

void load_w(uint col0, uint k0, uint thread)
{
    for (uint i = thread; i < TILE_N * TILE_K; i += 64) {
        uint c = W_IS_NK ? i / TILE_K : i % TILE_N, k = W_IS_NK ? i % TILE_K : i / TILE_N;
        bool inside = col0 + c < N && k0 + k < K;
        tile_w[k][c] = inside ? w[w_offset + (W_IS_NK ? (col0 + c) * w_stride + k0 + k : (k0 + k) * w_stride + col0 + c)] : 0.0;
    }
}

void main()
{
    uint group;
    if (beyond_grid(group))
        return;
    uint tiles_n = (N + TILE_N - 1) / TILE_N;
    uint row0 = group / tiles_n * TILE_M, col0 = group % tiles_n * TILE_N;
    uint thread = gl_LocalInvocationIndex, tm = thread / THREADS_N, tn = thread % THREADS_N;

    float sum[ROWS][COLS];
    for (uint r = 0; r < ROWS; r++)
        for (uint c = 0; c < COLS; c++)
            sum[r][c] = 0.0;

    for (uint k0 = 0; k0 < K; k0 += TILE_K) {
        barrier();
        load_x(row0, k0, thread);
        load_w(col0, k0, thread);
        barrier();
        float part[ROWS][COLS];
        for (uint r = 0; r < ROWS; r++)
            for (uint c = 0; c < COLS; c++)
                part[r][c] = 0.0;
        for (uint k = 0; k < TILE_K; k++) {
            float a[ROWS], b[COLS];
            for (uint r = 0; r < ROWS; r++)
                a[r] = tile_x[k][tm + r * THREADS_M];
            for (uint c = 0; c < COLS; c++)
                b[c] = tile_w[k][tn + c * THREADS_N];
            for (uint r = 0; r < ROWS; r++)
                for (uint c = 0; c < COLS; c++)
                    part[r][c] = fma(a[r], b[c], part[r][c]);
        }
        for (uint r = 0; r < ROWS; r++)
            for (uint c = 0; c < COLS; c++)
                sum[r][c] += part[r][c];
    }

    for (uint r = 0; r < ROWS; r++)
        for (uint c = 0; c < COLS; c++) {
            uint row = row0 + tm + r * THREADS_M, col = col0 + tn + c * THREADS_N;
            if (row >= M || col >= N)
                continue;
            uint at = y_offset + row * y_stride + col;
            float value = sum[r][c];
            if (use_bias != 0)
                value += bias[bias_offset + col];
            y[at] = accumulate != 0 ? y[at] + value : value;
        }
}
