// dA = dO V^T itself, [n, n], of one target and head: for checks and research; the explanation never stores it. One thread an element.
#version 450
#extension GL_GOOGLE_include_directive : require
layout(local_size_x = 64) in;

#define PUSH_OWN uint rows, head;
#include "attention.glsl"

layout(binding = 0) readonly buffer QKV { float qkv[]; };        // [n, (heads + 2 kv_heads) head_dim]
layout(binding = 1) readonly buffer DO { float d_o[]; };         // [rows, heads, head_dim]
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
    uint token = i / tokens, key = i % tokens, row = token - first[0];
    bool in_window = token >= first[0] && row < rows && key >= first_key && key < end_of_keys();
    uint a = (row * heads + head) * head_dim, b = value_at(key, kv_head_of(head));
    float sum = 0.0;
    for (uint k = 0; k < head_dim && in_window; k++)
        sum = fma(d_o[a + k], qkv[b + k], sum);
    da[i] = sum;
}
