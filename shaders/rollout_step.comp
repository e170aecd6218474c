// s <- s + mean over heads of the relevance that attention_columns left: one factor C of the product. One thread a source.
// What exceeds e_i is summed on its own: beside the one of the own entry its digits would be lost.
#version 450
#extension GL_GOOGLE_include_directive : require
layout(local_size_x = 64) in;

#define PUSH \
    uint count, tokens, heads;
#include "grid.glsl"

layout(binding = 0) writeonly buffer S { float s[]; };                 // [T, n], e_i + excess
layout(binding = 1) buffer Excess { float excess[]; };                 // [T, n]
layout(binding = 2) readonly buffer Relevance { float relevance[]; };  // [T, H, n]
layout(binding = 3) readonly buffer Own { uint own[]; };               // [T], i

void main()
{
    uint group;
    if (beyond_grid(group))
        return;
    uint i = group * 64 + gl_LocalInvocationIndex;
    if (i >= count)
        return;
    uint target = i / tokens, source = i % tokens;
    float sum = 0.0;
    for (uint head = 0; head < heads; head++)
        sum += relevance[(target * heads + head) * tokens + source];
    float x = excess[i] + sum / float(heads);
    excess[i] = x;
    s[i] = source == own[target] ? 1.0 + x : x;
}
