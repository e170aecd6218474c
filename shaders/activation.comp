// The hidden layer of an MLP, and its slopes in place of u, kept for the gradient. Plain: h = act(u), act'(u). Gated, with the gate a
// and beside it b in each row of u: h = act(a) b, act'(a) b and act(a). One thread an element of h.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "math.glsl"
layout(constant_id = 0) const uint ACTIVATION = 0; // uvk_activation
layout(constant_id = 1) const bool GATED = false;
layout(local_size_x = 64) in;

#define PUSH uint count, width, first; // elements of h: their number, the length of a row, and where they begin
#include "grid.glsl"

layout(binding = 0) buffer U { float u[]; };               // [n, width], gated [n, 2 width]
layout(binding = 1) writeonly buffer H { float h[]; };     // [n, width]

const uint GELU = 0, GELU_TANH = 1, QUICK_GELU = 2, SILU = 3, RELU = 4;

// value and slope of x sigmoid(s x)
vec2 sigmoid_gate(float x, float s)
{
    float g = sigmoid(s * x);
    return vec2(x * g, fma(s * x * g, sigmoid(-s * x), g)); // sigmoid(-v) is 1 - sigmoid(v) without its cancellation
}

vec2 gelu(float x)
{
    float cdf = normal_cdf(x), density = 0.39894228040143268 * exp_accurate(-0.5 * x * x);
    return vec2(x * cdf, fma(x, density, cdf));
}

// 0.5 (1 + tanh v) is the sigmoid of 2 v
vec2 gelu_tanh(float x)
{
    const float a = 0.79788456080286536, b = 0.044715;
    float v = 2.0 * a * fma(b * x * x, x, x), slope = 2.0 * a * fma(3.0 * b * x, x, 1.0);
    float g = sigmoid(v);
    return vec2(x * g, fma(x * g * slope, sigmoid(-v), g));
}

// value and slope
vec2 activation(float x)
{
    if (ACTIVATION == GELU)
        return gelu(x);
    if (ACTIVATION == GELU_TANH)
        return gelu_tanh(x);
    if (ACTIVATION == QUICK_GELU)
        return sigmoid_gate(x, 1.702);
    if (ACTIVATION == SILU)
        return sigmoid_gate(x, 1.0);
    return vec2(relu(x), x > 0.0 ? 1.0 : 0.0); // RELU
}

void main()
{
    uint group;
    if (beyond_grid(group))
        return;
    uint i = group * 64 + gl_LocalInvocationIndex;
    if (i >= count)
        return;
    i += first;
    uint at = GATED ? i / width * 2 * width + i % width : i;
    vec2 result = activation(u[at]);
    float b = GATED ? u[at + width] : 1.0;
    h[i] = result.x * b;
    u[at] = result.y * b;
    if (GATED)
        u[at + width] = result.x;
}
