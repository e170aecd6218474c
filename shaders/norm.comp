// y = (x - mean) rstd weight + bias over each row, or, for RMSNorm, x rstd weight with rstd = 1 / rms; keeps mean (or 0) and rstd
// for the gradient. One workgroup a row.
#version 450
#extension GL_GOOGLE_include_directive : require
layout(constant_id = 0) const bool RMS = false;
layout(local_size_x = 64) in;

#define PUSH \
    uint width, first_row, use_bias; \
    float epsilon;
#include "grid.glsl"
#include "reduce.glsl"

layout(binding = 0) readonly buffer X { float x[]; };
layout(binding = 1) readonly buffer Weight { float weight[]; };
layout(binding = 2) readonly buffer Bias { float bias[]; };
layout(binding = 3) writeonly buffer Y { float y[]; };
layout(binding = 4) writeonly buffer Stats { vec2 stats[]; }; // mean, rstd

void main()
{
    uint group;
    if (beyond_grid(group))
        return;
    uint row = first_row + group, base = row * width, thread = gl_LocalInvocationIndex;
    float mean = 0.0;
    if (!RMS) {
        float sum = 0.0;
        for (uint k = thread; k < width; k += 64)
            sum += x[base + k];
        mean = workgroup_sum(sum) / float(width);
    }
    // Deviations from the mean first: E[x^2] - E[x]^2 would cancel.
    float squares = 0.0;
    for (uint k = thread; k < width; k += 64) {
        float d = x[base + k] - mean;
        squares = fma(d, d, squares);
    }
    float rstd = 1.0 / sqrt(workgroup_sum(squares) / float(width) + epsilon);
    for (uint k = thread; k < width; k += 64)
        y[base + k] = fma((x[base + k] - mean) * rstd, weight[k], use_bias != 0 ? bias[k] : 0.0);
    if (thread == 0)
        stats[row] = vec2(mean, rstd);
}
