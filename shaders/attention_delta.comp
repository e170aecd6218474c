// delta = rowsum(A dA) = dO . O for each target, row of its window and head: what the softmax gradient subtracts. It is known
// before dA is, so that one pass over the tiles of dA suffices. One thread a (target, row, head).
#version 450
#extension GL_GOOGLE_include_directive : require
layout(local_size_x = 64) in;

#define PUSH \
    uint count, rows, heads, head_dim;
#include "grid.glsl"

layout(binding = 0) readonly buffer DO { float d_o[]; };     // [T, rows, heads, head_dim]
layout(binding = 1) readonly buffer O { float o[]; };        // [n, heads, head_dim]
layout(binding = 2) writeonly buffer Delta { float delta[]; }; // [T, rows, heads]
layout(binding = 3) readonly buffer First { uint first[]; }; // [T]

void main()
{
    uint group;
    if (beyond_grid(group))
        return;
    uint i = group * 64 + gl_LocalInvocationIndex;
    if (i >= count)
        return;
    uint head = i % heads, row = i / heads, token = first[row / rows] + row % rows;
    uint a = i * head_dim, b = (token * heads + head) * head_dim;
    float sum = 0.0;
    for (uint k = 0; k < head_dim; k++)
        sum = fma(d_o[a + k], o[b + k], sum);
    delta[i] = sum;
}
