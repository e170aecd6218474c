#include "dense.h"

#include <math.h>

static const float *read_row(const uvk_dense *l, size_t r, float *scratch)
{
    uvk_tensor_to_f32(l->weight, (l->first_row + r) * l->stride + l->first_col, l->cols, scratch);
    return scratch;
}

void uvk_dense_add(const uvk_dense *l, const double *x, double share, float *scratch, double *y)
{
    for (size_t r = 0; r < l->rows; r++) {
        float bias = 0;
        double sum = 0;
        if (l->bias)
            uvk_tensor_to_f32(l->bias, l->first_row + r, 1, &bias);
        const float *w = read_row(l, r, scratch);
        for (size_t k = 0; k < l->cols; k++)
            sum += w[k] * x[k];
        y[r] += share * (sum + bias);
    }
}

void uvk_dense_backward(const uvk_dense *l, const double *dy, double share, float *scratch, double *dx)
{
    for (size_t r = 0; r < l->rows; r++) {
        const float *w = read_row(l, r, scratch);
        for (size_t k = 0; k < l->cols; k++)
            dx[k] += share * dy[r] * w[k];
    }
}

static void measure(const uvk_layer_norm *l, const double *x, double *mean, double *scale)
{
    double sum = 0, squares = 0;
    for (size_t k = 0; k < l->d; k++)
        sum += x[k];
    *mean = sum / (double)l->d;
    for (size_t k = 0; k < l->d; k++)
        squares += (x[k] - *mean) * (x[k] - *mean);
    *scale = 1 / sqrt(squares / (double)l->d + l->epsilon);
}

void uvk_layer_norm_run(const uvk_layer_norm *l, const double *x, double *y)
{
    double mean, scale;
    measure(l, x, &mean, &scale);
    for (size_t k = 0; k < l->d; k++)
        y[k] = (x[k] - mean) * scale * l->weight[k] + l->bias[k];
}

void uvk_layer_norm_backward(const uvk_layer_norm *l, const double *x, const double *dy, double *dx)
{
    double mean, scale, plain = 0, along = 0, d = (double)l->d;
    measure(l, x, &mean, &scale);
    for (size_t k = 0; k < l->d; k++) {
        plain += dy[k] * l->weight[k] / d;
        along += dy[k] * l->weight[k] * (x[k] - mean) * scale / d;
    }
    for (size_t k = 0; k < l->d; k++)
        dx[k] += scale * (dy[k] * l->weight[k] - plain - (x[k] - mean) * scale * along);
}

/* x s(x), s a sigmoid of steepness t. */
static double swish(double x, double t, double *slope)
{
    double s = 1 / (1 + exp(-t * x));
    *slope = s + t * x * s * (1 - s);
    return x * s;
}

double uvk_activation_of(uvk_activation kind, double x, double *slope)
{
    const double half_normal = 0.70710678118654752440, density = 0.39894228040143267794, inner = 0.79788456080286535588, cube = 0.044715;
    double t;
    switch (kind) {
    case UVK_GELU:
        t = 0.5 * (1 + erf(x * half_normal));
        *slope = t + x * density * exp(-0.5 * x * x);
        return x * t;
    case UVK_GELU_TANH:
        t = tanh(inner * (x + cube * x * x * x));
        *slope = 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * inner * (1 + 3 * cube * x * x);
        return 0.5 * x * (1 + t);
    case UVK_QUICK_GELU: return swish(x, 1.702, slope);
    case UVK_SILU: return swish(x, 1, slope);
    default:
        *slope = x > 0;
        return x > 0 ? x : 0;
    }
}
