// (mean_h A + I) / 2, [rows, n], of the rows of the sequence from first_row on: a block's factor of raw attention rollout. One thread
// an element.
#version 450
#extension GL_GOOGLE_include_directive : require
layout(local_size_x = 64) in;

#define PUSH_OWN uint first_row, rows;
#include "attention.glsl"
#include "math.glsl"

layout(binding = 0) readonly buffer QKV { float qkv[]; };        // [n, (heads + 2 kv_heads) head_dim]
layout(binding = 1) readonly buffer Stats { vec2 stats[]; };     // [n, heads]: maximum, 1 / sum
layout(binding = 2) writeonly buffer Factor { float factor[]; }; // [rows, n]

float probability(uint head, uint token, uint key)
{
    uint a = query_at(token, head), b = key_at(key, kv_head_of(head));
    float product = 0.0;
    for (uint k = 0; k < head_dim; k++)
        product = fma(qkv[a + k], qkv[b + k], product);
    vec2 s = stats[token * heads + head];
    return exp_accurate(fma(scale, product, -s.x)) * s.y;
}

void main()
{
    uint group;
    if (beyond_grid(group))
        return;
    uint i = group * 64 + gl_LocalInvocationIndex;
    if (i >= rows * tokens)
        return;
    uint token = first_row + i / tokens, key = i % tokens;
    float sum = 0.0;
    for (uint head = 0; head < heads && visible(token, key); head++)
        sum += probability(head, token, key);
    factor[i] = 0.5 * (sum / float(heads) + (token == key ? 1.0 : 0.0));
}
