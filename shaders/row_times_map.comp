// s_out = s + s M for the maps that attention_relevance wrote: one factor of the product in the printed order. M has the rows
// first[t] .. first[t] + rows - 1; the others are zero. One thread a source. What exceeds e_i is summed on its own.
#version 450
#extension GL_GOOGLE_include_directive : require
layout(local_size_x = 64) in;

#define PUSH \
    uint count, tokens, rows, map_stride;
#include "grid.glsl"

layout(binding = 0) readonly buffer S { float s[]; };        // [T, n], e_i + excess
layout(binding = 1) buffer Excess { float excess[]; };       // [T, n]
layout(binding = 2) readonly buffer Map { float map[]; };    // word t map_stride + r n + j
layout(binding = 3) readonly buffer First { uint first[]; }; // [T]
layout(binding = 4) readonly buffer Own { uint own[]; };     // [T], i
layout(binding = 5) writeonly buffer Out { float s_out[]; }; // [T, n]

void main()
{
    uint group;
    if (beyond_grid(group))
        return;
    uint i = group * 64 + gl_LocalInvocationIndex;
    if (i >= count)
        return;
    uint target = i / tokens, source = i % tokens, at = target * map_stride + source;
    float sum = 0.0;
    for (uint r = 0; r < rows; r++)
        sum = fma(s[target * tokens + first[target] + r], map[at + r * tokens], sum);
    float x = excess[i] + sum;
    excess[i] = x;
    s_out[i] = source == own[target] ? 1.0 + x : x;
}
