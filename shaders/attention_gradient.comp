// dA = dO V^T itself, [H, n, n], of one target: for checks and research; the explanation never stores it. One thread an element.
#version 450
#extension GL_GOOGLE_include_directive : require
layout(local_size_x = 64) in;

#define PUSH \
    uint tokens, heads, head_dim, rows, head;
#include "grid.glsl"

layout(binding = 0) readonly buffer QKV { float qkv[]; };        // [n, 3, H, head_dim]
layout(binding = 1) readonly buffer DO { float d_o[]; };         // [rows, H, head_dim]
layout(binding = 2) readonly buffer First { uint first[]; };     // [1]
layout(binding = 3) writeonly buffer DA { float da[]; };         // [n, n] of this head

void main()
{
    uint group;
    if (beyond_grid(group))
        return;
    uint i = group * 64 + gl_LocalInvocationIndex;
    if (i >= tokens * tokens)
        return;
    uint row = i / tokens, col = i % tokens, width = heads * head_dim;
    bool in_window = row >= first[0] && row - first[0] < rows;
    uint a = (row - first[0]) * width + head * head_dim, b = col * 3 * width + 2 * width + head * head_dim;
    float sum = 0.0;
    for (uint k = 0; k < head_dim && in_window; k++)
        sum = fma(d_o[a + k], qkv[b + k], sum);
    da[i] = sum;
}
