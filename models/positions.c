#include "positions.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Keys' cubic: a is -0.75 in PyTorch's plain interpolation and -0.5, as in Pillow, in its antialiased one. */
static double cubic(double x, double a)
{
    x = fabs(x);
    if (x < 1)
        return ((a + 2) * x - (a + 3)) * x * x + 1;
    return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
}

static int within(int i, int n)
{
    return i < 0 ? 0 : i < n ? i : n - 1;
}

/* What output i of `out` takes from each of `in` inputs. Beyond the edge the plain kind repeats the last input. */
static void plain_weights(int i, int in, int out, double *weights)
{
    double at = ((double)in / out) * (i + 0.5) - 0.5;
    int first = (int)floor(at);
    for (int k = first - 1; k <= first + 2; k++)
        weights[within(k, in)] += cubic(at - k, -0.75);
}

/* The antialiased one leaves it out, and stretches the filter when shrinking. */
static void antialias_weights(int i, int in, int out, double *weights)
{
    double scale = (double)in / out, stretch = scale < 1 ? 1 : scale, centre = scale * (i + 0.5), sum = 0;
    int first = (int)fmax(centre - 2 * stretch + 0.5, 0), end = (int)fmin(centre + 2 * stretch + 0.5, in);
    for (int k = first; k < end; k++)
        sum += weights[k] = cubic((k - centre + 0.5) / stretch, -0.5);
    for (int k = first; k < end; k++)
        weights[k] /= sum;
}

/* to[outer, out, inner] from from[outer, in, inner]; weights holds `in` numbers. */
static void fit_axis(const double *from, size_t outer, int in, int out, size_t inner, uvk_interpolation how, double *weights, double *to)
{
    memset(to, 0, outer * (size_t)out * inner * sizeof *to);
    for (int i = 0; i < out; i++) {
        memset(weights, 0, (size_t)in * sizeof *weights);
        (how == UVK_BICUBIC_ANTIALIAS ? antialias_weights : plain_weights)(i, in, out, weights);
        for (int j = 0; j < in; j++)
            for (size_t o = 0; o < outer && weights[j] != 0; o++)
                for (size_t k = 0; k < inner; k++)
                    to[(o * (size_t)out + (size_t)i) * inner + k] += weights[j] * from[(o * (size_t)in + (size_t)j) * inner + k];
    }
}

uvk_status uvk_positions_fit(const float *from, uvk_grid in, size_t d, uvk_interpolation how, uvk_grid out, float *to, uvk_error *err)
{
    size_t rows = (size_t)in.rows, cols = (size_t)in.cols, n = rows * cols * d, half = (size_t)out.rows * cols * d, all = (size_t)out.rows * (size_t)out.cols * d;
    size_t bytes = (n + half + all + rows + cols) * sizeof(double);
    double *exact = malloc(bytes);
    if (!exact)
        return uvk_fail_memory(err, bytes, "position embeddings");
    double *tall = exact + n, *fitted = tall + half, *weights = fitted + all;
    for (size_t i = 0; i < n; i++)
        exact[i] = from[i];
    fit_axis(exact, 1, in.rows, out.rows, cols * d, how, weights, tall);
    fit_axis(tall, (size_t)out.rows, in.cols, out.cols, d, how, weights, fitted);
    for (size_t i = 0; i < all; i++)
        to[i] = (float)fitted[i];
    free(exact);
    return UVK_OK;
}

int uvk_relative_bucket(int distance, bool both_ways, int buckets, int reach)
{
    int first = both_ways && distance > 0 ? buckets / 2 : 0, n = both_ways ? buckets / 2 : buckets, exact = n / 2;
    int far = both_ways ? abs(distance) : distance < 0 ? -distance : 0;
    if (far < exact)
        return first + far;
    float octaves = logf((float)far / (float)exact) / (float)log((double)reach / exact); /* rounded as the library rounds it */
    int large = exact + (int)(octaves * (float)(n - exact));
    return first + (large < n - 1 ? large : n - 1);
}

void uvk_sinusoidal_position(uint64_t position, size_t d, float *out)
{
    size_t sines = (d + 1) / 2;
    for (size_t k = 0; k < d; k++) {
        size_t pair = k < sines ? k : k - sines;
        double angle = (double)position / pow(10000, 2.0 * (double)pair / (double)d);
        out[k] = (float)(k < sines ? sin(angle) : cos(angle));
    }
}
