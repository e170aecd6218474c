// (mean_h A + I) / 2 in the rows of the sequence that ask, I in the others: an attention's factor of raw attention rollout, of which
// this writes [rows, n] from row first_row on. One thread an element.
#version 450
#extension GL_GOOGLE_include_directive : require
layout(local_size_x = 64) in;

#define PUSH_OWN uint first_row, rows, first_query, queries;
#define BIAS_BINDING 3
#define BIAS_CONSTANT 0
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
    return exp_accurate(fma(scale, product, bias(token, key, head)) - s.x) * s.y;
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
    bool asks = token >= first_query && token - first_query < queries;
    bool seen = asks && key >= first_key && key < end_of_keys() && visible(token, key);
    for (uint head = 0; head < heads && seen; head++)
        sum += probability(head, token, key);
    float own = token == key ? 1.0 : 0.0;
    factor[i] = asks ? 0.5 * (sum / float(heads) + own) : own;
}
