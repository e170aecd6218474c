#include "fill.h"

#include <math.h>
#include <stdlib.h>

/* Raw black after the model's normalisation. */
static float black(const uvk_preprocess *p, size_t channel)
{
    return p->normalize ? (float)(-p->mean[channel] / p->std[channel]) : 0;
}

static float mean_of(const float *x, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += x[i];
    return (float)(sum / (double)count);
}

/* out[count] lines of x[length], one after the other by `line`, elements `step` apart, each convolved with weights[-radius..radius];
 * beyond its ends a line goes on as it ends. */
static void convolve(const float *x, float *out, size_t count, size_t line, size_t length, size_t step, const double *weights, int radius)
{
    for (size_t l = 0; l < count; l++)
        for (size_t i = 0; i < length; i++) {
            double sum = 0;
            for (int k = -radius; k <= radius; k++) {
                long at = (long)i + k, last = (long)length - 1;
                sum += weights[k + radius] * x[l * line + (size_t)(at < 0 ? 0 : at > last ? last : at) * step];
            }
            out[l * line + i * step] = (float)sum;
        }
}

/* A Gaussian of standard deviation sigma, cut at three of them, whose sum is 1. */
static double *gaussian(double sigma, int radius)
{
    double *weights = malloc((2 * (size_t)radius + 1) * sizeof *weights), sum = 0;
    for (int k = -radius; weights && k <= radius; k++)
        sum += weights[k + radius] = exp(-0.5 * k * k / (sigma * sigma));
    for (int k = -radius; weights && k <= radius; k++)
        weights[k + radius] /= sum;
    return weights;
}

/* Normalisation and blur commute, so the normalised pixels are blurred. */
static uvk_status blur(const uvk_input *in, float *out, uvk_error *err)
{
    size_t width = (size_t)in->width, height = (size_t)in->height, plane = width * height;
    int radius = 3 * in->model->arch.patch;
    float *rows = malloc(plane * sizeof *rows);
    double *weights = gaussian(in->model->arch.patch, radius);
    bool room = rows && weights;
    for (size_t c = 0; c < 3 && room; c++) {
        convolve(in->pixels + c * plane, rows, height, width, width, 1, weights, radius);
        convolve(rows, out + c * plane, width, 1, height, width, weights, radius);
    }
    free(weights);
    free(rows);
    return room ? UVK_OK : uvk_fail_memory(err, plane * sizeof *rows, "a blurred image");
}

uvk_status uvk_fill(const uvk_input *in, uvk_mask mask, float *out, uvk_error *err)
{
    size_t plane = (size_t)in->width * (size_t)in->height;
    if (mask == UVK_MASK_BLUR)
        return blur(in, out, err);
    for (size_t c = 0; c < 3; c++) {
        float value = mask == UVK_MASK_BLACK ? black(&in->model->preprocess, c) : mean_of(in->pixels + c * plane, plane);
        for (size_t i = 0; i < plane; i++)
            out[c * plane + i] = value;
    }
    return UVK_OK;
}
