// As many multiply-adds as the device does, for bench/kernels.c: in each thread CHAINS of them in registers, none of which waits for another.
// 2 * CHAINS * UNROLL * steps operations a thread; the factors come from outside, so that no compiler knows the result.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
layout(local_size_x = 64) in;

#define PUSH \
    uint steps; \
    float factor, term;
#include "grid.glsl"

layout(binding = 0) writeonly buffer Y { float y[]; };

const uint CHAINS = 8; // as many as hide the delay of one, and registers of a CPU hold
const uint UNROLL = 32; // next to which the loop counts for nothing

void main()
{
    uint group;
    if (beyond_grid(group))
        return;
    float chain[CHAINS], sum = 0.0;
    [[unroll]] for (uint i = 0; i < CHAINS; i++)
        chain[i] = float(gl_LocalInvocationIndex + i);
    for (uint step = 0; step < steps; step++)
        [[unroll]] for (uint i = 0; i < CHAINS * UNROLL; i++)
            chain[i % CHAINS] = fma(chain[i % CHAINS], factor, term);
    [[unroll]] for (uint i = 0; i < CHAINS; i++)
        sum += chain[i];
    y[gl_LocalInvocationIndex] = sum;
}
