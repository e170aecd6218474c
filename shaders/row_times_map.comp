// s_out = s + s M for the maps that attention_relevance wrote: one factor of the product in the printed order. M has the rows
// first[t] .. first[t] + rows - 1; the others are zero. One thread a source.
#version 450
#extension GL_GOOGLE_include_directive : require
layout(local_size_x = 64) in;

#define PUSH \
    uint count, tokens, rows, map_offset, map_stride;
#include "grid.glsl"

layout(binding = 0) readonly buffer S { float s[]; };        // [T, n]
layout(binding = 1) readonly buffer Map { float map[]; };    // word map_offset + t map_stride + r n + j
layout(binding = 2) readonly buffer First { uint first[]; }; // [T]
layout(binding = 3) writeonly buffer Out { float s_out[]; }; // [T, n]

void main()
{
    uint group;
    if (beyond_grid(group))
        return;
    uint i = group * 64 + gl_LocalInvocationIndex;
    if (i >= count)
        return;
    uint target = i / tokens, source = i % tokens, at = map_offset + target * map_stride + source;
    float sum = 0.0;
    for (uint r = 0; r < rows; r++)
        sum = fma(s[target * tokens + first[target] + r], map[at + r * tokens], sum);
    s_out[i] = s[i] + sum;
}
