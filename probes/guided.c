#include "guided.h"

#include <stdlib.h>
#include <string.h>

/* Means over windows from running sums; a window ends where the image does. sums: [(height + 1) * (width + 1)] scratch. */
static void window_means(const uvk_guide *g, const double *in, double *sums, double *out)
{
    int h = g->height, w = g->width, r = g->radius;
    size_t stride = (size_t)w + 1;
    memset(sums, 0, stride * sizeof *sums);
    for (int y = 0; y < h; y++) {
        double row = 0;
        sums[(size_t)(y + 1) * stride] = 0;
        for (int x = 0; x < w; x++) {
            row += in[(size_t)y * (size_t)w + (size_t)x];
            sums[(size_t)(y + 1) * stride + (size_t)x + 1] = sums[(size_t)y * stride + (size_t)x + 1] + row;
        }
    }
    for (int y = 0; y < h; y++) {
        int top = y > r ? y - r : 0, bottom = y + r + 1 < h ? y + r + 1 : h;
        for (int x = 0; x < w; x++) {
            size_t left = (size_t)(x > r ? x - r : 0), right = (size_t)(x + r + 1 < w ? x + r + 1 : w);
            const double *above = sums + (size_t)top * stride, *below = sums + (size_t)bottom * stride;
            out[(size_t)y * (size_t)w + (size_t)x] = (below[right] - below[left] - above[right] + above[left]) / ((double)(bottom - top) * (double)(right - left));
        }
    }
}

static size_t count_of(const uvk_guide *g)
{
    return (size_t)g->height * (size_t)g->width;
}

/* Where scratch for running sums begins, behind five images. */
static double *sums_of(const uvk_guide *g)
{
    return g->room + 5 * count_of(g);
}

/* The covariance of colours a and b around each pixel. */
static void covariance(const uvk_guide *g, int a, int b, double *out)
{
    size_t n = count_of(g);
    for (size_t i = 0; i < n; i++)
        g->room[i] = (double)g->pixels[(size_t)a * n + i] * g->pixels[(size_t)b * n + i];
    window_means(g, g->room, sums_of(g), out);
    for (size_t i = 0; i < n; i++)
        out[i] -= g->mean[(size_t)a * n + i] * g->mean[(size_t)b * n + i];
}

/* In place, of the symmetric matrix that m[0..5] holds, n apart. */
static void invert(double *m, size_t n)
{
    double rr = m[0], rg = m[n], rb = m[2 * n], gg = m[3 * n], gb = m[4 * n], bb = m[5 * n];
    double c0 = gg * bb - gb * gb, c1 = rb * gb - rg * bb, c2 = rg * gb - rb * gg, determinant = rr * c0 + rg * c1 + rb * c2;
    m[0] = c0 / determinant;
    m[n] = c1 / determinant;
    m[2 * n] = c2 / determinant;
    m[3 * n] = (rr * bb - rb * rb) / determinant;
    m[4 * n] = (rg * rb - rr * gb) / determinant;
    m[5 * n] = (rr * gg - rg * rg) / determinant;
}

static void prepare(uvk_guide *g, double epsilon)
{
    static const int first[6] = {0, 0, 0, 1, 1, 2}, second[6] = {0, 1, 2, 1, 2, 2};
    size_t n = count_of(g);
    for (size_t c = 0; c < 3; c++) {
        for (size_t i = 0; i < n; i++)
            g->room[i] = g->pixels[c * n + i];
        window_means(g, g->room, sums_of(g), g->mean + c * n);
    }
    for (size_t k = 0; k < 6; k++)
        covariance(g, first[k], second[k], g->inverse + k * n);
    for (size_t i = 0; i < n; i++) {
        g->inverse[i] += epsilon;
        g->inverse[3 * n + i] += epsilon;
        g->inverse[5 * n + i] += epsilon;
        invert(g->inverse + i, n);
    }
}

uvk_status uvk_guide_create(const float *pixels, int height, int width, int radius, double epsilon, uvk_guide *out, uvk_error *err)
{
    size_t n = (size_t)height * (size_t)width, bytes = (14 * n + (size_t)(height + 1) * (size_t)(width + 1)) * sizeof(double);
    *out = (uvk_guide){.height = height, .width = width, .radius = radius, .pixels = pixels, .mean = malloc(bytes)};
    if (!out->mean)
        return uvk_fail_memory(err, bytes, "masks that follow edges");
    out->inverse = out->mean + 3 * n;
    out->room = out->inverse + 6 * n;
    prepare(out, epsilon);
    return UVK_OK;
}

void uvk_guide_free(uvk_guide *g)
{
    free(g->mean);
    *g = (uvk_guide){0};
}

/* slopes: [3], n apart, from the covariances of image and guide that stand there; offset from the mean of the image. */
static void fit(const uvk_guide *g, double *slopes, double *offset)
{
    size_t n = count_of(g);
    for (size_t i = 0; i < n; i++) {
        const double *m = g->inverse + i;
        double r = slopes[i], green = slopes[n + i], b = slopes[2 * n + i];
        slopes[i] = m[0] * r + m[n] * green + m[2 * n] * b;
        slopes[n + i] = m[n] * r + m[3 * n] * green + m[4 * n] * b;
        slopes[2 * n + i] = m[2 * n] * r + m[4 * n] * green + m[5 * n] * b;
        for (size_t c = 0; c < 3; c++)
            offset[i] -= slopes[c * n + i] * g->mean[c * n + i];
    }
}

void uvk_guide_filter(const uvk_guide *g, double *image)
{
    size_t n = count_of(g);
    double *product = g->room, *slopes = product + n, *offset = slopes + 3 * n;
    window_means(g, image, sums_of(g), offset);
    for (size_t c = 0; c < 3; c++) {
        for (size_t i = 0; i < n; i++)
            product[i] = g->pixels[c * n + i] * image[i];
        window_means(g, product, sums_of(g), slopes + c * n);
        for (size_t i = 0; i < n; i++)
            slopes[c * n + i] -= g->mean[c * n + i] * offset[i];
    }
    fit(g, slopes, offset);
    window_means(g, offset, sums_of(g), image);
    for (size_t c = 0; c < 3; c++) {
        window_means(g, slopes + c * n, sums_of(g), product);
        for (size_t i = 0; i < n; i++)
            image[i] += product[i] * g->pixels[c * n + i];
    }
}
