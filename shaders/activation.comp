// h = act(u), and act'(u) in place of u, kept for the gradient. One thread an element.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "math.glsl"
layout(constant_id = 0) const uint ACTIVATION = 0; // uvk_activation
layout(local_size_x = 64) in;

#define PUSH uint count;
#include "grid.glsl"

layout(binding = 0) buffer U { float u[]; };
layout(binding = 1) writeonly buffer H { float h[]; };

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

void main()
{
    uint group;
    if (beyond_grid(group))
        return;
    uint i = group * 64 + gl_LocalInvocationIndex;
    if (i >= count)
        return;
    float x = u[i];
    vec2 result = vec2(relu(x), x > 0.0 ? 1.0 : 0.0); // RELU
    if (ACTIVATION == GELU)
        result = gelu(x);
    else if (ACTIVATION == GELU_TANH)
        result = gelu_tanh(x);
    else if (ACTIVATION == QUICK_GELU)
        result = sigmoid_gate(x, 1.702);
    else if (ACTIVATION == SILU)
        result = sigmoid_gate(x, 1.0);
    h[i] = result.x;
    u[i] = result.y;
}
