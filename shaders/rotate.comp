// Rotary positions, in place: (x_k, x_(k + D/2)) of every query and key head turned by the angle of token and k; the gradient is
// turned back. One thread a pair.
#version 450
#extension GL_GOOGLE_include_directive : require
layout(constant_id = 0) const bool GRADIENT = false; // of the window of each target; false: rows first_row.. of the sequence
layout(local_size_x = 64) in;

#define PUSH_OWN uint count, first_row, rows;
#include "attention.glsl"

layout(binding = 0) buffer QKV { float qkv[]; };              // [n, (heads + 2 kv_heads) D], or its gradient [T, rows, ...]
layout(binding = 1) readonly buffer Table { float table[]; }; // [n, D]: D/2 cosines, D/2 sines
layout(binding = 2) readonly buffer First { uint first[]; };  // [T], of the gradient

void main()
{
    uint group;
    if (beyond_grid(group))
        return;
    uint i = group * 64 + gl_LocalInvocationIndex;
    if (i >= count)
        return;
    uint half_dim = head_dim / 2, slots = heads + kv_heads, k = i % half_dim, slot = i / half_dim % slots, row = i / half_dim / slots;
    if (!GRADIENT)
        row += first_row;
    uint token = GRADIENT ? first[row / rows] + row % rows : row, at = query_at(row, slot) + k;
    float c = table[token * head_dim + k], s = table[token * head_dim + half_dim + k];
    if (GRADIENT)
        s = -s;
    float a = qkv[at], b = qkv[at + half_dim];
    qkv[at] = fma(a, c, -(b * s));
    qkv[at + half_dim] = fma(b, c, a * s);
}
