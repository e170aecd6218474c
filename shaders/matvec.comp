// matmul.comp for a single row of X and a linear layer's W [N,K]: Y[N] = X[K] . W^T + bias, or Y += .... To the bit what matmul.comp makes of
// that row: partial sums of TILE_K, added in ascending order. Eight outputs a workgroup; the partial sums of one are made by
// eight threads, TILE_K elements each.
#version 450
#extension GL_GOOGLE_include_directive : require
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

const uint OUTPUTS = 8, PARTS = 8, TILE_K = 16, CHUNK = PARTS * TILE_K;

shared float chunk_x[PARTS][TILE_K + 1], chunk_w[OUTPUTS][PARTS][TILE_K + 1], part[OUTPUTS][PARTS + 1];

void main()
{
    uint group;
    if (beyond_grid(group))
        return;
    uint thread = gl_LocalInvocationIndex, col0 = group * OUTPUTS, c = thread / PARTS, p = thread % PARTS;
    float sum = 0.0; // of output col0 + thread
    for (uint k0 = 0; k0 < K; k0 += CHUNK) {
        barrier();
        for (uint i = thread; i < CHUNK; i += 64) {
            bool inside = k0 + i < K;
            chunk_x[i / TILE_K][i % TILE_K] = inside ? x[x_offset + k0 + i] : 0.0;
            for (uint col = 0; col < OUTPUTS; col++)
                chunk_w[col][i / TILE_K][i % TILE_K] = inside && col0 + col < N ? w[w_offset + (col0 + col) * w_stride + k0 + i] : 0.0;
        }
        barrier();
        float value = 0.0;
        for (uint k = 0; k < TILE_K; k++)
            value = fma(chunk_x[p][k], chunk_w[c][p][k], value);
        part[c][p] = value;
        barrier();
        if (thread < OUTPUTS)
            for (uint i = 0; i < PARTS; i++)
                sum += part[thread][i];
    }
    uint col = col0 + thread;
    if (thread >= OUTPUTS || col >= N)
        return;
    float value = sum;
    if (use_bias != 0)
        value += bias[bias_offset + col];
    y[y_offset + col] = accumulate != 0 ? y[y_offset + col] + value : value;
}
