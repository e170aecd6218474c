// O = softmax(scale Q K^T) V, and per row and head the maximum and the reciprocal of the sum, from which the gradient rebuilds
// the probabilities (the logarithm of the sum would lose digits). One workgroup a row and head; no n x n matrix is stored.
#version 450
#extension GL_GOOGLE_include_directive : require
layout(constant_id = 0) const uint DIM_CHUNKS = 1; // head_dim / 64, rounded up
layout(local_size_x = 64) in;

#define PUSH \
    uint tokens, heads, head_dim; \
    float scale;
#include "grid.glsl"
#include "math.glsl"
#include "reduce.glsl"

layout(binding = 0) readonly buffer QKV { float qkv[]; };        // [n, 3, H, head_dim]
layout(binding = 1) writeonly buffer O { float o[]; };           // [n, H, head_dim]
layout(binding = 2) writeonly buffer Stats { vec2 stats[]; };    // [n, H]: maximum, 1 / sum

shared float p[64];

float score(uint query, uint key)
{
    float sum = 0.0;
    for (uint k = 0; k < head_dim; k++)
        sum = fma(qkv[query + k], qkv[key + k], sum);
    return scale * sum;
}

void main()
{
    uint group;
    if (beyond_grid(group))
        return;
    uint row = group / heads, head = group % heads, thread = gl_LocalInvocationIndex;
    uint width = heads * head_dim, stride = 3 * width;
    uint query = row * stride + head * head_dim, keys = width + head * head_dim, values = keys + width;

    float largest = -3.4e38;
    for (uint j = thread; j < tokens; j += 64)
        largest = max(largest, score(query, keys + j * stride));
    largest = workgroup_max(largest);

    float sum = 0.0, out_part[DIM_CHUNKS];
    for (uint c = 0; c < DIM_CHUNKS; c++)
        out_part[c] = 0.0;
    for (uint j0 = 0; j0 < tokens; j0 += 64) {
        barrier();
        float weight = j0 + thread < tokens ? exp_accurate(score(query, keys + (j0 + thread) * stride) - largest) : 0.0;
        p[thread] = weight;
        sum += weight;
        barrier();
        uint in_block = min(64, tokens - j0);
        for (uint c = 0; c < DIM_CHUNKS; c++) {
            uint k = c * 64 + thread;
            if (k < head_dim)
                for (uint j = 0; j < in_block; j++)
                    out_part[c] = fma(p[j], qkv[values + (j0 + j) * stride + k], out_part[c]);
        }
    }
    float reciprocal = 1.0 / workgroup_sum(sum);
    for (uint c = 0; c < DIM_CHUNKS; c++)
        if (c * 64 + thread < head_dim)
            o[row * width + head * head_dim + c * 64 + thread] = out_part[c] * reciprocal;
    if (thread == 0)
        stats[row * heads + head] = vec2(largest, reciprocal);
}
