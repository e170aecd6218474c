// Gradient through a LayerNorm, added to the gradient that passed it by on the residual stream:
//   G_out = G_in + rstd (g - mean(g) - xhat mean(g xhat)),   g = dY weight,   xhat = (x - mean) rstd
// through an RMSNorm, which lacks both means but that of g xhat, or through none: G_out = G_in + dY.
// Gradients are kept only where they can differ from zero: for target t, the rows first[t] .. first[t] + rows - 1 of the
// sequence. dY and G_out stand in one such window, G_in in another inside it. One workgroup a row of dY.
#version 450
#extension GL_GOOGLE_include_directive : require
layout(constant_id = 0) const uint KIND = 0; // uvk_norm_kind
layout(local_size_x = 64) in;

#define PUSH \
    uint width, rows_in, rows_out;
#include "grid.glsl"
#include "reduce.glsl"

layout(binding = 0) readonly buffer DY { float dy[]; };          // [T, rows_out, width]
layout(binding = 1) readonly buffer X { float x[]; };            // [n, width]
layout(binding = 2) readonly buffer Stats { vec2 stats[]; };     // [n]
layout(binding = 3) readonly buffer Weight { float weight[]; };
layout(binding = 4) readonly buffer GIn { float g_in[]; };       // [T, rows_in, width]
layout(binding = 5) writeonly buffer GOut { float g_out[]; };    // [T, rows_out, width]; may be g_in
layout(binding = 6) readonly buffer FirstIn { uint first_in[]; };
layout(binding = 7) readonly buffer FirstOut { uint first_out[]; };

const uint RMS = 1, IDENTITY = 2;

void main()
{
    uint row;
    if (beyond_grid(row))
        return;
    uint target = row / rows_out, token = first_out[target] + row % rows_out, thread = gl_LocalInvocationIndex;
    uint base = row * width, base_x = token * width;
    float mean = 0.0, rstd = 1.0, sum = 0.0, sum_xhat = 0.0;
    if (KIND != IDENTITY) {
        mean = stats[token].x;
        rstd = stats[token].y;
        for (uint k = thread; k < width; k += 64) {
            float g = dy[base + k] * weight[k];
            sum += g;
            sum_xhat = fma(g, (x[base_x + k] - mean) * rstd, sum_xhat);
        }
        sum = KIND == RMS ? 0.0 : workgroup_sum(sum) / float(width);
        sum_xhat = workgroup_sum(sum_xhat) / float(width);
    }
    bool residual = token >= first_in[target] && token - first_in[target] < rows_in;
    uint base_in = (target * rows_in + token - first_in[target]) * width;
    for (uint k = thread; k < width; k += 64) {
        float value = dy[base + k];
        if (KIND != IDENTITY)
            value = rstd * (value * weight[k] - sum - (x[base_x + k] - mean) * rstd * sum_xhat);
        g_out[base + k] = residual ? g_in[base_in + k] + value : value;
    }
}
