// s <- s + mean over query heads of the relevance that attention_columns left, summed per key head: one factor C of the product, in
// the columns first[t] .. first[t] + columns - 1 of target t. One thread a source.
// What exceeds e_i is summed on its own: beside the one of the own entry its digits would be lost.
#version 450
#extension GL_GOOGLE_include_directive : require
layout(local_size_x = 64) in;

#define PUSH \
    uint count, tokens, heads, kv_heads, columns;
#include "grid.glsl"

layout(binding = 0) writeonly buffer S { float s[]; };                 // [T, n], e_i + excess
layout(binding = 1) buffer Excess { float excess[]; };                 // [T, n]
layout(binding = 2) readonly buffer Relevance { float relevance[]; };  // [T, kv_heads, n]
layout(binding = 3) readonly buffer Own { uint own[]; };               // [T], i
layout(binding = 4) readonly buffer First { uint first[]; };           // [T]

void main()
{
    uint group;
    if (beyond_grid(group))
        return;
    uint i = group * 64 + gl_LocalInvocationIndex;
    if (i >= count)
        return;
    uint target = i / columns, source = first[target] + i % columns, at = target * tokens + source;
    float sum = 0.0;
    for (uint head = 0; head < kv_heads; head++)
        sum += relevance[(target * kv_heads + head) * tokens + source];
    float x = excess[at] + sum / float(heads);
    excess[at] = x;
    s[at] = source == own[target] ? 1.0 + x : x;
}
