// matmul.comp for lavapipe, which runs on the CPU: there shared memory is ordinary memory and a barrier is dear, so each thread takes
// its operands straight from the buffers and keeps a larger tile in registers. A load costs the same whether the eight threads want one
// word or eight, so what all of them need is loaded by one of them each and handed round. Same bindings, same push constants.
// Every element of Y is one sum in ascending order of k.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_KHR_shader_subgroup_ballot : require

layout(constant_id = 0) const bool W_IS_NK = true;
layout(local_size_x = 8) in;

#define PUSH \
    uint M, N, K; \
    uint x_offset, x_stride, w_offset, w_stride, y_offset, y_stride; \
    uint use_bias, bias_offset, accumulate;
#include "grid.glsl"

layout(binding = 0) readonly buffer X { float x[]; };
layout(binding = 1) readonly buffer W { float w[]; };
layout(binding = 2) buffer Y { float y[]; };
layout(binding = 3) readonly buffer Bias { float bias[]; };

const uint TILE_M = 32, TILE_N = 64;  // of the workgroup, as in matmul.comp
const uint ROWS = 32, COLS = 4;       // of one thread at a time; its columns are 8 apart

void make_part(uint row0, uint col0)
{
    float sum[ROWS][COLS];
    uint x_row[ROWS], w_col[COLS];
    [[unroll]] for (uint r = 0; r < ROWS; r++)
        x_row[r] = x_offset + min(row0 + r, M - 1) * x_stride; // rows and columns past the end are computed and not stored
    [[unroll]] for (uint c = 0; c < COLS; c++)
        w_col[c] = w_offset + min(col0 + 8 * c, N - 1) * (W_IS_NK ? w_stride : 1);
    [[unroll]] for (uint r = 0; r < ROWS; r++)
        [[unroll]] for (uint c = 0; c < COLS; c++)
            sum[r][c] = 0.0;
    uint k0 = 0;
    for (; k0 + 8 <= K; k0 += 8) {
        float ahead[ROWS]; // k0 + thread
        [[unroll]] for (uint r = 0; r < ROWS; r++)
            ahead[r] = x[x_row[r] + k0 + gl_LocalInvocationIndex];
        [[unroll]] for (uint i = 0; i < 8; i++) {
            float b[COLS];
            [[unroll]] for (uint c = 0; c < COLS; c++)
                b[c] = w[w_col[c] + (W_IS_NK ? k0 + i : (k0 + i) * w_stride)];
            [[unroll]] for (uint r = 0; r < ROWS; r++) {
                float a = subgroupBroadcast(ahead[r], i);
                [[unroll]] for (uint c = 0; c < COLS; c++)
                    sum[r][c] = fma(a, b[c], sum[r][c]);
            }
        }
    }
    for (uint k = k0; k < K; k++)
        [[unroll]] for (uint c = 0; c < COLS; c++) {
            float b = w[w_col[c] + (W_IS_NK ? k : k * w_stride)];
            [[unroll]] for (uint r = 0; r < ROWS; r++)
                sum[r][c] = fma(x[x_row[r] + k], b, sum[r][c]);
        }
    [[unroll]] for (uint r = 0; r < ROWS; r++)
        [[unroll]] for (uint c = 0; c < COLS; c++) {
            uint row = row0 + r, col = col0 + 8 * c;
            if (row >= M || col >= N)
                continue;
            uint at = y_offset + row * y_stride + col;
            float value = sum[r][c];
            if (use_bias != 0)
                value += bias[bias_offset + col];
            y[at] = accumulate != 0 ? y[at] + value : value;
        }
}

void main()
{
    uint group;
    if (beyond_grid(group))
        return;
    uint tiles_n = (N + TILE_N - 1) / TILE_N;
    uint row0 = group / tiles_n * TILE_M, col0 = group % tiles_n * TILE_N;
    for (uint row = row0; row < min(row0 + TILE_M, M); row += ROWS)
        for (uint col = col0; col < min(col0 + TILE_N, N); col += 8 * COLS)
            make_part(row, col + gl_LocalInvocationIndex);
}
