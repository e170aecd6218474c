// dU = dH act'(u): rows of the gradient window of each target times the slopes of their tokens. One thread an element.
#version 450
#extension GL_GOOGLE_include_directive : require
layout(local_size_x = 64) in;

#define PUSH \
    uint count, width, rows;
#include "grid.glsl"

layout(binding = 0) buffer DH { float dh[]; };                // [T, rows, width], becomes dU
layout(binding = 1) readonly buffer Slope { float slope[]; }; // [n, width]
layout(binding = 2) readonly buffer First { uint first[]; };  // [T]

void main()
{
    uint group;
    if (beyond_grid(group))
        return;
    uint i = group * 64 + gl_LocalInvocationIndex;
    if (i >= count)
        return;
    uint row = i / width, token = first[row / rows] + row % rows;
    dh[i] *= slope[token * width + i % width];
}
