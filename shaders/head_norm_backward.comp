// The gradient through head_norm.comp, in place: dx = rstd (g - xhat mean(g xhat)), g = dy weight, xhat = x rstd. One thread a
// query or key head of a row of the target's window.
#version 450
#extension GL_GOOGLE_include_directive : require
layout(local_size_x = 64) in;

#define PUSH_OWN uint count, rows;
#include "attention.glsl"

layout(binding = 0) buffer DQKV { float d_qkv[]; };            // [T, rows, (heads + 2 kv_heads) head_dim]
layout(binding = 1) readonly buffer Raw { float raw[]; };      // [n, (heads + 2 kv_heads) head_dim]
layout(binding = 2) readonly buffer Query { float query[]; };  // [head_dim]: the weight of queries
layout(binding = 3) readonly buffer Key { float key[]; };      // [head_dim]: of keys
layout(binding = 4) readonly buffer Stats { float stats[]; };  // [n, heads + kv_heads]: 1 / rms
layout(binding = 5) readonly buffer First { uint first[]; };   // [T]

void main()
{
    uint group;
    if (beyond_grid(group))
        return;
    uint i = group * 64 + gl_LocalInvocationIndex;
    if (i >= count)
        return;
    uint slots = heads + kv_heads, slot = i % slots, row = i / slots, token = first[row / rows] + row % rows;
    uint at = query_at(row, slot), at_x = query_at(token, slot);
    float rstd = stats[token * slots + slot], mean = 0.0;
    for (uint k = 0; k < head_dim; k++)
        mean = fma(d_qkv[at + k] * (slot < heads ? query[k] : key[k]), raw[at_x + k] * rstd, mean);
    mean /= float(head_dim);
    for (uint k = 0; k < head_dim; k++) {
        float g = d_qkv[at + k] * (slot < heads ? query[k] : key[k]);
        d_qkv[at + k] = rstd * (g - raw[at_x + k] * rstd * mean);
    }
}
