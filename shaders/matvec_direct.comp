// matvec.comp for lavapipe: to the bit what matmul_direct.comp makes of the row, one sum in ascending order of k. A thread makes
// COLS outputs, 8 apart.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_KHR_shader_subgroup_ballot : require
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

const uint COLS = 4;

void main()
{
    uint group;
    if (beyond_grid(group))
        return;
    uint col0 = group * 8 * COLS + gl_LocalInvocationIndex, w_col[COLS];
    float sum[COLS];
    [[unroll]] for (uint c = 0; c < COLS; c++) {
        w_col[c] = w_offset + min(col0 + 8 * c, N - 1) * w_stride; // columns past the end are computed and not stored
        sum[c] = 0.0;
    }
    uint k0 = 0;
    for (; k0 + 8 <= K; k0 += 8) {
        float ahead = x[x_offset + k0 + gl_LocalInvocationIndex]; // handed round, as in matmul_direct.comp
        [[unroll]] for (uint i = 0; i < 8; i++) {
            float a = subgroupBroadcast(ahead, i);
            [[unroll]] for (uint c = 0; c < COLS; c++)
                sum[c] = fma(a, w[w_col[c] + k0 + i], sum[c]);
        }
    }
    for (uint k = k0; k < K; k++)
        [[unroll]] for (uint c = 0; c < COLS; c++)
            sum[c] = fma(x[x_offset + k], w[w_col[c] + k], sum[c]);
    [[unroll]] for (uint c = 0; c < COLS; c++) {
        uint col = col0 + 8 * c;
        if (col >= N)
            continue;
        float value = sum[c];
        if (use_bias != 0)
            value += bias[bias_offset + col];
        y[y_offset + col] = accumulate != 0 ? y[y_offset + col] + value : value;
    }
}
