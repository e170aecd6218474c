// s <- s + mean over heads of the relevance that attention_columns left: one factor C of the product. One thread a source.
#version 450
#extension GL_GOOGLE_include_directive : require
layout(local_size_x = 64) in;

#define PUSH \
    uint count, tokens, heads;
#include "grid.glsl"

layout(binding = 0) buffer S { float s[]; };                           // [T, n]
layout(binding = 1) readonly buffer Relevance { float relevance[]; };  // [T, H, n]

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
    s[i] += sum / float(heads);
}
