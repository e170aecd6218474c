// dU from dH, which stands in its first `width` columns, and the slopes that activation.comp left: rows of the gradient window of
// each target times the slopes of their tokens. One thread an element of dH; gated, it makes two elements of dU.
#version 450
#extension GL_GOOGLE_include_directive : require
layout(constant_id = 0) const bool GATED = false;
layout(local_size_x = 64) in;

#define PUSH \
    uint count, width, rows;
#include "grid.glsl"

layout(binding = 0) buffer DU { float du[]; };                // [T, rows, width], gated [T, rows, 2 width]
layout(binding = 1) readonly buffer Slope { float slope[]; }; // [n, width], gated [n, 2 width]
layout(binding = 2) readonly buffer First { uint first[]; };  // [T]

void main()
{
    uint group;
    if (beyond_grid(group))
        return;
    uint i = group * 64 + gl_LocalInvocationIndex;
    if (i >= count)
        return;
    uint row = i / width, token = first[row / rows] + row % rows, stride = GATED ? 2 * width : width;
    uint at = row * stride + i % width, at_slope = token * stride + i % width;
    float dh = du[at];
    du[at] = dh * slope[at_slope];
    if (GATED)
        du[at + width] = dh * slope[at_slope + width];
}
