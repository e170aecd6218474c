// RMSNorm of every query and key head of a token on its own; values are copied. One thread a head: they are short.
#version 450
#extension GL_GOOGLE_include_directive : require
layout(local_size_x = 64) in;

#define PUSH_OWN \
    uint count, first_row; \
    float epsilon;
#include "attention.glsl"

layout(binding = 0) readonly buffer Raw { float raw[]; };      // [n, (heads + 2 kv_heads) head_dim]
layout(binding = 1) readonly buffer Query { float query[]; };  // [head_dim]: the weight of queries
layout(binding = 2) readonly buffer Key { float key[]; };      // [head_dim]: of keys
layout(binding = 3) writeonly buffer QKV { float qkv[]; };
layout(binding = 4) writeonly buffer Stats { float stats[]; }; // [n, heads + kv_heads]: 1 / rms

void main()
{
    uint group;
    if (beyond_grid(group))
        return;
    uint i = group * 64 + gl_LocalInvocationIndex;
    if (i >= count)
        return;
    uint slots = heads + 2 * kv_heads, slot = i % slots, token = first_row + i / slots, at = query_at(token, slot);
    if (slot >= heads + kv_heads) {
        for (uint k = 0; k < head_dim; k++)
            qkv[at + k] = raw[at + k];
        return;
    }
    float squares = 0.0;
    for (uint k = 0; k < head_dim; k++)
        squares = fma(raw[at + k], raw[at + k], squares);
    float rstd = 1.0 / sqrt(squares / float(head_dim) + epsilon);
    for (uint k = 0; k < head_dim; k++)
        qkv[at + k] = raw[at + k] * rstd * (slot < heads ? query[k] : key[k]);
    stats[token * (heads + kv_heads) + slot] = rstd;
}
